"""Going back: to what, at what price, and where it cannot be done what can be done instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.proxmox.verbs.snapshot_tree import moment
from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")

OLD, MIDDLE, NEW = 1_700_000_000, 1_700_000_100, 1_700_000_200
THREE = {"old": {"snaptime": OLD}, "middle": {"snaptime": MIDDLE}, "new": {"snaptime": NEW}}


def on_zfs(pve: Pve, vmid: int = 101, name: str = "web", **more: object) -> None:
    """A guest on ZFS with three snapshots."""
    pve.add_storage("tank", "zfspool")
    pve.add_vm(vmid, name, config={"scsi0": f"tank:vm-{vmid}-disk-0,size=8G"}, snapshots=THREE, **more)


async def test_what_was_written_since_is_lost_and_what_runs_is_cut_off(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", config={"memory": "1024"}, snapshots={"before": {"snaptime": OLD}})
    pve.set_config(101, memory="4096")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("rollback", "lab/101", name="before")
        assert (str(outcome.outcome), outcome.message) == ("done", "back at before")
        assert (await lab.config(101))["memory"] == "1024"
        assert await lab.state(101) == "stopped"
        (question,) = lab.front.questions
        assert lab.handles() == [outcome.data["upid"]]
    assert question.type_name == "web"
    assert question.plan.steps[0].text == "POST /nodes/pve1/qemu/101/snapshot/before/rollback"
    assert question.plan.loses == (f"web (lab/101): all it wrote since {moment(OLD)}",)
    assert question.plan.notes == ("lab/101: runs, is cut off, and stays stopped; --start starts it again",)


async def test_start_starts_it_and_kept_memory_goes_on(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", snapshots={"before": {}})
    pve.add_vm(102, "warm", status="running", snapshots={"before": {"vmstate": "local-lvm:vm-102-state-before"}})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        one = await lab.one("rollback", "lab/101", name="before", start=True)
        two = await lab.one("rollback", "lab/102", name="before")
        assert (str(one.outcome), str(two.outcome)) == ("done", "done")
        assert (await lab.state(101), await lab.state(102)) == ("running", "running")
        first, second = lab.front.questions
    assert first.plan.steps[0].text == "POST /nodes/pve1/qemu/101/snapshot/before/rollback start=1"
    assert first.plan.notes == ("lab/101: is cut off, and is started afterwards",)
    assert second.plan.notes == ("lab/102: is cut off, and goes on where it was: its memory was kept",)


async def test_zfs_goes_back_to_the_newest_without_more(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_zfs(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("rollback", "lab/101", name="new")
        assert str(outcome.outcome) == "done", outcome.message


async def test_zfs_refuses_an_older_one_and_says_what_can_be_done_instead(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_zfs(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        without = await lab.one("rollback", "lab/101", name="old")
        for day, size in ((1, 100), (2, 200)):
            pve.add_volume(
                "local",
                f"backup/vzdump-qemu-101-2023_11_1{day}-10_00_00.vma.zst",
                content="backup",
                size=size,
                vmid=101,
                ctime=OLD + day,
            )
        with_backup = await lab.one("rollback", "lab/101", name="old")
        assert lab.called() == []
        assert await lab.snapshots(101) == ["middle", "new", "old"]
    for one in (without, with_backup):
        assert (str(one.outcome), one.exit_code) == ("refused", 4)
        assert "'old' is not its newest snapshot, and ZFS (tank) goes back to the newest only" in one.message
        assert "newer: new, middle" in one.message
        assert "quarterdeck vm rollback lab/101 --name old --delete-newer" in one.message
    assert "there is no backup of it that could be restored instead" in without.message
    newest = "local:backup/vzdump-qemu-101-2023_11_12-10_00_00.vma.zst"
    assert f"quarterdeck vm restore {newest} --cluster lab" in with_backup.message


async def test_delete_newer_lists_each_of_them_as_lost_and_removes_the_newest_first(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_zfs(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("rollback", "lab/101", name="old", delete_newer=True)
        assert (str(outcome.outcome), outcome.message) == ("done", "back at old")
        assert await lab.snapshots(101) == ["old"]
        assert lab.called() == [
            "DELETE /nodes/pve1/qemu/101/snapshot/new",
            "DELETE /nodes/pve1/qemu/101/snapshot/middle",
            "POST /nodes/pve1/qemu/101/snapshot/old/rollback",
        ]
        (question,) = lab.front.questions
    assert question.type_name == "web"
    assert question.plan.loses == (
        f"web (lab/101): all it wrote since {moment(OLD)}",
        f"web (lab/101): its snapshot new of {moment(NEW)}",
        f"web (lab/101): its snapshot middle of {moment(MIDDLE)}",
    )


async def test_where_removing_one_fails_nothing_more_is_done(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_zfs(pve)
    pve.end_next("qmdelsnapshot", error="zfs error: cannot destroy snapshot tank/vm-101-disk-0@new: dataset is busy")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("rollback", "lab/101", name="old", delete_newer=True)
        assert await lab.snapshots(101) == ["middle", "new", "old"]
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "dataset is busy" in outcome.message


async def test_elsewhere_an_older_one_is_gone_back_to_and_newer_ones_stay(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", snapshots=THREE)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("rollback", "lab/101", name="old")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.snapshots(101) == ["middle", "new", "old"]


async def test_a_group_goes_back_together_or_not_at_all(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", snapshots={"before": {}})
    pve.add_vm(102, "db")
    pve.add_vm(103, "busy", snapshots={"before": {}}, lock="backup")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcomes = await lab.do("rollback", "lab/101", "lab/102", "lab/103", name="before")
        assert lab.called() == []
        assert {str(one.outcome) for one in outcomes} == {"refused"}
        assert {one.exit_code for one in outcomes} == {4}
        words = outcomes[0].message
        pve.set_guest(103, lock=None)
        outcomes = await lab.do("rollback", "lab/101", "lab/103", name="before")
        assert {one.id: str(one.outcome) for one in outcomes} == {"lab/101": "done", "lab/103": "done"}
        assert lab.front.questions[-1].type_name == "rollback 2"
    assert "2 of 3 guests: lab/102 has no snapshot 'before'" in words
    assert "lab/103: it is locked (backup)" in words
    assert "nothing was done to any" in words
    assert "leave those out: quarterdeck vm rollback lab/101 --name before" in words


async def test_one_that_is_not_there_names_those_that_are(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", snapshots={"one": {}, "two": {}})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("rollback", "lab/101", name="current")
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "it has no snapshot 'current'; it has: one, two" in outcome.message


async def test_an_unfinished_one_is_not_gone_back_to(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", snapshots={"half": {"snapstate": "prepare"}})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("rollback", "lab/101", name="half")
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "its snapshot 'half' is unfinished (prepare)" in outcome.message
