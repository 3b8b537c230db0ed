"""Containers: grown, moved, backed up, made anew and removed as virtual machines are, in their own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")


async def test_a_container_from_its_first_disk_to_its_end(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_ct(201, "box", status="running", config={"rootfs": "local-lvm:vm-201-disk-0,size=8G"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        grown = await lab.one("resize", "lab/201", disk="rootfs", size="10G")
        assert (str(grown.outcome), grown.message) == ("done", "rootfs has 10G now")
        assert "size=10G" in (await lab.config(201, type="lxc"))["rootfs"]
        backup = await lab.one("backup", "lab/201")
        assert str(backup.outcome) == "done", backup.message
        assert "vzdump-lxc-201" in backup.data["volid"]
        running = await lab.one("destroy", "lab/201")
        assert "it is running" in running.message
        gone = await lab.one("destroy", "lab/201", stop=True)
        assert str(gone.outcome) == "done", gone.message
        assert await lab.guests() == {}


async def test_a_running_container_is_restarted_on_the_other_node(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_node("pve2")
    pve.add_storage("san", "rbd", shared=1)
    pve.add_ct(201, "box", status="running", config={"rootfs": "san:vm-201-disk-0,size=8G"})
    pve.add_ct(202, "bound", config={"rootfs": "local-lvm:vm-202-disk-0,size=8G"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        bound = await lab.one("migrate", "lab/202", to="pve2")
        assert lab.called() == []
        moved = await lab.one("migrate", "lab/201", to="pve2")
        assert str(moved.outcome) == "done", moved.message
        assert pve.guest(201)["node"] == "pve2"
        notes = lab.front.questions[-1].plan.notes
    assert "its disks are on storage that only pve1 has: rootfs on local-lvm" in bound.message
    assert "cannot move while it runs: it is shut down, moved and started again" in notes[0]
    assert pve.requests("POST")[-1]["values"] == {"target": "pve2", "restart": "1"}


async def test_a_rule_that_a_cluster_is_only_read_holds_for_verbs_without_a_target(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = "backup/vzdump-qemu-101-2023_11_14-22_13_20.vma.zst"
    pve.add_volume("local", archive, content="backup", size=1, vmid=101, ctime=1_700_000_000)
    async with opened(tmp_path, monkeypatch, pve, rules="read_only: [lab]") as lab:
        outcome = await lab.one("restore", archive=f"local:{archive}")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "'lab' is read-only by the rule 'lab'" in outcome.message
