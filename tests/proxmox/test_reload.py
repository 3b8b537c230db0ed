"""Clusters that come, go and change in hosts.yaml while they are watched."""

from __future__ import annotations

import pytest

from app.backend import Allow, Refuse
from app.deck import Deck
from app.fleet import Ref
from app.inventory.model import Inventory, Mistake, Rules
from tests.proxmox.watched import entry, inventory_of, watching
from tests.servers.fakepve import Pve, StartPve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

WITHIN = 30.0


def reload(deck: Deck, inventory: Inventory) -> None:
    """What the console does when hosts.yaml was saved."""
    deck.context.inventory = lambda: inventory
    deck.feed.configure(inventory)


async def test_clusters_come_and_go_and_the_others_are_left_alone(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, dc = pve_at(), pve_at()
    lab.add_vm(101, "web", status="running")
    dc.add_vm(101, "web", status="running")
    here, there = entry(lab, monkeypatch, interval=5), entry(dc, monkeypatch)
    async with watching({"lab": here}) as lists:
        before = lists.vm("lab/101")
        asked = len(lab.requests(containing="/cluster/resources"))
        reload(lists.deck, inventory_of({"lab": here, "dc": there}))
        await eventually(lambda: "dc/101" in lists.vms, WITHIN)
        assert lists.vm("lab/101") is before
        assert len(lab.requests(containing="/cluster/resources")) == asked  # its watch was not begun anew
        reload(lists.deck, inventory_of({"dc": there}))
        await eventually(lambda: set(lists.vms) == {"dc/101"}, WITHIN)
        assert not lists.hypervisors.keys() - {"dc/pve1"}
        reload(lists.deck, inventory_of({"renamed": there}))
        await eventually(lambda: set(lists.vms) == {"renamed/101"}, WITHIN)


async def test_a_mistake_made_while_it_is_watched_stops_that_cluster_alone_and_its_end_starts_it_again(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, dc = pve_at(), pve_at()
    lab.add_vm(101, "web", status="running")
    dc.add_vm(201, "db", status="running")
    good = {"lab": entry(lab, monkeypatch), "dc": entry(dc, monkeypatch)}
    async with watching(good) as lists:
        said = Mistake(file="hosts.yaml", line=3, column=5, what="unknown key 'tokn'", cluster="lab")
        spoiled = inventory_of({**good, "lab": {**good["lab"], "tokn": "x"}})
        reload(lists.deck, Inventory(extra=spoiled.extra, mistakes=(said,), trusted=True))
        await eventually(lambda: bool(lists.deck.feed.faults()), WITHIN)
        assert [one.source.name for one in lists.deck.feed.faults()] == ["lab"]
        lab.forget()
        seen = len(dc.requests(containing="/cluster/resources"))
        await eventually(lambda: len(dc.requests(containing="/cluster/resources")) > seen + 2, WITHIN)
        assert lab.requests() == []
        assert lists.vm("dc/201").state == "running"
        reload(lists.deck, inventory_of(good))
        await eventually(lambda: not lists.deck.feed.faults() and lists.vm("lab/101").state == "running", WITHIN)


async def test_another_certificate_and_another_url_are_taken_up(
    pve_at: StartPve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = pve_at()
    lab.add_vm(101, "web", status="running")
    cluster = entry(lab, monkeypatch)
    async with watching({"lab": cluster}) as lists:
        lab.new_certificate()
        await eventually(lambda: bool(lists.deck.feed.faults()), WITHIN)
        fault = lists.deck.feed.faults()[0].fault or ""
        assert lab.fingerprint in fault
        assert str(cluster["fingerprint"]) in fault
        reload(lists.deck, inventory_of({"lab": {**cluster, "fingerprint": lab.fingerprint}}))
        await eventually(lambda: not lists.deck.feed.faults() and lists.vm("lab/101").state == "running", WITHIN)
        door = lab.open_door()
        reload(lists.deck, inventory_of({"lab": {**cluster, "url": door.url, "fingerprint": door.fingerprint}}))
        lab.set_guest(101, status="stopped")
        await eventually(lambda: lists.vm("lab/101").state == "stopped", WITHIN)


async def test_a_tag_and_a_rule_of_a_moment_ago_hold(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running")
    cluster = entry(pve, monkeypatch)
    async with watching({"lab": cluster}) as lists:
        stop = lists.deck.catalog.find("vm", "stop")
        assert stop is not None
        assert isinstance(lists.deck.permitted(stop, [lists.vm("lab/101")]), Allow)
        pve.stop()  # no list of it will come that could bring the tag
        rules = Rules(read_only=("@prod",))
        reload(lists.deck, inventory_of({"lab": {**cluster, "tags": ["prod"]}}, rules=rules))
        row = lists.deck.feed.fleet.find(Ref("vm", "lab/101"))
        assert row is not None
        assert isinstance(lists.deck.permitted(stop, [row]), Refuse)
