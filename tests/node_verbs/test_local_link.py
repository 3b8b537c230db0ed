"""The link to this machine, on real processes, files and sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from app.errors import Missing, TimedOut, Unreachable
from backends.local.child import Child, any_runs
from backends.local.copying import CopyFailed
from backends.local.link import LocalLink
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first process does not reap orphans, a dead group looks alive for all of the grace time."""
    monkeypatch.setattr("backends.local.child.GRACE_S", 0.3)


@pytest.fixture
async def link() -> AsyncIterator[LocalLink]:
    one = LocalLink("here")
    yield one
    await one.close()


def group_is_empty(pgid: int) -> bool:
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return True
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == pgid and words[0] != "Z":
            return False
    return True


async def test_a_dead_process_that_nobody_reaped_does_not_count_as_running() -> None:
    with subprocess.Popen(["sh", "-c", "read -r line"], stdin=subprocess.PIPE, start_new_session=True) as child:
        assert any_runs(child.pid)
        child.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]
        await eventually(lambda: not any_runs(child.pid), what="nothing running in the group")
        os.killpg(child.pid, 0)  # to the kernel it is there all the same, until it is waited for


async def test_run_keeps_both_outputs_and_the_exit_code(link: LocalLink) -> None:
    done = await link.run("printf out; printf err >&2; exit 7")
    assert (done.exit_code, done.stdout, done.stderr, done.truncated) == (7, b"out", b"err", False)


async def test_run_starts_in_the_home_folder_without_a_terminal(link: LocalLink, home: Path) -> None:
    assert (await link.run("pwd; (: < /dev/tty) 2>/dev/null || echo none")).text == f"{home}\nnone\n"


async def test_input_is_given_whole_and_ends(link: LocalLink) -> None:
    data = os.urandom(3 << 20)
    done = await link.run("cat", input=data)
    assert done.stdout == data


async def test_output_beyond_the_limit_is_dropped_and_said(link: LocalLink) -> None:
    done = await link.run("head -c 500000 /dev/zero; printf e >&2", limit=1000)
    assert (len(done.stdout), done.stderr, done.truncated, done.exit_code) == (1000, b"e", True, 0)


async def test_a_signal_counts_as_the_shell_counts(link: LocalLink) -> None:
    assert (await link.run("kill -9 $$")).exit_code == 137


async def test_a_timeout_ends_the_whole_group(link: LocalLink, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(TimedOut, match=r"0\.3 s"):
        await link.run(f"sleep 60 & echo $$ > {pids}; wait", timeout=0.3)
    await eventually(lambda: group_is_empty(int(pids.read_text())))


async def test_a_command_that_ignores_sigterm_is_killed(link: LocalLink, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(TimedOut):
        await link.run(f"trap '' TERM; echo $$ > {pids}; while :; do sleep 1; done", timeout=0.3)
    await eventually(lambda: group_is_empty(int(pids.read_text())))


async def test_stream_tells_the_group_before_any_output(link: LocalLink) -> None:
    said: list[str] = []

    async def started(handle: str) -> None:
        await asyncio.sleep(0.05)
        said.append(handle)

    code = await link.stream(
        "echo $$; echo e >&2; exit 3",
        stdout=lambda data: said.append(data.decode()),
        stderr=lambda data: said.append("E" + data.decode()),
        started=started,
    )
    assert code == 3
    assert said[1] == said[0] + "\n" or said[2] == said[0] + "\n"
    assert "Ee\n" in said[1:]


async def test_stream_joins_errors_where_nobody_wants_them_apart(link: LocalLink) -> None:
    got: list[bytes] = []
    await link.stream("echo a; echo b >&2; echo c", stdout=got.append)
    assert b"".join(got) == b"a\nb\nc\n"


async def test_a_cancelled_stream_leaves_no_process(link: LocalLink) -> None:
    got: list[bytes] = []
    task = asyncio.create_task(link.stream("echo $$; (sleep 300; :) & sleep 300", stdout=got.append))
    await eventually(lambda: got)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: group_is_empty(int(b"".join(got))))


async def test_a_failing_started_ends_what_was_started(link: LocalLink) -> None:
    handles: list[int] = []

    async def started(handle: str) -> None:
        handles.append(int(handle))
        raise OSError("no room for the handle")

    with pytest.raises(OSError, match="no room"):
        await link.stream("sleep 300", stdout=lambda _: None, started=started)
    await eventually(lambda: group_is_empty(handles[0]))


async def test_a_channel_answers_and_ends_with_its_input(link: LocalLink) -> None:
    channel = await link.channel("while read -r line; do echo got $line; done; echo bye")
    await channel.write(b"one\n")
    assert await asyncio.wait_for(channel.read(), 5) == b"got one\n"
    await channel.close()
    with pytest.raises(Unreachable):
        await channel.write(b"x")


async def test_a_channel_that_ends_by_itself_reads_empty(link: LocalLink) -> None:
    channel = await link.channel("echo last")
    assert await asyncio.wait_for(channel.read(), 5) == b"last\n"
    assert await asyncio.wait_for(channel.read(), 5) == b""


async def test_a_channel_nobody_reads_holds_its_command_back(link: LocalLink) -> None:
    channel = await link.channel("yes")
    await eventually(lambda: link.cost.bytes_in > 1 << 20)
    seen = link.cost.bytes_in
    await asyncio.sleep(0.1)  # the claim is that nothing happens meanwhile
    assert link.cost.bytes_in < seen + (1 << 20)
    assert await channel.read()
    await eventually(lambda: link.cost.bytes_in > seen + (1 << 20))
    await channel.close()


async def test_a_forward_carries_bytes_and_stops(link: LocalLink) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    forward = await link.forward("127.0.0.1", 0, "127.0.0.1", server.sockets[0].getsockname()[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", forward.port)
    writer.write(b"hello")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"hello"
    writer.close()
    await forward.close()
    server.close()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", forward.port)


async def test_a_taken_port_is_said(link: LocalLink) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unreachable, match="in use"):
            await link.forward("127.0.0.1", taken.getsockname()[1], "127.0.0.1", 1)


async def test_files_and_folders_are_copied_with_progress(link: LocalLink, tmp_path: Path, home: Path) -> None:
    source = tmp_path / "a 'b' $(c)"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "x\ny").write_bytes(b"1" * 3_000_000)
    (source / "link").symlink_to("sub")
    told: list[tuple[int, int | None]] = []
    await link.put(source, "there", lambda done, total: told.append((done, total)))
    assert (home / "there" / "sub" / "x\ny").read_bytes() == b"1" * 3_000_000
    assert (home / "there" / "link").is_symlink()
    await eventually(lambda: told and told[-1] == (3_000_000, 3_000_000))
    await link.get("there/sub/x\ny", tmp_path / "back", lambda done, total: None)
    assert (tmp_path / "back").stat().st_size == 3_000_000
    assert not list(tmp_path.rglob("*.part"))


async def test_a_failed_copy_leaves_nothing_under_the_final_name(link: LocalLink, tmp_path: Path) -> None:
    with pytest.raises(Missing):
        await link.put(tmp_path / "nowhere", "there", lambda done, total: None)
    (tmp_path / "d").mkdir()
    with pytest.raises(CopyFailed, match="into itself"):
        await link.put(tmp_path / "d", str(tmp_path / "d" / "e"), lambda done, total: None)
    (tmp_path / "f").write_text("x")
    with pytest.raises(CopyFailed):
        await link.put(tmp_path / "f", str(tmp_path / "d"), lambda done, total: None)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["d", "f", "home"]


async def test_a_nul_byte_is_refused_in_words(link: LocalLink) -> None:
    with pytest.raises(Unreachable, match="cannot start"):
        await link.run("echo \0")


async def test_closing_ends_what_runs(link: LocalLink) -> None:
    got: list[bytes] = []
    task = asyncio.create_task(link.stream("echo $$; sleep 300", stdout=got.append))
    await eventually(lambda: got)
    await link.close()
    assert await asyncio.wait_for(task, 5) == 143
    await eventually(lambda: group_is_empty(int(b"".join(got))))


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop learns of each child's end later than everybody else, as on a busy machine."""
    reap = os.waitpid

    def slowly(pid: int, options: int) -> tuple[int, int]:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        time.sleep(0.6)  # longer than a group is given to end by itself
        return reap(pid, options)

    monkeypatch.setattr(os, "waitpid", slowly)


@pytest.mark.usefixtures("late")
async def test_an_end_that_is_told_late_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    child = await Child.start("exec sleep 299", lambda fd, data: None, stdin=True)
    await asyncio.gather(child.end(), child.end())
    assert child.exit_code == 128 + 15
    assert not [one.message for one in caplog.records if one.name == "asyncio"]


@pytest.mark.usefixtures("late")
async def test_a_close_that_is_cut_short_ends_with_the_link(link: LocalLink, caplog: pytest.LogCaptureFixture) -> None:
    channel = await link.channel("trap '' TERM; echo $$; while :; do sleep 1; done")
    pgid = int(await channel.read())
    closing = asyncio.create_task(channel.close())
    await eventually(lambda: any(task.get_name() == f"end of {pgid}" for task in asyncio.all_tasks()))
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not channel.closed
    other = await link.channel("cat")  # which forgets channels of which nothing is left

    await link.close()

    assert channel.closed
    assert other.closed
    assert group_is_empty(pgid)
    assert not [one.message for one in caplog.records if one.name == "asyncio"]


@pytest.mark.usefixtures("late")
async def test_what_starts_for_somebody_who_is_cancelled_is_ended(
    link: LocalLink, caplog: pytest.LogCaptureFixture
) -> None:
    starting = asyncio.create_task(link.channel("exec sleep 298"))
    while "298" not in _children():
        await asyncio.sleep(0)  # its pipes are not connected yet
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert "298" not in _children()
    assert not [one.message for one in caplog.records if one.name == "asyncio"]


def _children() -> list[str]:
    """The last words of the command lines of our children."""
    words: list[str] = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            words += child.cmdline()[-1].split()[-1:]
    return words
