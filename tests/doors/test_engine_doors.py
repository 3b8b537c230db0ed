"""The same on a real engine: what is done to containers, stacks and projects is witnessed alike by every door."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app import registry
from app.plan import Risk
from app.registry import PARTS
from app.verb import Catalog
from tests.doors import doors
from tests.doors.doors import Action, Left
from tests.servers.dockerd import Dockerd

CATALOG = Catalog({noun: kind.verbs for noun, kind in registry.kinds(PARTS).items()})
SECRET = "correct-horse-battery"

ACTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "container.restart": ("here/web", {"timeout": "1"}),
    "container.exec": ("here/web", {"command": "echo out; echo 'the end' >&2; exit 3"}),
    "container.kill": ("here/web", {"signal": "HUP"}),
    "container.reveal": ("here/web", {}),
    "container.start": ("here/web", {}),
    "image.remove": ("here/bb:1", {}),
    "network.remove": ("here/bridge", {}),
    "volume.prune": ("", {"node": "here"}),
    "stack.restart": ("here/shop", {}),
    "project.add": ("", {"name": "wiki", "path": "wiki", "to": "here"}),
}
"""Verb -> whom it is done to and what is typed. Some do nothing or are refused, which must be said alike as well."""
UNASKED = {"image.remove", "network.remove", "volume.prune"}
"""Those that end before there could be a question."""

DOORS: dict[str, Callable[[Action, doors.Start_], Left]] = {
    "key": doors.by_key,
    "line": doors.by_line,
    "palette": doors.by_palette,
}


@pytest.fixture
def hosts(engine: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine with the engine, a container with a secret, and one of a stack whose folder is gone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wiki").mkdir()
    engine.run("web", "trap : HUP; while :; do sleep 1; done", environment={"DB_PASSWORD": SECRET})
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "api",
        "com.docker.compose.project.working_dir": str(tmp_path),
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.container-number": "1",
    }
    engine.run("shop-api-1", labels=labels)
    file = tmp_path / "hosts.yaml"
    file.write_text(f"nodes: {{here: {{local: true, docker: '{engine.url}'}}}}\n")
    return file


def measured(left: Left) -> Left:
    """Without the ids that each command is given anew."""
    for entry in left:
        entry["handle"] = re.sub(r"[0-9a-f]{64}|^[0-9]+$", "ID", entry["handle"] or "")
    return left


@pytest.mark.real("dockerd")
@pytest.mark.parametrize("ident", ACTIONS)
def test_every_door_leaves_the_same_entries(
    ident: str, hosts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noun, _, name = ident.partition(".")
    verb = CATALOG.find(noun, name)
    assert verb is not None
    target, given = ACTIONS[ident]
    asks = verb.risk is not Risk.SAFE and ident not in UNASKED
    action = Action(verb, (target,) if target else (), given, asks=asks)
    reached: list[Left] = []
    for door in ("command line", *DOORS):
        if door == "key" and verb.key is None:
            continue
        monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / door))
        if door == "command line":
            left = doors.by_command_line(action, ["--hosts", str(hosts)])
        else:
            left = DOORS[door](action, doors.hosts(hosts))
        reached.append(measured(left))
        assert reached[-1] == reached[0], door
        assert SECRET not in str(left)
    assert reached[0], "nothing was witnessed"
