"""Every verb of every kind, on the pretend fleet: whatever door it comes through, the witness says the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app import registry
from app.plan import Risk
from app.registry import DEMO
from app.verb import Catalog, Verb
from backends.demo.backend import Demo
from tests.doors import doors
from tests.doors.doors import Action, Left
from widgets.logview import LogPlace
from widgets.rowsview import RowsPlace
from widgets.sectionsview import SectionsPlace
from widgets.textview import TextPlace

CATALOG = Catalog({noun: kind.verbs for noun, kind in registry.kinds(DEMO).items()})
VERBS = {verb.id: verb for verb in CATALOG if not verb.view}

TASK = "UPID:pve2:00001000:00000000:FFFFF1F0:vzdump:120:ops@pam:"
"""The first task of the pretend cluster."""

GIVEN: dict[str, dict[str, str]] = {
    "node.exec": {"command": "echo 'two words' | tail -1"},
    "node.signal": {"pid": "137", "signal": "HUP"},
    "node.service": {"action": "restart", "unit": "nginx.service"},
    "node.tunnel": {"spec": "8080:localhost:80"},
    "node.untunnel": {"port": "8080"},
    "node.put": {"path": "a file"},
    "node.get": {"path": "/etc/hostname"},
    "node.mute": {"until": "2h", "reason": "new disk"},
    "node.add": {"name": "moon", "ssh": "ops@moon.example", "tag": "far 'b'", "sudo": "ask"},
    "node.ping": {"count": "2"},
    "container.rename": {"name": "redis-old"},
    "container.exec": {"command": "redis-cli 'two words' | tail -1"},
    "container.kill": {"signal": "HUP"},
    "container.get": {"path": "/etc/hostname"},
    "container.put": {"path": "a file"},
    "container.prune": {"node": "hp1"},
    "image.pull": {"reference": "redis:8", "to": "pi1"},
    "image.login": {"registry": "registry.example:5000", "user": "ops"},
    "image.prune": {"node": "pi1"},
    "volume.prune": {"node": "pi1"},
    "network.prune": {"node": "pi1"},
    "vm.clone": {"name": "web3", "to": "pve2", "memory": "4G"},
    "vm.spawn": {"count": "3", "name": "worker"},
    "vm.build": {"name": "hub"},
    "vm.snapshot": {"name": "before-upgrade"},
    "vm.rollback": {"name": "before-run-7"},
    "vm.delete-snapshot": {"name": "before-run-7"},
    "vm.checkpoint": {"name": "monday"},
    "vm.restore": {"archive": "nas:backup/vzdump-qemu-110-pretend.vma.zst"},
    "vm.migrate": {"to": "pve3"},
    "vm.resize": {"disk": "scsi0", "size": "+10G"},
    "vm.set": {"cores": "8", "tag": "agents"},
    "vm.isolate": {"network": "machines"},
    "vm.task-stop": {"upid": TASK},
    "vm.trust": {"cluster": "lab"},
    "project.add": {"name": "wiki", "path": "~/src/wiki", "to": "pi1"},
}
"""What is typed where a verb takes more than a target; a required input without an entry here fails its test."""

PLACES = (RowsPlace, LogPlace, TextPlace, SectionsPlace)
"""What a view becomes."""

TARGETS = {
    "node": "hp1",
    "container": "pi1/carbonac-redis-1",
    "stack": "pi1/carbonac",
    "project": "pi1/shop",
    "image": "pi1/redis:7.2-alpine",
    "volume": "pi1/carbonac_redis-data",
    "network": "pi1/carbonac_default",
    "vm": "lab/123",
    "hypervisor": "lab/pve1",
    "storage": "lab/pve1/local-lvm",
}
"""Whom the verbs of a kind are done to."""

ABOUT = {"vm.task-log": TASK, "vm.backups": "lab/131", "vm.tasks": "lab/120"}
"""What views without a target are about."""

DOORS: dict[str, Callable[[Action, doors.Start_], Left]] = {
    "key": doors.by_key,
    "line": doors.by_line,
    "palette": doors.by_palette,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pretend work takes no time; the file that is copied stands where the test runs."""
    monkeypatch.setattr(Demo, "pace", 0.001)
    monkeypatch.setattr("backends.demo.pretending.PACE_S", 0.001)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("text")


def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """An empty witness for one door."""
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / name))


def action_of(verb: Verb, targets: tuple[str, ...]) -> Action:
    """The verb on those targets, with what it takes."""
    given = GIVEN.get(verb.id, {})
    missing = [param.name for param in verb.params if param.required and param.name not in given]
    assert not missing, f"say in GIVEN what '{verb.id}' takes as {missing}"
    return Action(verb, targets if verb.takes_target else (), given, asks=verb.risk is not Risk.SAFE)


@pytest.mark.parametrize("ident", VERBS)
def test_every_door_leaves_the_same_entries(ident: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    verb = VERBS[ident]
    action = action_of(verb, (TARGETS[verb.noun],))
    home(monkeypatch, tmp_path, "cli")
    expected = doors.by_command_line(action, ["--demo", "--nodes", "2"])
    assert expected, "the command line left nothing"
    for name, door in DOORS.items():
        if name == "key" and verb.key is None:
            continue
        home(monkeypatch, tmp_path, name)
        assert door(action, doors.demo(2)) == expected, name


@pytest.mark.parametrize("ident", ["node.exec", "node.reboot", "node.mute"])
def test_several_targets_leave_the_same_entries(ident: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    action = action_of(VERBS[ident], ("hp1", "pi1", "pi2"))
    home(monkeypatch, tmp_path, "cli")
    expected = doors.by_command_line(action, ["--demo", "--nodes", "3"])
    assert sum(entry["phase"] == "outcome" for entry in expected) == 3
    for name, door in DOORS.items():
        home(monkeypatch, tmp_path, name)
        assert door(action, doors.demo(3)) == expected, name


@pytest.mark.parametrize(
    ("view", "key", "row", "ident", "given"),
    [
        ("t", "t", "sshd", "node.signal", {"pid": "137", "signal": "TERM"}),
        ("t", "K", "dockerd", "node.signal", {"pid": "174", "signal": "KILL"}),
        ("v", "r", "nginx.service", "node.service", {"action": "restart", "unit": "nginx.service"}),
        ("v", "x", "cron.service", "node.service", {"action": "stop", "unit": "cron.service"}),
    ],
)
def test_keys_on_the_rows_of_a_view_leave_what_the_verb_leaves(
    view: str, key: str, row: str, ident: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verb = VERBS[ident]
    action = Action(verb, ("hp1",), given, asks=verb.risk is not Risk.SAFE)
    home(monkeypatch, tmp_path, "cli")
    expected = doors.by_command_line(action, ["--demo", "--nodes", "2"])
    home(monkeypatch, tmp_path, "row")
    assert doors.by_row(action, doors.demo(2), view, key, row) == expected


def test_a_tunnel_closed_on_its_row_leaves_what_untunnel_leaves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It must be open first, which only a console can keep: the line closes one in the same way beforehand."""
    left: list[Left] = []
    for door in ("line", "row"):
        home(monkeypatch, tmp_path, door)
        left.append(asyncio.run(open_and_close(door)))
    assert [entry["verb"] for entry in left[0]] == ["node tunnel"] * 2 + ["node untunnel"] * 2
    assert left[0] == left[1]


async def open_and_close(door: str) -> Left:
    """Open a tunnel by the line, and close it by the line or on its row; what that left."""
    async with doors.console(doors.demo(2)(), ("hp1",)) as it:
        it.console.command_line.open("node tunnel hp1 8080:localhost:80")
        await it.press("enter")
        await it.until(lambda: len(it.witnessed()) == 2 and not it.deck.running_jobs)
        if door == "line":
            it.console.command_line.open("node untunnel hp1 8080")
            await it.press("enter")
        else:
            await doors.mark(it, Action(VERBS["node.untunnel"], ("hp1",)))
            await it.press("f")
            await it.until(lambda: isinstance(it.console.place, RowsPlace) and "8080" in it.lines(), it.screen())
            await it.press("x")
            await it.until(lambda: "8080" not in it.lines(), "the row is gone once the tunnel is")
        await it.until(lambda: len(it.witnessed()) == 4 and doors.is_over(it))
        return [{name: getattr(entry, name) for name in doors.FIELDS} for entry in it.witnessed()]


@pytest.mark.parametrize("view", [verb for verb in CATALOG if verb.view], ids=lambda verb: verb.id)
def test_looking_leaves_no_entry(view: Verb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home(monkeypatch, tmp_path, "console")

    async def look() -> None:
        async with doors.console(doors.demo(2)(), (TARGETS[view.noun],), view.noun) as it:
            about = TARGETS[view.noun] if view.takes_target else ABOUT.get(view.id, "")
            it.console.command_line.open(f"{view.title} {about}")
            await it.press("enter")
            await it.until(lambda: isinstance(it.console.place, PLACES), it.screen())
            await it.press("d", "escape", "y", "escape")
            assert it.witnessed() == []

    asyncio.run(look())
