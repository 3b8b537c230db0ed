"""Configs, disks, cloud-init, imports, backups and firewall rules, as Proxmox has them."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.proxmox.strict_asking import Asking
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")
QEMU = "/nodes/pve1/qemu"
VM = f"{QEMU}/101"


def test_a_config_changed_by_another_is_not_overwritten(pve: Pve) -> None:
    pve.add_vm(101, "web")
    with Asking(pve) as asking:
        digest = asking.data("GET", f"{VM}/config")["digest"]
        pve.set_config(101, cores=8)
        status, why = asking.refused("PUT", f"{VM}/config", cores=4, digest=digest)
        assert (status, why) == (500, "detected modified configuration - file changed by other user? Try again.")
        asking.data("PUT", f"{VM}/config", cores=4, digest=asking.data("GET", f"{VM}/config")["digest"])
    assert pve.guest(101)["config"]["cores"] == 4


def test_what_a_running_machine_cannot_take_waits(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    with Asking(pve) as asking:
        asking.data("PUT", f"{VM}/config", cores=4, name="www", memory=4096)
        assert asking.data("GET", f"{VM}/config", current=1)["cores"] == 2
        assert asking.data("GET", f"{VM}/config")["cores"] == 4
        waiting = {row["key"]: row.get("pending") for row in asking.data("GET", f"{VM}/pending") if "pending" in row}
        assert waiting == {"cores": 4, "memory": "4096"}
        assert asking.ended("POST", f"{VM}/status/reboot") == "OK"
    assert (pve.guest(101)["config"]["cores"], pve.guest(101)["name"]) == (4, "www")


def test_a_disk_comes_grows_moves_and_goes(pve: Pve) -> None:
    pve.add_storage("fast", "lvmthin")
    pve.add_vm(101, "web")
    with Asking(pve) as asking:
        asking.data("PUT", f"{VM}/config", scsi1="local-lvm:8,ssd=1")
        assert pve.guest(101)["config"]["scsi1"] == "local-lvm:vm-101-disk-1,size=8G,ssd=1"
        assert asking.ended("PUT", f"{VM}/resize", disk="scsi1", size="+2G") == "OK"
        assert asking.refused("PUT", f"{VM}/resize", disk="scsi1", size="1G") == (
            500,
            "shrinking disks is not supported",
        )
        assert asking.ended("POST", f"{VM}/move_disk", disk="scsi1", storage="fast") == "OK"
        config = pve.guest(101)["config"]
        assert (config["scsi1"], config["unused0"]) == ("fast:vm-101-disk-0,size=10G,ssd=1", "local-lvm:vm-101-disk-1")
        asking.data("PUT", f"{VM}/config", delete="scsi1,unused0")
        config = pve.guest(101)["config"]
        assert ("scsi1" in config, config["unused1"]) == (False, "fast:vm-101-disk-0")
        asking.data("PUT", f"{VM}/unlink", idlist="unused1", force=1)
    assert "vm-101-disk-0" not in pve.volumes("fast")


def test_cloud_init(pve: Pve) -> None:
    keys = "ssh-ed25519 AAAA me@home\n"
    pve.add_vm(101, "web")
    with Asking(pve) as asking:
        assert asking.refused("PUT", f"{VM}/cloudinit") == (500, "no cloudinit drive configured")
        asking.data("PUT", f"{VM}/config", ide2="local-lvm:cloudinit")
        assert pve.guest(101)["config"]["ide2"].startswith("local-lvm:vm-101-cloudinit,media=cdrom")
        asking.data(
            "PUT", f"{VM}/config", ciuser="me", cipassword="secret", sshkeys=quote(keys, safe=""), ipconfig0="ip=dhcp"
        )
        assert asking.data("GET", f"{VM}/config")["cipassword"] == "**********"
        assert "me@home" in asking.data("GET", f"{VM}/cloudinit/dump", type="user")
        assert any("new" in row for row in asking.data("GET", f"{VM}/cloudinit"))
        asking.data("PUT", f"{VM}/cloudinit")
        assert not any("new" in row for row in asking.data("GET", f"{VM}/cloudinit"))
    assert not [one for one in pve.requests("PUT") if one["values"].get("cipassword", "***") != "***"]


def test_an_image_is_fetched_and_imported(pve: Pve) -> None:
    where = "/nodes/pve1/storage/local/download-url"
    with Asking(pve) as asking:
        url = "https://example.org/debian.qcow2"
        assert asking.data("GET", "/nodes/pve1/query-url-metadata", url=url)["filename"] == "debian.qcow2"
        assert asking.ended("POST", where, url=url, content="import", filename="debian.qcow2") == "OK"
        listed = asking.data("GET", "/nodes/pve1/storage/local/content", content="import")
        assert [(one["volid"], one["size"]) for one in listed] == [("local:import/debian.qcow2", 600 * 1024**2)]
        disk = "local-lvm:0,import-from=local:import/debian.qcow2"
        ended = asking.ended("POST", QEMU, vmid=101, name="web", memory=1024, scsi0=disk, ide2="local-lvm:cloudinit")
        assert ended == "OK"
        status, why = asking.refused("POST", QEMU, vmid=102, scsi0="local-lvm:0,import-from=local:import/none.qcow2")
        assert (status, why) == (500, "volume_size_info on 'local:import/none.qcow2' failed - no format")
    assert pve.guest(101)["config"]["scsi0"] == "local-lvm:vm-101-disk-0,size=600M"


def test_backups_are_made_kept_and_restored(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    content = "/nodes/pve1/storage/local/content"
    with Asking(pve) as asking:
        for note in ("first", "second", "third"):
            values = {"vmid": 101, "storage": "local", "mode": "snapshot", "compress": "zstd", "notes_template": note}
            assert asking.ended("POST", "/nodes/pve1/vzdump", **values, prune_backups="keep-last=2") == "OK"
        rows = asking.data("GET", content, content="backup", vmid=101)
        assert [row["notes"] for row in rows] == ["second", "third"]
        assert {(row["subtype"], row["format"], row["vmid"]) for row in rows} == {("qemu", "vma.zst", 101)}
        archive = rows[1]["volid"]
        asking.data("PUT", f"{content}/{archive}", protected=1)
        assert "cannot remove protected volume" in asking.ended("DELETE", f"{content}/{archive}")
        assert "cores: 2" in asking.data("GET", "/nodes/pve1/vzdump/extractconfig", volume=archive)
        assert asking.refused("POST", QEMU, vmid=101, archive=archive)[1] == (
            "unable to restore VM 101 - VM 101 already exists on node 'pve1'"
        )
        assert asking.refused("POST", QEMU, vmid=101, archive=archive, force=1)[1].endswith("VM 101 is running")
        assert asking.ended("POST", QEMU, vmid=102, archive=archive, unique=1, storage="local-lvm") == "OK"
    assert pve.guest(102)["name"] == "web"
    assert pve.guest(102)["config"]["net0"] != pve.guest(101)["config"]["net0"]
    assert pve.guest(102)["config"]["scsi0"] == "local-lvm:vm-102-disk-0,size=32G"


def test_a_container_is_restored_from_its_backup(pve: Pve) -> None:
    pve.add_ct(200, "ct")
    with Asking(pve) as asking:
        assert asking.ended("POST", "/nodes/pve1/vzdump", vmid=200, storage="local") == "OK"
        row = asking.data("GET", "/nodes/pve1/storage/local/content", content="backup")[0]
        assert (row["subtype"], row["vmid"]) == ("lxc", 200)
        values = {"vmid": 201, "ostemplate": row["volid"], "restore": 1}
        assert asking.ended("POST", "/nodes/pve1/lxc", **values) == "OK"
    assert pve.guest(201)["name"] == "ct"


def test_a_backup_that_does_not_fit_fails_the_job(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.set_storage("local", avail=1024)
    with Asking(pve) as asking:
        assert asking.refused("POST", "/nodes/pve1/vzdump", vmid=101, storage="local-lvm")[0] == 500
        assert asking.ended("POST", "/nodes/pve1/vzdump", vmid=101, storage="local") == "job errors"
    assert any("No space left" in line for line in pve.tasks("vzdump")[0]["log"])
    assert pve.guest(101)["lock"] is None


def test_a_new_firewall_rule_comes_first(pve: Pve) -> None:
    pve.add_vm(101, "web")
    rules = f"{VM}/firewall/rules"
    with Asking(pve) as asking:
        for port in (22, 80):
            asking.data("POST", rules, type="in", action="ACCEPT", proto="tcp", dport=port, enable=1)
        assert [(row["pos"], row["dport"]) for row in asking.data("GET", rules)] == [(0, "80"), (1, "22")]
        asking.data("PUT", f"{rules}/0", moveto=2)
        assert [row["dport"] for row in asking.data("GET", rules)] == ["22", "80"]
        asking.data("DELETE", f"{rules}/0")
        assert [(row["pos"], row["dport"]) for row in asking.data("GET", rules)] == [(0, "80")]
