"""Rows of answers as real clusters send them: types drift, keys are missing, and nothing of that is worth an error."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from app.fleet import Ref
from app.inventory.model import Inventory, NodeEntry, PingEntry, SshEntry
from backends.kinds.vm import KIND, Vm
from backends.proxmox import lenient, steady
from backends.proxmox.backups_seen import BackupsSeen, Shelf
from backends.proxmox.cluster import Cluster
from backends.proxmox.corrections import LAG_S, Corrections
from backends.proxmox.counters import counted
from backends.proxmox.guest_rows import Beside, GuestRows
from backends.proxmox.hypervisor_rows import HypervisorRows, online_nodes
from backends.proxmox.links_to_nodes import LinksToNodes
from backends.proxmox.storage_rows import StorageRows
from backends.proxmox.turns import quorum, sees_no_guests, waiting

ODD: tuple[Any, ...] = (None, "", "x", -1, 1e400, float("nan"), True, [], {}, [{}], "9" * 400, {"a": 1}, b"x", "½", "٣")

KINDS = [type(one).__name__ for one in ODD]


def links(cluster: Cluster | None = None, *nodes: NodeEntry) -> LinksToNodes:
    return LinksToNodes(cluster or Cluster(name="lab"), Inventory(nodes={one.name: one for one in nodes}))


def _no_backup(vmid: int, node: str | None) -> tuple[float | None, bool]:
    return None, False


def _nothing(vmid: int) -> str | None:
    return None


def beside(**known: Any) -> Beside:
    usual: dict[str, Any] = {
        "now": 1000.0,
        "wall": time.time(),
        "online": ("pve1",),
        "links": links(),
        "corrections": Corrections(),
        "backup": _no_backup,
        "doing": _nothing,
        "pending": {},
        "addresses": {},
    }
    return Beside(**(usual | known))


def guest(**said: Any) -> dict[str, Any]:
    return {"id": "qemu/101", "type": "qemu", "vmid": 101, "node": "pve1", "status": "running", "name": "web"} | said


def folded(*listed: Mapping[str, Any], **known: Any) -> tuple[Vm, ...]:
    rows = GuestRows("lab")
    rows.fold(listed, beside(**known))
    return rows.rows


@pytest.mark.parametrize("field", ["vmid", "template", "maxmem", "mem", "maxdisk", "cpu", "maxcpu", "uptime", "netin"])
@pytest.mark.parametrize("value", ODD, ids=KINDS)
def test_no_value_of_any_type_spoils_a_row(field: str, value: Any) -> None:
    (row,) = folded(guest(**{field: value}), guest(id="qemu/101", vmid="101"))[:1]
    assert row.id == "lab/101" or field == "vmid"
    for column in KIND.columns:
        column.cell(row)
    KIND.json(row)


@pytest.mark.parametrize("field", ["name", "node", "status", "type", "tags", "lock", "pool", "hastate", "id"])
@pytest.mark.parametrize("value", ODD, ids=KINDS)
def test_no_text_that_is_none_spoils_the_others(field: str, value: Any) -> None:
    rows = folded(guest(**{field: value}), guest(id="qemu/102", vmid=102, name="db"))
    assert "lab/102" in {row.id for row in rows}
    for row in rows:
        for column in KIND.columns:
            column.cell(row)


def test_numbers_come_as_texts_as_well() -> None:
    (row,) = folded(guest(vmid="101", maxmem="2147483648", maxdisk="34359738368", cpu="0.5", maxcpu="4", template=""))
    assert (row.key, row.mem_total_bytes, row.disk_total_bytes) == ("101", 2 << 30, 32 << 30)
    assert (row.cpu_percent, row.cores, row.template) == (50.0, 4, False)


def test_what_is_missing_is_unknown_and_never_0() -> None:
    (row,) = folded({"id": "qemu/101", "type": "qemu", "node": "pve1"})
    assert (row.id, row.name, row.state) == ("lab/101", "vm 101", "unknown")
    told = (row.cpu_percent, row.mem_used_bytes, row.mem_total_bytes, row.disk_total_bytes, row.uptime_s, row.cores)
    assert told == (None,) * 6


def test_containers_have_a_known_disk_and_machines_have_none() -> None:
    vm, ct = folded(
        guest(disk=0, maxdisk=10), guest(id="lxc/102", type="lxc", vmid=102, disk=4, maxdisk=10, name="ct", cpu=1.2)
    )
    assert (vm.type, vm.disk_used_bytes, vm.disk_percent) == ("vm", None, None)
    assert (ct.type, ct.disk_used_bytes, ct.disk_percent) == ("ct", 4, 40.0)
    assert ct.cpu_percent == 120.0


def test_rows_of_unknown_types_are_no_guests() -> None:
    kinds = ("sdn", "network", "pool", "storage", "node", "future", None, 7)
    assert folded(*({"type": one, "id": f"{one}/1", "vmid": 1} for one in kinds)) == ()


def test_a_guest_keeps_its_name_when_its_node_goes_and_a_new_one_of_its_number_does_not() -> None:
    rows = GuestRows("lab")
    rows.fold([guest()], beside())
    rows.fold([{"id": "qemu/101", "type": "qemu", "node": "pve1", "status": "unknown"}], beside(online=()))
    assert [(row.name, row.state) for row in rows.rows] == [("web", "unknown")]
    rows.fold([{"id": "qemu/101", "type": "qemu", "node": "pve1", "lock": "clone"}], beside())
    assert rows.rows[0].name == "vm 101"


def test_an_offline_node_makes_its_guests_unknown_whatever_the_list_still_says() -> None:
    (row,) = folded(guest(uptime=5, mem=1, maxmem=2), online=("pve2",))
    assert (row.state, row.uptime_s, row.mem_used_bytes) == ("unknown", None, None)


@pytest.mark.parametrize(
    ("said", "state", "fault"),
    [
        ({"status": "stopped", "lock": "suspended"}, "suspended", None),
        ({"status": "stopped"}, "stopped", None),
        ({"status": "paused"}, "paused", None),
        ({"status": "prelaunch"}, "paused", None),
        ({"status": "io-error"}, "paused", "io-error"),
        ({"status": "what-ever"}, "unknown", None),
    ],
)
def test_states(said: dict[str, Any], state: str, fault: str | None) -> None:
    (row,) = folded(guest(**said))
    assert (row.state, row.fault) == (state, fault)


def test_tags_are_parted_as_proxmox_parts_them_and_keep_their_order() -> None:
    (row,) = folded(guest(tags="prod;web, db;prod"))
    assert row.labels == ("prod", "web", "db")
    assert row.tags >= {"prod", "web", "db"}


def test_the_same_list_again_makes_no_new_row() -> None:
    rows = GuestRows("lab")
    assert rows.fold([guest(uptime=10_000)], beside())
    before = rows.rows
    assert not rows.fold([guest(uptime=10_010)], beside(now=1010.0))
    assert rows.rows is before
    assert rows.fold([guest(uptime=10_010, cpu=0.3)], beside(now=1020.0))


def test_a_correction_ends_when_the_list_agrees_or_can_not_be_behind_any_more() -> None:
    known = Corrections()
    known.heard(101, "running", {"name": "web", "uptime": 3}, 1000.0)
    assert known.state(101, "stopped", guest(), None, 1001.0) == "running"
    assert known.state(101, "stopped", guest(), None, 1000.0 + LAG_S) == "stopped"
    known.heard(101, "running", {}, 2000.0)
    assert known.state(101, "running", guest(), None, 2001.0) == "running"
    assert known.state(101, "stopped", guest(), None, 2002.0) == "stopped"  # somebody stopped it since


def test_a_paused_guest_runs_again_when_it_is_seen_to_work() -> None:
    known = Corrections()
    known.heard(101, "paused", {}, 1000.0)
    idle = counted(None, {"uptime": 50, "diskread": 1, "diskwrite": 1})
    assert known.state(101, "running", guest(cpu=0.3), idle, 1005.0) == "paused"  # figures of before
    assert known.state(101, "running", guest(cpu=0), idle, 1000.0 + LAG_S + 1) == "paused"
    assert known.state(101, "running", guest(cpu=0), idle, 99_000.0) == "paused"
    busy = counted(None, {"uptime": 60, "diskread": 1, "diskwrite": 7})
    assert known.state(101, "running", guest(cpu=0), busy, 99_001.0) == "running"


def test_counters_that_were_not_renewed_leave_the_rates_as_they_were() -> None:
    first = counted(None, {"uptime": 100, "netin": 0, "netout": 0, "diskread": 0, "diskwrite": 0})
    second = counted(first, {"uptime": 110, "netin": 1000, "netout": 0, "diskread": 0, "diskwrite": 0})
    assert second is not None
    assert second.flows == (100, 0, 0, 0)
    assert counted(second, {"uptime": 110, "netin": 1000}) is second
    again = counted(second, {"uptime": 120, "netin": 10})
    assert again is not None
    assert again.flows[0] is None
    assert counted(second, {"uptime": 0}) is None


def test_hypervisors_count_their_guests_and_know_less_while_they_are_away() -> None:
    rows = HypervisorRows("lab", {"pve1": "9.1-1"})
    listed = [
        {"type": "node", "id": "node/pve1", "status": "online", "cpu": 0.5, "maxcpu": 8, "mem": 1, "maxmem": 2},
        {"type": "node", "node": "pve2", "status": "offline", "maxcpu": 4, "uptime": 9, "mem": 5, "maxmem": 9},
        {"type": "node"},
        "nothing",
    ]
    guests = folded(guest(), guest(id="qemu/102", vmid=102, status="stopped"), guest(id="qemu/9", vmid=9, template=1))
    clean = lenient.rows(listed)
    assert rows.fold(clean, guests, links(), True)
    pve1, pve2 = rows.rows
    assert (pve1.id, pve1.state, pve1.guests, pve1.running, pve1.version) == ("lab/pve1", "online", 2, 1, "9.1-1")
    assert (pve1.cpu_percent, pve1.cores, pve1.quorate) == (50.0, 8, True)
    assert (pve2.state, pve2.cpu_percent, pve2.mem_used_bytes, pve2.uptime_s) == ("offline", None, None, None)
    assert not rows.fold(clean, guests, links(), True)
    assert online_nodes(clean[:3]) == ("pve1", "")


def storage(node: str, name: str = "nas", **said: Any) -> dict[str, Any]:
    return {
        "id": f"storage/{node}/{name}",
        "type": "storage",
        "storage": name,
        "node": node,
        "status": "available",
        "shared": 1,
        "plugintype": "nfs",
        "content": "images,backup",
        "disk": 5,
        "maxdisk": 10,
    } | said


def test_a_shared_storage_is_there_where_one_node_reaches_it() -> None:
    rows = StorageRows("lab")
    listed = [storage("pve1", status="unknown"), storage("pve2"), storage("pve1", "local", shared=0, content="iso")]
    rows.fold(listed, ("pve1", "pve2"), links())
    nas, local = rows.rows
    assert (nas.id, nas.state, nas.host, nas.parent, nas.used_percent) == ("lab/nas", "available", None, None, 50.0)
    assert (local.id, local.state, local.host) == ("lab/pve1/local", "available", "pve1")
    assert local.parent == Ref("hypervisor", "lab/pve1")
    assert rows.shelves() == (Shelf("nas", None),)
    assert rows.shelves()[0].ask == ("pve2",)
    rows.fold([storage("pve1", "local", shared=0, status="unknown")], ("pve1",), links())
    assert rows.rows[0].state == "inactive"
    rows.fold([storage("pve1", "local", shared=0, status="unknown")], (), links())
    assert (rows.rows[0].state, rows.rows[0].used_bytes) == ("unknown", None)


@pytest.mark.parametrize("value", ODD, ids=KINDS)
@pytest.mark.parametrize("field", ["shared", "disk", "maxdisk", "content", "plugintype", "status", "node", "storage"])
def test_no_value_spoils_a_storage(field: str, value: Any) -> None:
    rows = StorageRows("lab")
    rows.fold([storage("pve1", "local") | {field: value}, storage("pve1")], ("pve1",), links())
    assert "lab/nas" in {row.id for row in rows.rows}
    for node in ODD:
        HypervisorRows("lab", {}).fold([{"type": "node", "node": "pve1", field: node}], (), links(), None)


def test_no_backup_is_certain_only_where_every_place_was_read_and_shown() -> None:
    seen = BackupsSeen(lambda storage, vmid: vmid != 103)
    nas, local1, local2 = Shelf("nas", None), Shelf("local", "pve1"), Shelf("local", "pve2")
    seen.shelves([nas, local1, local2])
    assert seen.of(101, "pve1") == (None, False)
    seen.read(nas, [{"vmid": "101", "ctime": 50}, {"vmid": 101, "ctime": "70"}, {"vmid": None}, {"ctime": 3}])
    assert seen.of(101, "pve1") == (70.0, True)
    assert seen.of(102, "pve1") == (None, False)  # one place it could be at is not read yet
    seen.read(local1, [])
    assert seen.of(102, "pve1") == (None, True)
    assert seen.of(102, "pve2") == (None, False)
    assert seen.of(103, "pve1") == (None, False)  # it would not be shown to us
    seen.failed(nas)
    assert seen.of(101, "pve1") == (None, False)
    seen.shelves([])
    assert seen.of(102, "pve1") == (None, False)  # nowhere to look is not the same as nothing there


def test_which_node_a_guest_is() -> None:
    nodes = (
        NodeEntry(name="web", ssh=SshEntry(host="10.0.0.1")),
        NodeEntry(name="db", ssh=SshEntry(host="10.0.0.2"), routes=("root@10.0.0.3", "db.lan")),
        NodeEntry(name="printer", ping=PingEntry(host="10.0.0.4")),
        NodeEntry(name="here", ssh=SshEntry(host="127.0.0.1")),
        NodeEntry(name="twin", ssh=SshEntry(host="10.0.0.9")),
        NodeEntry(name="twin2", ssh=SshEntry(host="10.0.0.9")),
    )
    cluster = Cluster(name="lab", node_map={"pve1": "db", "105": "printer", "shop": "web", "106": "nobody"})
    which = links(cluster, *nodes)
    assert which.guest(101, "web") == Ref("node", "web")
    assert which.guest(105, "web") == Ref("node", "printer")
    assert which.guest(1, "shop") == Ref("node", "web")
    assert which.guest(106, "web") is None  # mapped to what is not there: nothing is guessed
    assert which.guest(1, "x", ("10.0.0.3",)) == Ref("node", "db")
    assert which.guest(1, "x", ("127.0.0.1",)) is None
    assert which.guest(1, "x", ("10.0.0.9",)) is None  # two could be meant
    assert which.hypervisor("pve1") == Ref("node", "db")
    assert which.hypervisor("web") is None


def test_quorum_pending_and_rights() -> None:
    assert quorum([{"type": "cluster", "quorate": 1}]) is True
    assert quorum([{"type": "cluster", "quorate": "0"}, "x", None]) is False
    assert quorum([{"type": "node", "online": 1}]) is None
    assert quorum(None) is None
    assert waiting([{"key": "cores", "value": 2, "pending": 4}])
    assert waiting([{"key": "swap", "delete": "2"}])
    assert not waiting([{"key": "cores", "value": 2}, {"key": "swap", "delete": 0}])
    assert not waiting("nonsense")
    assert sees_no_guests({})
    assert sees_no_guests({"/": {"Sys.Audit": True}})
    assert not sees_no_guests({"/vms/101": {"VM.Audit": True}})
    assert not sees_no_guests(None)


@pytest.mark.parametrize("value", ODD, ids=KINDS)
def test_lenient_reading_never_raises(value: Any) -> None:
    for read in (lenient.whole, lenient.real, lenient.size, lenient.flag, lenient.text, lenient.mapping, lenient.rows):
        read(value)
    lenient.words(value)


def test_an_age_stays_while_its_text_would() -> None:
    assert steady.age(None, 7300.9) == 7300.0
    assert steady.age(7300.0, 7310.0) == 7300.0
    assert steady.age(7300.0, 10_900.0) == 10_900.0
    assert steady.age(7300.0, None) is None
