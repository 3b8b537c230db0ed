"""A declared stack and the one that runs already are one, whatever gave the project its name; also for who acts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from backends.compose.declared import Declared
from backends.compose.paths import NodePath
from backends.compose.rows import Known, doubtful
from tests.compose.berth import SHOP, OpenBerth
from tests.compose.test_rows import container, seen
from tests.servers.compose import Composes, Version
from tests.servers.dockerd import Dockerd

NAMED_BY = [
    ("v2", "folder"),
    ("v1", "folder"),
    ("v2", "file"),
    ("v2", "variable"),
    ("v1", "variable"),
    ("v2", "declared"),
]
"""Compose 1.29 knows no ``name`` in a file."""


def declaration(how: str) -> tuple[dict[str, Any], str]:
    """(the stack in hosts.yaml, what compose is to call it)."""
    if how == "declared":
        return {"dir": "~/Shop.Eu", "project": "mine"}, "mine"
    return {"dir": "~/Shop.Eu"}, "shopeu" if how == "folder" else "named"


def lay(folder: Path, how: str) -> None:
    """The folder of the stack."""
    folder.mkdir()
    text = SHOP.replace('version: "3.7"\n', "name: named\n") if how == "file" else SHOP
    (folder / "docker-compose.yml").write_text(text)
    if how == "variable":
        (folder / ".env").write_text("COMPOSE_PROJECT_NAME=named\n")


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize(("version", "how"), NAMED_BY)
def test_who_acts_has_one_target(
    engine: Dockerd,
    composes: Composes,
    version: Version,
    how: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in composes.environment(version).items():
        monkeypatch.setenv(name, value)
    stack, project = declaration(how)
    lay(home / "Shop.Eu", how)
    hosts = home / "hosts.yaml"
    node = {"local": True, "docker": engine.url, "stacks": {"shop": stack}}
    hosts.write_text(json.dumps({"nodes": {"pi": node}}))

    program = ["docker", "compose"] if version == "v2" else ["docker-compose"]
    by_hand = [*program, *(["-p", project] if how == "declared" else []), "up", "-d"]
    environment = {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin", "DOCKER_HOST": engine.url}
    subprocess.run(by_hand, cwd=home / "Shop.Eu", env=environment, check=True, capture_output=True)

    def run(*words: str) -> list[tuple[str, str]]:
        call(["--hosts", str(hosts), "--output", "json", "--yes", "--why", "test", "stack", *words])
        items = json.loads(capfd.readouterr().out)["items"]
        return [(item["id"], item.get("outcome") or f"{item['project']} {item['state']}") for item in items]

    assert run("list") == [("pi/shop", f"{project} up")]
    assert run("stop", "pi/*") == [("pi/shop", "done")]
    assert run("up", "*/shop") == [("pi/shop", "done")]
    assert run("down", "pi/*") == [("pi/shop", "done")]
    assert engine.client.containers(all=True) == []


def test_only_what_may_be_another_is_asked_about() -> None:
    one = Declared(name="one", dir=NodePath.parse("~/one"))
    two = Declared(name="two", dir=NodePath.parse("~/two"))
    three = Declared(name="three", dir=NodePath.parse("~/three"), project="three")
    known = Known(node="pi", declared=(one, two, three), seen=seen(container("one", "api")))
    assert doubtful(known) == set(), "every project that runs is known"
    known = Known(node="pi", declared=(one, two, three), seen=seen(container("one", "api"), container("x", "api")))
    assert doubtful(known) == {"two"}


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_restarted_in_place_and_made_anew(berth: OpenBerth, version: Version) -> None:
    it = await berth(version)
    await it.ready()
    assert (await it.one("up")).outcome == "done"
    before = containers(it)

    assert (await it.one("restart")).outcome == "done"
    after = containers(it)
    assert {name: one[0] for name, one in after.items()} == {name: one[0] for name, one in before.items()}
    assert all(after[name][1] != before[name][1] for name in before), "all were started again"

    assert (await it.one("restart", service=("api",))).outcome == "done"
    again = containers(it)
    assert again["redis"] == after["redis"], "one service alone"
    assert again["api"][0] == after["api"][0]
    assert again["api"][1] != after["api"][1]

    assert (await it.one("recreate", service=("api",))).outcome == "done"
    anew = containers(it)
    assert anew["redis"] == again["redis"], "what it needs stays"
    assert anew["api"][0] != again["api"][0]

    assert (await it.one("recreate")).outcome == "done"
    assert not {one[0] for one in containers(it).values()} & {one[0] for one in anew.values()}

    assert (await it.one("stop", service=("api",))).outcome == "done"
    assert it.containers() == {"api": "exited", "redis": "running"}
    assert (await it.one("up", service=("api",))).outcome == "done"
    assert set(it.containers().values()) == {"running"}


def containers(it: Any) -> dict[str, tuple[str, str]]:
    """Service -> (container, when it was started)."""
    label = {"label": "com.docker.compose.project=shop"}
    found = it.engine.client.containers(filters=label)
    return {
        one["Labels"]["com.docker.compose.service"]: (
            one["Id"],
            it.engine.client.inspect_container(one["Id"])["State"]["StartedAt"],
        )
        for one in found
    }
