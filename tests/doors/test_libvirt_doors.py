"""The same on a real libvirt: what is done to its guests is witnessed alike by every door, and done to them."""

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
from tests.servers.libvirt import Libvirtd

CATALOG = Catalog({noun: kind.verbs for noun, kind in registry.kinds(PARTS).items()})

ACTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "vm.start": ("hp/off", {}),
    "vm.stop": ("hp/deaf", {}),
    "vm.suspend": ("hp/deaf", {}),
    "vm.snapshot": ("hp/off", {"name": "before-upgrade"}),
    "vm.rollback": ("hp/later", {"name": "known-good"}),
    "vm.delete-snapshot": ("hp/off", {"name": "known-good"}),
    "vm.checkpoint": ("hp/off", {"name": "monday"}),
    "vm.clone": ("hp/base", {"name": "web3", "cores": "2", "tag": "new"}),
    "vm.set": ("hp/off", {"cores": "2", "notes": "the front door"}),
    "vm.resize": ("hp/deaf", {"disk": "vda", "size": "+1M"}),
    "vm.destroy": ("hp/off", {}),
}
"""Verb -> whom it is done to and what is typed."""
REFUSED: dict[str, tuple[str, dict[str, str]]] = {
    "vm.clone": ("hp/deaf", {"name": "web3"}),
    "vm.start": ("hp/base", {}),
}
"""The same for what is refused, which must be said alike as well."""

DOORS: dict[str, Callable[[Action, doors.Start_], Left]] = {
    "key": doors.by_key,
    "line": doors.by_line,
    "palette": doors.by_palette,
}


def guests(libvirt: Libvirtd, folder: Path, target: str) -> Path:
    """The guest that is meant, in the state its name says, and hosts.yaml."""
    libvirt.sweep()
    name = target.partition("/")[2]
    uuid = libvirt.domain(name, start=name == "deaf", memory_mib=16)
    if name in ("off", "later"):
        libvirt.virsh("snapshot-create-as", uuid, "known-good")
        if name == "later":
            libvirt.virsh("start", uuid)
    elif name == "base":
        text = "<guest><template/></guest>"
        libvirt.virsh("metadata", uuid, "urn:quarterdeck:guest", "--key", "quarterdeck", "--set", text, "--config")
    folder.mkdir()
    file = folder / "hosts.yaml"
    file.write_text(f"nodes: {{hp: {{local: true, docker: false, libvirt: '{libvirt.uri}'}}}}\n")
    return file


def now(libvirt: Libvirtd) -> dict[str, object]:
    """What can be seen of each guest without asking us: its state, its snapshots, its definition, its disks' sizes."""
    seen: dict[str, object] = {}
    for name, uuid in libvirt.uuids().items():
        disks = libvirt.virsh("domblkinfo", uuid, "--all", check=False).stdout
        seen[name] = (
            libvirt.state(name),
            libvirt.virsh("snapshot-list", uuid, "--name").stdout.split(),
            [line for line in libvirt.virsh("dumpxml", "--inactive", uuid).stdout.splitlines() if "uuid" not in line],
            [line.split()[1] for line in disks.splitlines() if line.strip()],
        )
    return seen


def measured(left: Left) -> Left:
    """Without what is new each time: UUIDs, addresses of network cards, process ids."""
    for entry in left:
        entry["handle"] = re.sub(r"^[0-9]+$", "PID", entry["handle"] or "")
        for name in ("target", "plan", "message"):
            entry[name] = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", str(entry[name]))
        entry["digest"] = ""  # of the texts with those in them
    # Clones are made side by side, in no order.
    return sorted(left, key=lambda one: (one["phase"] != "intent", one["phase"], one["target"], one["plan"]))


@pytest.mark.real("libvirtd")
@pytest.mark.parametrize(
    ("ident", "refused"), [*((one, False) for one in ACTIONS), *((one, True) for one in REFUSED)], ids=str
)
def test_every_door_leaves_the_same_entries(
    ident: str, refused: bool, libvirt: Libvirtd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noun, _, name = ident.partition(".")
    verb = CATALOG.find(noun, name)
    assert verb is not None
    target, given = (REFUSED if refused else ACTIONS)[ident]
    action = Action(verb, (target,), given, asks=verb.risk is not Risk.SAFE and not refused)
    reached: list[Left] = []
    became: list[object] = []
    for door in ("command line", *DOORS):
        if door == "key" and verb.key is None:
            continue
        hosts = guests(libvirt, tmp_path / door, target)
        before = now(libvirt)
        monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / door / "home"))
        if door == "command line":
            left = doors.by_command_line(action, ["--hosts", str(hosts)])
        else:
            left = DOORS[door](action, doors.hosts(hosts))
        reached.append(measured(left))
        assert reached[-1] == reached[0], door
        after = now(libvirt)
        became.append({name: (state, kept) for name, (state, kept, *_) in after.items()})  # type: ignore[misc]
        assert became[-1] == became[0], door
        assert (after == before) is refused, door
    assert reached[0], "nothing was witnessed"
    assert {one["outcome"] for one in reached[0] if one["phase"] == "outcome"} <= ({"refused"} if refused else {"done"})
