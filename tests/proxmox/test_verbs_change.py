"""Changing, growing, converting and moving guests: what is sent, what waits, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")


async def test_only_what_differs_is_sent_with_the_digest_that_was_read(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", config={"cores": 2, "memory": "2048", "tags": "prod;web"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(
            "set", "lab/101", cores=4, memory="2G", tag=("web", "PROD"), notes="two\nlines", autostart=True
        )
        assert (str(outcome.outcome), outcome.message) == ("done", "changed")
        config = await lab.config(101)
        (text,) = lab.witnessed()[0].plan
    assert (config["cores"], config["description"].strip(), config["onboot"]) == (4, "two\nlines", 1)
    assert text == "PUT /nodes/pve1/qemu/101/config cores=4 description='two lines' onboot=1"
    sent = pve.requests("PUT")[-1]["values"]
    assert set(sent) == {"cores", "description", "onboot", "digest"}


async def test_what_a_running_guest_cannot_take_waits_and_says_so(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("set", "lab/101", cores=4, notes="now")
    assert outcome.message == "changed; cores waits for a restart: quarterdeck vm reboot lab/101"
    assert outcome.data["pending"] == ["cores"]


async def test_empty_tags_and_notes_take_them_away(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", config={"tags": "a;b", "description": "old"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("set", "lab/101", tag=("",), notes="")
        assert str(outcome.outcome) == "done", outcome.message
        config = await lab.config(101)
    assert "tags" not in config
    assert "description" not in config


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "nothing is to be changed"),
        ({"name": "no_underscores"}, "is no name for a guest"),
        ({"cores": 0}, "0 cores cannot be"),
        ({"memory": "much"}, "--memory"),
        ({"memory": "1M"}, "start nothing"),
        ({"tag": ("not a tag!",)}, "is no tag"),
    ],
)
async def test_what_cannot_be_meant_is_a_mistake(
    options: dict[str, Any], why: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("set", "lab/101", **options)
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 2)
    assert why in outcome.message


async def test_what_it_has_already_is_nothing_to_do(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", config={"cores": 2, "memory": "2048"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("set", "lab/101", cores=2, memory="2048", name="web", protected=False)
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.message) == ("done", "nothing to do: has all of that already")


async def test_a_change_that_came_between_is_not_overwritten(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = lambda: pve.set_config(101, description="somebody was here")
        outcome = await lab.one("set", "lab/101", cores=8)
        assert (await lab.config(101))["cores"] == 2
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "file changed by other user" in outcome.message


async def test_a_container_has_a_hostname(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_ct(201, "box")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("set", "lab/201", name="crate")
        assert str(outcome.outcome) == "done", outcome.message
        assert (await lab.config(201, type="lxc"))["hostname"] == "crate"


# -- resize


@pytest.mark.parametrize(("size", "sent", "after"), [("40G", "40G", "40G"), ("+8", "+8G", "40G"), ("1T", "1T", "1.0T")])
async def test_a_disk_grows(
    size: str, sent: str, after: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("resize", "lab/101", disk="scsi0", size=size)
        assert str(outcome.outcome) == "done", outcome.message
        config = await lab.config(101)
        assert lab.witnessed()[0].plan == (f"PUT /nodes/pve1/qemu/101/resize disk=scsi0 size={sent}",)
    assert config["scsi0"].endswith({"40G": "size=40G", "1.0T": "size=1T"}[after])
    assert outcome.message == f"scsi0 has {after} now"


@pytest.mark.parametrize(
    ("disk", "size", "why", "code"),
    [
        ("scsi0", "8G", "scsi0 has 32G, and a disk never becomes smaller", 4),
        ("scsi7", "64G", "has no disk 'scsi7'; it has: scsi0", 2),
        ("ide2", "64G", "has no disk 'ide2'", 2),
        ("scsi0", "-8G", "is no size", 2),
        ("scsi0", "+0", "nothing more is nothing to do", 2),
        ("scsi0", "large", "is no size; it reads 32G, or +10G", 2),
    ],
)
async def test_never_smaller_and_only_disks_that_are_there(
    disk: str, size: str, why: str, code: int, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", config={"ide2": "local:iso/x.iso,media=cdrom"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("resize", "lab/101", disk=disk, size=size)
        assert lab.called() == []
    assert outcome.exit_code == code, outcome
    assert why in outcome.message


async def test_the_size_it_has_is_nothing_to_do(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("resize", "lab/101", disk="scsi0", size="32G")
        assert lab.called() == []
    assert outcome.message == "nothing to do: scsi0 has 32G already"


# -- template


async def test_a_guest_becomes_a_template_once(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("template", "lab/101")
        assert str(outcome.outcome) == "done", outcome.message
        assert (await lab.config(101))["template"] == 1
        again = await lab.one("template", "lab/101")
    assert again.message == "nothing to do: is a template already"


async def test_what_runs_or_has_snapshots_does_not(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running")
    pve.add_vm(102, "db", snapshots={"one": {}})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        runs = await lab.one("template", "lab/101")
        has = await lab.one("template", "lab/102")
        assert lab.called() == []
    assert "only a guest that is off can become a template, and it is running" in runs.message
    assert "a guest with snapshots cannot become a template: one" in has.message
    assert {runs.exit_code, has.exit_code} == {4}


# -- migrate


@pytest.fixture
def two(pve: Pve) -> Pve:
    """Two nodes with a shared storage, and one that each has for itself."""
    pve.add_node("pve2")
    pve.add_storage("san", "rbd", shared=1)
    return pve


def on_san(pve: Pve, vmid: int, name: str, **more: Any) -> None:
    """A guest whose disk both nodes can reach."""
    pve.add_vm(vmid, name, config={"scsi0": f"san:vm-{vmid}-disk-0,size=8G"}, **more)


@pytest.mark.parametrize("status", ["running", "stopped"])
async def test_it_moves_running_or_not(status: str, two: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_san(two, 101, "web", status=status)
    async with opened(tmp_path, monkeypatch, two) as lab:
        outcome = await lab.one("migrate", "lab/101", to="pve2")
        assert str(outcome.outcome) == "done", outcome.message
        assert two.guest(101)["node"] == "pve2"
        assert lab.handles() == [outcome.data["upid"]]
    sent = two.requests("POST")[-1]["values"]
    assert sent == ({"target": "pve2", "online": "1"} if status == "running" else {"target": "pve2"})


async def test_local_disks_are_only_copied_where_that_is_said(
    two: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, two) as lab:
        refused = await lab.one("migrate", "lab/101", to="pve2")
        assert lab.called() == []
        outcome = await lab.one("migrate", "lab/101", to="pve2", local_disks=True)
        assert str(outcome.outcome) == "done", outcome.message
    assert (str(refused.outcome), refused.exit_code) == ("refused", 4)
    assert "its disks are on storage that only pve1 has: scsi0 on local-lvm" in refused.message
    assert "vm migrate lab/101 --to pve2 --local-disks" in refused.message
    assert two.requests("POST")[-1]["values"] == {"target": "pve2", "online": "1", "with-local-disks": "1"}


async def test_what_keeps_it_where_it_is(two: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_san(two, 101, "web", status="running")
    two.add_node("pve3")
    two.node_offline("pve3")
    two.add_vm(102, "busy", lock="backup")
    two.add_storage("own", "lvmthin", nodes="pve1")
    two.add_vm(103, "bound", config={"scsi0": "own:vm-103-disk-0,size=8G"})
    async with opened(tmp_path, monkeypatch, two) as lab:
        said = {
            "here": await lab.one("migrate", "lab/101", to="pve1"),
            "nowhere": await lab.one("migrate", "lab/101", to="pve9"),
            "away": await lab.one("migrate", "lab/101", to="pve3"),
            "locked": await lab.one("migrate", "lab/102", to="pve2"),
            "no storage": await lab.one("migrate", "lab/103", to="pve2", local_disks=True),
        }
        assert lab.called() == []
    assert {str(one.outcome) for one in said.values()} == {"refused"}
    assert "it is on pve1 already" in said["here"].message
    assert "lab has no node 'pve9'; its nodes: pve1, pve2, pve3" in said["nowhere"].message
    assert "pve3 is offline" in said["away"].message
    assert "it is locked (backup)" in said["locked"].message
    assert "pve2 has no storage own; name one that it has with --storage: local-lvm, san" in said["no storage"].message


async def test_local_disks_can_go_to_another_storage(two: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two.add_storage("own", "lvmthin", nodes="pve1")
    two.add_vm(103, "bound", config={"scsi0": "own:vm-103-disk-0,size=8G"})
    async with opened(tmp_path, monkeypatch, two) as lab:
        wrong = await lab.one("migrate", "lab/103", to="pve2", storage="local", local_disks=True)
        outcome = await lab.one("migrate", "lab/103", to="pve2", storage="san", local_disks=True)
        assert str(outcome.outcome) == "done", outcome.message
        assert two.guest(103)["config"]["scsi0"].startswith("san:")
    assert wrong.exit_code == 2
    assert "storage local takes no disks" in wrong.message


async def test_high_availability_is_waited_for(two: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_san(two, 101, "web", status="running", ha_state="started")
    async with opened(tmp_path, monkeypatch, two) as lab:
        outcome = await lab.one("migrate", "lab/101", to="pve2")
        assert (str(outcome.outcome), outcome.message) == ("done", "moved to pve2")
        assert two.guest(101)["node"] == "pve2"
