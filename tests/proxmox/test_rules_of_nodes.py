"""Rules of a node hold for what is put on the hypervisor that it is, and not only for what is there already."""

from __future__ import annotations

from typing import Any

import pytest

from app.deck import Order
from app.fleet import Ref
from app.inventory.model import NodeEntry, Rules, SshEntry
from app.job import Ended
from tests.proxmox.watched import entry, watching
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")

ARCHIVE = "backup/vzdump-qemu-101-2023_11_14-22_13_20.vma.zst"
RUNNING = {"node": "pve2", "type": "qmclone", "id": "101", "status": "running"}


@pytest.mark.parametrize("rule", ["hp", "@rack1", "lab/pve2"])
@pytest.mark.parametrize(
    ("verb", "target", "arguments"),
    [
        ("migrate", "lab/101", {"to": "pve2"}),
        ("clone", "lab/9000", {"name": "new", "to": "pve2"}),
        ("spawn", "lab/9000", {"name": "new", "count": 2, "to": "pve2"}),
        ("restore", "", {"archive": f"nas:{ARCHIVE}", "to": "pve2"}),
        ("build", "", {"name": "plain"}),
        ("task-stop", "", {}),
    ],
)
async def test_nothing_is_put_on_a_node_that_is_only_read(
    pve: Pve, monkeypatch: pytest.MonkeyPatch, rule: str, verb: str, target: str, arguments: dict[str, Any]
) -> None:
    pve.add_node("pve2")
    pve.add_storage("nas", "nfs", "images,backup,import", shared=1)
    pve.add_volume("nas", ARCHIVE, content="backup", size=1, vmid=101, ctime=1_700_000_000)
    pve.add_volume("nas", "import/x.qcow2", content="import", size=600 << 20, format="qcow2")
    pve.add_vm(101, "web", status="running", config={"scsi0": "nas:101/vm-101-disk-0.qcow2,size=8G"})
    pve.add_vm(9000, "golden", template=True, config={"scsi0": "nas:9000/base-9000-disk-0.qcow2,size=8G"})
    if verb == "task-stop":
        arguments = {"upid": pve.add_task(**RUNNING)}
    nodes = [NodeEntry(name="hp", ssh=SshEntry(host="10.9.9.1"), tags=frozenset({"rack1"}))]
    image = {"vmid": 150, "image": "nas:import/x.qcow2", "agent": False, "node": "pve2", "storage": "nas"}
    lab = entry(pve, monkeypatch, node_map={"pve2": "hp"}, templates={"plain": image})
    async with watching({"lab": lab}, nodes=nodes, rules=Rules(read_only=(rule,))) as lists:
        declared = lists.deck.catalog.find("vm", verb)
        assert declared is not None
        targets = (Ref("vm", target),) if target else ()
        order = Order(verb=declared, targets=targets, arguments=arguments, why="a test")
        (outcome,) = await lists.deck.perform(order)
        assert outcome.outcome is Ended.REFUSED, outcome.message
        assert f"'lab/pve2' is read-only by the rule '{rule}'" in outcome.message
        assert [one["path"] for one in pve.requests() if one["method"] != "GET"] == []
