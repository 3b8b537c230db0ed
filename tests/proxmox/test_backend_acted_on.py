"""Guests that were acted on: told as they are, while the cluster's own list still tells how they were."""

from __future__ import annotations

from typing import cast

import pytest

from app.errors import Missing
from backends.proxmox.backend import Proxmox
from tests.proxmox.watched import Lists, entry, watching
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

WITHIN = 30.0


def backend(lists: Lists) -> Proxmox:
    return cast("Proxmox", lists.deck.backends["proxmox"])


async def test_a_guest_acted_on_is_told_as_its_own_status_has_it(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="stopped")
    pve.add_vm(102, "db", status="stopped")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        pve.freeze_resources()
        pve.set_guest(101, status="running")
        pve.set_guest(102, status="running")
        backend(lists).nudge("lab", 101)
        await eventually(lambda: lists.vm("lab/101").state == "running", WITHIN)
        seen = len(pve.requests(containing="/cluster/resources"))
        await eventually(lambda: len(pve.requests(containing="/cluster/resources")) > seen + 2, WITHIN)
        assert lists.vm("lab/101").state == "running"
        assert lists.vm("lab/102").state == "stopped"  # nobody acted on it: the list holds
        asked = [one["path"] for one in pve.requests(containing="/status/current")]
        assert asked == ["/nodes/pve1/qemu/101/status/current"]


async def test_a_frozen_guest_stays_paused_though_lists_call_it_running(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"cpu": 0.0, "diskread": 10, "diskwrite": 10, "uptime": 100}
    pve.add_vm(101, "web", status="running", qmpstatus="paused", stats=figures)
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        assert lists.vm("lab/101").state == "running"
        backend(lists).nudge("lab", 101)
        await eventually(lambda: lists.vm("lab/101").state == "paused", WITHIN)
        assert lists.vm("lab/101").uptime_s is not None


async def test_what_is_being_done_stands_in_the_row_while_it_is_done(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        with backend(lists).doings("lab").doing(101, "clone") as doing:
            await eventually(lambda: lists.vm("lab/101").task == "clone", WITHIN)
            doing.say("clone 62 %")
            await eventually(lambda: lists.vm("lab/101").task == "clone 62 %", WITHIN)
        await eventually(lambda: lists.vm("lab/101").task is None, WITHIN)


async def test_a_guest_is_read_anew_wherever_it_has_moved(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_node("pve2")
    pve.add_vm(101, "web", status="running", config={"protection": 1, "cores": 4})
    async with watching({"lab": entry(pve, monkeypatch, interval=600)}) as lists:
        target = lists.vm("lab/101")
        pve.set_guest(101, node="pve2", lock="backup")
        fresh = await backend(lists).fresh(target)
        assert (fresh.node, fresh.vmid, fresh.type, fresh.status) == ("pve2", 101, "qemu", "running")
        assert (fresh.lock, fresh.protection, fresh.template) == ("backup", True, False)
        assert fresh.config["cores"] in (4, "4")
        assert fresh.digest
        assert fresh.same_as(target)[1]
        pve.remove_guest(101)
        with pytest.raises(Missing):
            await backend(lists).fresh(target)


async def test_another_guest_of_the_same_number_is_not_the_one_that_was_chosen(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with watching({"lab": entry(pve, monkeypatch, interval=600)}) as lists:
        target = lists.vm("lab/101")
        pve.remove_guest(101)
        pve.add_vm(101, "billing")
        what, holds, evidence = (await backend(lists).fresh(target)).same_as(target)
        assert not holds
        assert "billing" in evidence
        assert what


async def test_changes_that_waited_are_not_told_of_once_a_restart_was_ours(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", pending={"cores": 4})
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        lists.deck.context.visible = frozenset
        await eventually(lambda: lists.vm("lab/101").pending is True, WITHIN)
        pve.hold("GET", "/101/pending")
        try:
            backend(lists).nudge("lab", 101)
            await eventually(lambda: lists.vm("lab/101").pending is None, WITHIN)
        finally:
            pve.release()
        await eventually(lambda: lists.vm("lab/101").pending is True, WITHIN)
