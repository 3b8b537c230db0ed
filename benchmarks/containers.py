"""Containers: what watching a hundred idle ones costs, how soon an event is on screen, and 403 of them on 31 hosts.

Needs root, ``dockerd`` and ``sshd``; starts private ones and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.inventory.model import Inventory, NodeEntry
from app.start import Start, open_deck
from backends.kinds.container import Container
from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal
from tests.docker.test_rows_scale import silent
from tests.docker.watched import DOCKER, far
from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.sshd import Sshd

ROOT = Path(__file__).resolve().parent.parent
IDLE = 100
HOSTS, EACH = 31, 13
MINUTE = 60.0
YOUNG_S = 105.0
"""Ages below 100 s are shown in seconds, and move."""
EVENTS = 20


@contextmanager
def an_engine() -> Generator[Dockerd]:
    """A private engine."""
    engine = Dockerd(Path(tempfile.mkdtemp(prefix="qd-docker-")), 38)
    try:
        engine.start()
        engine.busybox()
        yield engine
    finally:
        engine.remove()


def idle_containers() -> list[bool]:
    """A hundred containers in an open pane on a terminal."""
    held: list[bool] = []
    with an_engine() as engine, tempfile.TemporaryDirectory() as home:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(engine.run, [f"c{number:03}" for number in range(IDLE)]))
        started = time.monotonic()
        hosts = Path(home) / "hosts.yaml"
        hosts.write_text(f"nodes:\n  here: {{local: true, docker: 'unix://{engine.socket}'}}\n")
        argv = [sys.executable, str(ROOT / "quarterdeck.py"), "--hosts", str(hosts)]
        with Terminal(argv, {"QUARTERDECK_HOME": home}) as terminal:
            terminal.read(3)
            terminal.type("2")
            terminal.read(15, until=lambda written: b"c020" in written)
            figure("pane is full after its key", time.monotonic() - terminal.began - 3, "s")
            while (left := YOUNG_S - (time.monotonic() - started)) > 0:
                terminal.read(left)
            child = next((one for one in terminal.process.children() if "sh" in one.name()), None)
            beside = sum(child.cpu_times()) if child is not None else 0.0
            before, cpu, began = len(terminal.written), terminal.cpu_seconds(), time.monotonic()
            while (left := MINUTE - (time.monotonic() - began)) > 0:
                terminal.read(left)
            written = len(terminal.written) - before
            share = 100 * (terminal.cpu_seconds() - cpu) / MINUTE
            held.append(figure(f"CPU over 60 s of {IDLE} idle containers", share, "% of a core", 2))
            held.append(figure("written to the terminal in that time", written / MINUTE, "B/s", 1000))
            if child is not None:
                used = 100 * (sum(child.cpu_times()) - beside) / MINUTE
                figure("CPU of the sampler's shell and its children in that time", used, "% of a core")
            figure("memory", terminal.memory_bytes() / 2**20, "MiB")
            taken: list[float] = []
            for number in range(EVENTS):
                name = f"c000-{number:02}"
                start = len(terminal.written)
                begun = time.monotonic()
                engine.client.rename("c000" if number == 0 else f"c000-{number - 1:02}", name)
                terminal.read(3, until=lambda written, name=name, start=start: name.encode() in written[start:])
                taken.append(1000 * (time.monotonic() - begun))
                terminal.read(0.8)
                while terminal.read(0.05):
                    pass
            figure("event (a rename) to screen, median", statistics.median(taken), "ms")
            held.append(figure("event (a rename) to screen, slowest", max(taken), "ms", 300))
    return held


async def many_hosts() -> list[bool]:
    """The rows of many hosts while one of them never answers."""
    held: list[bool] = []
    with an_engine() as engine, tempfile.TemporaryDirectory() as name:
        for number in range(EACH):
            engine.client.create_container(BUSYBOX, name=f"c{number:02}")
        server = Sshd(Path(name), wide=True, options={"MaxStartups": "100"})
        server.start()
        try:
            server.trust()
            addresses = server.hosts(HOSTS + 1)
            async with silent() as url:
                for slow in (False, True):
                    nodes = [far(server, engine.url, f"n{n:02}", host) for n, host in enumerate(addresses[:HOSTS])]
                    if slow:
                        nodes.insert(0, far(server, url, "slow", addresses[HOSTS]))
                    first, every = await _rows(nodes, server)
                    words = ", one host silent" if slow else ""
                    held.append(figure(f"first rows of {HOSTS} hosts{words}", first, "s", 2))
                    held.append(figure(f"all {HOSTS * EACH} rows{words}", every, "s", 10))
        finally:
            server.stop()
    return held


async def _rows(nodes: list[NodeEntry], server: Sshd) -> tuple[float, float]:
    inventory = replace(Inventory(nodes={node.name: node for node in nodes}), ssh=server.defaults())
    deck = open_deck(Start(), parts=DOCKER, inventory=inventory)
    began = time.monotonic()
    first = every = float("inf")
    deck.feed.configure(deck.inventory)
    try:
        while every == float("inf") and time.monotonic() - began < 60:
            await asyncio.sleep(0.02)
            count = sum(1 for _ in deck.feed.fleet.of(Container))
            if count and first == float("inf"):
                first = time.monotonic() - began
            if count == HOSTS * EACH:
                every = time.monotonic() - began
    finally:
        await deck.close()
    return first, every


def main() -> None:
    """Both measurements."""
    begin(f"{IDLE} idle containers in an open pane; {HOSTS} hosts of {EACH}", 4)
    with tempfile.TemporaryDirectory() as home:
        os.environ["QUARTERDECK_HOME"] = home
        held = asyncio.run(many_hosts())
    held += idle_containers()
    end(*held)


if __name__ == "__main__":
    main()
