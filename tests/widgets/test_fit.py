"""Cells and columns fit where they are put, whatever is in them."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from rich.cells import cell_len

from app.column import Cell, Column
from app.fleet import Resource
from backends.kinds.container import COLUMNS as CONTAINER
from backends.kinds.node import COLUMNS
from widgets.fit import GAP, fit_columns, fit_text, hidden_right
from widgets.row_lines import AGE_WIDTH, EDGE, GUTTER

HOSTILE = [
    "",
    "plain",
    "a longer text than there is room for",
    "日本語のコンテナ名です",
    "e\u0301" * 40,
    "👍👍🏽👨‍👩‍👧🇩🇪" * 5,
    "❤\ufe0f" * 9,
    "\u200d\u200d",
    "z" + "\u0334" * 500,
    "한글" * 30,
    "mixed 日本 abc " * 9,
    "x" * 1_000_000,
    "語" * 1_000_000,
]


@pytest.mark.parametrize("width", [0, 1, 2, 3, 7, 20, 61])
@pytest.mark.parametrize("align", ["left", "right"])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_takes_exactly_its_room(text: str, width: int, align: str) -> None:
    assert cell_len(fit_text(text, width, "left" if align == "left" else "right")) == width


def test_alignment_and_ellipsis() -> None:
    assert fit_text("ab", 5) == "ab   "
    assert fit_text("ab", 5, "right") == "   ab"
    assert fit_text("abcdef", 5) == "abcd…"
    assert fit_text("日本語", 5) == "日本…"
    assert fit_text("日本語", 4) == "日… "


def test_a_megabyte_is_not_measured() -> None:
    text = "語" * 5_000_000
    begin = time.perf_counter()
    for _ in range(200):
        fit_text(text, 20)
    assert time.perf_counter() - begin < 0.5


def column(title: str, width: int, priority: int, **more: bool) -> Column[Resource]:
    def cell(row: Resource) -> Cell:
        return Cell(row.name)

    return Column(title, cell, width, priority=priority, flex=more.get("flex", False), wide=more.get("wide", False))


SAMPLE = (
    column("NAME", 10, 0),
    column("STATE", 8, 0),
    column("A", 6, 3),
    column("B", 6, 5),
    column("C", 6, 5),
    column("NOTE", 8, 4, flex=True),
    column("W", 30, 9, wide=True),
    column("V", 30, 9, wide=True),
)


@pytest.mark.parametrize(
    ("room", "titles"),
    [
        (200, ["NAME", "STATE", "A", "B", "C", "NOTE"]),
        (54, ["NAME", "STATE", "A", "B", "C", "NOTE"]),
        (53, ["NAME", "STATE", "A", "B", "NOTE"]),
        (45, ["NAME", "STATE", "A", "NOTE"]),
        (37, ["NAME", "STATE", "A"]),
        (20, ["NAME", "STATE"]),
        (12, ["NAME"]),
        (1, ["NAME"]),
    ],
)
def test_least_important_columns_go_first(room: int, titles: list[str]) -> None:
    placed = fit_columns(SAMPLE, room)
    assert [SAMPLE[one.number].title for one in placed] == titles or room < 20
    assert placed[-1].x + placed[-1].width <= room
    assert all(a.x + a.width + GAP == b.x for a, b in pairwise(placed))


def test_what_is_left_over_goes_to_name_and_flexible_columns() -> None:
    widths = {SAMPLE[one.number].title: one.width for one in fit_columns(SAMPLE, 100, name_width=14)}
    assert widths["NAME"] == 14
    assert widths["NOTE"] == 8 + 100 - 54 - 4
    assert fit_columns(SAMPLE, 100)[-1].x + fit_columns(SAMPLE, 100)[-1].width == 100


def test_the_wide_view_drops_nothing_and_scrolls_beside_the_name() -> None:
    whole = fit_columns(SAMPLE, 500, wide=True)
    assert [one.number for one in whole] == list(range(8))
    narrow = fit_columns(SAMPLE, 40, wide=True)
    assert hidden_right(SAMPLE, narrow, wide=True)
    scrolled = fit_columns(SAMPLE, 80, wide=True, first=5)
    assert [SAMPLE[one.number].title for one in scrolled] == ["NAME", "W", "V"]
    assert not hidden_right(SAMPLE, scrolled, wide=True)
    assert [SAMPLE[one.number].title for one in fit_columns(SAMPLE, 80, wide=True, first=99)] == ["NAME", "V"]


@pytest.mark.parametrize("room", [68, 98, 108, 188, 288])
def test_the_nodes_columns_fit_common_terminals(room: int) -> None:
    placed = fit_columns(COLUMNS, room)
    shown = {COLUMNS[one.number].title for one in placed}
    assert {"NAME", "STATE", "CPU", "MEM"} <= shown
    assert placed[-1].x + placed[-1].width <= room


@pytest.mark.parametrize(
    ("terminal", "missing"),
    [
        (160, set[str]()),
        (120, {"IMAGE", "PORTS", "AGE"}),
        (80, {"IMAGE", "PORTS", "AGE", "STACK", "RESTARTS", "UP"}),
    ],
)
def test_the_containers_columns_fit_common_terminals(terminal: int, missing: set[str]) -> None:
    room = terminal - GUTTER - AGE_WIDTH - GAP - EDGE
    shown = {CONTAINER[one.number].title for one in fit_columns(CONTAINER, room)} - {""}
    wanted = {"NAME", "STACK", "IMAGE", "STATE", "CPU", "MEM", "PORTS", "RESTARTS", "UP", "NODE", "AGE"}
    assert wanted - shown == missing


def test_a_name_comes_before_columns_that_matter_less_as_far_as_most_names_reach() -> None:
    columns: tuple[Column[Resource], ...] = (
        Column("NAME", lambda row: Cell(""), 20, priority=0),
        Column("STATE", lambda row: Cell(""), 10, priority=1),
        Column("AGE", lambda row: Cell(""), 5, priority=5),
    )

    def titles(room: int, name_width: int) -> list[str]:
        return [columns[placed.number].title for placed in fit_columns(columns, room, name_width=name_width)]

    assert titles(39, 20) == ["NAME", "STATE", "AGE"]
    assert titles(38, 20) == ["NAME", "STATE"]
    assert titles(41, 22) == ["NAME", "STATE", "AGE"]
    assert titles(40, 22) == ["NAME", "STATE"], "the name is whole instead"
    assert titles(45, 60) == ["NAME", "STATE", "AGE"], "a very long name takes nothing more"
    assert titles(30, 60) == ["NAME"], "a column that matters goes only where it does not fit"
