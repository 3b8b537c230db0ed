"""Commands over the link: output, exit codes, input, limits, and their end on the host."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import psutil
import pytest

from app.errors import TimedOut, Unreachable
from backends.ssh.link import SshLink
from tests.servers.sshd import Sshd
from tests.ssh.conftest import MakeLink
from tests.waiting import eventually

pytestmark = pytest.mark.real("sshd")


def group_members(group: int) -> list[psutil.Process]:
    """Everything alive whose session or process group this is."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["status"]):
        try:
            ids = {os.getpgid(process.pid), os.getsid(process.pid)}
        except ProcessLookupError:
            continue
        if group in ids and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def test_output_and_errors_come_apart(link: SshLink) -> None:
    done = await link.run("echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.exit_code) == (b"out\n", b"err\n", 3)
    assert link.address is not None
    assert link.cost.connects == 1


@pytest.mark.parametrize(
    "text",
    ["it's", 'a "b" $HOME `id` $(id) \\ \\n ! % * ; & | <>', "two\nlines\n", "\\0047", "ünï", "-n", "x'\"'\"'y"],
)
async def test_no_character_is_lost_on_the_way(link: SshLink, text: str) -> None:
    import shlex

    done = await link.run(f"printf %s {shlex.quote(text)}")
    assert done.text == text


async def test_input_reaches_the_command_and_no_input_is_an_end(link: SshLink) -> None:
    assert (await link.run("cat", input=b"\x00\xff" * 100_000)).stdout == b"\x00\xff" * 100_000
    assert (await link.run("cat; echo end")).stdout == b"end\n"


@pytest.mark.parametrize(
    ("command", "code"), [("kill -TERM $$", 143), ("kill -KILL $$", 137), ("sh -c 'kill -9 $$'", 137)]
)
async def test_a_killed_command_has_128_and_the_signal(link: SshLink, command: str, code: int) -> None:
    assert (await link.run(command)).exit_code == code


async def test_output_beyond_the_limit_is_dropped_and_said(link: SshLink) -> None:
    done = await link.run("head -c 300000 /dev/zero", limit=1000)
    assert len(done.stdout) == 1000
    assert done.truncated
    assert not (await link.run("echo x", limit=1000)).truncated


async def test_a_command_that_takes_too_long_is_ended_on_the_host(link: SshLink) -> None:
    marker = f"4{os.getpid()}.25"
    with pytest.raises(TimedOut, match="did not end"):
        await link.run(f"sleep {marker} & sleep {marker}", timeout=0.5)
    assert not [p for p in psutil.process_iter(["cmdline"]) if marker in (p.info["cmdline"] or [])]
    assert (await link.run("echo still here")).text == "still here\n"


async def test_a_stream_passes_output_on_as_it_comes(link: SshLink, tmp_path: object) -> None:
    fifo = f"{tmp_path}/fifo"
    os.mkfifo(fifo)
    pieces: list[bytes] = []
    task = asyncio.create_task(link.stream(f"echo one; cat {fifo}; echo two >&2; exit 5", stdout=pieces.append))
    await eventually(lambda: b"".join(pieces) == b"one\n", what="the first line before the end")
    await asyncio.to_thread(Path(fifo).write_bytes, b"")
    assert await task == 5
    assert b"".join(pieces) == b"one\ntwo\n"


async def test_a_line_of_a_megabyte_comes_whole(link: SshLink) -> None:
    pieces: list[bytes] = []
    code = await link.stream("head -c 1048576 /dev/zero | tr '\\0' x; echo", stdout=pieces.append)
    assert code == 0
    assert b"".join(pieces) == b"x" * 1048576 + b"\n"


async def test_a_cancelled_stream_leaves_no_process(link: SshLink) -> None:
    groups: list[int] = []

    async def started(handle: str) -> None:
        groups.append(int(handle))

    # One child in a group of its own, as `timeout` makes it, and one that does not listen to TERM.
    command = "timeout 300 sleep 300 & sh -c 'trap \"\" TERM; while :; do sleep 1; done' & sleep 300"
    task = asyncio.create_task(link.stream(command, stdout=lambda data: None, started=started))
    await eventually(lambda: groups and len(group_members(groups[0])) >= 4, what="all of them running")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert group_members(groups[0]) == []


async def test_cancelled_while_it_starts_it_is_ended_too(link: SshLink) -> None:
    await link.open()
    marker = f"5{os.getpid()}.5"
    task = asyncio.create_task(link.stream(f"sleep {marker}", stdout=lambda data: None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(
        lambda: not [p for p in psutil.process_iter(["cmdline"]) if marker in (p.info["cmdline"] or [])],
        what="the sleep gone",
    )


async def test_the_handle_comes_before_the_output(link: SshLink) -> None:
    order: list[str] = []

    async def started(handle: str) -> None:
        assert int(handle) > 1
        await asyncio.sleep(0.05)
        order.append("handle")

    await link.stream("echo out", stdout=lambda data: order.append("out"), started=started)
    assert order == ["handle", "out"]


async def test_sshd_killed_in_the_middle_of_a_command_is_told(link: SshLink, sshd: Sshd) -> None:
    pieces: list[bytes] = []
    task = asyncio.create_task(link.stream("echo on; sleep 60", stdout=pieces.append))
    await eventually(lambda: pieces)
    sshd.kill()
    with pytest.raises(Unreachable, match="whether it ended is not known"):
        await task
    with pytest.raises(Unreachable):
        await link.run("true")
    sshd.start()
    assert (await link.run("echo back")).text == "back\n"
    assert link.cost.connects == 2


async def test_a_channel_has_both_ends_and_ends_with_its_input(link: SshLink) -> None:
    channel = await link.channel('while read -r line; do echo "got $line"; done; echo bye')
    await channel.write(b"one\n")
    assert await channel.read() == b"got one\n"
    await channel.close()
    assert await channel.read() == b"bye\n"
    assert await channel.read() == b""
    with pytest.raises(Unreachable):
        await channel.write(b"x")


async def test_a_channel_nobody_reads_makes_the_command_wait(link: SshLink) -> None:
    channel = await link.channel("cat /dev/zero")
    await eventually(lambda: link.cost.bytes_in > 1 << 20)
    before = -1
    while before != link.cost.bytes_in:
        before = link.cost.bytes_in
        await asyncio.sleep(0.2)
    assert before < 8 << 20
    await channel.close()


async def test_at_most_four_session_channels_at_once(link: SshLink) -> None:
    await link.open()
    started = time.monotonic()
    peak = 0

    async def one() -> None:
        nonlocal peak
        await link.run("sleep 0.2")

    async def watch() -> None:
        nonlocal peak
        while True:
            shared = link._shared  # pyright: ignore[reportPrivateUsage]
            peak = max(peak, len(shared.sessions.seats) if shared else 0)
            await asyncio.sleep(0.01)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(one() for _ in range(9)))
    watcher.cancel()
    assert peak == 4
    assert time.monotonic() - started > 0.55


async def test_callers_that_come_together_share_one_connection(link: SshLink, sshd: Sshd) -> None:
    before = sshd.connects()
    await asyncio.gather(*(link.run("true") for _ in range(6)))
    assert sshd.connects() - before == 1


async def test_closing_ends_everything_and_it_opens_again(make_link: MakeLink, sshd: Sshd) -> None:
    link = make_link.to(sshd)
    channel = await link.channel("cat")
    await link.close()
    assert link.address is None
    assert await channel.read() == b""
    assert (await link.run("echo again")).text == "again\n"
