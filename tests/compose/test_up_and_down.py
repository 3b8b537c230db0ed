"""Stacks of a real engine by both composes: rows of declared and found ones, and their life from up to down."""

from __future__ import annotations

import subprocess

import pytest

from tests.compose.berth import OpenBerth
from tests.servers.compose import Version
from tests.waiting import eventually

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd"), pytest.mark.real("compose")]

EVERYWHERE = [("v2", False), ("v1", False), ("v2", True), ("v1", True)]


@pytest.mark.parametrize(("version", "ssh"), EVERYWHERE)
async def test_a_declared_stack_from_up_to_down(berth: OpenBerth, version: Version, ssh: bool) -> None:
    it = await berth(version, ssh=ssh)
    row = await it.ready()
    assert (row.state, row.project, row.fault) == ("down", "shop", None)
    assert row.declared
    assert [service.name for service in row.services] == ["api", "redis"]
    assert {service.state for service in row.services} == {"absent"}

    done = await it.one("up")
    assert (done.outcome, done.exit_code) == ("done", 0), done.message
    assert done.message == "2 services are well"
    assert it.containers() == {"api": "running", "redis": "running"}
    healthy = [("api", "healthy", 1, 1), ("redis", "healthy", 1, 1)]

    def all_healthy() -> bool:
        row = it.row()
        return row is not None and [(s.name, s.state, s.running, s.total) for s in row.services] == healthy

    await eventually(all_healthy, 20, "up may be seen before it is seen that there are health checks")
    assert (await it.shown(state="up")).fault is None
    assert list(it.rows()) == ["pi/shop"]

    assert (await it.one("stop")).outcome == "done"
    assert set(it.containers().values()) == {"exited"}
    await it.shown(state="down")
    assert (await it.one("restart")).outcome == "done"
    await it.shown(state="up")

    assert (await it.one("down")).outcome == "done"
    assert it.containers() == {}
    await it.shown(state="down")
    assert [v["Name"] for v in it.engine.client.volumes()["Volumes"]] == ["shop_data"]


@pytest.mark.parametrize(("version", "ssh"), [("v2", True), ("v1", False)])
async def test_what_runs_already_is_found_and_is_a_row(berth: OpenBerth, version: Version, ssh: bool) -> None:
    it = await berth(version, ssh=ssh, stacks={})
    await it.deck.feed.first(10)
    assert it.rows() == {}
    program = ["docker", "compose"] if version == "v2" else ["docker-compose"]
    subprocess.run(
        [*program, "--profile", "hp-worker", "up", "-d"],
        cwd=it.home / "shop",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DOCKER_HOST": it.engine.url, "HOME": str(it.home)},
        check=True,
        capture_output=True,
    )
    row = await it.shown(state="up")
    assert not row.declared
    assert row.dir == str(it.home / "shop")
    assert row.project == "shop"
    # Events tell of one container after another: for a moment the stack is what has been heard of so far.
    everything = ["api", "redis", "worker"]
    await eventually(lambda: [s.name for one in it.rows().values() for s in one.services] == everything, 10)

    assert (await it.one("stop")).outcome == "done"
    assert set(it.containers().values()) == {"exited"}, "the service behind a profile as well"
    assert (await it.one("up")).outcome == "done"
    assert set(it.containers().values()) == {"running"}
    done = await it.one("down")
    assert done.outcome == "done", done.message
    assert it.containers() == {}
    await eventually(lambda: it.rows() == {})


@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_a_declared_stack_that_runs_already_is_one_row(berth: OpenBerth, version: Version) -> None:
    first = await berth(version)
    await first.ready()
    assert (await first.one("up")).outcome == "done"
    second = await berth(version, stacks={"mine": {"dir": "~/shop"}})
    row = await second.shown("mine", state="up", project="shop")
    assert row.declared
    assert list(second.rows()) == ["pi/mine"]
    assert (await second.one("down", "pi/mine")).outcome == "done"
