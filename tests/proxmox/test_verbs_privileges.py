"""What the login may not do: greyed, refused with the privilege and the path, before any call is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.backend import Allow, Refuse
from app.fleet import Ref
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


async def test_an_option_may_need_more_than_its_verb(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", snapshots={"old": {}})
    token = pve.make_token(
        "ops@pve!some", READS, ("/vms", "VM.Audit", "VM.Config.CPU", "VM.Snapshot.Rollback", "VM.Backup")
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
