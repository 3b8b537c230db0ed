"""Where control groups cannot be read, an engine is asked only about what somebody looks at."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from app.fleet import Ref
from backends.docker import node_usage, usage
from backends.docker.contract import Client
from backends.docker.usage import Counters
from tests.docker.watched import Fleet, here, watching
from tests.servers.dockerd import Dockerd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")
NAMES = [f"c{number}" for number in range(6)]


@pytest.fixture(autouse=True)
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control groups are elsewhere, as where the engine runs in a virtual machine."""
    monkeypatch.setattr(usage, "script", functools.partial(usage.script, root="/nonexistent"))
    monkeypatch.setattr("backends.docker.usage.EVERY_S", 0.5)
    monkeypatch.setattr("backends.docker.backend.INTERVAL_S", 0.5)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids an engine was asked about, in order."""
    ids: list[str] = []
    counters = node_usage.counters

    def noted(client: Client, container_id: str) -> Counters:
        ids.append(container_id)
        return counters(client, container_id)

    monkeypatch.setattr(node_usage, "counters", noted)
    return ids


def figures(fleet: Fleet) -> dict[str, bool]:
    """Which containers have all figures."""
    return {row.name: None not in (row.cpu_percent, row.mem_used_bytes, row.pids) for row in fleet.containers.values()}


def look_at(fleet: Fleet, *refs: Ref) -> None:
    """Somebody looks at these."""
    fleet.deck.context.visible = lambda asked: frozenset(refs).intersection(asked)


async def test_only_visible_rows_are_asked_about_and_soon(
    engine: Dockerd, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_usage, "STATS_EVERY_S", 600.0)
    ids = {name: engine.run(name) for name in NAMES}
    async with watching(here(engine.url, interval=0.5)) as fleet:
        look_at(fleet, Ref("container", "here/c1"), Ref("container", "here/c4"), Ref("container", "other/c2"))
        await eventually(lambda: [name for name, told in figures(fleet).items() if told] == ["c1", "c4"], 20)
        assert set(asked) == {ids["c1"], ids["c4"]}

        look_at(fleet, Ref("container", "here/c2"))
        before = len(asked)
        await eventually(lambda: figures(fleet)["c2"], what="soon after it became visible")
        assert set(asked[before:]) <= {ids["c2"], ids["c1"], ids["c4"]}
        assert asked.count(ids["c1"]) == 2, "twice at first, then every ten minutes"


async def test_containers_of_a_visible_stack_are_asked_about(engine: Dockerd, asked: list[str]) -> None:
    shop = [engine.run(name, labels={"com.docker.compose.project": "shop"}) for name in NAMES[:2]]
    engine.run("alone")
    async with watching(here(engine.url, interval=0.5)) as fleet:
        look_at(fleet, Ref("stack", "here/shop"))
        await eventually(lambda: figures(fleet)["c0"] and figures(fleet)["c1"], 20)
        assert set(asked) == set(shop)
        assert not figures(fleet)["alone"]


async def test_where_nobody_looks_nothing_is_asked_and_old_figures_go(
    engine: Dockerd, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_usage, "STATS_EVERY_S", 1.0)
    engine.run("c0")
    async with watching(here(engine.url, interval=0.5)) as fleet:
        await eventually(lambda: _missed(fleet), 20)
        look_at(fleet, Ref("container", "here/c0"))
        await eventually(lambda: figures(fleet)["c0"], 20)
        look_at(fleet)
        await eventually(lambda: fleet.containers["here/c0"].mem_used_bytes is None, 10, "too old to be told")
        count = len(asked)
        look_at(fleet, Ref("container", "here/c0"))
        await eventually(lambda: figures(fleet)["c0"])
        assert len(asked) > count


def _missed(fleet: Fleet) -> bool:
    """The sampler has looked and found nothing."""
    return fleet.deck.context.links.of("here").cost.bytes_in > 0 and not figures(fleet)["c0"]


async def test_a_command_about_something_else_does_not_wait_for_figures(engine: Dockerd, asked: list[str]) -> None:
    engine.run("c0")
    async with watching(here(engine.url), one_shot=True) as fleet:
        assert fleet.containers["here/c0"].state == "running"
        assert asked == []


def test_a_list_asks_about_the_rows_it_names(
    engine: Dockerd,
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    ids = {name: engine.run(name, labels={"com.docker.compose.project": f"p-{name}"}) for name in NAMES}
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text(f"nodes:\n  here: {{local: true, docker: '{engine.url}'}}\n")

    def items(*words: str) -> dict[str, dict[str, Any]]:
        asked.clear()
        capsys.readouterr()
        assert call(["--hosts", str(hosts), "--output", "json", *words]) == 0
        return {one["name"]: one for one in json.loads(capsys.readouterr().out)["items"]}

    told = items("container", "list", "c1,here/c3")
    assert sorted(told) == ["c1", "c3"]
    assert all(one["cpu_percent"] is not None and one["mem_used_bytes"] for one in told.values())
    assert set(asked) == {ids["c1"], ids["c3"]}
    assert all(one["mem_used_bytes"] for one in items("container", "list").values())
    assert set(asked) == set(ids.values())
    assert items("stack", "list", "p-c2")["p-c2"]["mem_used_bytes"]
    assert set(asked) == {ids["c2"]}
    items("image", "list")
    assert asked == []
