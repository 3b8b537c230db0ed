"""Many clones by one command: queued per storage, retried on locks, named and addressed in order, told as one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backends.proxmox.verbs.clone import CloneVerbs
from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve, StartPve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries are kept apart a hundredth of the time."""

    async def pause(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)

    monkeypatch.setattr(CloneVerbs, "lock_pause", staticmethod(pause))


def template(pve: Pve, vmid: int = 9000) -> None:
    """A template with a cloud-init drive."""
    drive = {"ide2": f"local-lvm:vm-{vmid}-cloudinit,media=cdrom"}
    pve.add_vm(vmid, "golden", template=True, config=drive)


def made(pve: Pve, *ids: int) -> list[str]:
    """Names of guests."""
    return [str(pve.guest(vmid)["name"]) for vmid in ids]


async def test_ten_full_clones_wait_for_the_storage_and_all_succeed(
    pve_at: StartPve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve = pve_at(scale=0.01)
    template(pve)
    pve.set("clones_at_once", 1)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("spawn", "lab/9000", count=10, name="worker", full=True, start=False)
        handles = lab.handles()
    assert outcome.exit_code == 0, outcome.message
    assert made(pve, *range(100, 110)) == [f"worker-{number}" for number in range(1, 11)]
    assert outcome.data["ids"] == [f"lab/{vmid}" for vmid in range(100, 110)]
    assert len(pve.requests("POST", "/clone")) == 10  # none of them met a lock
    assert sorted(handles) == sorted(one["upid"] for one in outcome.data["guests"])


async def test_two_side_by_side_meet_the_lock_and_are_tried_again(
    pve_at: StartPve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve = pve_at(scale=0.01)
    template(pve)
    pve.set("clones_at_once", 1)
    pve.take_seconds("qmclone", 150)  # long enough for another to be asked for meanwhile
    async with opened(tmp_path, monkeypatch, pve, more="parallel: 3") as lab:
        work = asyncio.create_task(lab.one("spawn", "lab/9000", count=4, name="worker", full=True, start=False))
        await eventually(lambda: len(pve.tasks("qmclone")) >= 3)
        pve.take_seconds("qmclone", 1)
        outcome = await work
    assert outcome.exit_code == 0, outcome.message
    assert len(outcome.data["ids"]) == 4
    assert all(one["state"] == "made" for one in outcome.data["guests"])
    assert len(pve.requests("POST", "/clone")) > 4
    names = sorted(str(pve.guest(int(one.rpartition("/")[2]))["name"]) for one in outcome.data["ids"])
    assert names == ["worker-1", "worker-2", "worker-3", "worker-4"]


async def test_ten_orders_side_by_side_race_neither_each_other_nor_the_storage(
    pve_at: StartPve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve = pve_at(scale=0.01)
    template(pve)
    pve.set("clones_at_once", 1)
    pve.take_ids(2)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcomes = await asyncio.gather(
            *(lab.one("clone", "lab/9000", name=f"one-{number}", full=True) for number in range(10))
        )
    assert [one.exit_code for one in outcomes] == [0] * 10, [one.message for one in outcomes]
    assert len({one.data["vmid"] for one in outcomes}) == 10
    names = {str(pve.guest(one.data["vmid"])["name"]) for one in outcomes}
    assert names == {f"one-{number}" for number in range(10)}


async def test_names_that_are_taken_are_passed_over_and_addresses_count_up(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.add_vm(150, "worker-2")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(
            "spawn", "lab/9000", count=3, name="worker", ip="10.0.0.50/24,gw=10.0.0.1", memory="1G", tag=("batch",)
        )
        entry = lab.witnessed()[0]
    assert outcome.exit_code == 0, outcome.message
    guests = {str(pve.guest(one["vmid"])["name"]): pve.guest(one["vmid"]) for one in outcome.data["guests"]}
    assert {name: one["config"]["ipconfig0"] for name, one in guests.items()} == {
        "worker-1": "ip=10.0.0.50/24,gw=10.0.0.1",
        "worker-3": "ip=10.0.0.51/24,gw=10.0.0.1",
        "worker-4": "ip=10.0.0.52/24,gw=10.0.0.1",
    }
    assert all(one["status"] == "running" for one in guests.values())
    assert all(one["config"]["tags"] == "batch" for one in guests.values())
    assert entry.plan is not None
    assert len(entry.plan) == 3 * 3 + 1
    assert "3 made: worker-1 (lab/" in outcome.message


async def test_one_that_fails_does_not_stop_the_others_and_is_told_first(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.end_next("qmclone", error="clone failed: no space left on device")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("spawn", "lab/9000", count=3, name="worker")
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "worker-1 (lab/100) was left half made" in outcome.message
    states = {one["name"]: one["state"] for one in outcome.data["guests"]}
    assert states["worker-1"].startswith("half made")
    assert (states["worker-2"], states["worker-3"]) == ("running", "running")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"count": 0}, "cannot be made at once"),
        ({"count": 100_000}, "cannot be made at once"),
        ({"name": "no_good"}, "is no name"),
        ({"ip": "10.0.0.253/24"}, "there are not enough addresses"),
        ({"ip": "10.0.0.5/24,gw=10.0.0.6"}, "meets the gateway"),
    ],
)
async def test_what_cannot_be_meant_is_told_and_nothing_is_made(
    said: dict[str, object], words: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("spawn", "lab/9000", **{"count": 3, "name": "worker", **said})
    assert outcome.exit_code == 2
    assert words in outcome.message
    assert pve.requests("POST") == []


async def test_what_is_no_template_is_not_spawned_from(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("spawn", "lab/101", count=2, name="worker")
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "quarterdeck vm template lab/101" in outcome.message


async def test_containers_are_cloned_one_after_the_other(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"rootfs": "local-lvm:base-200-disk-0,size=8G", "hostname": "box", "template": 1}
    pve.add_ct(200, "box", config=config, template=True)
    async with opened(tmp_path, monkeypatch, pve, more="parallel: 4") as lab:
        outcome = await lab.one("spawn", "lab/200", count=4, name="box")
    assert outcome.exit_code == 0, outcome.message
    assert [one["state"] for one in outcome.data["guests"]] == ["running"] * 4
    assert len(pve.requests("POST", "/clone")) == 4
