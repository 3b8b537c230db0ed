"""What reading a cluster costs it: one request a beat while nobody looks, more only for what is looked at."""

from __future__ import annotations

import time
from collections.abc import Collection
from itertools import pairwise

import pytest

from app.fleet import Ref
from backends.kinds.vm import Vm
from backends.proxmox.backups_seen import BackupsSeen, Shelf
from backends.proxmox.turns import AskBackups, AskPending, AskPermissions, AskQuorum, Turns
from tests.proxmox.watched import QUICK_S, entry, watching
from tests.servers.fakepve import Pve
from tests.waiting import eventually

WITHIN = 30.0


@pytest.mark.real("fakepve")
async def test_one_request_a_beat_while_nobody_looks(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    """High availability, locks, quorum, rights and the backups of four storages included."""
    for name in ("nas1", "nas2", "nas3"):
        pve.add_storage(name, "nfs", "backup", shared=1)
    pve.add_vm(101, "web", status="running", ha_state="started")
    pve.add_vm(102, "db", status="running", agent={}, config={"agent": "1"})
    began = time.monotonic()
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:
        await eventually(lambda: len(pve.requests(containing="/content")) >= 4, WITHIN)
        await eventually(lambda: len(pve.requests()) >= 14, WITHIN)
        seen, beats = pve.requests(), (time.monotonic() - began) / QUICK_S + 1
        assert len(seen) <= beats
        paths = [one["path"] for one in seen]
        for one, other in pairwise(paths):  # a list is never put off twice in a row
            assert "/cluster/resources" in (one, other), paths
        assert paths[0] == "/cluster/resources"
        assert {"/access/permissions", "/cluster/status"} <= set(paths)
        assert not [one for one in paths if "/qemu/" in one]
        reading = lists.reading()
        assert reading is not None
        assert reading.fault is None


@pytest.mark.real("fakepve")
async def test_waiting_changes_are_asked_for_only_of_guests_that_are_looked_at(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "shown", status="running", pending={"cores": 4})
    pve.add_vm(102, "hidden", status="running", pending={"cores": 4})
    async with watching({"lab": entry(pve, monkeypatch)}) as lists:

        def visible(refs: Collection[Ref]) -> frozenset[Ref]:
            return frozenset({Ref("vm", "lab/101")}).intersection(refs)

        lists.deck.context.visible = visible
        await eventually(lambda: lists.vm("lab/101").pending is True, WITHIN)
        assert lists.vm("lab/102").pending is None
        asked = [one["path"] for one in pve.requests(containing="/pending")]
        assert asked == ["/nodes/pve1/qemu/101/pending"]


@pytest.mark.real("fakepve")
async def test_a_list_from_the_command_line_waits_for_what_stands_beside_it(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", pending={"cores": 4})
    pve.add_storage("nas", "nfs", "backup", shared=1)
    made = int(time.time()) - 3600
    pve.add_volume("nas", "backup/vzdump-qemu-101-x.vma.zst", content="backup", vmid=101, ctime=made, size=1)
    async with watching({"lab": entry(pve, monkeypatch, interval=10)}, wait=0, one_shot=True) as lists:
        lists.deck.context.visible = frozenset
        await lists.deck.feed.first(20)
        web = lists.vm("lab/101")
        assert 3600 <= (web.backup_age_s or 0) < 3700
        assert web.pending is True
        assert lists.hypervisors["lab/pve1"].quorate is not False


@pytest.mark.real("fakepve")
async def test_a_command_that_acts_asks_for_the_list_and_nothing_else(
    pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    cluster = entry(pve, monkeypatch, interval=10)
    async with watching({"lab": cluster}, one_shot=True, rows_only=True) as lists:
        assert isinstance(lists.vm("lab/101"), Vm)
        assert [one["path"] for one in pve.requests()] == ["/cluster/resources"]


def _turns(*shelves: str) -> tuple[Turns, BackupsSeen]:
    backups = BackupsSeen(lambda storage, vmid: True)
    backups.shelves(Shelf(one, None, ("pve1",)) for one in shelves)
    return Turns(backups), backups


def test_sixty_seconds_hold_six_requests() -> None:
    turns, _ = _turns("a", "b", "c")
    asked: list[str] = []
    for beat in range(0, 3600, 10):
        question = turns.instead(float(beat))
        if question is None:
            turns.listed()
            asked.append("list")
        else:
            turns.not_listed()
            turns.taken(question, float(beat))
            asked.append(type(question).__name__)
    assert len(asked) == 360
    assert "list" in asked[:1]
    for one, other in pairwise(asked):
        assert "list" in (one, other)
    hourly = {name: asked.count(name) for name in ("AskPermissions", "AskQuorum", "AskBackups")}
    assert hourly == {"AskPermissions": 2, "AskQuorum": 12, "AskBackups": 18}
    assert asked.count("list") == 360 - 32


def test_many_storages_are_read_in_turn_the_longest_unread_first() -> None:
    _, backups = _turns("a", "b", "c")
    read: list[str] = []
    for now in range(0, 2000, 100):
        due = backups.due(float(now), 600.0)
        if due:
            backups.tried(due[0], float(now))
            read.append(due[0].storage)
    assert read[:7] == ["a", "b", "c", "a", "b", "c", "a"]


def test_who_looks_is_worth_a_few_requests_more_and_no_more() -> None:
    turns, _ = _turns("a")
    asked = turns.beside(0.0, range(100, 150), 6, backups=True)
    assert len(asked) == 6
    assert asked[:3] == (AskPermissions(), AskQuorum(), AskBackups(Shelf("a", None, ("pve1",))))
    for one in asked:
        turns.taken(one, 0.0)
    assert turns.beside(1.0, (100, 101, 102), 6, backups=True) == ()
    assert turns.beside(200.0, (100,), 6, backups=False) == (AskPending(100),)
    turns.acted_on(101)
    assert turns.beside(1.0, (101,), 6, backups=True) == (AskPending(101),)


def test_waiting_changes_that_nobody_asked_about_for_long_are_not_told_of_any_more() -> None:
    turns, _ = _turns()
    turns.taken(AskPending(101), 0.0)
    turns.taken(AskPending(102), 500.0)
    assert turns.outdated(899.0) == ()
    assert turns.outdated(900.0) == (101,)
    assert turns.outdated(901.0) == ()
    assert turns.beside(901.0, (101,), 9, backups=False)[-1] == AskPending(101)
