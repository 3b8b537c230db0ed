"""Recorded answers of real servers, 6.2 to 9.1, read as rows and views; that data is no part of the project."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from app.column import Column
from backends.kinds import hypervisor, storage, vm
from backends.kinds.vm_lists import (
    BACKUP_COLUMNS,
    RULE_COLUMNS,
    SNAPSHOT_COLUMNS,
    TASK_COLUMNS,
)
from backends.proxmox.backups_seen import Shelf
from backends.proxmox.guest_rows import GuestRows
from backends.proxmox.hypervisor_rows import HypervisorRows, online_nodes
from backends.proxmox.lenient import mapping, rows, text
from backends.proxmox.looking import addresses, backups, config, firewall, hypervisors, snapshots, storages, tasks
from backends.proxmox.looking.parts import Layout
from backends.proxmox.on_cluster import fresh_guest
from backends.proxmox.storage_rows import StorageRows
from backends.proxmox.turns import quorum, waiting
from tests.proxmox.reference import reference
from tests.proxmox.test_rows_fold import beside, links

GUEST = r"/nodes/[^/]+/(?:qemu|lxc)/\d+"
SHELF = Shelf("local", "pve1", ("pve1",))


def recorded(path: str) -> list[tuple[str, Any]]:
    """(path, data) of every recorded answer to a GET whose whole path is like that."""
    found = list(_recorded(path))
    assert found, path
    return found


def _recorded(path: str) -> Iterator[tuple[str, Any]]:
    place = reference()
    for part in ("fog-proxmox", "go-proxmox"):
        for file in sorted((place / "recorded" / part).glob("*.json")):
            for one in json.loads(file.read_text("utf-8"))["interactions"]:
                asked, body = one["request"], one["response"].get("body")
                good = one["response"]["status"] == 200 and bool(mapping(body))
                if asked["method"] == "GET" and good and re.fullmatch(path, asked["path"]):
                    yield asked["path"], mapping(body).get("data")


def drawn(columns: Sequence[Column[Any]], items: Sequence[Any]) -> None:
    """Every cell of some rows."""
    for item in items:
        for one in columns:
            assert isinstance(one.cell(item).text, str)


def test_resources_as_rows_of_all_three_kinds() -> None:
    guests = 0
    for _, data in recorded("/cluster/resources"):
        listed = rows(data)
        online = online_nodes(listed)
        folded, nodes, kept = GuestRows("lab"), HypervisorRows("lab", {}), StorageRows("lab")
        folded.fold(listed, beside(online=[*online, *(text(one.get("node")) for one in listed)]))
        kept.fold(listed, online, links())
        nodes.fold(listed, folded.rows, links(), True)
        wanted = {text(one.get("id")) for one in listed if one.get("type") in ("qemu", "lxc")}
        assert len(folded.rows) == len(wanted)
        assert len(nodes.rows) == len({text(one["id"]) for one in listed if one.get("type") == "node"})
        assert bool(kept.rows) == any(one.get("type") == "storage" for one in listed)
        assert all(row.name and not row.name.startswith("vm ") for row in folded.rows)
        assert {row.state for row in folded.rows} <= {"running", "stopped"}
        drawn(vm.COLUMNS, folded.rows)
        drawn(hypervisor.COLUMNS, nodes.rows)
        drawn(storage.COLUMNS, kept.rows)
        guests += len(folded.rows)
    assert guests > 5


def test_lists_of_single_nodes_are_read_like_the_cluster_s() -> None:
    seen = 0
    for path, data in [*recorded("/nodes/[^/]+/qemu"), *recorded("/nodes/[^/]+/lxc")]:
        kind, node = path.rpartition("/")[2], path.split("/")[2]
        folded = GuestRows("lab")
        folded.fold([{**one, "type": kind, "node": node} for one in rows(data)], beside(online=(node,)))
        assert len(folded.rows) == len(rows(data))
        drawn(vm.COLUMNS, folded.rows)
        seen += len(folded.rows)
    assert seen


def test_status_and_config_of_every_recorded_guest() -> None:
    currents = recorded(f"{GUEST}/status/current")
    configs = recorded(f"{GUEST}/config")
    assert len(currents) > 60
    assert len(configs) > 50
    states: set[str] = set()
    for path, data in currents:
        kind = "lxc" if "/lxc/" in path else "qemu"
        guest = fresh_guest("lab", 101, "pve1", kind, mapping(data), {})
        states.add(guest.status)
        assert guest.words
        assert guest.status != "unknown"
    assert states >= {"running", "stopped", "paused"}
    disks = nets = 0
    for path, data in configs:
        kind = "lxc" if "/lxc/" in path else "qemu"
        told = mapping(data)
        guest = fresh_guest("lab", 101, "pve1", kind, {}, told)
        assert guest.digest == text(told.get("digest"))
        for disk in config.disks(told):
            disks += 1
            assert disk.key
            assert disk.cdrom or disk.volume, told[disk.key]
        for net in config.nets(told):
            nets += 1
            assert bool(net.mac) == bool(re.search(r"(?i)[0-9a-f]{2}(:[0-9a-f]{2}){5}", text(told[net.key])))
            assert net.bridge, told[net.key]
        for key, value in told.items():
            assert isinstance(config.masked(key, value), str)
    assert disks > 40
    assert nets > 10


def _taskish(data: Any) -> list[Any]:
    return [tasks._task("lab", "pve", row) for row in rows(data)]  # pyright: ignore[reportPrivateUsage]


def _rules(data: Any) -> list[Any]:
    return [firewall._rule(row) for row in rows(data)]  # pyright: ignore[reportPrivateUsage]


def _kept(data: Any) -> list[Any]:
    layout = Layout("lab", ("pve1",), (), {}, StorageRows("lab"))
    return [backups._backup(row, layout, SHELF) for row in rows(data)]  # pyright: ignore[reportPrivateUsage]


def _volumes(data: Any) -> list[Any]:
    return [storages._volume("lab", row, {}) for row in rows(data)]  # pyright: ignore[reportPrivateUsage]


def _tree(data: Any) -> list[Any]:
    return list(snapshots.tree(rows(data), container=False))


@pytest.mark.parametrize(
    ("path", "read", "columns"),
    [
        ("/nodes/[^/]+/tasks", _taskish, TASK_COLUMNS),
        ("/cluster/tasks", _taskish, TASK_COLUMNS),
        (f"{GUEST}/firewall/rules", _rules, RULE_COLUMNS),
        (f"{GUEST}/snapshot", _tree, SNAPSHOT_COLUMNS),
        ("/nodes/[^/]+/storage/[^/]+/content", _kept, BACKUP_COLUMNS),
        ("/nodes/[^/]+/storage/[^/]+/content", _volumes, storages.COLUMNS),
    ],
)
def test_lists_of_views(path: str, read: Callable[[Any], list[Any]], columns: Sequence[Column[Any]]) -> None:
    for _, data in recorded(path):
        items = read(data)
        assert len(items) >= len(rows(data))
        drawn(columns, items)


def test_tasks_that_ended_are_not_taken_for_running_ones() -> None:
    for _, data in recorded("/nodes/[^/]+/tasks"):
        for row, task in zip(rows(data), _taskish(data), strict=True):
            assert task.running == ("endtime" not in row)
            assert task.upid.startswith("UPID:")


def test_snapshots_are_told_from_the_guest_as_it_is_now() -> None:
    for _, data in recorded(f"{GUEST}/snapshot"):
        items = _tree(data)
        assert [one.current for one in items].count(True) == 1
        assert {one.name for one in items} == {text(one["name"]) for one in rows(data)} | {"current"}


def test_addresses_of_agents_and_containers() -> None:
    found = [addresses.of_agent(data) for _, data in recorded(f"{GUEST}/agent/network-get-interfaces")]
    found += [addresses.of_container(data) for _, data in recorded(f"{GUEST}/interfaces")]
    told = [address for cards in found for card in addresses.outward(cards, ()) for address in card.addresses]
    assert "10.0.0.10/24" in told
    assert "192.168.3.95/22" in told
    assert not [one for one in told if one.startswith(("127.", "fe80", "::1"))]


def test_quorum_pending_nodes_and_networks() -> None:
    assert {quorum(data) for _, data in recorded("/cluster/status")} == {True}
    assert {waiting(data) for _, data in recorded(f"{GUEST}/pending")} == {True}
    for _, data in recorded("/nodes/[^/]+/status"):
        assert hypervisors._status(data)  # pyright: ignore[reportPrivateUsage]
    for _, data in recorded("/nodes/[^/]+/network"):
        assert hypervisors._network(data).rows  # pyright: ignore[reportPrivateUsage]
    for _, data in recorded("/nodes/[^/]+/storage"):
        assert hypervisors._storages(data).rows  # pyright: ignore[reportPrivateUsage]
