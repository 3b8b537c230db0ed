"""Checkpoints: one name on all guests or on none, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.proxmox.acting import Lab, opened
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

THREE = ("lab/101", "lab/102", "lab/103")


@pytest.fixture
def three(pve: Pve) -> Pve:
    """Three guests, one of which runs."""
    pve.add_vm(101, "web", status="running")
    pve.add_vm(102, "db")
    pve.add_vm(103, "cache")
    return pve


async def kept(lab: Lab) -> dict[int, list[str]]:
    """The snapshots of the three."""
    return {vmid: await lab.snapshots(vmid) for vmid in (101, 102, 103)}


async def test_all_have_it_under_one_name_and_say_of_how_many(
    three: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, three) as lab:
        outcomes = await lab.do("checkpoint", *THREE, name="release")
        assert {one.id: str(one.outcome) for one in outcomes} == dict.fromkeys(THREE, "done")
        assert {one.message for one in outcomes} == {"in checkpoint release with 3 guests"}
        assert await kept(lab) == {101: ["release"], 102: ["release"], 103: ["release"]}
        rows = await lab.get("/nodes/pve1/qemu/102/snapshot")
        assert len(lab.handles()) == 3
        back = await lab.do("rollback", *THREE, name="release")
        assert {str(one.outcome) for one in back} == {"done"}
    assert next(row["description"] for row in rows if row["name"] == "release") == "checkpoint release: 3 guests"


async def test_where_one_fails_those_already_made_are_removed_again(
    three: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.fail("POST", "/nodes/pve1/qemu/103/snapshot", status=500, message="no space left on device")
    async with opened(tmp_path, monkeypatch, three) as lab:
        outcomes = {one.id: one for one in await lab.do("checkpoint", *THREE, name="release")}
        assert await kept(lab) == {101: [], 102: [], 103: []}
    assert {one.exit_code for one in outcomes.values()} == {1}
    assert "no space left" in outcomes["lab/103"].message
    for ident in ("lab/101", "lab/102"):
        said = outcomes[ident].message
        assert said.startswith(("taken back: lab/103 failed:", "not taken: lab/103 failed:")), said


async def test_a_task_that_fails_counts_as_well(three: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three.end_next("qmsnapshot", error="snapshot feature is not available")
    async with opened(tmp_path, monkeypatch, three) as lab:
        outcomes = await lab.do("checkpoint", *THREE, name="release")
        assert await kept(lab) == {101: [], 102: [], 103: []}
    assert {str(one.outcome) for one in outcomes} == {"failed"}


async def test_what_cannot_be_removed_again_is_named_with_the_command(
    three: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.fail("POST", "/nodes/pve1/qemu/103/snapshot", status=500, message="no space left on device")
    three.fail("DELETE", "/nodes/pve1/qemu/101/snapshot/release", status=500, message="dataset is busy")
    async with opened(tmp_path, monkeypatch, three) as lab:
        outcomes = {one.id: one for one in await lab.do("checkpoint", *THREE, name="release")}
        assert await kept(lab) == {101: ["release"], 102: [], 103: []}
    said = outcomes["lab/101"].message
    assert "its own snapshot is left behind: dataset is busy" in said
    assert "quarterdeck vm delete-snapshot lab/101 --name release" in said


async def test_if_one_cannot_none_is_begun(three: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three.add_vm(104, "old", snapshots={"release": {}})
    three.add_vm(9000, "base", template=True)
    async with opened(tmp_path, monkeypatch, three) as lab:
        outcomes = await lab.do("checkpoint", *THREE, "lab/104", "lab/9000", name="release")
        assert lab.called() == []
        assert {str(one.outcome) for one in outcomes} == {"refused"}
    words = outcomes[0].message
    assert "2 of 5 guests" in words
    assert "lab/104: it has a snapshot 'release' already" in words
    assert "lab/9000: it is a template" in words
    assert "nothing was done to any" in words


async def test_memory_is_kept_of_those_that_run(three: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three.add_ct(201, "box", status="running")
    async with opened(tmp_path, monkeypatch, three) as lab:
        outcomes = await lab.do("checkpoint", *THREE, name="warm", memory=True)
        assert {str(one.outcome) for one in outcomes} == {"done"}
        plan = lab.witnessed()[0].plan
        refused = await lab.do("checkpoint", "lab/101", "lab/201", name="warmer", memory=True)
    assert ["vmstate=1" in text for text in plan[:3]] == [True, False, False]
    assert "lab/201: a container's memory cannot be kept" in refused[0].message


async def test_cancelled_in_the_middle_leaves_none_behind(
    three: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.hold("POST", "/nodes/pve1/qemu/102/snapshot")
    async with opened(tmp_path, monkeypatch, three) as lab:
        doing = asyncio.ensure_future(lab.do("checkpoint", *THREE, name="release"))
        await eventually(lambda: three.held() == 1)
        (job,) = lab.deck.running_jobs
        job.cancel()
        three.release()
        outcomes = await doing
        assert {str(one.outcome) for one in outcomes} <= {"cancelled", "failed"}
        for vmid in (101, 103):
            assert await lab.snapshots(vmid) == []
