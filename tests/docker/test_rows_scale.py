"""Many containers on one node, and many nodes one of which never answers."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.docker.watched import far, watching
from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.sshd import StartSshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd")]

HOSTS, EACH = 31, 13


async def test_39_containers_of_one_node_take_at_most_four_sessions(engine: Dockerd, sshd_at: StartSshd) -> None:
    server = sshd_at(options={"MaxSessions": "10"})

    def start(number: int) -> None:
        engine.run(f"c{number:02}", host={"network_mode": "none"})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(start, range(39)))
    async with watching(far(server, engine.url, interval=0.5), sshd=server) as fleet:
        assert len(fleet.containers) == 39
        await eventually(lambda: all(row.cpu_percent is not None for row in fleet.containers.values()), 60)
        assert {row.state for row in fleet.containers.values()} == {"running"}
        assert all(row.mem_used_bytes for row in fleet.containers.values())
        cost = fleet.deck.context.links.of("pi").cost
        assert cost.channels <= 4
        assert server.log().count("Starting session") <= 4
        assert server.connects() <= 3  # one of them is the fixture's own knock


@contextlib.asynccontextmanager
async def silent() -> AsyncGenerator[str]:
    """A socket that takes every connection and never says a word."""
    with tempfile.TemporaryDirectory(prefix="qd-silent-") as folder:
        path = Path(folder) / "docker.sock"
        kept: list[asyncio.StreamWriter] = []
        server = await asyncio.start_unix_server(lambda reader, writer: kept.append(writer), path)
        try:
            yield f"unix://{path}"
        finally:
            server.close()
            for writer in kept:
                writer.transport.abort()


async def test_a_slow_host_delays_none_of_the_403_rows(engine: Dockerd, sshd_at: StartSshd) -> None:
    server = sshd_at(wide=True, options={"MaxStartups": "100"})
    for number in range(EACH):
        engine.client.create_container(BUSYBOX, name=f"c{number:02}")
    hosts = server.hosts(HOSTS + 1)
    async with silent() as url:
        nodes = [far(server, engine.url, f"n{n:02}", host) for n, host in enumerate(hosts[:HOSTS])]
        slow = far(server, url, "slow", hosts[HOSTS])
        async with watching(slow, *nodes, sshd=server, wait=0) as fleet:
            await eventually(lambda: fleet.containers, 20, "a first row")
            await eventually(lambda: len(fleet.containers) == HOSTS * EACH, 40, "403 rows")
            assert {row.source for row in fleet.containers.values()} == {node.name for node in nodes}
            assert len({row.id for row in fleet.containers.values()}) == 403
            waiting = [one.source.name for one in await fleet.deck.feed.first(0)]
            assert waiting in (["slow"], [])  # nobody has waited for it; by now it may have been given up
