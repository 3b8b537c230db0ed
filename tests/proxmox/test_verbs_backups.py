"""Backups and what is made of them: where to, under which number, and never over one that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")

ARCHIVE = "local:backup/vzdump-qemu-101-2023_11_14-22_13_20.vma.zst"


def kept(pve: Pve, *, vmid: int = 101, **facts: object) -> str:
    """A backup of a guest with one small disk; its volid."""
    name = f"backup/vzdump-qemu-{vmid}-2023_11_14-22_13_20.vma.zst"
    guest = {
        "name": "web",
        "memory": "1024",
        "scsi0": f"local-lvm:vm-{vmid}-disk-0,size=1G",
        "net0": "virtio=AA:AA:AA:AA:AA:AA,bridge=vmbr0",
    }
    pve.add_volume("local", name, content="backup", size=1 << 20, vmid=vmid, ctime=1_700_000_000, guest=guest, **facts)
    return f"local:{name}"


async def test_it_goes_to_the_only_storage_and_is_named(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("backup", "lab/101", notes="before\nthe \\ upgrade", protected=True)
        assert str(outcome.outcome) == "done", outcome.message
        rows = await lab.get("/nodes/pve1/storage/local/content", content="backup")
        (text,) = lab.witnessed()[0].plan
        assert text == (
            "POST /nodes/pve1/vzdump vmid=101 storage=local mode=snapshot compress=zstd "
            "notes-template='before\\nthe \\\\ upgrade' protected=1 remove=0"
        )
        assert lab.handles() == [outcome.data["upid"]]
    assert [row["volid"] for row in rows] == [outcome.data["volid"]]
    assert rows[0]["protected"] == 1
    assert outcome.message == f"backed up; as {rows[0]['volid']} (512M)"
    assert lab.front.questions == []  # it disturbs nobody


async def test_those_there_are_stay_whatever_the_storage_keeps(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    kept(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        await lab.one("backup", "lab/101")
        await lab.one("backup", "lab/101")
        assert len(await lab.get("/nodes/pve1/storage/local/content", content="backup")) == 3
    assert all(one["values"]["remove"] == "0" for one in pve.requests("POST", "vzdump"))


@pytest.mark.parametrize(("method", "asks"), [("snapshot", False), ("suspend", True), ("stop", True)])
async def test_what_disturbs_a_running_guest_asks_first(
    method: str, asks: bool, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    pve.add_vm(102, "off")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("backup", "lab/101", method=method)
        off = await lab.one("backup", "lab/102", method=method)
        assert (str(outcome.outcome), str(off.outcome)) == ("done", "done")
        assert len(lab.front.questions) == asks
    assert pve.requests("POST", "vzdump")[0]["values"]["mode"] == method


async def test_where_to_is_asked_where_there_are_several_and_refused_where_there_is_none(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    pve.add_storage("nas", "nfs", content="backup", shared=1)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        several = await lab.one("backup", "lab/101")
        wrong = await lab.one("backup", "lab/101", storage="local-lvm")
        right = await lab.one("backup", "lab/101", storage="nas")
        pve.set_storage("nas", content="images")
        pve.set_storage("local", content="iso")
        none = await lab.one("backup", "lab/101")
    assert (str(several.outcome), several.exit_code) == ("failed", 2)
    assert "2 storages of pve1 take backups; name one: " in several.message
    assert (str(wrong.outcome), wrong.exit_code) == ("failed", 2)
    assert "storage 'local-lvm' takes no backups on pve1" in wrong.message
    assert str(right.outcome) == "done", right.message
    assert str(right.data["volid"]).startswith("nas:")
    assert (str(none.outcome), none.exit_code) == ("refused", 4)
    assert "no storage of pve1 takes backups" in none.message


async def test_a_storage_that_is_full_fails_with_the_reason_of_the_log(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    pve.set_storage("local", avail=1000)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("backup", "lab/101")
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "job errors" in outcome.message


# -- restore


async def test_a_new_guest_is_made_under_the_next_number_and_the_old_one_stays(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(100, "web", status="running")
    pve.add_vm(101, "web", status="running", config={"memory": "4096"})
    archive = kept(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("restore", archive=archive, name="web-old", start=True)
        assert str(outcome.outcome) == "done", outcome.message
        assert outcome.message == "restored as web-old (lab/102) and started"
        assert outcome.data["guest"] == "lab/102"
        new = await lab.config(102)
        assert (new["name"], new["memory"]) == ("web-old", "1024")
        assert "AA:AA:AA:AA:AA:AA" not in new["net0"]
        assert await lab.state(102) == "running"
        assert (await lab.config(101))["memory"] == "4096"
        assert lab.witnessed()[0].plan == (
            f"POST /nodes/pve1/qemu vmid=<vmid> archive={archive} unique=1",
            "PUT /nodes/pve1/qemu/<vmid>/config name=web-old",
            "POST /nodes/pve1/qemu/<vmid>/status/start",
        )
        assert len(lab.handles()) == 2


async def test_a_number_that_is_taken_is_refused_and_nothing_is_overwritten(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    archive = kept(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        taken = await lab.one("restore", archive=archive, vmid=101)
        silly = await lab.one("restore", archive=archive, vmid=5)
        assert lab.called() == []
        free = await lab.one("restore", archive=archive, vmid=777)
        assert str(free.outcome) == "done", free.message
        assert (await lab.config(777))["memory"] == "1024"
    assert (str(taken.outcome), taken.exit_code) == ("refused", 4)
    assert "101 is taken by web; leave --vmid out" in taken.message
    assert (str(silly.outcome), silly.exit_code) == ("failed", 2)
    assert all("force" not in one["values"] for one in pve.requests("POST"))


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("lacks", ["Datastore.AllocateSpace on /storage/local-lvm", "SDN.Use on /sdn/zones"])
async def test_what_its_own_configuration_takes_is_looked_at_first(
    lacks: str, given: bool, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = kept(pve)
    rights: list[tuple[str, ...]] = [
        ("/", "VM.Audit", "Sys.Audit", "Datastore.Audit", "VM.Allocate", "VM.Backup"),
        ("/storage/local", "Datastore.Audit", "Datastore.AllocateSpace", "Datastore.Allocate"),
    ]
    if given or "SDN" in lacks:
        rights.append(("/storage/local-lvm", "Datastore.Audit", "Datastore.AllocateSpace"))
    if given or "SDN" not in lacks:
        rights.append(("/sdn", "SDN.Use"))
    token = pve.make_token("ops@pve!restores", *rights)
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        outcome = await lab.one("restore", archive=archive)
        called = lab.called()
    if given:
        assert outcome.exit_code == 0, outcome.message
    else:
        assert (str(outcome.outcome), outcome.exit_code, called) == ("refused", 4, [])
        assert lacks in outcome.message


async def test_a_number_that_somebody_else_takes_first_is_another_try(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = kept(pve)
    pve.take_ids(2)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("restore", archive=archive)
        assert str(outcome.outcome) == "done", outcome.message
        names = await lab.guests()
        assert outcome.data["vmid"] == 102
        assert [names[100], names[101], names[102]] == ["other-100", "other-101", "web"]


@pytest.mark.parametrize(
    ("archive", "why", "code"),
    [
        ("nonsense", "is no backup; it reads STORAGE:backup/vzdump-", 2),
        ("local:backup/vzdump-qemu-9-2023_11_14-22_13_20.vma.zst", "there is no backup", 4),
        ("gone:backup/x.vma.zst", "there is no storage 'gone'", 4),
        ("local-lvm:backup/x.vma.zst", "storage 'local-lvm' holds no backups", 4),
    ],
)
async def test_what_is_no_backup_is_told(
    archive: str, why: str, code: int, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("restore", archive=archive)
        assert lab.called() == []
    assert outcome.exit_code == code, outcome
    assert why in outcome.message


async def test_a_node_that_cannot_read_the_backup_is_refused(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = kept(pve)
    pve.add_node("pve2")
    pve.set_storage("local", nodes="pve1")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("restore", archive=archive, to="pve2")
        fine = await lab.one("restore", archive=archive, to="pve1")
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "pve2 does not have storage 'local' now; it can be restored on pve1" in outcome.message
    assert str(fine.outcome) == "done", fine.message


async def test_a_full_storage_leaves_nothing_or_says_what(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = kept(pve)
    pve.set_storage("local-lvm", avail=1000)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("restore", archive=archive)
        assert await lab.guests() == {}
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "No space left on device" in outcome.message


async def test_a_storage_that_takes_no_disks_is_refused(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = kept(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("restore", archive=archive, storage="local")
        assert lab.called() == []
    assert outcome.exit_code == 2
    assert "storage local takes no disks" in outcome.message
