"""Few session channels: the sampler's gives way, commands wait for each other, and cancelling still works."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import asyncssh
import pytest

from app.errors import Denied
from backends.ssh import sessions
from backends.ssh.jumps import Connections
from tests.servers.sshd import Sshd, StartSshd
from tests.ssh.conftest import MakeLink
from tests.ssh.test_commands import group_members
from tests.waiting import eventually

pytestmark = pytest.mark.real("sshd")

ECHO = 'while read -r line; do echo "$line"; done'


@pytest.fixture
def narrow(sshd_at: StartSshd) -> Sshd:
    """A server that allows one session on a connection."""
    return sshd_at(options={"MaxSessions": "1"})


async def test_the_sampler_gives_way_and_comes_back(make_link: MakeLink, narrow: Sshd) -> None:
    link = make_link.to(narrow)
    sampler = await link.channel(ECHO, yields=True)
    await sampler.write(b"tick\n")
    assert await sampler.read() == b"tick\n"
    assert (link.squeezed, link.note) == (False, None)

    release = asyncio.Event()
    pieces: list[bytes] = []
    job = asyncio.create_task(link.stream("echo on; exec sleep 300", stdout=pieces.append))
    await eventually(lambda: pieces, what="the command running in the only place")
    assert await sampler.read() == b""
    assert sampler.yielded
    assert link.squeezed
    assert link.note == "sampling paused while something else runs (MaxSessions 1)"
    waiting = asyncio.create_task(link.idle())
    waiting.add_done_callback(lambda _: release.set())
    assert not waiting.done()

    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await asyncio.wait_for(waiting, 30)
    assert not link.squeezed
    again = await link.channel(ECHO, yields=True)
    await again.write(b"tock\n")
    assert await again.read() == b"tock\n"
    # The limit is known by now: the next command finds its place without running into it.
    assert (await link.run("echo second")).text == "second\n"
    assert again.yielded


async def test_commands_wait_for_each_other(make_link: MakeLink, narrow: Sshd) -> None:
    link = make_link.to(narrow)
    done = await asyncio.gather(*(link.run(f"sleep 0.05; echo {n}") for n in range(4)))
    assert [one.text for one in done] == ["0\n", "1\n", "2\n", "3\n"]


async def test_a_cancelled_command_is_ended_over_a_second_connection(make_link: MakeLink, narrow: Sshd) -> None:
    link = make_link.to(narrow)
    await asyncio.gather(link.run("true"), link.run("true"))  # the limit is found
    groups: list[int] = []

    async def started(handle: str) -> None:
        groups.append(int(handle))

    task = asyncio.create_task(link.stream("sleep 300 & sleep 300", stdout=lambda data: None, started=started))
    await eventually(lambda: groups and len(group_members(groups[0])) == 3)
    before = narrow.connects()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert group_members(groups[0]) == []
    assert narrow.connects() == before + 1
    assert (await link.run("echo on")).text == "on\n"


async def test_two_sessions_leave_the_sampler_alone_until_both_are_wanted(
    make_link: MakeLink, sshd_at: StartSshd
) -> None:
    link = make_link.to(sshd_at(options={"MaxSessions": "2"}))
    sampler = await link.channel(ECHO, yields=True)
    assert (await link.run("echo one")).text == "one\n"
    assert not sampler.yielded
    await asyncio.gather(*(link.run("sleep 0.1") for _ in range(3)))
    assert link.squeezed is False


async def test_no_session_at_all_is_said(make_link: MakeLink, sshd_at: StartSshd) -> None:
    link = make_link.to(sshd_at(options={"MaxSessions": "0"}))
    with pytest.raises(Denied, match="opens no session") as caught:
        await link.run("true")
    assert "MaxSessions" in caught.value.todo


@pytest.mark.parametrize(("seconds", "opens"), [(5.0, True), (60.0, False)])
async def test_a_slow_server_that_opened_a_session_before_is_asked_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch, seconds: float, opens: bool
) -> None:
    now = 1000.0
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(sessions, "_AGAIN_SECONDS", 0.0)
    ready = 0.0

    async def start() -> str:
        nonlocal now
        now += 0.5  # a server under load takes its time to say no as well
        if now < ready:
            raise asyncssh.ChannelOpenError(2, "open failed")  # as sshd says it
        return "open"

    places = sessions.Sessions()
    first, _ = await places.open(start, yields=True)
    places.vacate(first)
    ready = now + seconds
    if opens:
        assert (await places.open(start))[1] == "open"
    else:
        with pytest.raises(asyncssh.ChannelOpenError):
            await places.open(start)
        assert now < ready, "it gave up in time"
    assert len(places.seats) == (1 if opens else 0)


@pytest.mark.parametrize(("seconds", "limit"), [(1.0, sessions.MOST), (60.0, 2)])
async def test_a_session_that_has_just_ended_and_is_still_counted_is_no_limit(
    monkeypatch: pytest.MonkeyPatch, seconds: float, limit: int
) -> None:
    now = 1000.0
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(sessions, "_AGAIN_SECONDS", 0.0)
    ready = 0.0

    async def start() -> str:
        nonlocal now
        now += 0.5
        if now < ready:
            raise asyncssh.ChannelOpenError(2, "open failed")
        return "open"

    places = sessions.Sessions()
    seats = [(await places.open(start))[0] for _ in range(3)]
    places.vacate(seats.pop())
    ready = now + seconds
    opening = asyncio.create_task(places.open(start))
    await eventually(lambda: opening.done() or places.limit < sessions.MOST)
    assert places.limit == limit
    if not opening.done():  # it waits for one of the two that are left
        ready = 0.0
        places.vacate(seats.pop())
    assert (await opening)[1] == "open"


async def test_channels_that_yield_never_lock_a_command_out(make_link: MakeLink, sshd: Sshd) -> None:
    shared = Connections()
    links = [make_link.to(sshd, connections=shared) for _ in range(sessions.MOST)]
    samplers = [await link.channel(ECHO, yields=True) for link in links]
    done = await asyncio.wait_for(links[0].run("echo in"), 10)
    assert done.text == "in\n"
    assert [sampler.yielded for sampler in samplers].count(True) == 1


async def test_a_copy_takes_the_only_place_too(make_link: MakeLink, narrow: Sshd) -> None:
    link = make_link.to(narrow)
    sampler = await link.channel(ECHO, yields=True)
    source = narrow.folder / "source"
    source.write_text("x")
    await link.put(source, str(narrow.folder / "target"), lambda done, total: None)
    assert sampler.yielded
    assert (await link.run(f"cat {narrow.folder}/target")).text == "x"


async def test_who_stops_waiting_for_a_channel_leaves_none_behind(make_link: MakeLink, narrow: Sshd) -> None:
    link = make_link.to(narrow)
    await link.open()
    for _ in range(3):
        task = asyncio.create_task(link.channel("cat"))
        for _ in range(4):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await link.run("echo in")).text == "in\n"
