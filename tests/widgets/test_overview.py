"""The overview and the wallboard: counts, the worst, what is stale, and any size of terminal."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import pytest
from rich.cells import cell_len

from app.fleet import Fleet, Mood, Reading
from app.kind import AnyKind
from backends.kinds.node import KIND
from tests.waiting import eventually
from tests.widgets.demo import NOW, demo_fleet, demo_nodes, many_nodes, node, one_reading
from tests.widgets.screens import OverviewApp, WallApp
from tests.widgets.test_table import hostile_fleet
from widgets.digits import large
from widgets.summary import Summing

OTHERS: tuple[AnyKind, ...] = (
    KIND,
    replace(KIND, noun="container", plural="containers", empty=("No engine.", "add one")),
    replace(KIND, noun="vm", plural="vms", empty=("No cluster.", "add one")),
    replace(KIND, noun="model", plural="models", empty=("No model.", "pull one")),
)
SIZES = [(20, 5), (40, 10), (80, 24), (120, 30), (200, 60), (300, 100)]


def test_a_summary_counts_and_names_the_worst_first() -> None:
    summary = Summing(KIND).sum(demo_fleet(), NOW, 4)
    assert summary.count == 12
    assert summary.moods == {Mood.UP: 7, Mood.ATTENTION: 3, Mood.DOWN: 1, Mood.STALE: 1}
    assert [one.row.name for one in summary.worst] == ["hp2", "ws2", "proxmox-b", "pi-garage"]
    assert summary.worst[1].age == "3 m"
    assert not summary.stale
    assert summary.age == 1


def test_a_kind_is_stale_when_none_of_its_sources_tells_anything() -> None:
    assert Summing(KIND).sum(demo_fleet(NOW - 100), NOW, 4).stale
    assert not Summing(KIND).sum(Fleet(), NOW, 4).stale
    mixed = demo_fleet(NOW - 100).with_reading(Reading(backend="d", source="x", items=(node("x"),), taken_at=NOW))
    assert not Summing(KIND).sum(mixed, NOW, 4).stale


def test_means_leave_out_what_is_unknown_or_stale() -> None:
    summing = Summing(KIND)
    fleet = one_reading((node("a", 10), node("b", 30), node("c", None), node("d", 99, state="stale")))
    for at in range(5):
        summing.record(fleet, NOW + 2 * at)
    blocks = {block.column.title: block for block in summing.busiest(fleet, 1, 9)}
    assert blocks["CPU"].mean == 20
    assert [row.name for row, _ in blocks["CPU"].rows] == ["b"]
    assert blocks["CPU"].course == (20,) * 5


def test_a_figure_that_comes_later_is_summed_up_as_well() -> None:
    summing = Summing(KIND)
    begin = one_reading((node("a", 10, None, filesystems=None), node("b", None, None, filesystems=None)))
    assert [block.column.title for block in summing.busiest(begin, 1, 9)] == ["CPU"]
    later = one_reading((node("a", 10, 40), node("b", 30, 60)))
    means = {block.column.title: block.mean or 0 for block in summing.busiest(later, 1, 9)}
    assert round(means["MEM"], 3) == 50
    assert summing.sum(later, NOW, 9).moods == {Mood.UP: 2}


async def test_one_kind_has_the_screen() -> None:
    app = OverviewApp()
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        for words in ("1 NODES", "● 7", "no answer from 10.0.4.12:22", "CPU  mean", "build-arm64", "JOBS", "62 %"):
            assert words in app.text


async def test_tiles_of_many_kinds_with_empty_ones() -> None:
    app = OverviewApp(OTHERS)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        for words in ("1 NODES", "2 CONTAINERS", "4 MODELS", "No cluster.", "pull one", "hp2"):
            assert words in app.text


async def test_a_tile_opens_its_pane() -> None:
    chosen: list[str] = []

    class Choosing(OverviewApp):
        def on_overview_chosen(self, event: object) -> None:
            chosen.append(getattr(event, "noun", ""))

    app = Choosing(OTHERS)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.click(app.overview, offset=(5, 2))
        await pilot.pause()
        assert chosen == ["node"]


@pytest.mark.parametrize("fleet", [Fleet(), demo_fleet(), one_reading(many_nodes(300)), hostile_fleet()], ids=range(4))
@pytest.mark.parametrize("kinds", [OTHERS[:1], OTHERS], ids=["one", "four"])
async def test_any_size_is_fine(fleet: Fleet, kinds: tuple[AnyKind, ...]) -> None:
    board, wall = OverviewApp(kinds, fleet), WallApp(kinds, fleet)
    async with board.run_test(size=(120, 30)) as pilot:
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await eventually(lambda width=width: board.overview.size.width == board.size.width == width)
            assert {cell_len(line) for line in board.text.split("\n")} == {width}
    async with wall.run_test(size=(120, 30)) as pilot:
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await eventually(lambda width=width: wall.wall.size.width == wall.size.width == width)
            for _ in range(3):
                await pilot.press("right")
                await pilot.pause()
                assert {cell_len(line) for line in wall.text.split("\n")} == {width}


def test_large_letters_are_of_equal_length() -> None:
    for scale, lines in ((1, 4), (2, 7)):
        drawn = large("0123456789:/%!- x", scale)
        assert len(drawn) == lines
        assert len({len(line) for line in drawn}) == 1


async def test_the_wall_shows_its_clock_counts_and_ages() -> None:
    app = WallApp()
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        before = app.text
        assert "N O D E S" in before
        assert "1 s ago" in before
        assert large("7/12")[0].strip() in before
        app.time = "09:41:08"
        app.wall.tick(NOW + 1)
        assert app.text != before


async def test_a_stale_tile_looks_stale() -> None:
    app = WallApp(fleet=demo_fleet(NOW - 180))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "◐ stale 3 m" in app.text
        assert "╱╱╱╱" in app.text


async def test_pages_take_turns_and_a_long_kind_has_several() -> None:
    app = WallApp(fleet=one_reading(many_nodes(45)), rotate=10)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        seen: list[str] = []
        for second in range(60):
            app.wall.tick(NOW + second)
            await pilot.pause()
            if second % 10 == 5:
                seen.append(f"{app.wall.page} {app.text.strip()[-5:]}")
        assert seen[0].startswith("overview")
        assert seen[1:4] == ["node 1 / 3", "node 2 / 3", "node 3 / 3"]
        assert seen[4].startswith("overview")
        assert app.wall.page == "node"
        await pilot.press("left")
        assert app.wall.page == "overview"
        await pilot.press("left")
        assert app.wall.page == "node"


async def test_chosen_pages_only() -> None:
    app = WallApp(OTHERS, pages=["vms", "model", "no-such"])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.wall.page == "vm"
        await pilot.press("right")
        assert app.wall.page == "model"
        await pilot.press("right")
        assert app.wall.page == "vm"


async def test_the_wall_does_not_grow() -> None:
    app = WallApp(rotate=3)
    async with app.run_test(size=(60, 16)) as pilot:

        async def run(seconds: range) -> None:
            for second in seconds:
                rows = tuple(
                    replace(row, cpu_percent=second % 97 * 1.0, state="down" if second % 7 == number else row.state)
                    for number, row in enumerate(demo_nodes())
                    if (second + number) % 11
                )
                app.wall.show(one_reading(rows, NOW + second), NOW + second)
                app.time = f"{second:08d}"
                app.wall.tick(NOW + second)
                if second % 20 == 0:
                    await pilot.pause()

        await run(range(60))
        tracemalloc.start()
        try:
            await run(range(60, 120))
            gc.collect()
            first, _ = tracemalloc.get_traced_memory()
            await run(range(120, 240))
            gc.collect()
            second, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert second - first < 50_000
