"""Nodes over real SSH: what their rows say while servers die, come back, refuse and squeeze."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.feed import Feed
from app.fleet import Ref
from app.inventory.model import NodeEntry, SshDefaults, SshEntry
from app.link import Sample
from backends.kinds.node import KIND, Node
from backends.probes.proc import FAST
from backends.sampling import sampler as sampling
from backends.sampling.links import NodeLinks
from backends.ssh.backend import Ssh
from tests.backends.watching import Ear, context, inventory, near, watching
from tests.servers.sshd import Sshd, StartSshd
from tests.waiting import eventually

pytestmark = pytest.mark.real("sshd")


def entry(server: Sshd, name: str = "pi", host: str | None = None, interval: float = 0.1) -> NodeEntry:
    """A node that is this server."""
    return NodeEntry(name=name, ssh=server.entry(host), interval=interval)


def hundredth(low: float, high: float) -> float:
    return 0.01


def is_sampler(process: psutil.Process) -> bool:
    """Whether a process runs the sampler's program."""
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and any("IFS= read -r N" in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts in hundredths of what they are."""
    monkeypatch.setattr(sampling.random, "uniform", hundredth)


async def test_a_remote_host_is_told_as_it_is(sshd: Sshd, tmp_path: Path) -> None:
    backend = Ssh(context(inventory(entry(sshd), ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None and ear.row.hostname and ear.row.filesystems)
        memory = psutil.virtual_memory()

    row = ear.row
    assert ear.readings[0].waiting
    assert (row.state, row.fault, row.transport, row.address) == ("up", None, "ssh", f"{sshd.host}:{sshd.port}")
    assert row.mem_total_bytes == memory.total
    assert near(row.mem_used_bytes, memory.total - memory.available, 0.02 * memory.total)
    assert len(row.core_percents) == psutil.cpu_count()
    assert row.kernel == os.uname().release
    assert row.load_1 is not None
    assert row.uptime_s is not None
    assert (row.latency_ms or 0) > 0
    cost = dict(row.console_cost)
    assert (cost["channels"], cost["connects"], cost["commands"]) == (1, 1, 0)
    assert cost["bytes_in"] > 1000


async def test_a_server_that_dies_is_a_fault_and_comes_back_by_itself(sshd: Sshd, tmp_path: Path) -> None:
    backend = Ssh(context(inventory(entry(sshd), ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None)
        sshd.kill()
        await eventually(lambda: ear.faults)
        assert ear.row.state == "up"  # the rows stay; the feed greys them after three intervals
        assert not ear.faults[0][1]
        told = len(ear.readings)
        sshd.start()
        await eventually(lambda: len(ear.readings) > told and ear.row.cpu_percent is not None)
        assert ear.readings[-1].fault is None
        assert backend.context.links.of("pi").cost.connects == 2


async def test_the_feed_greys_it_after_three_intervals_and_no_other_row(sshd_at: StartSshd, tmp_path: Path) -> None:
    bad, good = sshd_at(), sshd_at()
    both = good.folder / "both"
    both.write_text(bad.known_hosts.read_text() + good.known_hosts.read_text())
    hosts = inventory(
        entry(bad, "bad", interval=0.5),
        entry(good, "good", interval=0.5),
        ssh=replace(good.defaults(), known_hosts=both),
    )
    backend = Ssh(context(hosts, tmp_path))
    feed = Feed([backend], {"node": KIND})

    def state(name: str) -> str:
        row = feed.fleet.find(Ref("node", name))
        return row.state if row is not None else ""

    feed.configure(hosts)
    try:
        await eventually(lambda: state("bad") == state("good") == "up")
        bad.kill()
        await eventually(lambda: state("bad") == "stale" and state("good") == "up")
        row = feed.fleet.find(Ref("node", "bad"))
        assert isinstance(row, Node)
        assert row.mem_used_bytes is not None
        assert row.fault
        bad.start()
        await eventually(lambda: state("bad") == "up")
    finally:
        await feed.close()
        await backend.context.links.close()


async def test_a_sampler_that_is_killed_is_begun_anew_on_the_same_connection(sshd: Sshd, tmp_path: Path) -> None:
    backend = Ssh(context(inventory(entry(sshd), ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if is_sampler(process):
                    process.kill()
        await eventually(lambda: ear.faults)
        told = len(ear.readings)
        await eventually(lambda: len(ear.readings) > told and ear.row.cpu_percent is not None)
        cost = backend.context.links.of("pi").cost
        assert cost.connects == 1
        assert cost.channels >= 2


async def test_nothing_is_left_on_the_host_after_the_connection(sshd: Sshd, tmp_path: Path) -> None:
    backend = Ssh(context(inventory(entry(sshd), ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())
    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None)
        programs = [one for one in psutil.Process().children(recursive=True) if is_sampler(one)]
        assert programs
        sshd.kill()
        await eventually(lambda: not any(is_sampler(one) for one in programs), what="it is gone with its connection")


async def test_a_host_nobody_listens_on_is_down_with_the_reason(sshd: Sshd, tmp_path: Path) -> None:
    sshd.stop()
    backend = Ssh(context(inventory(entry(sshd), ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, nudge):
        await eventually(lambda: ear.row.state == "down")
        assert ear.row.fault
        assert not ear.readings[-1].ours
        assert ear.row.cpu_percent is None
        sshd.start()
        nudge.set()
        await eventually(lambda: ear.row.state == "up")
        assert ear.row.fault is None


async def test_an_unknown_host_key_is_our_side_and_names_the_command(sshd: Sshd, tmp_path: Path) -> None:
    sshd.known_hosts.write_text("")
    backend = Ssh(context(inventory(entry(sshd), ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.fault)

    assert ear.row.state == "unknown"
    assert ear.readings[-1].ours
    assert "trust" in (ear.row.fault or "")


async def test_a_key_that_is_not_let_in_is_our_side(sshd: Sshd, tmp_path: Path) -> None:
    sshd.authorized_keys.write_text("")
    backend = Ssh(context(inventory(entry(sshd), ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.fault)

    assert ear.row.state == "unknown"
    assert ear.readings[-1].ours


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


async def test_a_host_that_takes_the_connection_and_never_speaks_is_down(
    sshd: Sshd, mute_port: int, tmp_path: Path
) -> None:
    silent = NodeEntry(name="silent", ssh=replace(sshd.entry(), host="127.0.0.1", port=mute_port), interval=0.1)
    backend = Ssh(context(inventory(silent, entry(sshd), ssh=sshd.defaults(connect_timeout=0.5)), tmp_path))
    quiet, good = backend.sources(backend.context.inventory())
    other = Ear()
    task = asyncio.create_task(backend.watch(good, other, asyncio.Event()))

    async with watching(backend, quiet) as (ear, _):
        await eventually(lambda: other.row.cpu_percent is not None)
        await eventually(lambda: ear.row.state == "down")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    assert ear.row.fault


async def test_a_host_that_hangs_mid_sample_is_told_and_others_go_on(
    sshd_at: StartSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling.Sampler, "_patience", 0.5)
    bad, good = sshd_at(), sshd_at()
    both = good.folder / "both"
    both.write_text(bad.known_hosts.read_text() + good.known_hosts.read_text())
    hosts = inventory(
        entry(bad, "bad"), entry(good, "good"), ssh=replace(good.defaults(connect_timeout=1), known_hosts=both)
    )
    backend = Ssh(context(hosts, tmp_path))
    first, second = backend.sources(hosts)
    other = Ear()
    task = asyncio.create_task(backend.watch(second, other, asyncio.Event()))
    async with watching(backend, first) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None and other.row.cpu_percent is not None)
        bad.pause()
        await eventually(lambda: ear.faults)
        told = len(other.readings)
        await eventually(lambda: len(other.readings) > told + 3)
        bad.resume()
        heard = len(ear.readings)
        await eventually(lambda: len(ear.readings) > heard and ear.readings[-1].fault is None)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_where_only_one_session_is_allowed_sampling_gives_way_and_says_so(
    sshd_at: StartSshd, tmp_path: Path
) -> None:
    server = sshd_at(options={"MaxSessions": "1"})
    hosts = inventory(entry(server), ssh=server.defaults())
    links = NodeLinks(lambda: hosts)
    backend = Ssh(context(hosts, tmp_path, links=links))
    (source,) = backend.sources(hosts)

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None)
        gate = tmp_path / "gate"
        running = asyncio.create_task(
            links.of("pi").run(f"while [ ! -e {gate} ]; do sleep 0.05; done; echo done", timeout=30)
        )
        await eventually(lambda: ear.row.note is not None)
        assert "MaxSessions 1" in (ear.row.note or "")
        assert ear.row.state == "up"
        assert ear.faults
        gate.touch()
        assert (await running).text == "done\n"
        await eventually(lambda: ear.row.note is None and ear.row.cpu_percent is not None)


async def test_a_one_shot_look_tells_once_with_rates(sshd: Sshd, tmp_path: Path) -> None:
    backend = Ssh(context(inventory(entry(sshd, interval=2.0), ssh=sshd.defaults()), tmp_path, one_shot=True))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: len(ear.readings) > 1)

    first = ear.rows[1]
    assert first.cpu_percent is not None
    assert first.hostname is not None
    assert first.filesystems is not None


async def test_an_entry_with_a_mistake_is_shown_and_never_contacted(sshd: Sshd, tmp_path: Path) -> None:
    wrong = replace(entry(sshd), fault="hosts.yaml:3:1: unknown key 'sssh'")
    backend = Ssh(context(inventory(wrong, ssh=sshd.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    before = sshd.connects()
    async with watching(backend, source) as (ear, nudge):
        await eventually(lambda: ear.readings)
        nudge.set()
        await asyncio.sleep(0)

    assert (ear.row.state, ear.row.fault) == ("unknown", wrong.fault)
    assert ear.readings[-1].ours
    assert sshd.connects() == before


async def test_login_chatter_is_skipped(sshd_at: StartSshd, tmp_path: Path) -> None:
    server = sshd_at(
        options={"ForceCommand": 'echo "Welcome [@click=app.quit]"; printf "\\033[2J"; sh -c "$SSH_ORIGINAL_COMMAND"'}
    )
    backend = Ssh(context(inventory(entry(server), ssh=server.defaults()), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None)


async def test_many_backends_share_one_channel(sshd: Sshd, tmp_path: Path) -> None:
    hosts = inventory(entry(sshd), ssh=sshd.defaults())
    links = NodeLinks(lambda: hosts)
    backend = Ssh(context(hosts, tmp_path, links=links))
    (source,) = backend.sources(hosts)
    heard: list[Sample] = []

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.state == "up")
        end = links.subscribe("pi", FAST[:2], heard.append)
        await eventually(lambda: len(heard) > 1)
        end()
        assert links.of("pi").cost.channels == 1
        assert set(heard[0].answers) == {"uptime", "cpu"}


async def test_a_changed_entry_gets_a_new_link_and_the_old_one_is_closed(sshd: Sshd) -> None:
    held = [inventory(entry(sshd), ssh=sshd.defaults())]
    links = NodeLinks(lambda: held[0])
    first = links.of("pi")
    await first.open()
    held[0] = inventory(entry(sshd), ssh=sshd.defaults())
    assert links.of("pi") is first

    held[0] = inventory(entry(sshd, host="127.0.1.2"), ssh=sshd.defaults())

    second = links.of("pi")
    assert second is not first
    await eventually(lambda: first.address is None)
    await second.open()
    assert second.address == f"127.0.1.2:{sshd.port}"
    await links.close()
    assert second.address is None


def test_links_of_nodes_that_have_none_are_refused() -> None:
    from app.errors import ConfigurationError, Missing
    from app.inventory.model import PingEntry

    hosts = inventory(
        NodeEntry(name="tv", ping=PingEntry(host="192.0.2.1")),
        NodeEntry(name="bad", ssh=SshEntry(host="x"), fault="unknown key"),
        ssh=SshDefaults(),
    )
    links = NodeLinks(lambda: hosts)

    with pytest.raises(Missing):
        links.of("nobody")
    with pytest.raises(ConfigurationError, match="never logged in"):
        links.of("tv")
    with pytest.raises(ConfigurationError, match="unknown key"):
        links.of("bad")
