"""Rows of a real engine: what it holds, what happens to it, and what becomes of them when it cannot be reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.column import clean
from app.fleet import STALE, Ref
from app.inventory.model import NodeEntry, PingEntry
from backends.kinds.container import COLUMNS, Port
from tests.docker.watched import Fleet, far, here, watching
from tests.servers.dockerd import BUSYBOX, Dockerd, StartDockerd
from tests.servers.sshd import Sshd, StartSshd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")

LABELS = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}


def drawn(fleet: Fleet, container: str) -> list[str]:
    """The cells of a container's row."""
    row = fleet.containers[container]
    return [column.cell(row).text for column in COLUMNS]


async def test_a_containers_row_says_what_the_engine_knows(engine: Dockerd) -> None:
    engine.client.create_network("front")
    made = engine.run(
        "web",
        "sleep 1000",
        labels=LABELS,
        ports=[80],
        volumes=["/data"],
        host={"port_bindings": {80: ("127.0.0.1", None)}, "binds": ["vault:/data"], "network_mode": "front"},
    )
    async with watching(here(engine.url)) as fleet:
        row = fleet.containers["here/web"]
        assert (row.name, row.source, row.state, row.parent) == ("web", "here", "running", Ref("node", "here"))
        assert (row.container_id, row.image, row.stack, row.service) == (made, BUSYBOX, "shop", "api")
        (port,) = row.ports
        assert port == Port(private=80, public=port.public, address="127.0.0.1")
        assert port.public
        assert (row.networks, row.volumes, row.command) == (("front",), ("vault",), "sh -c 'sleep 1000'")
        assert (row.restarts, row.restarts_per_hour, row.looping, row.health) == (0, 0.0, False, None)
        assert row.uptime_s is not None
        assert 0 <= row.uptime_s < 60
        assert row.created_s is not None
        assert 0 <= row.created_s < 60
        assert fleet.images[f"here/{BUSYBOX}"].used_by == ("web",)
        assert fleet.images[f"here/{BUSYBOX}"].state == "used"
        assert (fleet.volumes["here/vault"].used_by, fleet.volumes["here/vault"].state) == (("web",), "used")
        assert (fleet.networks["here/front"].used_by, fleet.networks["here/front"].state) == (("web",), "used")
        assert {n.name for n in fleet.networks.values() if n.state == "builtin"} == {"bridge", "host", "none"}


async def test_what_happens_is_told_at_once(engine: Dockerd) -> None:
    async with watching(here(engine.url)) as fleet:
        assert fleet.containers == {}
        made = engine.run("job", "sleep 1000")
        await eventually(lambda: fleet.container("here/job"), what="the new container")
        await eventually(lambda: fleet.containers["here/job"].uptime_s is not None)
        engine.client.pause(made)
        await eventually(lambda: fleet.containers["here/job"].state == "paused")
        engine.client.unpause(made)
        engine.client.rename(made, "task")
        await eventually(lambda: fleet.container("here/task") and not fleet.container("here/job"))
        engine.client.kill(made, signal=9)
        await eventually(lambda: fleet.containers["here/task"].word == "exit 137")
        assert fleet.containers["here/task"].uptime_s is None
        engine.client.remove_container(made)
        await eventually(lambda: not fleet.containers)
        engine.client.create_volume("vault")
        await eventually(lambda: "here/vault" in fleet.volumes)
        assert fleet.volumes["here/vault"].state == "unused"


async def test_health_is_told(engine: Dockerd) -> None:
    check = {"test": ["CMD-SHELL", "test -e /tmp/well"], "interval": 200_000_000, "retries": 1}
    made = engine.run("web", "sleep 1000", healthcheck=check)
    async with watching(here(engine.url)) as fleet:
        await eventually(lambda: fleet.containers["here/web"].health == "unhealthy")
        done: Any = engine.client.exec_create(made, ["touch", "/tmp/well"])
        engine.client.exec_start(done["Id"])
        await eventually(lambda: fleet.containers["here/web"].word == "healthy")


async def test_unchanged_rows_stay_the_same_objects(engine: Dockerd) -> None:
    for name in ("one", "two"):
        engine.client.create_container(BUSYBOX, name=name)
    async with watching(here(engine.url)) as fleet:
        before = dict(fleet.containers)
        images = dict(fleet.images)
        engine.client.create_container(BUSYBOX, name="three")
        await eventually(lambda: "here/three" in fleet.containers)
        # Ages of some seconds may have moved on by one.
        same = [fleet.containers[one] is row for one, row in before.items() if fleet.containers[one] == row]
        assert all(same)
        assert all(fleet.images[one] is row for one, row in images.items() if fleet.images[one] == row)


async def test_a_restart_loop_is_flagged_with_its_rate(engine: Dockerd) -> None:
    async with watching(here(engine.url)) as fleet:
        engine.run("crash", "exit 3", host={"restart_policy": {"Name": "always"}})
        await eventually(lambda: "here/crash" in fleet.containers)
        await eventually(lambda: fleet.containers["here/crash"].looping, 20)
        row = fleet.containers["here/crash"]
        assert row.restarts is not None
        assert row.restarts >= 3
        assert row.restarts_per_hour == row.restarts
        assert [f"{row.restarts}", f"{row.restarts}/h"] in [cell.split() for cell in drawn(fleet, "here/crash")]


async def test_what_the_engine_remembers_of_a_loop_is_known_at_once(engine: Dockerd) -> None:
    made = engine.run("crash", "exit 3", host={"restart_policy": {"Name": "always"}})
    await eventually(lambda: engine.client.inspect_container(made)["RestartCount"] >= 4, 20)
    async with watching(here(engine.url)) as fleet:
        await eventually(lambda: fleet.containers["here/crash"].looping, what="the loop")


async def test_names_and_labels_with_markup_and_escapes_are_kept_and_drawn_harmless(engine: Dockerd) -> None:
    evil = "[@click=app.quit]x[/]\x1b[31m\u202e\n"
    engine.run("web", "echo '\x1b[2J'; sleep 1000", labels={"com.docker.compose.project": evil})
    async with watching(here(engine.url)) as fleet:
        row = fleet.containers["here/web"]
        assert row.stack == evil
        cells = drawn(fleet, "here/web")
        assert clean(evil) in cells
        assert not any(set(cell) & {"\x1b", "\u202e", "\n"} for cell in cells)


async def test_an_image_with_two_names_is_two_rows(engine: Dockerd) -> None:
    engine.client.tag(BUSYBOX, "shop/api", "2")
    nameless = engine.busybox("old:1", what="old")
    engine.busybox("old:1", what="new")
    async with watching(here(engine.url)) as fleet:
        assert fleet.images["here/shop/api:2"].image_id == fleet.images[f"here/{BUSYBOX}"].image_id
        assert fleet.images["here/old:1"].state == "unused"
        assert fleet.images["here/old:1"].image_id != nameless
        dangling = fleet.images[f"here/{nameless.removeprefix('sha256:')[:12]}"]
        assert (dangling.state, dangling.name) == ("dangling", nameless.removeprefix("sha256:")[:12])


async def test_an_engine_that_restarts_is_stale_and_comes_back_without_duplicates(
    engine_at: StartDockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.docker.backend.INTERVAL_S", 0.5)
    engine = engine_at()
    engine.run("web", host={"restart_policy": {"Name": "always"}})
    engine.client.create_container(BUSYBOX, name="idle")
    async with watching(here(engine.url, interval=0.5)) as fleet:
        assert set(fleet.containers) == {"here/web", "here/idle"}
        engine.stop()
        await eventually(lambda: {row.state for row in fleet.containers.values()} == {STALE}, 20)
        reading = fleet.reading("here")
        assert reading is not None
        assert reading.fault
        assert set(fleet.containers) == {"here/web", "here/idle"}
        engine.start()
        await eventually(lambda: fleet.containers["here/web"].state == "running", 40)
        assert set(fleet.containers) == {"here/web", "here/idle"}
        assert len(list(fleet.deck.feed.fleet.noun("container"))) == 2
        reading = fleet.reading("here")
        assert reading is not None
        assert (reading.fault, reading.stale) == (None, False)


async def test_an_engine_that_restarts_at_the_usual_place_is_found_again_soon(
    engine_at: StartDockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket disappears meanwhile; nobody wrote down that there should be one."""
    engine = engine_at()
    monkeypatch.setattr("backends.docker.backend.INTERVAL_S", 0.5)
    monkeypatch.setattr("backends.docker.reach.DEFAULT_SOCKET", str(engine.socket))
    engine.client.create_container(BUSYBOX, name="idle")
    async with watching(NodeEntry(name="here", local=True, interval=0.5)) as fleet:
        assert set(fleet.containers) == {"here/idle"}
        engine.stop()
        engine.socket.unlink(missing_ok=True)
        await eventually(lambda: fleet.containers["here/idle"].state == STALE, 20)
        engine.start()
        await eventually(lambda: fleet.containers["here/idle"].state == "created", 20)


@pytest.mark.real("sshd")
async def test_where_sockets_are_not_forwarded_rows_and_figures_come_all_the_same(
    engine: Dockerd, sshd_at: StartSshd
) -> None:
    server = sshd_at(options={"AllowStreamLocalForwarding": "no", "MaxSessions": "4"})
    engine.run("web")
    async with watching(far(server, engine.url, interval=0.5), sshd=server) as fleet:
        await eventually(lambda: fleet.containers["pi/web"].cpu_percent is not None, 30)
        engine.run("late")
        await eventually(lambda: fleet.container("pi/late"), 20)


async def test_a_node_without_an_engine_is_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody said that there should be one: no rows, no fault, and nobody waits for it."""
    monkeypatch.setattr("backends.docker.reach.DEFAULT_SOCKET", str(tmp_path / "docker.sock"))
    async with watching(NodeEntry(name="plain", local=True), wait=0) as fleet:
        assert await fleet.deck.feed.first(10) == ()
        assert fleet.containers == {}
        assert [one.fault for one in fleet.deck.feed.fleet.readings.values()] == [None] * 4
        assert fleet.deck.feed.faults() == ()


async def test_a_node_whose_engine_is_switched_off_is_not_watched() -> None:
    off = NodeEntry(name="off", local=True, extra={"docker": False})
    wrong = NodeEntry(name="wrong", local=True, fault="hosts.yaml:3:1: unknown key")
    camera = NodeEntry(name="camera", ping=PingEntry(host="127.0.0.1"))
    async with watching(off, wrong, camera, wait=0) as fleet:
        assert fleet.deck.feed.sources() == ()


async def test_an_engine_that_should_be_there_and_is_not_is_a_fault(engine: Dockerd) -> None:
    nowhere = here("unix:///nonexistent/docker.sock", "there")
    async with watching(here(engine.url), nowhere) as fleet:
        await eventually(lambda: any(one.fault for one in fleet.deck.feed.fleet.readings.values()))
        (reading,) = [one for key, one in fleet.deck.feed.fleet.readings.items() if key.source == "there"]
        assert reading.fault


@pytest.mark.real("sshd")
async def test_a_node_that_goes_down_leaves_its_rows_stale_and_says_why(
    engine: Dockerd, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.docker.backend.INTERVAL_S", 0.5)
    engine.run("web")
    async with watching(far(sshd, engine.url, interval=0.5), sshd=sshd) as fleet:
        assert fleet.containers["pi/web"].state == "running"
        sshd.kill()
        await eventually(lambda: fleet.containers["pi/web"].state == STALE, 20)
        assert fleet.containers["pi/web"].fault
        sshd.start()
        await eventually(lambda: fleet.containers["pi/web"].state == "running", 40)
        assert fleet.containers["pi/web"].fault is None
