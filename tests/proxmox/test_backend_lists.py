"""Clusters as rows, watched by the backend itself at a peer as strict as the real thing."""

from __future__ import annotations

import time

import pytest

from app.backend import Refuse
from app.cli.targets import choose
from app.deck import Order
from app.fleet import Ref
from app.inventory.model import NodeEntry, Rules, SshEntry
from app.job import Ended
from tests.proxmox.watched import entry, watching
from tests.servers.fakepve import Pve, StartPve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

WITHIN = 30.0
NOISY = "[@click=app.quit()]x[/]"


async def test_one_list_tells_of_guests_hypervisors_and_storages(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running", config={"memory": 2048, "tags": "prod;web"}, stats={"cpu": 0.25})
    pve.add_vm(9000, "tmpl", template=True)
    async with watching({"lab": entry(pve, monkeypatch, interval=600)}) as lists:
        web = lists.vm("lab/101")
        assert (web.name, web.source, web.key, web.type, web.host) == ("web", "lab", "101", "vm", "pve1")
        assert (web.state, web.cpu_percent, web.cores) == ("running", 25.0, 2)
        assert web.mem_total_bytes == 2048 << 20
        assert web.disk_used_bytes is None  # the list says 0, and nobody knows
        assert web.parent == Ref("hypervisor", "lab/pve1")
        assert set(web.labels) == {"prod", "web"}
        assert web.tags >= {"prod", "web"}
        assert lists.vm("lab/9000").template
        pve1 = lists.hypervisors["lab/pve1"]
        assert (pve1.state, pve1.guests, pve1.running) == ("online", 1, 1)  # a template is no guest
        assert lists.storages["lab/pve1/local-lvm"].state == "available"
        assert {one["path"] for one in pve.requests()} == {"/cluster/resources"}


async def test_two_clusters_in_one_list_and_what_is_shared_stands_there_once(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, dc = pve_at(), pve_at("8.4")
    lab.add_vm(101, "web")
    dc.add_vm(101, "web")
    dc.add_node("pve2")
    dc.add_storage("nas", "nfs", "backup,images", shared=1)
    async with watching({"lab": entry(lab, monkeypatch), "dc": entry(dc, monkeypatch)}) as lists:
        assert set(lists.vms) == {"lab/101", "dc/101"}
        nas = [one for one in lists.storages.values() if one.name == "nas"]
        assert [(one.id, one.host, one.shared) for one in nas] == [("dc/nas", None, True)]
        assert {one.id for one in lists.hypervisors.values() if one.source == "dc"} == {"dc/pve1", "dc/pve2"}


async def test_names_of_any_kind_stay_as_they_came(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, NOISY)
    pve.add_vm(102, "\x1b[31mred\u202e")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        assert lists.vm("lab/101").name == NOISY
        assert lists.vm("lab/102").name == "\x1b[31mred\u202e"


async def test_a_guest_that_is_a_node_has_its_tags_and_its_hypervisor_is_the_mapped_one(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    pve.add_vm(102, "something-else")
    nodes = [
        NodeEntry(name="hp", ssh=SshEntry(host="10.9.9.1"), tags=frozenset({"rack1"})),
        NodeEntry(name="web", ssh=SshEntry(host="10.9.9.2"), tags=frozenset({"prod"})),
        NodeEntry(name="db", ssh=SshEntry(host="10.9.9.3")),
    ]
    cluster = entry(pve, monkeypatch, node_map={"pve1": "hp", "102": "db"}, tags=["lab"])
    async with watching({"lab": cluster}, nodes=nodes) as lists:
        web, db = lists.vm("lab/101"), lists.vm("lab/102")
        assert (web.runs_as, db.runs_as) == (Ref("node", "web"), Ref("node", "db"))
        assert lists.hypervisors["lab/pve1"].parent == Ref("node", "hp")
        assert lists.deck.tags(web) >= {"prod", "rack1", "lab"}
        assert lists.deck.tags(db) >= {"rack1", "lab"}
        assert "prod" not in lists.deck.tags(db)


async def test_rows_that_say_the_same_are_the_same_objects(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "still", status="stopped")
    pve.add_vm(102, "busy", status="stopped")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        still, busy = lists.vm("lab/101"), lists.vm("lab/102")
        pve.set_config(102, tags="moved")
        await eventually(lambda: lists.vm("lab/102").labels == ("moved",), WITHIN)
        assert lists.vm("lab/101") is still
        assert lists.vm("lab/102") is not busy


async def test_rates_come_of_counters_and_go_with_a_restart(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"netin": 1000, "netout": 500, "diskread": 0, "diskwrite": 4096, "cpu": 0.1}
    pve.add_vm(101, "web", status="running", stats={**figures, "uptime": 100})
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        assert lists.vm("lab/101").net_rx_bytes_per_s is None
        pve.set_guest(101, stats={**figures, "uptime": 110, "netin": 11_000, "netout": 500, "diskwrite": 8192})
        await eventually(lambda: lists.vm("lab/101").net_rx_bytes_per_s == 1000, WITHIN)
        web = lists.vm("lab/101")
        assert (web.net_tx_bytes_per_s, web.disk_read_bytes_per_s, web.disk_write_bytes_per_s) == (0, 0, 410)
        pve.set_guest(101, stats={**figures, "uptime": 5})
        await eventually(lambda: lists.vm("lab/101").net_rx_bytes_per_s is None, WITHIN)


async def test_locks_high_availability_and_a_clone_without_a_name(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "held", lock="backup")
    pve.add_vm(102, "watched", status="running", ha_state="started")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        assert (lists.vm("lab/101").lock, lists.vm("lab/101").word) == ("backup", "backup")
        assert lists.vm("lab/102").ha_state == "started"
        pve.add_vm(120, "", lock="clone")
        await eventually(lambda: "lab/120" in lists.vms, WITHIN)
        assert (lists.vm("lab/120").name, lists.vm("lab/120").lock) == ("vm 120", "clone")


async def test_guests_of_an_offline_node_are_unknown_and_the_rest_stands(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_node("pve2")
    pve.add_vm(101, "here", status="running")
    pve.add_vm(102, "there", status="running", node="pve2")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        assert lists.vm("lab/102").state == "running"
        pve.node_offline("pve2")
        await eventually(lambda: lists.vm("lab/102").state == "unknown", WITHIN)
        assert lists.vm("lab/102").name == "there"
        assert lists.vm("lab/101").state == "running"
        assert lists.hypervisors["lab/pve2"].state == "offline"
        assert {one.state for one in lists.storages.values() if one.host == "pve2"} == {"unknown"}
        reading = lists.reading()
        assert reading is not None
        assert reading.fault is None


async def test_no_quorum_is_told_of_every_hypervisor(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_node("pve2")
    pve.add_vm(101, "web")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        await eventually(lambda: lists.hypervisors["lab/pve1"].quorate is True, WITHIN)
        pve.quorum(False)
        pve.node_offline("pve2")  # which is how a lost majority shows itself
        await eventually(lambda: lists.hypervisors["lab/pve1"].quorate is False, WITHIN)
        assert lists.vm("lab/101").state == "stopped"


async def test_the_age_of_the_last_backup_and_that_there_is_none(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "kept", status="running")
    pve.add_vm(102, "never", status="running")
    pve.add_storage("nas", "nfs", "backup", shared=1)
    now = time.time()
    for age, name in ((3 * 86400, "old"), (2 * 3600, "new")):
        volume = f"backup/vzdump-qemu-101-{name}.vma.zst"
        pve.add_volume("nas", volume, content="backup", vmid=101, ctime=int(now - age), size=1 << 30)
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        await eventually(lambda: lists.vm("lab/101").backup_age_s is not None, WITHIN)
        await eventually(lambda: lists.vm("lab/102").backups_known, WITHIN)
        assert 7200 <= (lists.vm("lab/101").backup_age_s or 0) < 7300
        assert lists.vm("lab/102").backup_age_s is None


async def test_a_login_that_is_not_shown_backups_does_not_say_that_there_are_none(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    auditor = pve.make_token("audit@pve!deck", ("/", "VM.Audit", "Sys.Audit", "Datastore.Audit"))
    async with watching({"lab": entry(pve, monkeypatch, token=auditor)}) as lists:
        await eventually(lambda: any("/content" in one["path"] for one in pve.requests()), WITHIN)
        seen = len(pve.requests(containing="/cluster/resources"))
        await eventually(lambda: len(pve.requests(containing="/cluster/resources")) > seen + 1, WITHIN)
        assert not lists.vm("lab/101").backups_known


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("lab", {"lab/101", "lab/102", "lab/103"}),
        ("@rack1", {"lab/101", "lab/103"}),
        ("hp", {"lab/101", "lab/103"}),  # pve1 is that node, and both stand on pve1
        ("lab/pve2", {"lab/102"}),
        ("db", {"lab/103"}),  # the node that the guest is
        ("@prod", {"lab/102", "lab/103"}),  # its own tag, and that of the node that it is
        ("dc", {"dc/101"}),
        ("dc,lab/pve2", {"dc/101", "lab/102"}),
    ],
)
async def test_rules_of_a_cluster_a_hypervisor_and_a_node_reach_guests(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch, rule: str, refused: set[str]
) -> None:
    lab, dc = pve_at(), pve_at()
    lab.add_node("pve2")
    lab.add_vm(101, "web", status="running")
    lab.add_vm(102, "api", status="running", node="pve2", config={"tags": "prod"})
    lab.add_vm(103, "other-name", status="running")
    dc.add_vm(101, "web", status="running")
    nodes = [
        NodeEntry(name="hp", ssh=SshEntry(host="10.9.9.1"), tags=frozenset({"rack1"})),
        NodeEntry(name="db", ssh=SshEntry(host="10.9.9.3"), tags=frozenset({"prod"})),
    ]
    clusters = {
        "lab": entry(lab, monkeypatch, node_map={"pve1": "hp", "103": "db"}),
        "dc": entry(dc, monkeypatch),
    }
    async with watching(clusters, nodes=nodes, rules=Rules(read_only=tuple(rule.split(",")))) as lists:
        stop = lists.deck.catalog.find("vm", "stop")
        assert stop is not None
        greyed = {key for key, one in lists.vms.items() if isinstance(lists.deck.permitted(stop, [one]), Refuse)}
        assert greyed == refused
        orders = [Order(verb=stop, targets=(Ref("vm", key),), why="a test") for key in sorted(lists.vms)]
        told = [outcome for order in orders for outcome in await lists.deck.perform(order)]
        assert {one.id for one in told if one.outcome is Ended.REFUSED} >= refused
        asked = [one["path"] for peer in (lab, dc) for one in peer.requests("POST")]
        assert not asked  # nobody answers here, so what is not refused is declined


async def test_clusters_are_listed_in_the_order_of_the_file_whichever_answers_first(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters = {name: pve_at() for name in ("zebra", "lab", "dc")}
    for number, one in enumerate(clusters.values()):
        one.add_vm(100 + number, "web")
    clusters["zebra"].hold("GET", "/cluster/resources")
    entries = {name: entry(one, monkeypatch) for name, one in clusters.items()}
    async with watching(entries, wait=0) as lists:
        await eventually(lambda: {"lab/101", "dc/102"} <= set(lists.vms), 30)
        clusters["zebra"].release()
        await eventually(lambda: "zebra/100" in lists.vms, 30)
        kind = lists.deck.kinds["vm"]
        told = [one.id for one in choose(lists.deck, kind, (), None, acting=False)]
        assert told == ["zebra/100", "lab/101", "dc/102"]
        assert [one.id for one in choose(lists.deck, kind, ("dc/*", "zebra/*"), None, acting=True)] == [
            "zebra/100",
            "dc/102",
        ]
