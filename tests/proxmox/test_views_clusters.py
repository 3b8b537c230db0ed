"""What was done in clusters, what lies on their storages, and how their hypervisors do."""

from __future__ import annotations

import time

import pytest

from app.errors import BadAnswer, ConfigurationError, Missing
from app.verb import Line, Rows, Sections, Stream
from backends.kinds.vm_lists import Backup, Task
from backends.proxmox.looking.storages import Volume
from tests.proxmox.test_views_guests import said, sections
from tests.proxmox.watched import entry, watching
from tests.servers.fakepve import Pve, StartPve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

WITHIN = 30.0


async def lines_of(view: object) -> list[str]:
    assert isinstance(view, Stream)
    return [one.text if isinstance(one, Line) else one async for one in view.lines]


async def test_tasks_of_all_clusters_what_runs_first_then_the_newest(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, dc = pve_at(), pve_at()
    lab.add_node("pve2")
    lab.add_task(type="qmstart", id="101", starttime=1_700_000_000, endtime=1_700_000_005, exitstatus="OK")
    lab.add_task(
        node="pve2", type="vzdump", id="102", starttime=1_700_000_200, endtime=1_700_000_290, exitstatus="WARNINGS: 2"
    )
    lab.add_task(type="qmclone", id="103", starttime=1_600_000_000, status="running")
    dc.add_task(
        type="qmigrate",
        id="101",
        starttime=1_700_000_100,
        endtime=1_700_000_101,
        exitstatus="[red]no route",
        user="u@pam",
    )
    async with watching({"lab": entry(lab, monkeypatch), "dc": entry(dc, monkeypatch)}) as lists:
        view = await lists.look("vm", "tasks")
        assert isinstance(view, Rows)
        items: list[Task] = list(view.items)
        assert [(one.cluster, one.node, one.type) for one in items] == [
            ("lab", "pve1", "qmclone"),
            ("lab", "pve2", "vzdump"),
            ("dc", "pve1", "qmigrate"),
            ("lab", "pve1", "qmstart"),
        ]
        assert [one.running for one in items] == [True, False, False, False]
        assert items[1].warned
        assert (items[2].status, items[2].good, items[2].user) == ("[red]no route", False, "u@pam")
        assert {action.verb: action.key for action in view.actions} == {"task-log": "l", "task-stop": "x"}
        only = await lists.look("vm", "tasks", guest="lab/101")
        assert isinstance(only, Rows)
        assert [one.type for one in only.items] == ["qmstart"]
        bad = await lists.look("vm", "tasks", errors=True, cluster="dc")
        assert isinstance(bad, Rows)
        assert [one.type for one in bad.items] == ["qmigrate"]
        with pytest.raises(Missing):
            await lists.look("vm", "tasks", cluster="nowhere")


async def test_a_token_without_sys_audit_is_told_that_it_sees_its_own_tasks_only(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    weak = pve.make_token("weak@pve!deck", ("/vms", "VM.Audit"))
    async with watching({"lab": entry(pve, monkeypatch, token=weak)}) as lists:
        await eventually(lambda: bool(pve.requests(containing="/access/permissions")), WITHIN)
        view = await lists.look("vm", "tasks")
        assert isinstance(view, Rows)
        assert "weak@pve!deck" in view.note
        assert "Sys.Audit on /nodes" in view.note


async def test_a_node_that_is_away_is_named_and_the_others_are_read(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_node("pve2")
    pve.add_task(type="qmstart", id="101", endtime=1_700_000_005, exitstatus="OK")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        pve.node_offline("pve2")
        view = await lists.look("vm", "tasks")
        assert isinstance(view, Rows)
        assert [one.type for one in view.items] == ["qmstart"]
        assert "pve2 is away" in view.note


async def test_the_log_of_a_task_of_the_cluster_that_has_it(pve_at: StartPve, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, dc = pve_at(), pve_at()
    ended = {"endtime": 1_700_000_009, "exitstatus": "OK"}
    upid = dc.add_task(type="vzdump", id="101", log=["INFO: \x1b[31mstart", "INFO: 50%", "TASK OK"], **ended)
    async with watching({"lab": entry(lab, monkeypatch), "dc": entry(dc, monkeypatch)}) as lists:
        view = await lists.look("vm", "task-log", upid=upid)
        assert isinstance(view, Stream)
        assert "dc" in view.title
        assert await lines_of(view) == ["INFO: start", "INFO: 50%", "TASK OK"]
        with pytest.raises(BadAnswer):
            await lists.look("vm", "task-log", upid="../../etc/passwd")
        gone = upid.replace("vzdump", "vzgone")
        with pytest.raises(Missing):
            await lists.look("vm", "task-log", upid=gone)


async def test_a_huge_log_is_cut_at_its_beginning_and_says_so(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    log = [f"INFO: {number} " + "x" * 100 for number in range(20_000)] + ["TASK OK"]
    upid = pve.add_task(type="vzdump", id="101", log=log, endtime=1_700_000_009, exitstatus="OK")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        lines = await lines_of(await lists.look("vm", "task-log", upid=upid))
        assert len(lines) < 3000
        assert any("left out" in line for line in lines)
        assert lines[-1] == "TASK OK"


async def test_a_running_task_is_followed_to_its_end(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running")
    pve.take_seconds("qmstop", 100.0)
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        from backends.proxmox.clusters import clusters

        client = lists.deck.context.shared(clusters).of("lab")
        upid = await client.post("/nodes/pve1/qemu/101/status/stop")
        lines = await lines_of(await lists.look("vm", "task-log", upid=upid))
        assert lines[-1] == "TASK OK"
        assert "no content" not in lines


async def test_backups_of_all_and_of_one_guest(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time())
    pve.add_vm(101, "web")
    pve.add_storage("nas", "nfs", "backup", shared=1)
    pve.add_storage("gone", "nfs", "backup", shared=1, active=0)
    pve.add_volume("nas", "backup/vzdump-qemu-101-a.vma.zst", content="backup", vmid=101, ctime=now - 50, size=5)
    pve.add_volume(
        "nas",
        "backup/vzdump-qemu-105-a.vma.zst",
        content="backup",
        vmid=105,
        ctime=now - 500,
        size=7,
        notes="[b]note[/b]",
        protected=1,
    )
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        view = await lists.look("vm", "backups")
        assert isinstance(view, Rows)
        items: list[Backup] = list(view.items)
        assert [(one.guest, one.name, one.storage, one.size_bytes) for one in items] == [
            ("lab/101", "web", "nas", 5),
            ("lab/105", "", "nas", 7),
        ]
        assert (items[1].notes, items[1].protected, items[0].protected) == ("[b]note[/b]", True, False)
        assert items[0].archive == "nas:backup/vzdump-qemu-101-a.vma.zst"
        assert "gone (away)" in view.note
        assert [action.verb for action in view.actions] == ["restore"]
        for meant in ("lab/101", "101", "web", "lab/web"):
            one = await lists.look("vm", "backups", guest=meant)
            assert isinstance(one, Rows)
            assert [found.guest for found in one.items] == ["lab/101"], meant
        removed = await lists.look("vm", "backups", guest="lab/105")  # its backups outlive a guest
        assert isinstance(removed, Rows)
        assert [found.guest for found in removed.items] == ["lab/105"]
        with pytest.raises(ConfigurationError):
            await lists.look("vm", "backups", guest="nobody")


async def test_what_a_storage_holds(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    pve.add_volume("local", "iso/debian.iso", content="iso", size=700)
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        disks = await lists.look("storage", "content", "lab/pve1/local-lvm")
        assert isinstance(disks, Rows)
        found: list[Volume] = list(disks.items)
        assert [(one.volume, one.guest, one.name) for one in found] == [("local-lvm:vm-101-disk-0", "lab/101", "web")]
        isos = await lists.look("storage", "content", "lab/pve1/local", only="iso")
        assert isinstance(isos, Rows)
        assert [one.volume for one in isos.items] == ["local:iso/debian.iso"]
        none = await lists.look("storage", "content", "lab/pve1/local", only="backup")
        assert isinstance(none, Rows)
        assert "nothing of that kind" in none.note


async def test_details_of_a_hypervisor_and_its_version_in_the_row(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        view = await lists.look("hypervisor", "details", "lab/pve1")
        assert isinstance(view, Sections)
        found = sections(view)
        assert "pve-manager/" in said(found["Software"])
        assert "local-lvm lvmthin available" in said(found["Storages"])
        assert "vmbr0" in said(found["Network"])
        await eventually(lambda: bool(lists.hypervisors["lab/pve1"].version), WITHIN)
        assert "/" not in (lists.hypervisors["lab/pve1"].version or "/")


async def test_details_of_a_hypervisor_that_may_not_be_audited_name_the_privilege(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = pve.make_token("weak@pve!deck", ("/storage", "Datastore.Audit"), ("/vms", "VM.Audit"))
    async with watching({"lab": entry(pve, monkeypatch, token=weak)}) as lists:
        found = sections(await lists.look("hypervisor", "details", "lab/pve1"))
        assert "needs Sys.Audit on /nodes/pve1" in said(found["Software"])
        assert "Storages" in found
