"""What real containers use: by their control groups, near and far, and by the engine where these cannot be read."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from backends.docker import usage
from backends.kinds.container import Container
from tests.docker.watched import Fleet, far, here, watching
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")

MIB = 1 << 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than an operator needs."""
    monkeypatch.setattr("backends.docker.usage.EVERY_S", 0.5)
    monkeypatch.setattr("backends.docker.backend.INTERVAL_S", 0.5)
    monkeypatch.setattr("backends.docker.node_usage.STATS_EVERY_S", 0.5)


def row(fleet: Fleet, name: str) -> Container:
    """A container's row, wherever it is."""
    return next(one for one in fleet.containers.values() if one.name == name)


def told(fleet: Fleet, name: str) -> bool:
    """All its figures are known."""
    one = next((one for one in fleet.containers.values() if one.name == name), None)
    return one is not None and None not in (one.cpu_percent, one.mem_used_bytes, one.pids, one.net_rx_bytes_per_s)


def busy(engine: Dockerd) -> None:
    """A container that may use 30 % of a core and does, holds 30 MiB, and has a file in the page cache."""
    engine.run(
        "busy",
        "dd if=/dev/zero of=/dev/shm/held bs=1M count=30; dd if=/dev/zero of=/data/cached bs=1M count=20;"
        "touch /tmp/ready; sleep 1000 & while :; do :; done",
        volumes=["/data"],
        host={"mem_limit": "100m", "cpu_period": 100_000, "cpu_quota": 30_000},
    )


@pytest.mark.real("sshd")
@pytest.mark.parametrize("where", ["here", "far"])
async def test_figures_are_those_of_the_container(engine: Dockerd, sshd: Sshd, where: str) -> None:
    busy(engine)
    engine.run("idle")
    node = here(engine.url, interval=0.5) if where == "here" else far(sshd, engine.url, interval=0.5)
    async with watching(node, sshd=sshd) as fleet:
        await eventually(lambda: told(fleet, "busy") and told(fleet, "idle"), 20)
        await eventually(lambda: 15 <= (row(fleet, "busy").cpu_percent or 0) <= 45, 20, "about 30 %")
        await eventually(lambda: (row(fleet, "busy").mem_used_bytes or 0) > 29 * MIB, 20)
        one, idle = row(fleet, "busy"), row(fleet, "idle")
        assert one.mem_used_bytes is not None
        assert idle.mem_used_bytes is not None
        assert one.mem_used_bytes < 40 * MIB  # the page cache is not counted
        assert one.mem_limit_bytes == 100 * MIB
        assert one.mem_percent is not None
        assert 29 <= one.mem_percent < 40
        assert idle.mem_limit_bytes is None
        assert idle.mem_used_bytes < 10 * MIB
        assert (idle.cpu_percent or 0) < 5
        assert (one.pids, idle.pids) == (3, 2)  # docker's init is one of them


async def test_traffic_and_blocks_are_rates(engine: Dockerd) -> None:
    gateway: str = engine.client.inspect_network("bridge")["IPAM"]["Config"][0]["Gateway"]
    engine.run("talks", f"ping -i 0.05 -s 1000 {gateway}")
    engine.run("writes", "while :; do dd if=/dev/zero of=/data/x bs=64k count=16 oflag=direct; done", volumes=["/data"])
    engine.run("shares", host={"network_mode": "host"})
    async with watching(here(engine.url, interval=0.5)) as fleet:

        def talking() -> bool:
            rates = row(fleet, "talks").net_rx_bytes_per_s, row(fleet, "talks").net_tx_bytes_per_s
            return all(2000 < (rate or 0) < 60_000 for rate in rates)

        await eventually(lambda: told(fleet, "talks") and talking(), what="about 21 kB/s each way")
        await eventually(lambda: row(fleet, "shares").pids is not None)
        assert row(fleet, "shares").net_rx_bytes_per_s is None  # the host's own traffic, not its
        await eventually(lambda: row(fleet, "writes").block_write_bytes_per_s is not None)


async def test_memory_is_what_docker_stats_says(engine: Dockerd) -> None:
    busy(engine)
    async with watching(here(engine.url, interval=0.5)) as fleet:
        await eventually(lambda: told(fleet, "busy") and (row(fleet, "busy").mem_used_bytes or 0) > 29 * MIB, 20)

        def near() -> bool:
            said: Any = engine.client.stats("busy", stream=False)["memory_stats"]
            docker = said["usage"] - said["stats"]["total_inactive_file"]
            return abs(docker - (row(fleet, "busy").mem_used_bytes or 0)) < MIB

        await eventually(near, 20)


async def test_a_look_of_a_command_line_has_rates(engine: Dockerd) -> None:
    engine.run("idle")
    async with watching(here(engine.url), one_shot=True) as fleet:
        assert told(fleet, "idle")


async def test_a_command_that_acts_asks_for_no_figures(engine: Dockerd) -> None:
    engine.run("idle")
    async with watching(here(engine.url), one_shot=True, rows_only=True) as fleet:
        assert row(fleet, "idle").state == "running"
        assert fleet.deck.context.links.of("here").cost.channels == 0


@pytest.mark.real("sshd")
async def test_a_host_without_running_containers_is_not_asked(engine: Dockerd, sshd: Sshd) -> None:
    made = engine.client.create_container("bb:1", name="idle")
    async with watching(far(sshd, engine.url, interval=0.5), sshd=sshd) as fleet:
        cost = fleet.deck.context.links.of("pi").cost
        assert row(fleet, "idle").state == "created"
        assert cost.channels == 0
        engine.client.start(made)
        await eventually(lambda: row(fleet, "idle").state == "exited" or told(fleet, "idle"), 20)


async def test_a_stopped_container_uses_nothing(engine: Dockerd) -> None:
    made = engine.run("job")
    async with watching(here(engine.url, interval=0.5)) as fleet:
        await eventually(lambda: told(fleet, "job"), 20)
        engine.client.kill(made)
        await eventually(lambda: row(fleet, "job").state == "exited", 20)
        assert (row(fleet, "job").cpu_percent, row(fleet, "job").mem_used_bytes, row(fleet, "job").pids) == (None,) * 3


@pytest.mark.parametrize("one_shot", [False, True])
async def test_where_control_groups_cannot_be_read_the_engine_is_asked(
    engine: Dockerd, monkeypatch: pytest.MonkeyPatch, one_shot: bool
) -> None:
    monkeypatch.setattr(usage, "script", functools.partial(usage.script, root="/nonexistent"))
    busy(engine)
    engine.run("idle")
    async with watching(here(engine.url, interval=0.5), one_shot=one_shot) as fleet:
        fleet.deck.context.visible = frozenset  # everything
        await eventually(lambda: 10 <= (row(fleet, "busy").cpu_percent or 0) <= 50, 30, "about 30 %")
        await eventually(lambda: (row(fleet, "busy").mem_used_bytes or 0) > 29 * MIB and told(fleet, "idle"), 20)
        one, idle = row(fleet, "busy"), row(fleet, "idle")
        assert one.mem_limit_bytes == 100 * MIB
        assert (idle.mem_limit_bytes, idle.pids) == (None, 2)
        assert idle.net_rx_bytes_per_s is not None
