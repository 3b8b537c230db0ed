"""What a look at all containers costs their host: one fork, whatever their number, and records that are never torn."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from backends.docker.usage import parse, probes
from backends.docker.usage import script as look_script
from backends.sampling import script
from backends.sampling.frames import Answer, Decoder, Tick
from tests.conftest import need
from tests.docker.trees import Group, Tree
from tests.sampling.shells import shell_argv

NONCE = "ab" * 16
HOSTS = (("dash", "mawk"), ("ash", "busybox"), *([("dash", "gawk")] if shutil.which("gawk") else []))


def traced(
    folder: Path, shell: str, awk: str, lines: list[bytes], answers: int
) -> tuple[list[Tick], list[Answer], int, list[int]]:
    """The program under strace, until so many answers of looks have come and its input ends.

    Returns ticks, answers, the number of forks, and the size of each write to its output.
    """
    need(shutil.which("strace"), "strace")
    argv, env = shell_argv(shell, folder)
    need(shutil.which(awk), awk)
    tools = folder / f"tools-{awk}"
    tools.mkdir(exist_ok=True)
    if not (tools / "awk").exists():
        (tools / "awk").symlink_to(shutil.which(awk) or awk)
    env = {**env, "PATH": f"{tools}:{env['PATH']}"}
    log = folder / "trace.log"
    calls = "trace=fork,vfork,clone,clone3,write,writev"
    process = subprocess.Popen(
        ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "1", "-o", str(log), "-e", calls, *argv, script.command()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    decoder = Decoder(NONCE)
    ticks: list[Tick] = []
    looks: list[Answer] = []
    try:
        process.stdin.write(script.nonce_line(NONCE) + b"".join(lines))
        process.stdin.flush()
        wanted = sum(line.startswith(b"t ") for line in lines)
        while len(ticks) < wanted or len(looks) < answers:
            data = os.read(process.stdout.fileno(), 65536)
            assert data, "the program ended"
            for one in decoder.feed(data):
                if isinstance(one, Tick):
                    ticks.append(one)
                else:
                    looks.append(one)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)
    text = log.read_text()
    # By their ends: a call may be cut in two by another process's line, or be begun anew after a signal.
    forks = len(re.findall(r"\b(?:fork|vfork|clone|clone3)(?:\(| resumed).*= \d+$", text, re.MULTILINE))
    sizes = [int(size) for size in re.findall(r"\bwritev?(?:\(| resumed).*= (\d+)$", text, re.MULTILINE)]
    return ticks, looks, forks, sizes


@pytest.mark.parametrize(("shell", "awk"), HOSTS)
@pytest.mark.parametrize("version", [1, 2])
def test_a_look_is_one_fork_whatever_the_number_of_containers(
    tmp_path: Path, version: int, shell: str, awk: str
) -> None:
    tree = Tree(tmp_path, version)
    text = look_script(root=str(tree.root), proc=str(tree.proc))
    files = script.files_line(["/proc/uptime"])

    def cost(looks: int) -> tuple[int, list[int], list[Answer]]:
        """Of ten ticks with so many looks beside them."""
        lines = [files]
        for number in range(1, 11):
            lines.append(script.tick_line(number))
            if number <= looks:
                lines.append(script.script_line(number % script.SLOTS, text, becomes=True))
        ticks, answers, forks, sizes = traced(tmp_path, shell, awk, lines, looks)
        assert all(float(tick.files["/proc/uptime"].split()[0]) > 0 for tick in ticks)
        return forks, sizes, answers

    without, _, _ = cost(0)
    for count in (1, 60):
        for number in range(count):
            tree.put(f"docker/{number:016x}{number:048x}", Group(pid=5000 + number))
        forks, sizes, answers = cost(4)
        found = [parse(one.data) for one in answers]
        assert forks - without == 4
        assert all(one is not None and len(one.counters) == count for one in found)
        assert max(sizes) <= 2048


def test_a_host_without_awk_says_so(tmp_path: Path) -> None:
    tree = Tree(tmp_path, 2)
    tree.put(f"docker/{'a' * 64}", Group())
    text = look_script(root=str(tree.root), proc=str(tree.proc)).replace("command -v awk", "command -v no-awk-here")
    assert text != look_script(root=str(tree.root), proc=str(tree.proc))

    _, answers, _, _ = traced(tmp_path, "dash", "mawk", [script.script_line(1, text, becomes=True)], 1)

    assert [(one.slot, parse(one.data)) for one in answers] == [(1, None)]


@pytest.mark.parametrize("one_shot", [False, True])
def test_everything_a_host_is_asked_becomes_one_program(one_shot: bool) -> None:
    asked = probes(one_shot=one_shot)
    assert asked
    assert all(probe.becomes and "$T" not in probe.script and "$(" not in probe.script for probe in asked)
