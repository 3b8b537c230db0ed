"""Projects on a real engine: added, launched in order, stopped with their data kept, removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.projects.yard import folder_of, nodes, write, yard
from tests.servers.dockerd import Dockerd

pytestmark = pytest.mark.real("dockerd")


async def test_two_services_are_added_started_looked_at_and_stopped(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        added = await it.add(folder_of(tmp_path), write(tmp_path))
        assert added.outcome == "done", added
        row = await it.until("stopped")
        assert row.first_port is not None
        assert [part.port for part in row.parts] == [row.first_port, row.first_port + 1]

        started = await it.do("start")
        assert started.outcome == "done", started
        await it.until("running")
        status = await it.status()
        assert {one.state for one in status.values()} == {"healthy"}

        stopped = await it.do("stop")
        assert stopped.outcome == "done", stopped
        await it.until("stopped")
        assert engine.client.containers(all=True) == []
        assert [one["Name"] for one in engine.client.volumes()["Volumes"]] == ["qd-shop-db-data"]
