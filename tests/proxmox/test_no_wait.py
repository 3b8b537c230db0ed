"""``--no-wait``: what the cluster carries on by itself is left to it, and what we have to begin is not promised."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")


@pytest.mark.parametrize(
    ("verb", "target", "arguments"),
    [
        ("clone", "lab/9000", {"name": "new", "start": True}),
        ("clone", "lab/9000", {"name": "new", "cores": 4}),
        ("spawn", "lab/9000", {"name": "new", "count": 2}),
        ("rollback", "lab/101", {"name": "old", "delete_newer": True}),
        ("destroy", "lab/101", {"stop": True}),
    ],
)
async def test_steps_that_follow_one_another_are_not_left_to_the_cluster(
    verb: str, target: str, arguments: dict[str, Any], pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "golden", template=True)
    pve.add_vm(101, "web", status="running", snapshots={"old": {"snaptime": 1}, "new": {"snaptime": 2}})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, target, wait=False, **arguments)
        assert lab.called() == []
        assert lab.front.questions == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "leave out --no-wait" in outcome.message


def _beside(pve: Pve, kind: str) -> list[int]:
    """How many others of its kind ran when each task began."""
    return [one["beside"] for one in pve.tasks(kind)]


async def test_snapshots_on_one_storage_stay_in_their_queue(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vmid in (101, 102, 103):
        pve.add_vm(vmid, f"n{vmid}")
    pve.take_seconds("qmsnapshot", 15)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcomes = await lab.do("snapshot", "lab/101", "lab/102", "lab/103", name="all", wait=False)
        assert _beside(pve, "qmsnapshot") == [0, 0, 0]
        assert sorted(lab.handles()) == sorted(one.data["upid"] for one in outcomes)
    assert [one.exit_code for one in outcomes] == [0, 0, 0]
    assert all(one.message.startswith("begun as UPID:") for one in outcomes)


async def test_clones_on_one_storage_stay_in_their_queue(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "golden", template=True)
    pve.set("clones_at_once", 1)
    pve.take_seconds("qmclone", 15)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("spawn", "lab/9000", count=3, name="worker", full=True, start=False, wait=False)
        assert _beside(pve, "qmclone") == [0, 0, 0]
        assert len(lab.handles()) == 3
    assert outcome.exit_code == 0, outcome.message
    assert [one["state"] for one in outcome.data["guests"]] == ["being cloned"] * 3


async def test_backups_are_queued_by_the_cluster_itself(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vmid in (101, 102):
        pve.add_vm(vmid, f"n{vmid}")
    pve.take_seconds("vzdump", 3000)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcomes = await asyncio.wait_for(lab.do("backup", "lab/101", "lab/102", wait=False), 30)
        assert len(pve.requests("POST", "/vzdump")) == 2
    assert [one.exit_code for one in outcomes] == [0, 0]
