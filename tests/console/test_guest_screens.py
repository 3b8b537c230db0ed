"""What an operator of guests relies on at night: trouble is told where it is looked for, no key does what it cannot."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.console import Console
from app.fleet import Mood
from app.verb import RowAction, Rows
from backends.demo.guest_world import PretendStore, guest_world
from backends.kinds import vm_lists
from backends.kinds.vm_row import Vm
from tests.console.conftest import Driven
from tests.console.test_engine_snapshots import still_deck
from tests.waiting import eventually
from widgets.fit import fit_columns
from widgets.overview_place import OverviewPlace
from widgets.rowsview import RowsPlace
from widgets.summary import summings


@asynccontextmanager
async def guests(folder: Path, size: tuple[int, int] = (120, 36)) -> AsyncGenerator[Driven]:
    """A console on the pane of pretend guests."""
    console = Console(still_deck(folder / "witness"), clock=lambda: "09:41", demo_label="demo")
    async with console.run_test(size=size) as pilot:
        it = Driven(console, pilot)
        await eventually(lambda: all(list(it.deck.feed.fleet.noun(noun)) for noun in ("vm", "storage")), 20)
        await eventually(lambda: console.place is not None, 20)
        await it.press("3")
        await it.until(lambda: console.place is not None and console.place.targets(), "rows")
        yield it
    await console.close_down()


async def filtered(it: Driven, words: str) -> None:
    """The cursor on the first guest that passes a filter."""
    await it.press("slash")
    await it.type(words)
    await it.press("enter", "g")


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (80, {"NAME", "ON", "STATE", "CPU", "MEM", "BACKUP"}),
        (120, {"NAME", "ID", "ON", "STATE", "CPU", "", "MEM", "BACKUP", "UP", "NOTE"}),
        (160, {"CORES", "DISK", "TAGS", "TYPE", "NOTE", "ID"}),
    ],
)
async def test_the_width_is_used_for_what_matters(tmp_path: Path, width: int, titles: set[str]) -> None:
    async with guests(tmp_path, (width, 24)) as it:
        kind = it.deck.kinds["vm"]
        shown = {kind.columns[one.number].title for one in fit_columns(kind.columns, width - 11)}
        assert titles <= shown
        assert shown == titles or width == 160
        head = next(line for line in it.screen().splitlines() if "STATE" in line)
        assert all(title in head for title in titles)


async def test_a_storage_in_trouble_is_told_on_the_overview_and_counted(tmp_path: Path) -> None:
    async with guests(tmp_path) as it:
        await it.press("0")
        await it.until(lambda: "thin pool 91 % full" in it.screen(), "the thin pool")
        before = next(line for line in it.screen().splitlines() if "! " in line and "quarterdeck" in line)
        stores = it.deck.context.shared(guest_world).stores
        stores.append(PretendStore("vmdata", "zfspool", ("images",), 100 << 30, 99 << 30, "pve3"))
        await it.until(lambda: "thin pool 99 % full" in it.screen(), "another")
        after = next(line for line in it.screen().splitlines() if "! " in line and "quarterdeck" in line)
        count = [int(line.partition("! ")[2].split()[0]) for line in (before, after)]
        assert count[1] == count[0] + 1


async def test_what_is_behind_a_silent_cluster_is_not_told_thrice(tmp_path: Path) -> None:
    async with guests(tmp_path) as it:
        families = [[it.deck.kinds[noun] for noun in ("vm", "hypervisor", "storage")]]
        summing = summings(families)[0]
        fleet = it.deck.feed.fleet
        now = it.deck.context.clock()
        assert "lab/pve2/local-lvm" in [one.row.id for one in summing.sum(fleet, now, 9).worst]
        assert summing.sum(fleet, now, 9).worst_mood is Mood.ATTENTION
        watched = next(one for one in it.deck.feed.sources() if one.backend == "demo-guests")
        assert watched is not None
        stale = fleet
        for reading in fleet.readings.values():
            if reading.backend == "demo-guests":
                stale = stale.with_reading(reading.as_stale("no answer"))
        worst = summings(families)[0].sum(stale, now, 99).worst
        assert worst
        assert {one.row.NOUN for one in worst} == {"vm"}


async def test_a_pane_that_comes_back_shows_the_present(tmp_path: Path) -> None:
    async with guests(tmp_path) as it:
        await it.press("0")
        await it.until(lambda: isinstance(it.console.place, OverviewPlace) and "VMS" in it.screen(), "the overview")
        await it.press("3")
        it.deck.context.shared(guest_world).guests[111].name = "oracle"
        await it.until(lambda: "oracle" in it.screen(), "the new name in the pane")
        await it.deck.feed.close()  # no further reading comes
        await it.press("0")
        await it.until(lambda: "lab/oracle" in it.screen(), "the new name on the overview")


async def test_a_view_says_of_whom_it_is_and_stops_only_what_runs(tmp_path: Path) -> None:
    async with guests(tmp_path) as it:
        await filtered(it, "win-build")
        await it.press("t")
        await it.until(lambda: "snapshot feature" in it.screen(), "the tasks")
        assert "TASKS  lab/130  2" in it.screen()
        await it.press("x")
        await it.until(lambda: "nothing to stop here" in it.toasts(), "why nothing happens")
        assert not it.asking


async def test_a_typed_view_is_of_all_and_a_key_of_the_row(tmp_path: Path) -> None:
    async with guests(tmp_path) as it:
        await filtered(it, "win-build")
        await it.press("colon")
        await it.type("vm tasks")
        await it.press("enter")
        await it.until(lambda: "TASKS  6" in it.screen(), "the tasks of all")
        await it.press("escape", "t")
        await it.until(lambda: "TASKS  lab/130  2" in it.screen(), "those of the row")


async def test_where_a_guest_stands_is_no_snapshot(tmp_path: Path) -> None:
    async with guests(tmp_path) as it:
        await filtered(it, "^win-build")
        await it.press("h")
        await it.until(lambda: "you are here" in it.screen(), "the snapshots")
        assert "no snapshot yet" in it.screen()
        await it.press("r")
        await it.until(lambda: "nothing to rollback here" in it.toasts(), "why nothing happens")
        assert not it.asking


async def test_a_checkpoint_takes_all_its_guests_back(tmp_path: Path) -> None:
    async with guests(tmp_path) as it:
        await it.press("colon")
        await it.type("vm checkpoints")
        await it.press("enter")
        await it.until(lambda: "before-run-7" in it.screen(), "the checkpoints")
        await it.press("r")
        await it.until(lambda: "Rollback 4 vms" in it.screen(), "the question")
        assert all(f"/qemu/{vmid}/snapshot/before-run-7/rollback" in it.screen() for vmid in (120, 121, 122, 123))


async def test_the_help_key_is_named_once_where_not_all_keys_fit(tmp_path: Path) -> None:
    async with guests(tmp_path, (160, 30)) as it:
        keys = it.screen().splitlines()[-1]
        assert "? all keys" in keys
        assert keys.count("?") == 1


async def test_the_cursor_stays_on_its_task_when_the_list_is_read_again(tmp_path: Path) -> None:
    tasks = [
        vm_lists.Task(upid=f"UPID:pve1:{n}", cluster="lab", node="pve1", type="qmstart", started_at=1.0, status="OK")
        for n in range(3)
    ]
    async with guests(tmp_path) as it:
        verb = it.deck.catalog.find("vm", "tasks")
        assert verb is not None
        rows = [vm_lists.task_rows(tasks)]

        async def again() -> Rows:
            return rows[-1]

        it.console.visit(lambda: RowsPlace(verb, None, rows[0], again))
        place = await it.at("vm.tasks")
        assert isinstance(place, RowsPlace)
        await it.press("j")
        assert place.chosen.upid == "UPID:pve1:1"
        new = vm_lists.Task(
            upid="UPID:new", cluster="lab", node="pve1", type="qmstop", started_at=2.0, status="running"
        )
        rows.append(vm_lists.task_rows([*tasks, new]))
        place.read_again()
        await it.until(lambda: "qmstop" in it.screen(), "the new task")
        assert place.chosen.upid == "UPID:pve1:1"


def test_why_a_cluster_is_silent_is_not_said_in_every_row() -> None:
    from backends.kinds.vm import note

    row = Vm(id="lab/1", name="a", source="lab", state="stale", key="1", fault="https://lab: no answer")
    assert note(row).text == ""
    assert note(Vm(id="lab/1", name="a", source="lab", state="running", key="1", fault="it broke")).text == "it broke"


def test_an_action_may_name_the_rows_it_is_for() -> None:
    back = vm_lists.checkpoint_rows([]).actions[0]
    assert back == RowAction(
        key="r", verb="rollback", label="rollback", take={"name": "name"}, on="members", where="members"
    )
