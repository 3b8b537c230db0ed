"""Snapshots: names, memory, what storages can do, and queues; each against a peer that really keeps them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.job import Outcome
from backends.proxmox.verbs.snapshot_tree import SnapshotTree, check_snapshot_name, moment
from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve
from tests.waiting import eventually

real = pytest.mark.real("fakepve")


@pytest.mark.parametrize("name", ["before-upgrade", "ab", "A1", "a" * 40, "x_y-z9"])
def test_names_that_proxmox_takes(name: str) -> None:
    assert check_snapshot_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a", "1st", "-x", "_x", "a" * 41, "with space", "a.b", "ümlaut", "a/b", "current", "pending", "Pending"],
)
def test_names_that_proxmox_does_not_take(name: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        check_snapshot_name(name)
    assert told.value.where == "--name"


def test_newer_ones_are_found_in_whatever_order_they_come() -> None:
    rows = [
        {"name": "b", "parent": "a", "snaptime": "20"},
        {"name": "current", "parent": "c", "digest": "x"},
        {"name": "a", "snaptime": 10},
        {"name": "c", "parent": "b", "snaptime": 30, "vmstate": 1},
        {"name": "side", "parent": "a", "snaptime": 25},
    ]
    tree = SnapshotTree.of(rows)
    assert tree.current == "c"
    assert [one.name for one in tree.newer("a")] == ["c", "b", "side"]
    assert [one.name for one in tree.newer("b")] == ["c", "side"]
    assert tree.newer("c") == ()
    assert tree.snapshots["c"].memory


def test_a_tree_in_a_circle_or_with_holes_is_still_read() -> None:
    tree = SnapshotTree.of(
        [{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}, {"name": "current", "parent": "a"}]
    )
    assert [one.name for one in tree.newer("b")] == ["a"]
    assert SnapshotTree.of([{"name": "current", "parent": "gone"}, {"vmid": 1}]).current == ""


def test_moments_that_are_none() -> None:
    assert moment(0) == moment(1e300) == "nobody knows when"
    assert len(moment(1_700_000_000)) == len("2023-11-14 22:13")


@real
async def test_one_is_taken_and_written_down(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("snapshot", "lab/101", name="before", description="it's for the 'upgrade'")
        assert (str(outcome.outcome), outcome.message) == ("done", "snapshot before taken")
        assert await lab.snapshots(101) == ["before"]
        entries = lab.witnessed()
    text = "POST /nodes/pve1/qemu/101/snapshot snapname=before description='it'\"'\"'s for the '\"'\"'upgrade'\"'\"''"
    assert entries[0].plan == (text,)
    assert entries[1].handle == outcome.data["upid"]
    assert ":qmsnapshot:101:" in str(entries[1].handle)
    assert pve.requests("POST")[-1]["values"] == {"snapname": "before", "description": "it's for the 'upgrade'"}


@real
async def test_with_memory_only_of_what_runs(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running")
    pve.add_vm(102, "off")
    pve.add_ct(201, "box", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("snapshot", "lab/101", name="warm", memory=True)
        assert str(outcome.outcome) == "done", outcome.message
        assert lab.witnessed()[0].plan == ("POST /nodes/pve1/qemu/101/snapshot snapname=warm vmstate=1",)
        off = await lab.one("snapshot", "lab/102", name="warm", memory=True)
        box = await lab.one("snapshot", "lab/201", name="warm", memory=True)
        assert len(lab.called()) == 1
    assert (str(off.outcome), off.exit_code) == ("refused", 4)
    assert "only a guest that runs has memory to keep, and it is stopped; leave --memory out" in off.message
    assert (str(box.outcome), box.exit_code) == ("refused", 4)
    assert "a container's memory cannot be kept" in box.message


@real
@pytest.mark.parametrize("name", ["1st", "current", "a"])
async def test_a_bad_name_is_a_mistake_before_anything_is_asked(
    name: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        pve.forget()
        outcome = await lab.one("snapshot", "lab/101", name=name)
        assert not [one for one in pve.requests() if "/101/" in one["path"]]
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 2)


@real
async def test_what_stands_against_it_is_said(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", snapshots={"before": {}})
    pve.add_vm(9000, "base", template=True)
    pve.add_storage("plain", "lvm")
    pve.add_vm(103, "old", config={"scsi0": "plain:vm-103-disk-0,size=8G"})
    pve.add_vm(104, "busy", lock="backup")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        twice = await lab.one("snapshot", "lab/101", name="before")
        template = await lab.one("snapshot", "lab/9000", name="before")
        cannot = await lab.one("snapshot", "lab/103", name="before")
        locked = await lab.one("snapshot", "lab/104", name="before")
        assert lab.called() == []
    for one in (twice, template, cannot, locked):
        assert (str(one.outcome), one.exit_code) == ("refused", 4), one
    assert "it has a snapshot 'before' already" in twice.message
    assert "vm delete-snapshot lab/101 --name before" in twice.message
    assert "it is a template, and has no snapshots" in template.message
    assert "its storage cannot take snapshots (scsi0 on plain); back it up instead" in cannot.message
    assert "it is locked (backup)" in locked.message


@real
async def test_on_one_storage_one_is_taken_after_the_other(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vmid in range(101, 107):
        pve.add_vm(vmid, f"n{vmid}")
    pve.take_seconds("qmsnapshot", 8)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcomes = await lab.do("snapshot", *(f"lab/{vmid}" for vmid in range(101, 107)), name="all")
        assert [str(one.outcome) for one in outcomes] == ["done"] * 6
        for vmid in range(101, 107):
            assert await lab.snapshots(vmid) == ["all"]
    assert [one["beside"] for one in pve.tasks("qmsnapshot")] == [0] * 6


@real
async def test_parallel_lets_that_many_be_at_work(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for vmid in range(101, 107):
        pve.add_vm(vmid, f"n{vmid}")
    async with opened(tmp_path, monkeypatch, pve, more="parallel: 3") as lab:
        pve.hold("POST", "/snapshot")
        doing = asyncio.ensure_future(lab.do("snapshot", *(f"lab/{vmid}" for vmid in range(101, 107)), name="all"))
        await eventually(lambda: pve.held() == 3)
        assert {str(one.outcome) for one in await _released(pve, doing)} == {"done"}


async def _released(pve: Pve, doing: asyncio.Future[tuple[Outcome, ...]]) -> tuple[Outcome, ...]:
    pve.release()
    return await doing


@real
async def test_a_lock_that_passes_is_waited_out(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    lock = "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout"
    pve.end_next("qmsnapshot", error=lock)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("snapshot", "lab/101", name="before")
        assert (str(outcome.outcome), outcome.message) == ("done", "snapshot before taken")
        assert await lab.snapshots(101) == ["before"]
        assert len(lab.handles()) == 2  # both tasks are written down


@real
async def test_a_failed_task_is_told_in_its_own_words(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    pve.end_next("qmsnapshot", error="lvcreate snapshot error: Cannot create new thin volume, free space is low")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("snapshot", "lab/101", name="before")
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "Cannot create new thin volume" in outcome.message


@real
async def test_warnings_are_a_success_that_says_so(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    pve.end_next("qmsnapshot", warnings=2)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("snapshot", "lab/101", name="before")
    assert (str(outcome.outcome), outcome.exit_code) == ("done", 0)
    assert outcome.message.startswith("snapshot before taken; done with 2 warnings")


@real
async def test_removing_one_says_what_is_lost_and_asks_for_the_name(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", snapshots={"one": {"snaptime": 1_700_000_000}, "two": {"snaptime": 1_700_000_100}})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("delete-snapshot", "lab/101", name="one")
        assert (str(outcome.outcome), outcome.message) == ("done", "snapshot one removed")
        assert await lab.snapshots(101) == ["two"]
        (question,) = lab.front.questions
        missing = await lab.one("delete-snapshot", "lab/101", name="one")
    assert question.type_name == "web"
    assert question.plan.loses == (f"web's snapshot one, taken {moment(1_700_000_000)}",)
    assert question.plan.steps[0].text == "DELETE /nodes/pve1/qemu/101/snapshot/one"
    assert question.plan.notes == ("two stay: they stand on what is below it then",)
    assert (str(missing.outcome), missing.exit_code) == ("failed", 1)
    assert "it has no snapshot 'one'; it has: two" in missing.message


@real
async def test_a_name_with_a_way_out_stays_in_its_place(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("delete-snapshot", "lab/101", name="../../102")
        assert lab.called() == []
    assert "it has no snapshot '../../102'" in outcome.message


@real
@pytest.mark.parametrize("pve", ["8.4"], indirect=True)
async def test_a_container_is_snapshotted_as_well(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_ct(201, "box", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("snapshot", "lab/201", name="before")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.snapshots(201, type="lxc") == ["before"]
        outcome = await lab.one("delete-snapshot", "lab/201", name="before")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.snapshots(201, type="lxc") == []
