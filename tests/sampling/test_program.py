"""The sampler's program on real shells: what it answers, what it costs the host, and that it ends."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from app.errors import ConfigurationError
from backends.sampling import script
from tests.conftest import need
from tests.sampling.conftest import Talk
from tests.sampling.shells import SHELLS, ShellLink, bare_host, shell_argv
from tests.waiting import eventually


async def test_a_tick_brings_every_file_that_is_there(talk: Talk, tmp_path: Path) -> None:
    (tmp_path / "no-newline").write_bytes(b"end")
    (tmp_path / "nuls").write_bytes(b"a\0b\0")
    (tmp_path / "empty").touch()
    await talk.say(script.files_line(["/proc/uptime", f"{tmp_path}/missing", f"{tmp_path}/[ne]*", f"{tmp_path}/nuls"]))

    tick = await talk.tick(1)

    assert list(tick.files) == ["/proc/uptime", f"{tmp_path}/no-newline", f"{tmp_path}/nuls"]
    assert float(tick.files["/proc/uptime"].split()[0]) > 0
    assert tick.files[f"{tmp_path}/no-newline"] == b"end"
    assert tick.files[f"{tmp_path}/nuls"] == b"a\0b\0"


async def test_files_that_come_and_go_are_followed(talk: Talk, tmp_path: Path) -> None:
    await talk.say(script.files_line([f"{tmp_path}/box*/usage"]))
    assert (await talk.tick(1)).files == {}
    (tmp_path / "box1").mkdir()
    (tmp_path / "box1" / "usage").write_text("12\n")
    assert (await talk.tick(2)).files == {f"{tmp_path}/box1/usage": b"12\n"}
    await talk.say(script.files_line([]))
    assert (await talk.tick(3)).files == {}


async def test_hostile_file_names_are_names_or_left_out(talk: Talk, tmp_path: Path) -> None:
    for name in ("a b", "$(touch pwned)", "*", "x;y", "-n", "q'\"", "new\nline", "\x1b[31m"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "usage").write_text(name)
    await talk.say(script.files_line([f"{tmp_path}/*/usage"]))

    tick = await talk.tick(1)

    expected = {"a b", "$(touch pwned)", "*", "x;y", "-n", "q'\"", "\x1b[31m"}
    assert {name.split("/")[-2] for name in tick.files} == expected
    assert all(data.decode() == name.split("/")[-2] for name, data in tick.files.items())


async def test_scripts_keep_their_output_whole(talk: Talk) -> None:
    text = "printf 'a  b\\n\\n'\nfor i in 1 2; do\n  echo \"$i\"\ndone\necho $T | cut -c1-7; exit 3"
    assert await talk.ask(0, text) in (b"a  b\n\n1\n2\ntimeout\n", b"a  b\n\n1\n2\n\n")

    long = await talk.ask(
        1, "i=0; while [ $i -lt 9000 ]; do echo line $i; i=$((i+1)); done; echo é; cat; echo gone >&2"
    )

    assert long == "".join(f"line {i}\n" for i in range(9000)).encode() + "é\n".encode()
    assert await talk.ask(1, "exit 1") == b""


async def test_a_long_answer_may_come_in_the_middle_of_ticks(talk: Talk) -> None:
    await talk.say(script.files_line(["/proc/stat", "/proc/meminfo"]))
    big = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done"
    for slot in range(script.SLOTS):
        await talk.say(script.script_line(slot, big))
    for number in range(1, 200):
        tick = await talk.tick(number)
        assert tick.files["/proc/stat"].startswith(b"cpu ")
        assert tick.files["/proc/meminfo"].startswith(b"MemTotal:")
        if len(talk.answers) == script.SLOTS:
            break
    while len(talk.answers) < script.SLOTS:
        assert await talk.hear()
    assert {len(answer.data) for answer in talk.answers} == {3000 * 41}


async def test_a_hanging_script_stalls_nothing_and_ends_with_the_program(talk: Talk, tmp_path: Path) -> None:
    await talk.say(script.script_line(0, f"echo begun; sleep 987 & echo $! > {tmp_path}/pid; wait"))
    await eventually((tmp_path / "pid").exists)
    for number in range(1, 20):
        await talk.tick(number)
    assert await talk.ask(1, "echo quick") == b"quick\n"

    await talk.channel.end_input()

    await talk.channel.ended()
    await eventually(lambda: not _group(talk.channel.pid), what="no process of its group is left")


async def test_end_of_input_ends_it_without_a_trace(talk: Talk) -> None:
    await talk.say(script.files_line(["/proc/uptime"]))
    await talk.tick(1)
    await talk.ask(2, "echo done")

    await talk.channel.end_input()

    assert await talk.channel.ended() == 0
    assert not _group(talk.channel.pid)


async def test_finished_scripts_leave_no_process_behind(talk: Talk) -> None:
    for number in range(12):
        await talk.ask(number % script.SLOTS, "true")
    await talk.tick(1)

    program = psutil.Process(talk.channel.pid)

    assert len(program.children()) <= script.SLOTS  # at most one that is done and not yet waited for in each slot


LINES = r"""BEGIN {
  for (i = 0; i < 2000; i++) say("line " i " with some more behind it");
  for (x = "0123456789"; length(x) < 9000; x = x x); say(x); say(""); said_all()
}"""


@pytest.mark.parametrize("awk", ["mawk", "busybox", *(["gawk"] if shutil.which("gawk") else [])])
async def test_a_program_that_writes_its_own_records_is_heard_in_the_middle_of_ticks(
    shell: ShellLink, tmp_path: Path, awk: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "awk").symlink_to(shutil.which(awk) or pytest.fail(awk))
    assert shell.env is not None
    shell.env["PATH"] = f"{tmp_path}/bin:{shell.env['PATH']}"
    channel = await shell.channel(script.command())
    talk = Talk(channel)
    await talk.say(script.nonce_line(talk.nonce), script.files_line(["/proc/stat", "/proc/meminfo"]))
    text = f"exec awk '{script.AWK_RECORDS}\n{LINES}'"

    for slot in range(script.SLOTS):
        await talk.say(script.script_line(slot, text, becomes=True))
    for number in range(1, 100):
        tick = await talk.tick(number)
        assert tick.files["/proc/stat"].startswith(b"cpu ")
        if len(talk.answers) == script.SLOTS:
            break
    while len(talk.answers) < script.SLOTS:
        assert await talk.hear()

    expected = "".join(f"line {i} with some more behind it\n" for i in range(2000)) + "0123456789" * 1024 + "\n\n"
    assert {answer.slot for answer in talk.answers} == set(range(script.SLOTS))
    assert {answer.data for answer in talk.answers} == {expected.encode()}
    await channel.close()


@pytest.mark.parametrize(
    "text", ["command -v no-such-program && exec no-such-program", "exec /no/such/program", "exec /dev/null", "exit 3"]
)
async def test_a_program_that_cannot_start_answers_with_nothing(talk: Talk, text: str) -> None:
    assert await talk.ask(1, text, becomes=True) == b""
    assert await talk.ask(1, "echo again") == b"again\n"


async def test_a_program_that_hangs_stalls_nothing_and_does_not_show_the_nonce(talk: Talk) -> None:
    await talk.say(script.script_line(0, "exec sleep 986", becomes=True))
    await talk.tick(1)
    await eventually(lambda: any("986" in line for line in _lines(talk.channel.pid)))

    assert await talk.ask(1, "echo quick") == b"quick\n"
    assert not any(talk.nonce in line for line in _lines(talk.channel.pid))
    await talk.channel.end_input()
    await talk.channel.ended()
    await eventually(lambda: not _group(talk.channel.pid), what="no process of its group is left")


async def test_where_the_group_is_not_its_own_a_program_ends_with_it_all_the_same(
    shell: ShellLink, tmp_path: Path
) -> None:
    shell.command = f"echo $$ >{tmp_path}/pid; sh -c '{script.command()}'; :"
    channel = await shell.channel("")
    talk = Talk(channel)
    await talk.say(script.nonce_line(talk.nonce), script.script_line(2, "exec sleep 985", becomes=True))
    await talk.tick(1)
    await eventually(lambda: any("985" in line for line in _lines(channel.pid)))

    await channel.end_input()

    await channel.ended()
    await eventually(lambda: not _group(channel.pid))


def _lines(pgid: int) -> list[str]:
    """The command lines of a group."""
    lines: list[str] = []
    for process in _group(pgid):
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return lines


def _group(pgid: int) -> list[psutil.Process]:
    import os

    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pgid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def _started(log: str) -> list[str]:
    """The names of programs that were started, from strace's lines, which other processes' lines may cut in two."""
    started: list[str] = []
    begun: dict[str, str] = {}
    for line in log.splitlines():
        pid, _, call = line.partition(" ")
        if found := re.search(r'execve\("([^"]+)"', call):
            begun[pid] = found[1]
        if "execve" in call and call.rstrip().endswith("= 0"):
            started.append(Path(begun[pid]).name)
    return started


@pytest.mark.parametrize("shell_name", SHELLS)
def test_a_tick_is_one_fork_and_one_cat(shell_name: str, tmp_path: Path) -> None:
    need(shutil.which("strace"), "strace")
    argv, env = shell_argv(shell_name, tmp_path)
    files = ["/proc/stat", "/proc/meminfo", "/proc/loadavg", "/proc/uptime", "/proc/net/dev", "/proc/diskstats"]

    def traced(ticks: int) -> tuple[int, int]:
        log = tmp_path / f"{ticks}.log"
        lines = script.nonce_line("ab" * 16) + script.files_line([*files, "/sys/class/net/*/mtu"])
        lines += b"".join(script.tick_line(number) for number in range(1, ticks + 1))
        strace = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=fork,vfork,clone,clone3,execve"]
        subprocess.run(
            [*strace, *argv, script.command()], input=lines, env=env, stdout=subprocess.DEVNULL, timeout=60, check=False
        )
        text = log.read_text()
        forks = len(re.findall(r"\b(?:fork|vfork|clone|clone3)\(", text))
        return forks, _started(text).count("cat")

    few, many = traced(10), traced(40)

    assert many[0] - few[0] == 30
    # busybox may run its own cat without starting another program
    assert many[1] - few[1] in ((30,) if shell_name == "dash" else (0, 30))


@pytest.mark.parametrize("boot_id", [True, False], ids=["cat", "builtins"])
async def test_a_host_with_nothing_but_sh_and_cat(tmp_path: Path, boot_id: bool) -> None:
    argv = bare_host(tmp_path, boot_id=boot_id)
    (tmp_path / "root" / "proc" / "uptime").write_text("12.5 3.0\n")
    (tmp_path / "root" / "proc" / "loadavg").write_text("0.1 0.2 0.3 1/2 3")
    link = ShellLink(argv, {})
    channel = await link.channel(script.command())
    talk = Talk(channel)
    await talk.say(script.nonce_line(talk.nonce), script.files_line(["/proc/uptime", "/proc/no", "/proc/l*avg"]))

    tick = await talk.tick(1)

    assert tick.files["/proc/uptime"] == b"12.5 3.0\n"
    assert tick.files["/proc/loadavg"].rstrip(b"\n") == b"0.1 0.2 0.3 1/2 3"
    assert set(tick.files) == {"/proc/uptime", "/proc/loadavg"}
    assert await talk.ask(0, "echo [$T]; no-such-program") == b"[]\n"
    await talk.channel.end_input()
    assert await talk.channel.ended() == 0
    await channel.close()


async def test_the_nonce_cannot_be_read_off_the_process_list(talk: Talk) -> None:
    await talk.tick(1)

    assert talk.nonce not in " ".join(psutil.Process(talk.channel.pid).cmdline())


def test_the_command_reaches_sh_through_any_login_shell() -> None:
    text = script.command()

    assert not set("'!\n") & set(text)  # what csh and fish would change inside single quotes
    assert "\\\\" not in text


@pytest.mark.parametrize("pattern", ["relative", "/with blank", "/new\nline", "/nul\0"])
def test_a_pattern_that_would_break_the_line_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError):
        script.files_line([pattern])


@pytest.mark.parametrize("text", ["echo \x1f", "echo \0"])
def test_a_script_that_would_break_the_line_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        script.script_line(0, text)


def test_a_nonce_that_is_shell_text_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        script.nonce_line("$(reboot)")
