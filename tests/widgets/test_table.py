"""The fleet table and its pane under keys, news, hostile names and changing sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from app.fleet import Fleet, Reading
from tests.widgets.demo import NOW, demo_fleet, demo_nodes, many_nodes, node, one_reading
from tests.widgets.screens import CountingDriver, PaneApp
from widgets.pane import FilterRow

SIZE = (120, 24)


async def test_keys_move_and_open() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("j", "down", "k", "enter")
        await pilot.pause()
        assert app.opened == ["pi-garage"]
        await pilot.press("G")
        assert app.pane.cursor_ref is not None
        assert app.pane.cursor_ref.id == "router"
        await pilot.press("g", "pagedown", "end", "home")
        assert app.pane.cursor_ref.id == "proxmox-b"
        await pilot.pause()
        assert app.moved[-1] == "proxmox-b"


async def test_the_cursor_stays_in_view_over_many_rows() -> None:
    app = PaneApp(one_reading(many_nodes(500)))
    async with app.run_test(size=SIZE) as pilot:
        for key in ("pagedown", "pagedown", "G", "pageup", "k", "g", "j") * 2:
            await pilot.press(key)
            assert sum(line.startswith("▌") for line in app.lines) == 1


async def test_marks_and_ranges() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("space", "j", "j", "ctrl+@")
        assert len(app.pane.targets()) == 4
        assert sum(line[1] == "✓" for line in app.lines) == 4
        await pilot.press("ctrl+backslash")
        assert len(app.pane.targets()) == 1


async def test_the_filter_follows_every_letter_and_keeps_the_last_good_one() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("slash", "w", "s")
        assert len(app.table.state.order) == 2
        await pilot.press("left_square_bracket")
        assert len(app.table.state.order) == 2
        context = app.pane.query("ContextLine").first()
        assert "not a regular expression" in context.render_line(0).text
        await pilot.press("backspace", "1", "enter")
        assert [row.name for row in app.table.state.order] == ["ws1"]
        assert app.focused is app.table
        assert "/ws1" in context.render_line(0).text
        assert app.pane.back()
        assert len(app.table.state.order) == 12
        assert not app.pane.back()


async def test_escape_takes_the_filter_away() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("slash", "w", "s", "escape")
        assert app.table.state.filter.empty
        assert app.focused is app.table
        assert not app.pane.query_one(FilterRow).display


async def test_marks_hidden_by_the_filter_are_still_targets_and_counted() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("space", "slash", "w", "s", "1", "enter", "space")
        await pilot.pause()
        assert {row.name for row in app.pane.targets()} == {"proxmox-b", "ws1"}
        assert app.pane.hidden_marks == 1
        assert "2 marked (1 hidden)" in app.pane.query("ContextLine").first().render_line(0).text


async def test_sorting_by_keys_and_by_heading() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("N")
        assert "NAME↑" in app.lines[0]
        assert app.table.state.order[0].name == "build-arm64-with-a-long-name"
        await pilot.press("I")
        assert "NAME↓" in app.lines[0]
        await pilot.press("A", "S", "O")
        assert app.table.state.sort.title == "CPU"
        at = app.lines[0].index("LOAD")
        await pilot.click(app.table, offset=(at + 1, 0))
        assert app.table.state.sort.title == "LOAD"
        await pilot.click(app.table, offset=(10, 3))
        assert app.table.state.cursor == 2


async def test_faults_only_and_wide() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("ctrl+z")
        assert len(app.table.state.order) == 5
        await pilot.press("ctrl+z", "ctrl+w")
        assert "SWAP" not in app.lines[0]
        for _ in range(30):
            await pilot.press("right")
        assert "OS" in app.lines[0]
        assert "NAME" in app.lines[0]
        await pilot.press(*["left"] * 30)
        assert "STATE" in app.lines[0]
        await pilot.press("ctrl+w")


async def test_news_keeps_cursor_scroll_and_marks() -> None:
    rows = many_nodes(300)
    app = PaneApp(one_reading(rows))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("N", *["pagedown"] * 4, "space")
        await pilot.pause()
        before = app.lines
        cursor = app.pane.cursor_ref
        changed = (node("a-new-one"), *rows[:250])
        app.pane.show(one_reading(changed, NOW + 1), NOW + 1)
        assert app.pane.cursor_ref == cursor
        assert [line[1:18] for line in app.lines] == [line[1:18] for line in before]


async def test_ages_show_from_two_intervals_on_and_stale_rows_say_so() -> None:
    app = PaneApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        by_name = {line[3:17].strip(): line for line in app.lines[1:13]}
        assert by_name["ws2"].rstrip().endswith("3 m")
        assert "◐ stale" in by_name["ws2"]
        assert not by_name["ws1"].rstrip().endswith((" s", " m"))
        app.pane.tick(NOW + 3.5)
        assert {line[3:17].strip(): line for line in app.lines[1:13]}["ws1"].rstrip().endswith("4 s")


async def test_only_changed_lines_are_painted_and_equal_news_paints_nothing() -> None:
    rows = many_nodes(200)
    app = PaneApp(one_reading(rows))
    app.driver_class = CountingDriver
    async with app.run_test(size=SIZE, headless=False) as pilot:
        await pilot.pause()
        await pilot.pause()
        begin = CountingDriver.written
        for second in range(60):
            app.pane.show(one_reading(rows, NOW + second), NOW + second, clock="09:41")
            app.pane.tick(NOW + second, clock="09:41")
            await pilot.pause()
        assert CountingDriver.written == begin
        third = app.table.state.order[2]
        changed = tuple(replace(row, cpu_percent=99.0, load_1=9.0) if row.id == third.id else row for row in rows)
        app.pane.show(one_reading(changed, NOW + 60), NOW + 60, clock="09:41")
        await pilot.pause()
        await pilot.pause()
        assert 0 < CountingDriver.written - begin < 1500


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07red",
    "[@click=app.quit]x[/]",
    "[bold red]not markup[/",
    "evil\u202egnirts",
    "日本語のとても長いホスト名です",
    "👍🏽👨‍👩‍👧🇩🇪❤️",
    "e\u0301" * 300,
    "x" * 1_000_000,
    "語" * 1_000_000,
    "\ud800 surrogate",
    "a\nb\tc\rd",
    "",
]


def hostile_fleet() -> Fleet:
    rows = [
        node(name, 40, 50, fault=name, id=f"h{number}", tags=frozenset({name})) for number, name in enumerate(HOSTILE)
    ]
    return one_reading(tuple(rows))


@pytest.mark.parametrize("size", [(80, 24), (120, 30), (200, 50)])
async def test_hostile_names_draw_as_text_of_the_right_width(size: tuple[int, int]) -> None:
    app = PaneApp(hostile_fleet())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for line in app.lines:
            assert cell_len(line) == size[0]
            assert not any(ord(c) < 32 or c == "\u202e" or "\ud800" <= c <= "\udfff" for c in line)
        joined = "\n".join(app.lines)
        assert "[@click=" in joined
        await pilot.press(*"GgSNO")
        await pilot.press("slash", *"click", "enter")
        assert len(app.table.state.order) == 1
        await pilot.click(app.table, offset=(5, 1))
        assert app.is_running


@pytest.mark.parametrize("fleet", [Fleet(), demo_fleet(), one_reading(many_nodes(2000)), hostile_fleet()], ids=range(4))
async def test_any_size_is_fine(fleet: Fleet) -> None:
    app = PaneApp(fleet)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("G")
        for width, height in ((20, 5), (5, 2), (1, 1), (300, 100), (80, 24), (39, 9), (20, 5)):
            await pilot.resize_terminal(width, height)
            await pilot.press("j", "ctrl+w", "k", "right")
            await pilot.pause()
            assert all(cell_len(line) == app.table.size.width for line in app.lines)
            assert not app.table.state.order or height < 3 or any(line.startswith("▌") for line in app.lines)


async def test_an_empty_pane_says_what_would_fill_it() -> None:
    app = PaneApp(Fleet())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = "\n".join(app.lines)
        assert "No nodes are configured." in shown
        assert "quarterdeck node add" in shown
        await pilot.press("j", "G", "space", "ctrl+@", "enter", "d", "N")
        app.pane.show(demo_fleet(), NOW)
        await pilot.press("slash", *"nosuchthing", "enter")
        assert "None of 12 nodes matches /nosuchthing" in "\n".join(app.lines)


async def test_it_can_be_shown_before_it_is_on_the_screen() -> None:
    class Late(PaneApp):
        def compose(self) -> Any:
            self.pane.show(demo_fleet(), NOW)
            yield self.pane

    app = Late()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert any("ws1" in line for line in app.lines)


async def test_the_latest_fleet_wins_after_a_burst() -> None:
    rows = demo_nodes()
    app = PaneApp(one_reading(rows))
    async with app.run_test(size=SIZE) as pilot:
        for step in range(50):
            news = tuple(replace(row, load_1=float(step)) for row in rows)
            app.pane.show(one_reading(news, NOW + step / 100), NOW + step / 100)
        await pilot.pause()
        assert sum("49.00" in line for line in app.lines) == len(rows)


async def test_a_source_that_goes_stale_greys_its_rows_in_place() -> None:
    rows = demo_nodes()
    app = PaneApp(one_reading(rows))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("N")
        fresh = [line[3:15] for line in app.lines]
        app.now += 60
        stale = Reading(backend="demo", source="all", items=rows, taken_at=NOW).as_stale("gone")
        app.pane.show(Fleet().with_reading(stale), NOW + 20)
        assert [line[3:15] for line in app.lines] == fresh
        assert sum("◐ stale" in line for line in app.lines) == len(rows) - 1  # what is down stays down
        assert sum(line.rstrip().endswith("20 s") for line in app.lines) == len(rows)
