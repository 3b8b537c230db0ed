"""The engine the other tests lean on is a real one, swept between tests, and survives being restarted."""

from __future__ import annotations

import pytest

from tests.servers.dockerd import BUSYBOX, Dockerd, StartDockerd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_finds_it_empty(engine: Dockerd, number: int) -> None:
    assert engine.client.containers(all=True) == []
    engine.run(f"left-{number}")
    names = [name for one in engine.client.containers() for name in one["Names"]]
    assert names == [f"/left-{number}"]
    assert [tag for one in engine.client.images() for tag in one["RepoTags"]] == [BUSYBOX]


async def test_it_keeps_what_it_held_when_it_is_restarted(engine_at: StartDockerd) -> None:
    engine = engine_at()
    engine.run("one")
    engine.stop()
    engine.start()
    await eventually(lambda: [one["State"] for one in engine.client.containers(all=True)] == ["exited"])
