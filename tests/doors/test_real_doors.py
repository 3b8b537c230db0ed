"""The same on real machines, this one and one behind sshd: every door leaves the same entries."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app import registry
from app.plan import Risk
from app.registry import PARTS
from app.verb import Catalog
from tests.doors import doors
from tests.doors.doors import Action, Left
from tests.servers.sshd import Sshd

CATALOG = Catalog({noun: kind.verbs for noun, kind in registry.kinds(PARTS).items()})

GIVEN: dict[str, dict[str, str]] = {
    "exec": {"command": "echo out; echo 'the end' >&2; exit 3"},
    "ping": {},
    "put": {"path": "a file", "to": "copies/"},
    "get": {"path": "/etc/hostname"},
    "mute": {"until": "2099-01-31T08:00", "reason": "new disk"},
    "signal": {"pid": "999999999"},
    "tunnel": {"spec": "no tunnel"},
}
"""What is typed; the last two fail before a question, which must be said alike as well."""
FAILING = {"signal", "tunnel"}

DOORS: dict[str, Callable[[Action, doors.Start_], Left]] = {
    "key": doors.by_key,
    "line": doors.by_line,
    "palette": doors.by_palette,
}


def hosts(server: Sshd, folder: Path) -> Path:
    """This machine, and the server as another."""
    file = folder / "hosts.yaml"
    file.write_text(
        f"defaults: {{ssh: {{known_hosts: {server.known_hosts}, config: {server.defaults().config}}}}}\n"
        "nodes:\n"
        "  here: {local: true}\n"
        f"  far: {{ssh: {{host: {server.host}, port: {server.port}, identity: {server.client_key}}}}}\n"
    )
    return file


def measured(left: Left) -> Left:
    """Without the process ids."""
    for entry in left:
        entry["handle"] = re.sub(r"^[0-9]+$", "PID", entry["handle"] or "")
    return left


@pytest.mark.real("sshd")
@pytest.mark.parametrize("node", ["here", "far"])
@pytest.mark.parametrize("name", GIVEN)
def test_every_door_leaves_the_same_entries(
    name: str, node: str, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = CATALOG.find("node", name)
    assert verb is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("text")
    given = dict(GIVEN[name])
    if name == "put":
        given["to"] = f"{tmp_path}/copies/"
    file = hosts(sshd, tmp_path)
    action = Action(verb, (node,), given, asks=verb.risk is not Risk.SAFE and name not in FAILING)
    reached: list[Left] = []
    for door in ("command line", *DOORS):
        if door == "key" and verb.key is None:
            continue
        shutil.rmtree(tmp_path / "copies", ignore_errors=True)
        (tmp_path / "copies").mkdir()
        shutil.rmtree(tmp_path / node, ignore_errors=True)
        monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / door))
        if door == "command line":
            left = doors.by_command_line(action, ["--hosts", str(file)])
        else:
            left = DOORS[door](action, doors.hosts(file))
        reached.append(measured(left))
        assert reached[-1] == reached[0], door
    assert reached[0], "nothing was witnessed"


@pytest.mark.real("sshd")
@pytest.mark.parametrize(
    ("name", "node", "rules"),
    [
        ("trust", "here", ""),
        ("reboot", "far", "rules: {read_only: [far]}\n"),
        ("remove", "here", "rules: {read_only: ['*']}\n"),
    ],
)
def test_what_is_refused_is_witnessed_by_every_door_at_which_it_can_be_asked(
    name: str, node: str, rules: str, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = CATALOG.find("node", name)
    assert verb is not None
    file = hosts(sshd, tmp_path)
    file.write_text(file.read_text() + rules)
    action = Action(verb, (node,))
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "command line"))
    expected = doors.by_command_line(action, ["--hosts", str(file)])
    assert [entry["outcome"] for entry in expected] == ["refused"]
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "line"))
    assert doors.by_line(action, doors.hosts(file)) == expected
