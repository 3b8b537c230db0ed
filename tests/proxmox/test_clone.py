"""Clones: what is sent, what the peer then has, and what is refused before anything is made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPk1DwJZ0cJ2Yw4u0bqLxg0T8Vb4Xx8G5pTq1Wn3R7zE ops@hp"


def template(pve: Pve, vmid: int = 9000, **options: object) -> None:
    """A template with a cloud-init drive."""
    drive = {"ide2": f"local-lvm:vm-{vmid}-cloudinit,media=cdrom", "tags": "debian"}
    pve.add_vm(vmid, "golden", template=True, config=drive, **options)


def changed(pve: Pve) -> list[str]:
    """What was changed or begun."""
    return [f"{one['method']} {one['path']}" for one in pve.requests() if one["method"] != "GET"]


async def test_a_linked_clone_with_all_its_settings(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(
            "clone",
            "lab/9000",
            name="web3",
            cores=4,
            memory="4G",
            disk="40G",
            user="ops",
            ssh_key=(KEY,),
            ip="10.0.0.5/24,gw=10.0.0.1",
            tag=("web", "Edge"),
            start=True,
        )
        plan = lab.witnessed()[0].plan
    assert (str(outcome.outcome), outcome.exit_code) == ("done", 0), outcome.message
    assert (outcome.data["vmid"], outcome.data["guest"], outcome.data["node"]) == (100, "lab/100", "pve1")
    made = pve.guest(100)
    assert (made["name"], made["status"]) == ("web3", "running")
    config = made["config"]
    assert (str(config["cores"]), str(config["memory"]), config["ciuser"]) == ("4", "4096", "ops")
    assert config["ipconfig0"] == "ip=10.0.0.5/24,gw=10.0.0.1"
    assert unquote(config["sshkeys"]) == KEY
    assert "+" not in config["sshkeys"]
    assert config["tags"] == "debian;edge;web"
    assert "size=40G" in config["scsi0"]
    (grown,) = pve.requests("PUT", "/resize")
    assert grown["values"] == {"disk": "scsi0", "size": "40G"}
    assert changed(pve) == [
        "POST /nodes/pve1/qemu/9000/clone",
        "PUT /nodes/pve1/qemu/100/config",
        "PUT /nodes/pve1/qemu/100/resize",
        "POST /nodes/pve1/qemu/100/status/start",
    ]
    assert plan is not None
    assert plan[0] == "POST /nodes/pve1/qemu/9000/clone newid=<vmid> name=web3 full=0"
    assert plan[1].startswith("PUT /nodes/pve1/qemu/<vmid>/config cores=4 memory=4096")
    assert plan[2:] == (
        "PUT /nodes/pve1/qemu/<vmid>/resize disk=scsi0 size=40G",
        "POST /nodes/pve1/qemu/<vmid>/status/start",
    )


async def test_an_id_that_is_taken_meanwhile_is_given_up_for_another(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.take_ids(3)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web")
    assert outcome.exit_code == 0, outcome.message
    assert pve.guest(int(outcome.data["vmid"]))["name"] == "web"
    tried = [one["values"]["newid"] for one in pve.requests("POST", "/clone")]
    assert len(tried) == len(set(tried)) == 4


async def test_an_id_that_was_asked_for_is_never_replaced(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.add_vm(120, "other")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        taken = await lab.one("clone", "lab/9000", name="web", vmid=120)
        free = await lab.one("clone", "lab/9000", name="web", vmid=121)
    assert (str(taken.outcome), taken.exit_code) == ("refused", 4)
    assert "120" in taken.message
    assert free.data["vmid"] == 121
    assert len(pve.requests("POST", "/clone")) == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "my_web"}, "my-web would do"),
        ({"name": ""}, "is no name"),
        ({"name": "-web"}, "is no name"),
        ({"name": "w" * 64}, "is no name"),
        ({"vmid": 99}, "from 100"),
        ({"memory": "lots"}, "not a size"),
        ({"memory": "1M"}, "start nothing"),
        ({"cores": 0}, "cores cannot be"),
        ({"disk": "big"}, "is no size"),
        ({"disk": "8G"}, "disks only grow"),
        ({"ip": "10.0.0.5"}, "its network is missing"),
        ({"ip": "10.0.0.5/24,gw=10.1.0.1"}, "is not in 10.0.0.0/24"),
        ({"ip": "dhcp,gw=10.0.0.1"}, "goes with an address"),
        ({"ip": "10.0.0.5/24,bridge=vmbr1"}, "is no address"),
        ({"user": "root; reboot"}, "is no user's name"),
        ({"tag": ("no good",)}, "is no tag"),
        ({"storage": "local-lvm"}, "add --full"),
        ({"ssh_key": ("-----BEGIN OPENSSH PRIVATE KEY-----\nSECRETSECRET",)}, "no public key"),
        ({"ssh_key": ("/nowhere/id.pub",)}, "cannot be read"),
        ({"full": True, "storage": "nowhere"}, "has no storage 'nowhere'"),
        ({"full": True, "storage": "local"}, "takes no disks"),
    ],
)
async def test_what_cannot_be_meant_is_told_and_nothing_is_made(
    said: dict[str, object], words: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", **{"name": "web", **said})
        kept = repr(lab.witnessed())
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 2), outcome.message
    assert words in outcome.message
    assert "SECRETSECRET" not in outcome.message + kept
    assert changed(pve) == []


async def test_keys_come_from_files_and_a_private_one_is_refused(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    keys = tmp_path / "keys.pub"
    keys.write_text(f"# mine\n{KEY}\n{KEY.replace('ops@hp', 'ops@pi')}\n", encoding="utf-8")
    private = tmp_path / "id_ed25519"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nSECRETSECRET\n", encoding="utf-8")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web", ssh_key=(str(keys), KEY))
        refused = await lab.one("clone", "lab/9000", name="web2", ssh_key=(str(private),))
    assert outcome.exit_code == 0, outcome.message
    assert unquote(pve.guest(100)["config"]["sshkeys"]).split("\n") == [KEY, KEY.replace("ops@hp", "ops@pi")]
    assert refused.exit_code == 2
    assert f"{private}.pub" in refused.message
    assert "SECRET" not in refused.message


async def test_another_node_needs_storage_that_both_have(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_node("pve2")
    pve.add_storage("nfs", "nfs", shared=1)
    template(pve)
    pve.add_vm(9001, "roaming", template=True, config={"scsi0": "nfs:9001/base-9001-disk-0.qcow2,size=8G"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        local = await lab.one("clone", "lab/9000", name="web", to="pve2")
        unknown = await lab.one("clone", "lab/9001", name="web", to="pve9")
        assert changed(pve) == []
        shared = await lab.one("clone", "lab/9001", name="web", to="pve2", cores=2, start=True)
    assert (str(local.outcome), local.exit_code) == ("refused", 4)
    assert "scsi0 is on local-lvm, which only pve1 has" in local.message
    assert "has no node 'pve9'; its nodes: pve1, pve2" in unknown.message
    assert shared.exit_code == 0, shared.message
    made = pve.guest(100)
    assert (made["node"], made["status"]) == ("pve2", "running")


async def test_a_guest_that_is_no_template_is_copied_in_full(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    pve.add_storage("fast", "lvmthin")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/101", name="web2", storage="fast")
    assert outcome.exit_code == 0, outcome.message
    (sent,) = pve.requests("POST", "/clone")
    assert (sent["values"]["full"], sent["values"]["storage"]) == ("1", "fast")
    assert "scsi0" in pve.guest(100)["config"]
    assert pve.guest(100)["config"]["scsi0"].startswith("fast:")


async def test_from_a_snapshot_only_where_the_storage_can(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_storage("tank", "zfspool")
    pve.add_vm(101, "web", snapshots={"before": {}})
    pve.add_vm(102, "zed", config={"scsi0": "tank:vm-102-disk-0,size=8G"}, snapshots={"before": {}})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        zfs = await lab.one("clone", "lab/102", name="zed2", snapshot="before")
        none = await lab.one("clone", "lab/101", name="web2", snapshot="after")
        assert changed(pve) == []
        thin = await lab.one("clone", "lab/101", name="web2", snapshot="before")
    assert (str(zfs.outcome), zfs.exit_code) == ("refused", 4)
    assert "cannot copy from a snapshot" in zfs.message
    assert "quarterdeck vm restore" in zfs.message
    assert "has no snapshot 'after'; it has before" in none.message
    assert thin.exit_code == 0, thin.message
    assert pve.requests("POST", "/clone")[0]["values"]["snapname"] == "before"


async def test_without_a_cloud_init_drive_its_settings_are_refused(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "bare", template=True)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web", ip="dhcp")
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "qm set 9000 --ide2 STORAGE:cloudinit" in outcome.message
    assert changed(pve) == []


async def test_a_storage_that_is_full_leaves_a_guest_that_is_named_with_its_removal(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.end_next("qmclone", error="clone failed: lvcreate failed: No space left on device")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web", full=True, cores=2, start=True)
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "No space left on device" in outcome.message
    assert "web (lab/100) was left half made" in outcome.message
    assert "locked (clone)" in outcome.message
    assert "qm unlock 100 && qm destroy 100 --purge" in outcome.message
    assert changed(pve) == ["POST /nodes/pve1/qemu/9000/clone"]
    assert pve.guest(100)["lock"] == "clone"


async def test_a_clone_that_proxmox_cleaned_up_is_not_told_of(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.set_storage("local-lvm", avail=1)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web", full=True)
    assert outcome.exit_code == 1
    assert "half made" not in outcome.message
    assert not pve.has_guest(100)


async def test_what_fails_after_the_clone_says_that_it_is_there(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.fail("PUT", "/nodes/pve1/qemu/100/config", status=500, message="disk quota of words exceeded")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web", cores=2, start=True)
    assert outcome.exit_code == 1
    assert "web (lab/100) was made, but it has not got its settings" in outcome.message
    assert "quarterdeck vm destroy lab/100" in outcome.message
    assert pve.guest(100)["status"] == "stopped"


async def test_a_template_that_is_held_is_refused(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template(pve, lock="backup")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web")
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "locked (backup)" in outcome.message


async def test_without_waiting_only_the_clone_can_be_left_to_the_cluster(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        more = await lab.one("clone", "lab/9000", name="web", start=True, wait=False)
        assert changed(pve) == []
        alone = await lab.one("clone", "lab/9000", name="web", wait=False)
        handles = lab.handles()
    assert more.exit_code != 0
    assert "leave out --no-wait" in more.message
    assert alone.exit_code == 0, alone.message
    assert handles == [alone.data["upid"]]


async def test_a_missing_privilege_is_named_before_anything_is_made(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    rights = (
        "VM.Audit",
        "VM.Clone",
        "VM.Allocate",
        "Datastore.Audit",
        "Datastore.AllocateSpace",
        "Pool.Audit",
        "SDN.Use",
    )
    token = pve.make_token("ops@pve!poor", ("/", *rights))
    async with opened(tmp_path, monkeypatch, pve, token=token) as lab:
        refused = await lab.one("clone", "lab/9000", name="web", cores=2)
        fine = await lab.one("clone", "lab/9000", name="web")
    assert (str(refused.outcome), refused.exit_code) == ("refused", 4)
    assert "VM.Config.CPU" in refused.message
    assert fine.exit_code == 0, fine.message
    assert changed(pve) == ["POST /nodes/pve1/qemu/9000/clone"]


async def test_a_pool_is_looked_up_and_joined(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template(pve)
    pve.add_pool("agents")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        unknown = await lab.one("clone", "lab/9000", name="web", pool="agent")
        assert changed(pve) == []
        outcome = await lab.one("clone", "lab/9000", name="web", pool="agents")
    assert unknown.exit_code == 2
    assert "there is no pool 'agent'; there are: agents" in unknown.message.replace("--pool: ", "")
    assert outcome.exit_code == 0, outcome.message
    assert pve.requests("POST", "/clone")[0]["values"]["pool"] == "agents"


async def test_a_clone_that_is_cancelled_is_stopped_at_the_cluster(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.take_seconds("qmclone", 3000.0)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        work = asyncio.create_task(lab.one("clone", "lab/9000", name="web", start=True))
        await eventually(lambda: lab.handles(), within=30)
        (job,) = lab.deck.running_jobs
        job.cancel()
        outcome = await work
        said = "\n".join(job.log)
    assert (str(outcome.outcome), outcome.exit_code) == ("cancelled", 130)
    assert "web (lab/100) may be left half made" in said
    assert pve.requests("DELETE", "/tasks/")
    assert pve.requests("POST", "/status/start") == []


async def test_a_clone_that_is_cancelled_before_its_task_is_known_is_stopped_all_the_same(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(pve)
    pve.take_seconds("qmclone", 3000.0)
    pve.hold("POST", "/clone")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        work = asyncio.create_task(lab.one("clone", "lab/9000", name="web"))
        await eventually(pve.held)
        (job,) = lab.deck.running_jobs
        job.cancel()
        await asyncio.sleep(0)
        pve.release()
        outcome = await work
        (task,) = pve.tasks("qmclone")
        assert lab.handles() == [task["upid"]]
    assert (str(outcome.outcome), outcome.exit_code) == ("cancelled", 130)
    assert [one["path"] for one in pve.requests("DELETE")] == [f"/nodes/pve1/tasks/{task['upid']}"]


async def test_falsifying_a_clone_changes_nothing(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template(pve)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("clone", "lab/9000", name="web", mode="falsify")
    assert outcome.exit_code == 0, outcome.message
    assert changed(pve) == []


async def test_a_container_gets_its_address_and_no_login(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        "rootfs": "local-lvm:base-200-disk-0,size=8G",
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:C8,ip=dhcp,type=veth",
        "hostname": "box",
        "template": 1,
    }
    pve.add_ct(200, "box", config=config, template=True)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        refused = await lab.one("clone", "lab/200", name="box2", user="ops")
        assert changed(pve) == []
        outcome = await lab.one("clone", "lab/200", name="box2", ip="10.0.0.7/24,gw=10.0.0.1", memory="1G", start=True)
    assert "has no cloud-init" in refused.message
    assert outcome.exit_code == 0, outcome.message
    made = pve.guest(100)
    assert (made["name"], made["status"]) == ("box2", "running")
    net = made["config"]["net0"].split(",")
    assert {"ip=10.0.0.7/24", "gw=10.0.0.1", "bridge=vmbr0"} <= set(net)
    assert "ip=dhcp" not in net
    assert "hwaddr=BC:24:11:00:00:C8" not in net
