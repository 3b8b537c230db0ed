"""What a describe screen and the views of a guest show, asked as pane and command line ask."""

from __future__ import annotations

import pytest

from app.column import Section
from app.errors import Missing, QuarterdeckError
from app.fleet import Ref
from app.inventory.model import NodeEntry, SshEntry
from app.verb import Rows, Sections, Text
from backends.kinds.vm_lists import Checkpoint, FirewallRule, Snapshot
from tests.proxmox.watched import Lists, entry, watching
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

WITHIN = 30.0
SECRET = "correct-horse-battery"
CARDS = [
    {"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [{"ip-address": "127.0.0.1", "prefix": 8}]},
    {"name": "docker0", "ip-addresses": [{"ip-address": "172.17.0.1", "prefix": 16}]},
    {
        "name": "eth0",
        "hardware-address": "bc:24:11:00:00:65",
        "ip-addresses": [{"ip-address": "10.9.9.5", "prefix": 24}, {"ip-address": "fe80::1", "prefix": 64}],
    },
    {"name": "eth1"},
]


def sections(view: object) -> dict[str, Section]:
    assert isinstance(view, Sections)
    return {one.title: one for one in view.sections}


def said(section: Section) -> str:
    """All that stands in a block."""
    lines = [f"{label}: {cell.text}" for label, cell in section.lines]
    return "\n".join([*lines, *(" ".join(cell.text for cell in row) for row in section.rows)])


async def details(lists: Lists, id: str) -> dict[str, Section]:
    return sections(await lists.look("vm", "details", id))


async def test_details_of_a_machine(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(
        101,
        "web",
        status="running",
        agent={"interfaces": CARDS},
        config={
            "agent": "1",
            "memory": "4096",
            "protection": 1,
            "onboot": 1,
            "net0": "virtio=BC:24:11:00:00:65,bridge=vmbr0,firewall=1,tag=30",
            "ide2": "none,media=cdrom",
            "ciuser": "ops",
            "cipassword": SECRET,
            "ipconfig0": "ip=dhcp",
            "description": "first line\nsecond [b]line[/b]",
        },
        snapshots={"before": {"description": "x", "snaptime": 1_700_000_000}, "later": {"snaptime": 1_700_009_000}},
        pending={"memory": "8192"},
        ha_state="started",
    )
    pve.add_storage("nas", "nfs", "backup", shared=1)
    name = "backup/vzdump-qemu-101-1.vma.zst"
    pve.add_volume("nas", name, content="backup", vmid=101, ctime=1_700_000_000, size=1 << 30, protected=1)
    nodes = [NodeEntry(name="shop", ssh=SshEntry(host="10.9.9.5"))]
    async with watching({"lab": entry(pve, monkeypatch)}, nodes=nodes) as lists:
        assert lists.vm("lab/101").runs_as is None
        found = await details(lists, "lab/101")
        assert "memory: 4.0G" in said(found["Settings"])
        assert "may not be destroyed" in said(found["Settings"])
        assert "HA: started" in said(found["Settings"])
        assert "scsi0 local-lvm local-lvm:vm-101-disk-0 32G" in said(found["Disks"])
        assert "empty" in said(found["Disks"])
        assert "net0 virtio BC:24:11:00:00:65 vmbr0 vlan 30 on" in said(found["Networks"])
        assert said(found["Addresses"]) == "eth0: 10.9.9.5/24"
        assert "memory 4096 8192" in said(found["Waiting for a restart"])
        assert "count: 2\nnewest: later" in said(found["Snapshots"])
        assert "nas protected nas:backup/vzdump-qemu-101-1.vma.zst" in said(found["Backups"])
        assert said(found["Notes"]) == ": first line\n: second [b]line[/b]"
        assert "user: ops" in said(found["cloud-init"])
        assert SECRET not in "".join(said(one) for one in found.values())
        # Its address is that of a node: from now on they are known to be one.
        await eventually(lambda: lists.vm("lab/101").runs_as == Ref("node", "shop"), WITHIN)


async def test_details_of_a_container(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_ct(102, "dns", status="running")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        found = await details(lists, "lab/102")
        assert "Settings" in found
        assert "Addresses" in found


async def test_an_agent_that_does_not_answer_is_said_to_be_so_and_the_rest_stands(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", config={"agent": "1"})
    pve.add_vm(102, "plain", status="running")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        found = await details(lists, "lab/101")
        assert "agent is not running" in said(found["Addresses"])
        assert "Disks" in found
        assert "not configured" in said((await details(lists, "lab/102"))["Addresses"])


async def test_a_part_that_fails_says_so_in_its_place(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running", config={"agent": "1"}, agent={"interfaces": CARDS})
    pve.fail("GET", "/snapshot", status=500, message="rbd: broken [red]pipe")
    pve.fail("GET", "/101/pending", status=595, message="no route to host")
    weak = pve.make_token("weak@pve!deck", ("/", "VM.Audit", "Sys.Audit", "Datastore.Audit"))
    async with watching({"lab": entry(pve, monkeypatch, token=weak)}) as lists:
        found = await details(lists, "lab/101")
        assert "rbd: broken [red]pipe" in said(found["Snapshots"])
        assert "cannot be reached" in said(found["Waiting for a restart"])
        assert "VM.GuestAgent" in said(found["Addresses"])
        assert "Networks" in found


async def test_a_guest_that_moved_is_read_where_it_is_and_one_that_is_gone_is_said_to_be(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_node("pve2")
    pve.add_vm(101, "web")
    async with watching({"lab": entry(pve, monkeypatch, interval=600)}) as lists:
        pve.set_guest(101, node="pve2")
        assert "Disks" in await details(lists, "lab/101")
        pve.remove_guest(101)
        with pytest.raises(Missing):
            await details(lists, "lab/101")


async def test_inspect_masks_what_is_secret_and_tells_what_waits(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"cipassword": SECRET, "args": f"-vnc password={SECRET}", "description": "line one\nline two"}
    pve.add_vm(101, "web", config=config, pending={"cipassword": f"{SECRET}2", "cores": 8})
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        view = await lists.look("vm", "inspect", "lab/101")
        assert isinstance(view, Text)
        assert SECRET not in view.text
        assert "cipassword: ••••••" in view.text
        assert "scsi0: local-lvm:vm-101-disk-0,size=32G" in view.text
        assert "    line two" in view.text
        assert "# waits for a restart" in view.text
        assert "cores: 8" in view.text


async def test_snapshots_are_a_tree_and_the_guest_as_it_is_now_is_none_of_them(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", snapshots={"one": {"vmstate": 1, "description": "before\n"}, "two": {}})
    pve.add_vm(102, "bare")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        view = await lists.look("vm", "snapshots", "lab/101")
        assert isinstance(view, Rows)
        items: list[Snapshot] = list(view.items)
        assert [(one.name, one.depth, one.current) for one in items] == [
            ("one", 0, False),
            ("two", 1, False),
            ("current", 2, True),
        ]
        assert (items[0].memory, items[0].description) == (True, "before")
        assert {action.verb for action in view.actions} == {"rollback", "delete-snapshot"}
        empty = await lists.look("vm", "snapshots", "lab/102")
        assert isinstance(empty, Rows)
        assert empty.note == "no snapshots"


async def test_checkpoints_are_found_by_their_descriptions(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = {"description": "checkpoint before-upgrade: 3 guests"}
    pve.add_vm(101, "a", snapshots={"before-upgrade": {**marked, "snaptime": 1_700_000_100}})
    pve.add_vm(102, "b", snapshots={"before-upgrade": {**marked, "snaptime": 1_700_000_050}, "own": {}})
    pve.add_vm(103, "c", snapshots={"before-upgrade": {"description": "one of its own"}})
    pve.add_vm(104, "d", snapshots={"before-upgrade": marked})
    pve.fail("GET", "/104/snapshot", status=500, message="storage is away")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        view = await lists.look("vm", "checkpoints")
        assert isinstance(view, Rows)
        (one,) = view.items
        assert isinstance(one, Checkpoint)
        assert (one.name, one.guests, one.of) == ("before-upgrade", 2, 3)
        assert one.taken_at == 1_700_000_050
        assert one.members == "lab/101 lab/102"
        assert "lab/104" in view.note
        assert "storage is away" in view.note


async def test_firewall_rules_stand_in_their_order_and_policies_come_last(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        view = await lists.look("vm", "firewall", "lab/101")
        assert isinstance(view, Rows)
        policies: list[FirewallRule] = list(view.items)
        assert [(one.pos, one.direction) for one in policies] == [(None, "in"), (None, "out")]
        assert "its firewall is off" in view.note
        assert "not on net0" in view.note


async def test_views_of_a_cluster_that_is_away_say_so_at_once(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    async with watching({"lab": entry(pve, monkeypatch, interval=600)}) as lists:
        pve.stop()
        for verb in ("details", "inspect", "snapshots", "firewall"):
            with pytest.raises(QuarterdeckError):
                await lists.look("vm", verb, "lab/101")
        for verb in ("checkpoints", "backups", "tasks"):
            view = await lists.look("vm", verb)
            assert isinstance(view, Rows)
            assert not view.items
            assert "lab: " in view.note
