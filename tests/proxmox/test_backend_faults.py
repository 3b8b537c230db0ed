"""What a cluster does wrong, and what is said of it: nothing hangs, and what stands still stands."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.fleet import STALE
from tests.proxmox.raw_peer import answer, make_identity, raw_peer
from tests.proxmox.watched import QUICK_S, Lists, entry, watching
from tests.servers.fakepve import Pve, StartPve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

WITHIN = 30.0


def fault(lists: Lists, cluster: str = "lab") -> str:
    """What is said of a cluster; empty while it answers."""
    readings = [one for key, one in lists.deck.feed.fleet.readings.items() if key.source == cluster and one.fault]
    return readings[0].fault or "" if readings else ""


async def test_an_empty_list_without_the_right_to_see_guests_is_told_as_such(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    blind = pve.make_token("blind@pve!deck", ("/nodes", "Sys.Audit"))
    async with watching({"lab": entry(pve, monkeypatch, token=blind)}) as lists:
        await eventually(lambda: "VM.Audit" in fault(lists), WITHIN)
        assert "blind@pve!deck may not see guests" in fault(lists)
        assert lists.deck.feed.faults()  # ours: the command line ends with 3
        pve.grant("blind@pve!deck", "/vms", "VM.Audit")
        await eventually(lambda: "lab/101" in lists.vms, WITHIN)
        await eventually(lambda: not fault(lists), WITHIN)


async def test_an_empty_cluster_is_no_fault(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        await eventually(lambda: bool(lists.hypervisors), WITHIN)
        assert not lists.vms
        assert not fault(lists)


async def test_a_wrong_token_is_ours_and_is_not_tried_again_at_every_beat(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.set("late", 0.0)
    wrong = f"{pve.token.partition('=')[0]}=00000000-0000-0000-0000-000000000000"
    async with watching({"lab": entry(pve, monkeypatch, token=wrong)}) as lists:
        await eventually(lambda: bool(fault(lists)), WITHIN)
        assert lists.deck.feed.faults()
        assert "00000000" not in fault(lists)
        seen = len(pve.requests())
        began = time.monotonic()
        await eventually(lambda: time.monotonic() - began > 5 * QUICK_S, WITHIN)
        assert len(pve.requests()) == seen


@pytest.mark.parametrize("what", ["html", "text", "broken", "list"])
async def test_who_is_not_proxmox_is_told_so_and_the_rows_stay(
    pve: Pve, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    pve.add_vm(101, "web", status="running")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        pve.pretend(what)
        await eventually(lambda: bool(fault(lists)), WITHIN)
        assert "lab/101" in lists.vms
        pve.pretend("")
        await eventually(lambda: not fault(lists) and lists.vm("lab/101").state == "running", WITHIN)


async def test_a_cluster_that_is_away_is_stale_alone_and_comes_back(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, dc = pve_at(), pve_at()
    lab.add_vm(101, "web", status="running")
    dc.add_vm(201, "db", status="running")
    async with watching({"lab": entry(lab, monkeypatch), "dc": entry(dc, monkeypatch)}) as lists:
        assert {"lab/101", "dc/201"} <= set(lists.vms)
        lab.stop()
        await eventually(lambda: lists.vm("lab/101").state == STALE, WITHIN)
        assert fault(lists)
        assert lists.vm("dc/201").state == "running"
        assert not fault(lists, "dc")
        lab.start()
        await eventually(lambda: lists.vm("lab/101").state == "running", WITHIN)


async def test_the_next_url_takes_over_within_the_same_beat(pve_at: StartPve, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pve_at(), pve_at()
    for one in (first, second):
        one.add_vm(101, "web", status="running")
    monkeypatch.setenv("PVE_OTHER", first.token)
    secret = first.token.partition("=")[2]
    second.set("apitokens", {first.token.partition("=")[0]: secret})
    second.grant(first.token.partition("=")[0], "/", "VM.Audit", "Sys.Audit", "Datastore.Audit")
    cluster = entry(first, monkeypatch, urls=[second.url])
    cluster["fingerprint"] = [first.fingerprint, second.fingerprint]
    async with watching({"lab": cluster}) as lists:
        assert not second.requests()
        told: list[str] = []
        lists.deck.feed.listen(lambda fleet: told.append(fault(lists)))
        first.stop()
        await eventually(lambda: len(second.requests(containing="/cluster/resources")) > 3, WITHIN)
        # The very beat that did not find the first one had its answer from the second.
        assert set(told) == {""}
        assert lists.vm("lab/101").state == "running"


async def test_a_storage_of_one_node_that_does_not_answer_drops_nothing(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    pve.fail("GET", "/content", status=595, message="no route to host")
    pve.fail("GET", "/cluster/status", status=500, message="no such thing")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        await eventually(lambda: bool(pve.requests(containing="/content")), WITHIN)
        seen = len(pve.requests(containing="/cluster/resources"))
        await eventually(lambda: len(pve.requests(containing="/cluster/resources")) > seen + 1, WITHIN)
        assert lists.vm("lab/101").state == "running"
        assert not lists.vm("lab/101").backups_known
        assert not fault(lists)


async def test_a_cluster_with_mistakes_says_so_and_is_not_contacted(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.deck import Deck
    from app.inventory.model import Inventory, Mistake
    from app.start import Start, open_deck
    from tests.proxmox.watched import PROXMOX

    said = Mistake(file="hosts.yaml", line=3, column=5, what="no url stands here", cluster="lab")
    inventory = Inventory(extra={"proxmox": {"lab": {}}}, mistakes=(said,))
    deck: Deck = open_deck(Start(), parts=PROXMOX, inventory=inventory)
    deck.feed.configure(deck.inventory)
    try:
        await deck.feed.first(20)
        assert "no url stands here" in fault(Lists(deck))
        assert deck.feed.faults()
    finally:
        await deck.close()


async def test_which_url_and_which_place_of_hosts_yaml_a_fault_is_about(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    away = entry(pve, monkeypatch, url="https://127.0.0.1:9")
    unset = {**entry(pve, monkeypatch), "token": "${QUARTERDECK_NEVER_SET}"}
    async with watching({"away": away, "unset": unset}) as lists:
        assert fault(lists, "away") == "127.0.0.1:9: nobody listens there"
        assert fault(lists, "unset").startswith("hosts.yaml, proxmox.unset.token: the environment variable")


async def test_a_login_that_loses_its_rights_is_told_so_when_all_guests_have_gone(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    token = pve.make_token("few@pve!rights", ("/vms", "VM.Audit"))
    async with watching({"lab": entry(pve, monkeypatch, token=token)}) as lists:
        assert "lab/101" in lists.vms
        await eventually(lambda: bool(pve.requests(containing="/access/permissions")), WITHIN)
        pve.revoke("few@pve!rights")
        await eventually(lambda: "may not see guests" in fault(lists), WITHIN)
        pve.grant("few@pve!rights", "/vms", "VM.Audit")
        await eventually(lambda: not fault(lists) and "lab/101" in lists.vms, WITHIN)


async def test_a_cluster_of_which_everything_is_unknown_has_answered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = make_identity(tmp_path)
    monkeypatch.setenv("TOKEN", "ops@pve!deck=secret")
    async with raw_peer(identity, lambda asked: answer('{"data":[7,null,{"type":"qemu","vmid":101}]}')) as peer:
        lab = {"url": peer.url, "token": "${TOKEN}", "fingerprint": identity.fingerprint, "interval": 2}
        async with watching({"lab": lab}, wait=0) as lists:
            assert not await lists.deck.feed.first(WITHIN)
            assert lists.vm("lab/101").state == "unknown"
            assert not fault(lists)


async def test_a_text_that_is_no_json_beside_a_404_is_not_taken_for_words_of_proxmox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = make_identity(tmp_path)
    monkeypatch.setenv("TOKEN", "ops@pve!deck=secret")
    said = answer("not here", "404 Not Found", "text/plain")
    async with raw_peer(identity, lambda asked: said) as peer:
        lab = {"url": peer.url, "token": "${TOKEN}", "fingerprint": identity.fingerprint}
        async with watching({"lab": lab}) as lists:
            assert "no JSON of Proxmox VE's (404)" in fault(lists)
            assert "check url in hosts.yaml" in fault(lists)
            assert lists.deck.feed.faults()
