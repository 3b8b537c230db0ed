"""Removing guests: what is told before, what is refused, what is gone after."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.proxmox.verbs.snapshot_tree import moment
from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")


async def test_what_is_lost_and_what_remains_is_said_and_the_name_is_typed(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", config={"unused0": "local-lvm:vm-101-disk-9"}, snapshots={"one": {}, "two": {}})
    pve.add_volume(
        "local",
        "backup/vzdump-qemu-101-2023_11_14-22_13_20.vma.zst",
        content="backup",
        size=1,
        vmid=101,
        ctime=1_700_000_000,
    )
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("destroy", "lab/101")
        assert (str(outcome.outcome), outcome.message) == ("done", "destroyed")
        assert await lab.guests() == {}
        (question,) = lab.front.questions
        assert lab.handles() == [outcome.data["upid"]]
    assert question.type_name == "web"
    assert question.plan.loses == (
        "web (lab/101): disk scsi0 local-lvm:vm-101-disk-0, 32G",
        "web (lab/101): disk unused0 local-lvm:vm-101-disk-9",
        "web (lab/101): its 2 snapshots: one, two",
    )
    kept = "local:backup/vzdump-qemu-101-2023_11_14-22_13_20.vma.zst"
    assert question.plan.notes == (f"lab/101: one backup of it stays, of {moment(1_700_000_000)}: {kept}",)
    assert question.plan.steps[0].text == "DELETE /nodes/pve1/qemu/101"


async def test_that_there_is_no_backup_is_said(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        await lab.one("destroy", "lab/101", purge=True)
        (question,) = lab.front.questions
    assert question.plan.notes == ("lab/101: there is no backup of it",)
    assert question.plan.steps[0].text == "DELETE /nodes/pve1/qemu/101 purge=1"
    assert pve.requests("DELETE")[-1]["query"] == {"purge": "1"}


async def test_what_is_protected_runs_or_is_locked_stays(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "kept", config={"protection": 1})
    pve.add_vm(102, "runs", status="running")
    pve.add_vm(103, "busy", lock="backup")
    pve.add_vm(104, "held", ha_state="stopped")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        said = {vmid: await lab.one("destroy", f"lab/{vmid}") for vmid in (101, 102, 103, 104)}
        assert lab.called() == []
        assert len(await lab.guests()) == 4
    assert {(str(one.outcome), one.exit_code) for one in said.values()} == {("refused", 4)}
    assert "it is protected; take that away first: quarterdeck vm set lab/101 --no-protected" in said[101].message
    assert "it is running; shut it down first" in said[102].message
    assert "or add --stop" in said[102].message
    assert "it is locked (backup)" in said[103].message
    assert "it is under high availability (stopped); add --purge" in said[104].message


async def test_stop_pulls_its_plug_first(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("destroy", "lab/101", stop=True)
        assert str(outcome.outcome) == "done", outcome.message
        assert lab.called() == ["POST /nodes/pve1/qemu/101/status/stop", "DELETE /nodes/pve1/qemu/101"]
        assert await lab.guests() == {}


async def test_one_that_is_started_while_the_question_is_up_stays(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = lambda: pve.set_guest(101, status="running")
        outcome = await lab.one("destroy", "lab/101")
        assert await lab.guests() == {101: "web"}
        assert lab.called() == []
    assert str(outcome.outcome) == "failed"
    assert "it is running" in outcome.message


async def test_another_guest_of_its_number_stays(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")

    def swap() -> None:
        pve.remove_guest(101)
        pve.add_vm(101, "precious")

    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = swap
        outcome = await lab.one("destroy", "lab/101")
        assert await lab.guests() == {101: "precious"}
        assert lab.called() == []
    assert str(outcome.outcome) == "failed"
    assert "it is another guest by now: precious" in outcome.message


async def test_a_row_that_is_another_guest_by_now_is_refused(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        pve.freeze_resources()
        pve.remove_guest(101)
        pve.add_vm(101, "precious")
        outcome = await lab.one("destroy", "lab/101")
        assert await lab.state(101) == "stopped"
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "it is still the guest that was chosen: 101 is precious now" in outcome.message


async def test_a_template_with_linked_clones_stays_and_they_are_named(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.set_storage("local", content="images,backup")
    pve.add_vm(9000, "base", template=True, config={"scsi0": "local:9000/base-9000-disk-0.qcow2,size=8G"})
    linked = "9000/base-9000-disk-0.qcow2/105/vm-105-disk-0.qcow2"
    pve.add_vm(105, "web", config={"scsi0": f"local:{linked},size=8G"})
    pve.add_volume("local", "9000/base-9000-disk-0.qcow2", content="images", size=1, vmid=9000, format="qcow2")
    pve.add_volume("local", linked, content="images", size=1, vmid=105, format="qcow2")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        refused = await lab.one("destroy", "lab/9000")
        assert lab.called() == []
        await lab.one("destroy", "lab/105")
        gone = await lab.one("destroy", "lab/9000")
        assert await lab.guests() == {}
    assert (str(refused.outcome), refused.exit_code) == ("refused", 4)
    assert "it is in use: 1 linked clone stands on it: lab/105" in refused.message
    assert str(gone.outcome) == "done", gone.message


@pytest.mark.parametrize(("lock", "commands"), [("clone", True), ("create", True), ("backup", False)])
async def test_what_was_never_finished_says_how_it_goes(
    lock: str, commands: bool, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "half", lock=lock)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("destroy", "lab/101")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert f"it is locked ({lock}); wait for what holds the lock '{lock}' to end" in outcome.message
    assert ("qm unlock 101 && qm destroy 101 --purge" in outcome.message) is commands
