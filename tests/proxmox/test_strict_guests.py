"""Machines: power, snapshots, clones, the agent, migration, as Proxmox has them."""

from __future__ import annotations

import pytest

from tests.proxmox.strict_asking import Asking
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")
VM = "/nodes/pve1/qemu/101"
TEMPLATE = "/nodes/pve1/qemu/9000"


def test_the_life_of_a_machine(pve: Pve) -> None:
    pve.add_vm(101, "web")
    with Asking(pve) as asking:
        for action, status, detail in (
            ("start", "running", "running"), ("suspend", "running", "paused"), ("resume", "running", "running"),
            ("reset", "running", "running"), ("reboot", "running", "running"), ("shutdown", "stopped", "stopped"),
        ):  # fmt: skip
            assert asking.ended("POST", f"{VM}/status/{action}") == "OK"
            now = asking.data("GET", f"{VM}/status/current")
            assert (now["status"], now["qmpstatus"]) == (status, detail), action


def test_a_paused_machine_is_not_shut_down(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", qmpstatus="paused")
    with Asking(pve) as asking:
        assert asking.refused("POST", f"{VM}/status/shutdown") == (500, "VM is paused - cannot shutdown")
        assert asking.ended("POST", f"{VM}/status/stop") == "OK"


def test_stopping_may_overrule_a_shutdown_that_hangs(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", acpi=False)
    pve.set("shutdown_default_timeout", 1_000_000)
    with Asking(pve) as asking:
        shutdown = asking.data("POST", f"{VM}/status/shutdown")
        assert asking.ended("POST", f"{VM}/status/stop", overrule_shutdown=1) == "OK"
        assert asking.end_of(shutdown) == "received interrupt"
    assert pve.guest(101)["status"] == "stopped"


def test_only_one_client_gets_an_id(pve: Pve) -> None:
    pve.add_vm(9000, "tmpl", template=True)
    pve.take_ids(1)
    with Asking(pve) as asking:
        taken = asking.data("GET", "/cluster/nextid")
        assert isinstance(taken, str)
        status, why = asking.refused("POST", f"{TEMPLATE}/clone", newid=taken)
        assert (status, why) == (500, f"unable to create VM {taken}: config file already exists")
        free = asking.data("GET", "/cluster/nextid")
        assert free != taken
        assert asking.ended("POST", f"{TEMPLATE}/clone", newid=free) == "OK"


def test_linked_clones_need_a_template_and_keep_it(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.add_vm(9000, "tmpl", template=True)
    with Asking(pve) as asking:
        assert asking.refused("POST", f"{VM}/clone", newid=200, full=0) == (
            500,
            "Linked clone feature is not supported for 'local-lvm:vm-101-disk-0' (scsi0)",
        )
        assert asking.ended("POST", f"{TEMPLATE}/clone", newid=201) == "OK"
        assert asking.refused("POST", f"{TEMPLATE}/clone", newid=202, storage="local-lvm") == (
            500,
            "parameter 'storage' not allowed for linked clones",
        )
        assert "still in use by linked clone" in asking.ended("DELETE", TEMPLATE)
        assert asking.ended("DELETE", "/nodes/pve1/qemu/201") == "OK"
        assert asking.ended("DELETE", TEMPLATE) == "OK"


def test_a_full_storage_ends_a_clone(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.add_storage("small", "lvmthin", avail=1024)
    with Asking(pve) as asking:
        ended = asking.ended("POST", f"{VM}/clone", newid=102, storage="small")
    assert "No space left on device" in ended
    assert not pve.has_guest(102)


def test_a_machine_that_is_being_made_is_listed_without_a_name(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.take_seconds("qmclone", 1_000_000)
    with Asking(pve) as asking:
        asking.data("POST", f"{VM}/clone", newid=102, name="copy")
        row = next(one for one in asking.data("GET", "/cluster/resources", type="vm") if one["vmid"] == 102)
    assert (row["lock"], row["status"]) == ("clone", "unknown")
    assert "name" not in row


def test_clones_side_by_side_lose_the_lock_of_their_storage(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.set("clones_at_once", 1)
    pve.take_seconds("qmclone", 20)
    with Asking(pve) as asking:
        first = asking.data("POST", f"{VM}/clone", newid=102)
        second = asking.data("POST", f"{VM}/clone", newid=103)
        assert asking.end_of(first) == "OK"
        assert "can't lock file" in asking.end_of(second)


def test_snapshots_with_memory_come_back_running(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    with Asking(pve) as asking:
        assert asking.ended("POST", f"{VM}/snapshot", snapname="with", vmstate=1) == "OK"
        assert asking.ended("POST", f"{VM}/snapshot", snapname="without") == "OK"
        assert asking.ended("POST", f"{VM}/snapshot/without/rollback") == "OK"
        assert pve.guest(101)["status"] == "stopped"
        assert asking.ended("POST", f"{VM}/snapshot/with/rollback") == "OK"
        assert pve.guest(101)["status"] == "running"
        rows = asking.data("GET", f"{VM}/snapshot")
    assert rows[-1]["name"] == "current"
    assert rows[-1]["parent"] == "with"
    assert {one["name"]: one.get("vmstate") for one in rows[:-1]} == {"with": 1, "without": 0}


def test_zfs_goes_back_to_the_newest_only_and_copies_no_snapshot(pve: Pve) -> None:
    pve.add_storage("tank", "zfspool", pool="tank")
    disk = {"scsi0": "tank:vm-101-disk-0,size=8G"}
    pve.add_vm(101, "web", config=disk, snapshots={"old": {}, "new": {}})
    with Asking(pve) as asking:
        ended = asking.ended("POST", f"{VM}/snapshot/old/rollback")
        assert ended == "can't rollback, 'old' is not most recent snapshot on 'tank:vm-101-disk-0'"
        assert asking.ended("POST", f"{VM}/snapshot/new/rollback") == "OK"
        assert asking.data("GET", f"{VM}/feature", feature="copy") == {"hasFeature": 1, "nodes": ["pve1"]}
        assert asking.data("GET", f"{VM}/feature", feature="copy", snapname="new")["hasFeature"] == 0
        status, why = asking.refused("POST", f"{VM}/clone", newid=102, full=1, snapname="new")
        assert (status, why.startswith("Full clone feature is not supported for a snapshot")) == (500, True)


def test_features_follow_the_storage(pve: Pve) -> None:
    pve.add_storage("plain", "lvm")
    pve.add_vm(101, "web")
    pve.add_vm(102, "raw", config={"scsi0": "plain:vm-102-disk-0,size=8G"})
    pve.add_vm(9000, "tmpl", template=True)
    with Asking(pve) as asking:

        def has(vmid: int, feature: str) -> int:
            return int(asking.data("GET", f"/nodes/pve1/qemu/{vmid}/feature", feature=feature)["hasFeature"])

        assert (has(101, "snapshot"), has(101, "clone"), has(101, "copy")) == (1, 0, 1)
        assert (has(102, "snapshot"), has(9000, "clone")) == (0, 1)
        assert (
            asking.ended("POST", "/nodes/pve1/qemu/102/snapshot", snapname="one") == "snapshot feature is not available"
        )


def test_the_agent_and_its_refusals(pve: Pve) -> None:
    address = {"ip-address": "10.0.0.7", "ip-address-type": "ipv4", "prefix": 24}
    faces = [{"name": "eth0", "hardware-address": "bc:24:11:00:00:65", "ip-addresses": [address]}]
    pve.add_vm(101, "web", status="running")
    where = f"{VM}/agent/network-get-interfaces"
    with Asking(pve) as asking:
        assert asking.refused("GET", where) == (500, "No QEMU guest agent configured")
        pve.set_config(101, agent="1")
        assert asking.refused("GET", where) == (500, "QEMU guest agent is not running")
        pve.set_guest(101, agent={"interfaces": faces})
        assert asking.data("GET", where) == {"result": faces}
        pve.set_guest(101, agent={"error": "broken"})
        assert asking.data("GET", where)["result"]["error"]["desc"] == "broken"
        pve.set_guest(101, status="stopped")
        assert asking.refused("GET", where) == (500, "VM 101 is not running")


@pytest.mark.parametrize("pve", ["8.4", "9.1"], indirect=True)
def test_the_agent_needs_its_privilege(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", config={"agent": "1"}, agent={})
    right = "VM.Monitor" if pve.version == "8.4" else "VM.GuestAgent.Audit"
    token = pve.make_token("deck@pve!agent", ("/vms", right))
    with Asking(pve, token) as asking:
        assert asking.data("GET", f"{VM}/agent/get-host-name") == {"result": {"host-name": "web"}}
    token = pve.make_token("deck@pve!none", ("/vms", "VM.Audit"))
    with Asking(pve, token) as asking:
        assert asking.refused("GET", f"{VM}/agent/get-host-name")[0] == 403


def test_a_clone_needs_every_right(pve: Pve) -> None:
    pve.add_vm(9000, "tmpl", template=True)
    token = pve.make_token("deck@pve!clone", ("/vms/9000", "VM.Clone"))
    with Asking(pve, token) as asking:
        assert asking.refused("POST", f"{TEMPLATE}/clone", newid=200) == (403, "Permission check failed")
        pve.grant("deck@pve!clone", "/vms/200", "VM.Allocate")
        bridge = (403, "Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)")
        assert asking.refused("POST", f"{TEMPLATE}/clone", newid=200) == bridge
        pve.grant("deck@pve!clone", "/sdn/zones/localnetwork", "SDN.Use")
        space = (403, "Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)")
        assert asking.refused("POST", f"{TEMPLATE}/clone", newid=200) == space
        pve.grant("deck@pve!clone", "/storage", "Datastore.AllocateSpace")
        upid = asking.data("POST", f"{TEMPLATE}/clone", newid=200)
        assert asking.end_of(upid) == "OK"


def test_migration(pve: Pve) -> None:
    pve.add_node("pve2")
    pve.add_storage("nfs", "nfs", shared=1)
    pve.add_vm(101, "web", status="running", config={"scsi0": "nfs:101/vm-101-disk-0.qcow2,size=8G"})
    with Asking(pve) as asking:
        assert asking.refused("POST", f"{VM}/migrate", target="pve2") == (
            500,
            "can't migrate running VM without --online",
        )
        assert asking.refused("POST", f"{VM}/migrate", target="pve1", online=1)[0] == 400
        assert asking.ended("POST", f"{VM}/migrate", target="pve2", online=1) == "OK"
    assert pve.guest(101)["node"] == "pve2"


def test_locks_protection_and_templates(pve: Pve) -> None:
    pve.add_vm(101, "web", lock="backup")
    pve.add_vm(102, "safe", config={"protection": 1})
    pve.add_vm(9000, "tmpl", template=True)
    with Asking(pve) as asking:
        assert asking.refused("POST", f"{VM}/clone", newid=200) == (500, "VM is locked (backup)")
        assert asking.ended("POST", f"{VM}/status/start") == "VM is locked (backup)"
        assert asking.refused("DELETE", "/nodes/pve1/qemu/102") == (
            500,
            "can't remove VM 102 - protection mode enabled",
        )
        assert asking.ended("POST", f"{TEMPLATE}/status/start") == "you can't start a vm if it's a template"
        assert (
            asking.ended("POST", f"{TEMPLATE}/snapshot", snapname="one")
            == "you can't take a snapshot if it's a template"
        )


def test_figures_may_be_old(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.freeze_resources()
    with Asking(pve) as asking:
        asking.ended("POST", f"{VM}/status/start")
        assert asking.data("GET", "/cluster/resources", type="vm")[0]["status"] == "stopped"
        assert asking.data("GET", f"{VM}/status/current")["status"] == "running"
        pve.freeze_resources(frozen=False)
        assert asking.data("GET", "/cluster/resources", type="vm")[0]["status"] == "running"


def test_resources_of_every_kind(pve: Pve) -> None:
    pve.add_node("pve2", cpu=0.5)
    pve.add_ct(200, "ct", status="running")
    pve.add_vm(101, "web", config={"tags": "a;b"}, pool="lab")
    pve.add_storage("nfs", "nfs", shared=1)
    with Asking(pve) as asking:
        rows = asking.data("GET", "/cluster/resources")
        history = asking.data("GET", f"{VM}/rrddata", timeframe="hour")
        status = asking.data("GET", "/nodes/pve2/status")
    assert {one["type"] for one in rows} == {"qemu", "lxc", "node", "storage", "pool", "sdn"}
    assert len([one for one in rows if one.get("storage") == "nfs"]) == 2
    assert next(one for one in rows if one["type"] == "pool") == {"id": "/pool/lab", "type": "pool", "pool": "lab"}
    assert len(history) == 70
    assert list(history[0]) == ["time"]
    assert status["cpu"] == 0.5


def test_lost_quorum_lets_nothing_be_changed(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.quorum(have=False)
    with Asking(pve) as asking:
        assert asking.refused("POST", f"{VM}/status/start") == (500, "cluster not ready - no quorum?")
        assert asking.data("GET", f"{VM}/config")["name"] == "web"
