"""Clones: what is sent, what the peer then has, and what is refused before anything is made."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

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
