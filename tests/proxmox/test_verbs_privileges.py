"""What the login may not do: greyed, refused with the privilege and the path, before any call is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from app.backend import Allow, Refuse
from app.fleet import Ref
from backends.proxmox.permissions import Permissions
from backends.proxmox.verbs.privileges import on_bridges
from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")

READS = ("/", "VM.Audit", "Sys.Audit", "Datastore.Audit")


@pytest.mark.parametrize(
    ("verb", "arguments", "privilege"),
    [
        ("start", {}, "VM.PowerMgmt"),
        ("snapshot", {"name": "before"}, "VM.Snapshot"),
        ("rollback", {"name": "old"}, "VM.Snapshot or VM.Snapshot.Rollback"),
        ("delete-snapshot", {"name": "old"}, "VM.Snapshot"),
        ("checkpoint", {"name": "before"}, "VM.Snapshot"),
        ("backup", {}, "VM.Backup"),
        ("migrate", {"to": "pve2"}, "VM.Migrate"),
        ("resize", {"disk": "scsi0", "size": "64G"}, "VM.Config.Disk"),
        ("template", {}, "VM.Allocate"),
        ("destroy", {}, "VM.Allocate"),
    ],
)
async def test_without_the_privilege_nothing_is_sent_and_it_is_named(
    verb: str,
    arguments: dict[str, str],
    privilege: str,
    pve: Pve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pve.add_vm(101, "web", snapshots={"old": {}})
    token = pve.make_token("ops@pve!reads", READS)
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        outcome = await lab.one(verb, "lab/101", **arguments)
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert f"{privilege} on /vms/101" in outcome.message
    assert "ops@pve!reads" in outcome.message


async def test_keys_are_greyed_with_the_privilege_named(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    pve.add_vm(102, "db")
    token = pve.make_token("ops@pve!some", READS, ("/vms/101", "VM.Audit", "VM.PowerMgmt"))
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        await lab.one("start", "lab/102")  # by now it is known what the token may do
        rows = [lab.deck.feed.fleet.find(Ref("vm", one)) for one in ("lab/101", "lab/102")]
        web, db = (row for row in rows if row is not None)
        start, snapshot = lab.deck.catalog.find("vm", "start"), lab.deck.catalog.find("vm", "snapshot")
        assert start is not None
        assert snapshot is not None
        assert lab.deck.permitted(start, [web]) == Allow()
        assert lab.deck.permitted(start, [web, db]) == Allow()
        verdict = lab.deck.permitted(start, [db])
        assert verdict == Refuse("needs VM.PowerMgmt on /vms/102, which ops@pve!some does not have", "privilege")
        assert isinstance(lab.deck.permitted(snapshot, [web]), Refuse)


@pytest.mark.parametrize("more", [(), (("/pool/lab", "VM.Allocate"), ("/storage/local", "Datastore.AllocateSpace"))])
async def test_what_can_be_done_nowhere_is_greyed_as_well(
    more: tuple[tuple[str, ...], ...], pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "golden", template=True)
    pve.add_pool("lab")
    token = pve.make_token("ops@pve!some", READS, ("/vms/9000", *READS[1:], "VM.Clone", "VM.Backup"), *more)
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        await lab.one("start", "lab/9000")  # by now it is known what the token may do
        row = lab.deck.feed.fleet.find(Ref("vm", "lab/9000"))
        assert row is not None
        words = "needs {}, which ops@pve!some does not have"
        for name, need in (
            ("clone", "VM.Allocate on /vms or /pool"),
            ("backup", "Datastore.AllocateSpace on /storage"),
        ):
            verb = lab.deck.catalog.find("vm", name)
            assert verb is not None
            expected = Allow() if more else Refuse(words.format(need), "privilege")
            assert lab.deck.permitted(verb, [row]) == expected


async def test_an_option_may_need_more_than_its_verb(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", snapshots={"old": {}})
    token = pve.make_token(
        "ops@pve!some",
        READS,
        ("/vms", "VM.Audit", "VM.Config.CPU", "VM.Snapshot.Rollback", "VM.Backup"),
        ("/storage/local-lvm", "Datastore.Audit", "Datastore.AllocateSpace"),
    )
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        memory = await lab.one("set", "lab/101", cores=4, memory="4G")
        start = await lab.one("rollback", "lab/101", name="old", start=True)
        backup = await lab.one("backup", "lab/101")
        assert lab.called() == []
        cores = await lab.one("set", "lab/101", cores=4)
        back = await lab.one("rollback", "lab/101", name="old")
    assert "VM.Config.Memory on /vms/101" in memory.message
    assert "VM.PowerMgmt on /vms/101" in start.message
    assert "Datastore.AllocateSpace on /storage/local" in backup.message
    assert {str(one.outcome) for one in (memory, start, backup)} == {"refused"}
    assert (str(cores.outcome), str(back.outcome)) == ("done", "done")


CLONES = ("/", *READS[1:], "VM.Clone", "VM.Allocate", "Datastore.AllocateSpace")
BRIDGE = "/sdn/zones/localnetwork/vmbr0"


async def test_the_bridges_of_a_clones_cards_are_asked_about_before_anything_is_made(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "golden", template=True)
    token = pve.make_token("ops@pve!clones", CLONES)
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        refused = await lab.one("clone", "lab/9000", name="web")
        many = await lab.one("spawn", "lab/9000", name="web", count=2, start=False, mode="falsify")
        assert lab.called() == []
    assert (str(refused.outcome), refused.exit_code) == ("refused", 4)
    assert f"ops@pve!clones may not do this: it needs SDN.Use on {BRIDGE}" in refused.message
    assert f"SDN.Use on {BRIDGE}" in many.message


@pytest.mark.parametrize("path", [BRIDGE, "/sdn/zones/localnetwork", "/sdn"])
async def test_a_right_to_the_bridge_or_above_it_will_do(
    path: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "golden", template=True)
    token = pve.make_token("ops@pve!clones", CLONES, (path, "SDN.Use"))
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web")
    assert outcome.exit_code == 0, outcome.message


class Knows:
    """A login with rights, and the version it asks for."""

    def __init__(self, rights: dict[str, dict[str, int]], version: str = "9.1.5") -> None:
        self.permissions = Permissions.of(rights)
        self._version = version
        self.asked: list[str] = []

    def missing(self, path: str, *names: str) -> tuple[str, ...]:
        """As a client has it."""
        return self.permissions.missing(path, *names)

    async def get(self, path: str) -> dict[str, str]:
        """What version it is."""
        self.asked.append(path)
        return {"version": self._version}


@pytest.mark.parametrize(
    ("rights", "version", "missing"),
    [
        ({"/": {}}, "9.1.5", ["SDN.Use on /sdn/zones/localnetwork/vmbr0"]),
        ({"/": {}}, "8.0.3", ["SDN.Use on /sdn/zones/localnetwork/vmbr0"]),
        ({"/": {}}, "7.4-3", []),
        ({"/": {}}, "", []),
        ({"/": {}, "/sdn/zones/localnetwork/vmbr0/7": {"SDN.Use": 1}}, "9.1.5", []),
        ({"/": {}, "/sdn/zones/lan": {"SDN.Use": 1}}, "9.1.5", []),
        ({"/": {}, "/sdn/zones/lan/vmbr0": {"SDN.Use": 1}}, "9.1.5", []),
        ({"/": {}, "/sdn/zones/lan/other": {"SDN.Use": 1}}, "9.1.5", ["SDN.Use on /sdn/zones/localnetwork/vmbr0"]),
    ],
)
async def test_whether_a_bridge_is_open_goes_by_zone_vlan_and_version(
    rights: dict[str, dict[str, int]], version: str, missing: list[str]
) -> None:
    knows = Knows(rights, version)
    config = {"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=7", "net1": "user", "name": "bridge=x"}
    needs = await on_bridges(cast("Any", knows), config)
    assert [need.words for need in needs if need.missing(cast("Any", knows))] == missing


async def test_a_right_that_was_taken_away_meanwhile_is_named_by_the_cluster_itself(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    token = pve.make_token("ops@pve!some", READS, ("/vms", "VM.Audit", "VM.PowerMgmt"))

    def revoke() -> None:
        pve.revoke("ops@pve!some")
        pve.grant("ops@pve!some", *READS)

    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        lab.front.meanwhile = revoke
        outcome = await lab.one("stop", "lab/101")
        assert await lab.state(101) == "running"
    assert str(outcome.outcome) == "failed"
    assert "Permission check failed (/vms/101, VM.PowerMgmt)" in outcome.message


async def test_falsify_tells_what_it_looked_at_and_changes_nothing(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        fine = await lab.one("stop", "lab/101", mode="falsify")
        not_fine = await lab.one("start", "lab/101", mode="falsify")
        assert await lab.state(101) == "running"
        assert lab.called() == []
    assert (str(fine.outcome), fine.exit_code) == ("done", 0)
    assert fine.data["plan"] == ["POST /nodes/pve1/qemu/101/status/stop"]
    checks = {one["check"]: one["evidence"] for one in fine.data["checks"]}
    assert checks["it is there"] == "web (101) is running on pve1"
    assert checks["nothing holds it"] == "no lock"
    assert checks["the login has VM.PowerMgmt on /vms/101"] == "deck@pve!console"
    assert not_fine.data["plan"] == []
