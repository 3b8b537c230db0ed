"""Three ways to read a node's libvirt over its one SSH connection: what each costs the node and the line.

Needs ``libvirtd``, ``qemu``, ``sshd`` and ``strace``; starts private ones and leaves nothing behind. The third way is
measured where Python finds libvirt's own library (``PYTHONPATH`` of an unpacked ``python3-libvirt``).
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.link import Link
from backends.libvirt.answers import LIST, SAVED, STATS, stats, uuids
from backends.libvirt.session import ENVIRONMENT, Session
from backends.ssh.link import SshLink
from benchmarks.report import begin
from tests.libvirt.watched import far, watching
from tests.servers.libvirt import Libvirtd, started
from tests.servers.sshd import Sshd

GUESTS, RUNNING = 20, 4
EVERY_S = 5.0
LOOKS = 12
EVENTS = 10


@dataclass
class Cost:
    """What a minute cost."""

    processes: int
    channels: int
    kilobytes: float
    node_cpu_ms: float
    daemon_cpu_ms: float
    look_ms: float
    event_ms: float
    """From the begin of the ``virsh`` that causes it, near the daemon, to hearing of it here."""


class Way:
    """One way: how to look once, and when the last event was heard."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.look: Callable[[], Awaitable[None]]
        self.bytes: Callable[[], int] | None = None


@asynccontextmanager
async def resident(link: Link, daemon: Libvirtd) -> AsyncGenerator[Way]:
    """Two programs that stay, on one channel: what the backend does."""
    way = Way()

    def heard(letter: str, text: str) -> None:
        if letter == "!":
            way.heard.set()

    session = await Session.open(link, daemon.uri, heard)

    async def look() -> None:
        listed, _, told = await session.ask(LIST, SAVED, STATS)
        assert len(uuids(listed)) == len(stats(told, time.time())) == GUESTS

    way.look = look
    yield way
    await session.close()


@asynccontextmanager
async def commands(link: Link, daemon: Libvirtd) -> AsyncGenerator[Way]:
    """A channel for events, and a command with three calls of ``virsh`` at each look."""
    way = Way()
    channel = await link.channel(f"{ENVIRONMENT}; virsh -q -c '{daemon.uri}' event --all --loop </dev/null")

    async def read() -> None:
        while await channel.read():
            way.heard.set()

    async def look() -> None:
        line = "; ".join(f"virsh -q -c '{daemon.uri}' {words}" for words in (LIST, SAVED, STATS))
        done = await link.run(f"{ENVIRONMENT}; {line}")
        assert done.text.count("Domain: '") == GUESTS

    way.look = look
    reading = asyncio.create_task(read())
    yield way
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await channel.close()


@asynccontextmanager
async def library(link: Link, daemon: Libvirtd) -> AsyncGenerator[Way]:
    """libvirt's library here, over its socket there."""
    import importlib
    import threading

    libvirt: Any = importlib.import_module("libvirt")
    way = Way()
    loop = asyncio.get_running_loop()
    local = await link.forward_socket(str(daemon.folder / "r/libvirt/libvirt-sock"))
    libvirt.virEventRegisterDefaultImpl()
    ending = threading.Event()

    def events() -> None:
        while not ending.is_set():
            libvirt.virEventRunDefaultImpl()

    thread = threading.Thread(target=events, daemon=True)
    thread.start()
    connection: Any = await asyncio.to_thread(libvirt.open, f"qemu+unix:///session?socket={local}")

    def tick(*rest: Any) -> None:
        """Keeps the loop of events going round."""

    timer: Any = libvirt.virEventAddTimeout(200, tick, None)

    def lifecycle(*rest: Any) -> None:
        loop.call_soon_threadsafe(way.heard.set)

    kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
    await asyncio.to_thread(connection.domainEventRegisterAny, None, kind, lifecycle, None)

    async def look() -> None:
        found: Any = await asyncio.to_thread(connection.getAllDomainStats, 1 | 2 | 4 | 8 | 16 | 32)
        assert len(found) == GUESTS

    way.look = look
    yield way
    await asyncio.to_thread(connection.close)
    ending.set()
    thread.join(5)
    libvirt.virEventRemoveTimeout(timer)


def cpu_ms(pid: int) -> float:
    """CPU time of a process, its children and theirs, ended ones included where they were waited for."""
    total = 0.0
    with suppress(psutil.Error):
        top = psutil.Process(pid)
        for one in [top, *top.children(recursive=True)]:
            with suppress(psutil.Error):
                spent = one.cpu_times()
                total += spent.user + spent.system + spent.children_user + spent.children_system
    return 1000 * total


def starts(log: Path) -> int:
    """Processes that were started, threads not counted."""
    lines = log.read_text(errors="replace").splitlines()
    return sum(bool(re.search(r"\b(clone3?|v?fork)\(", line)) and "CLONE_THREAD" not in line for line in lines)


async def processes_of(way_of: Any, daemon: Libvirtd, server: Sshd, pid: int) -> int:
    """Processes that the node starts for three looks, the begin included, times four; traced, and so not timed."""
    link = SshLink("node", server.entry(), server.defaults())
    await link.open()
    tracers: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            argv = ["strace", "-f", "-qq", "-e", "trace=clone,clone3,fork,vfork", "-o", f"{folder}/{one.pid}"]
            tracers.append(subprocess.Popen([*argv, "-p", str(one.pid)], stderr=subprocess.DEVNULL))
        await asyncio.sleep(1)
        counts: list[int] = []
        for looks in (1, 3):
            before = sum(starts(path) for path in Path(folder).iterdir())
            async with way_of(link, daemon) as way:
                for _ in range(looks):
                    await way.look()
            await asyncio.sleep(0.5)
            counts.append(sum(starts(path) for path in Path(folder).iterdir()) - before)
        for one in tracers:
            one.terminate()
            one.wait(10)
    await link.close()
    each = (counts[1] - counts[0]) // 2
    return counts[0] + each * (LOOKS - 1)


async def minute(way_of: Any, daemon: Libvirtd, server: Sshd, pid: int, events_uuid: str) -> Cost:
    """Look for a minute, then hear of some events."""
    link = SshLink("node", server.entry(), server.defaults())
    await link.open()
    channels, moved = link.cost.channels, link.cost.bytes_in + link.cost.bytes_out
    daemon_pid = int((daemon.folder / "pid").read_text())
    node_before, daemon_before = cpu_ms(pid), cpu_ms(daemon_pid)
    async with way_of(link, daemon) as way:
        spent: list[float] = []
        for _ in range(LOOKS):
            begun = time.perf_counter()
            await way.look()
            spent.append(1000 * (time.perf_counter() - begun))
            await asyncio.sleep(max(0.0, EVERY_S - (time.perf_counter() - begun)))
        node_after, daemon_after = cpu_ms(pid), cpu_ms(daemon_pid)
        channels = link.cost.channels - channels
        moved = link.cost.bytes_in + link.cost.bytes_out - moved
        latencies: list[float] = []
        for number in range(EVENTS):
            way.heard.clear()
            begun = time.perf_counter()
            word = "resume" if number % 2 else "suspend"
            virsh = asyncio.create_task(asyncio.to_thread(daemon.virsh, word, events_uuid))
            await asyncio.wait_for(way.heard.wait(), 10)
            latencies.append(1000 * (time.perf_counter() - begun))
            await virsh
            await asyncio.sleep(0.2)
    await link.close()
    spent.sort()
    latencies.sort()
    return Cost(
        await processes_of(way_of, daemon, server, pid),
        channels,
        moved / 1024,
        node_after - node_before,
        daemon_after - daemon_before,
        spent[len(spent) // 2],
        latencies[len(latencies) // 2],
    )


async def to_rows(daemon: Libvirtd, server: Sshd, name: str) -> list[float]:
    """Milliseconds from the begin of the ``virsh`` that causes an event to the row that shows it, in a fleet."""
    spent: list[float] = []
    async with watching(far(server, daemon.uri), sshd=server) as on:
        changed = asyncio.Event()
        on.deck.feed.listen(lambda _: changed.set())
        for number in range(EVENTS):
            word, wanted = ("resume", "running") if number % 2 else ("suspend", "paused")
            begun = time.perf_counter()
            virsh = asyncio.create_task(asyncio.to_thread(daemon.virsh, word, name))
            while on.state(f"hp/{name}") != wanted:
                changed.clear()
                await asyncio.wait_for(changed.wait(), 10)
            spent.append(1000 * (time.perf_counter() - begun))
            await virsh
            await asyncio.sleep(1.3)
    return sorted(spent)


async def measure() -> None:
    """All ways, one after the other."""
    with started() as daemon, tempfile.TemporaryDirectory() as folder:
        keys = [daemon.domain(f"guest-{number:02}", start=number < RUNNING, system=True) for number in range(GUESTS)]
        server = Sshd(Path(folder))
        server.start()
        server.trust()
        try:
            pid = next(
                one.info["pid"]
                for one in psutil.process_iter(["pid", "cmdline"])
                if str(server.folder / "sshd_config") in (one.info["cmdline"] or [])
            )
            ways: list[tuple[str, Any]] = [("resident virsh", resident), ("virsh at each look", commands)]
            try:
                __import__("libvirt")
                ways.append(("library, forwarded", library))
            except ImportError:
                print("libvirt's library is not here: the third way is not measured")
            print(f"{GUESTS} guests, {RUNNING} of them running; {LOOKS} looks, one every {EVERY_S:g} s; all over SSH")
            titles = ("processes", "channels", "KB", "node ms", "libvirtd ms", "look ms", "event ms")
            print(f"{'':22}" + "".join(f"{title:>13}" for title in titles))
            for name, way in ways:
                cost = await minute(way, daemon, server, pid, keys[0])
                shown = (cost.node_cpu_ms, cost.daemon_cpu_ms, cost.look_ms, cost.event_ms)
                figures = "".join(f"{one:13.1f}" for one in shown)
                print(f"{name:22}{cost.processes:13}{cost.channels:13}{cost.kilobytes:13.0f}{figures}")
                sys.stdout.flush()
            spent = await to_rows(daemon, server, "guest-01")
            print(
                f"from an event to its row, over SSH: median {spent[len(spent) // 2]:.0f} ms,"
                f" slowest {spent[-1]:.0f} ms (of {EVENTS}; at most 300 ms is what is wanted)"
            )
        finally:
            server.stop()


def main() -> None:
    """Measure and print."""
    begin("Reading a node's libvirt over SSH", minutes=4)
    asyncio.run(measure())


if __name__ == "__main__":
    main()
