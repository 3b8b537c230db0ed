"""The same on a cluster: what is done to guests is witnessed alike by every door, and done to them."""

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
from tests.servers.fakepve import Pve, StartPve

CATALOG = Catalog({noun: kind.verbs for noun, kind in registry.kinds(PARTS).items()})

ACTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "vm.start": ("lab/102", {}),
    "vm.shutdown": ("lab/101", {"timeout": "30"}),
    "vm.stop": ("lab/101", {}),
    "vm.reset": ("lab/101", {}),
    "vm.suspend": ("lab/101", {}),
    "vm.clone": ("lab/9000", {"name": "web3", "cores": "4", "tag": "new"}),
    "vm.spawn": ("lab/9000", {"count": "3", "name": "worker"}),
    "vm.template": ("lab/102", {}),
    "vm.snapshot": ("lab/101", {"name": "before-upgrade"}),
    "vm.rollback": ("lab/101", {"name": "known-good"}),
    "vm.delete-snapshot": ("lab/101", {"name": "known-good"}),
    "vm.checkpoint": ("lab/101", {"name": "monday"}),
    "vm.set": ("lab/101", {"cores": "8", "notes": "the front door"}),
    "vm.resize": ("lab/101", {"disk": "scsi0", "size": "+1G"}),
    "vm.destroy": ("lab/102", {}),
    "vm.resume": ("lab/101", {}),
    "vm.migrate": ("lab/102", {"to": "nowhere"}),
    "vm.trust": ("", {"cluster": "lab"}),
}
"""Verb -> whom it is done to and what is typed. Some are refused, which must be said alike as well."""
UNASKED = {"vm.migrate", "vm.resume", "vm.trust"}
"""Those that end before there could be a question."""

DOORS: dict[str, Callable[[Action, doors.Start_], Left]] = {
    "key": doors.by_key,
    "line": doors.by_line,
    "palette": doors.by_palette,
}


def cluster(pve: Pve, folder: Path) -> Path:
    """A running guest with a snapshot, a stopped one and a template; the hosts.yaml that names their cluster."""
    disk = {"memory": 2048, "cores": 2, "scsi0": "local-lvm:vm-101-disk-0,size=32G"}
    pve.add_vm(101, "web1", status="running", config=disk, snapshots={"known-good": {}})
    pve.add_vm(102, "web2", config=disk | {"scsi0": "local-lvm:vm-102-disk-0,size=32G"})
    pve.add_vm(9000, "tmpl", template=True, config={"template": 1, "scsi0": "local-lvm:base-9000-disk-0,size=10G"})
    folder.mkdir()
    file = folder / "hosts.yaml"
    file.write_text(f"proxmox: {{lab: {{url: '{pve.url}', token: '{pve.token}', fingerprint: '{pve.fingerprint}'}}}}\n")
    file.chmod(0o600)
    return file


def measured(left: Left) -> Left:
    """Without what each task is given anew, its process and its moment; steps that run side by side in one order."""
    for entry in left:
        for name in ("handle", "message"):
            entry[name] = re.sub(r"UPID:(\w+):[0-9A-F:]+:", r"UPID:\1:…:", entry[name] or "")
    return sorted(left, key=lambda one: (one["phase"] != "intent", one["phase"], one["plan"], one["handle"]))


@pytest.mark.real("fakepve")
@pytest.mark.parametrize("ident", ACTIONS)
def test_every_door_leaves_the_same_entries(
    ident: str, pve_at: StartPve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        pve = pve_at()
        hosts = cluster(pve, tmp_path / door)
        monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / door / "home"))
        if door == "command line":
            left = doors.by_command_line(action, ["--hosts", str(hosts)])
        else:
            left = DOORS[door](action, doors.hosts(hosts))
        reached.append(measured(left))
        assert reached[-1] == reached[0], door
        assert pve.token.partition("=")[2] not in str(left)
        changed = [one for one in pve.requests() if one["method"] != "GET"]
        assert bool(changed) is (ident not in UNASKED), changed
    assert reached[0], "nothing was witnessed"
