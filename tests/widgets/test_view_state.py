"""Rows, order, marks and cursor, without a screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from app.column import Cell
from app.fleet import Fleet, Mood, Reading
from backends.kinds.container import KIND as CONTAINER
from backends.kinds.container import Container
from backends.kinds.node import KIND, Node
from tests.widgets.demo import NOW, demo_fleet, many_nodes, node, one_reading
from widgets.filter import parse
from widgets.row_order import SortBy, in_order, natural, sort_key
from widgets.view_state import HOLD, ViewState


def names(state: ViewState) -> list[str]:
    return [row.name for row in state.order]


def showing(*nodes: Node, by: str = "NAME") -> ViewState:
    state = ViewState(KIND)
    state.sort = SortBy(by)
    state.take(one_reading(nodes), NOW)
    return state


def test_names_stand_as_people_count() -> None:
    assert names(showing(*(node(name) for name in ("n10", "N2", "n1", "m", "10", "9")))) == [
        "9",
        "10",
        "m",
        "n1",
        "N2",
        "n10",
    ]
    assert natural("x" * 9_999_999) == natural("x" * 80)


def test_hostile_digits_are_ordered_too() -> None:
    assert names(showing(node("n²"), node("n٣"), node("n1" * 5000)))


def test_trouble_first_by_default() -> None:
    state = ViewState(KIND)
    state.take(demo_fleet(), NOW)
    assert names(state)[:5] == ["proxmox-b", "pi-garage", "ws1", "hp2", "ws2"]


def test_unknown_comes_last_either_way() -> None:
    rows = (node("a", 5), node("b", None), node("c", 50), node("d", float("nan")))
    state = showing(*rows)
    state.set_sort(SortBy("CPU"), NOW)
    assert names(state) == ["a", "c", "b", "d"]
    state.set_sort(SortBy("CPU", descending=True), NOW)
    assert names(state) == ["c", "a", "b", "d"]


def test_numbers_and_words_in_one_column_are_no_error() -> None:
    keys = {"a": 3.0, "b": "x", "c": None, "d": 1}
    assert in_order("abcd", keys.__getitem__, descending=False) == ["d", "a", "b", "c"]
    assert sort_key(Cell("–")) is None
    assert sort_key(Cell("Word")) == "word"


def test_the_same_sort_again_turns_round_and_figures_begin_with_the_largest() -> None:
    state = showing(node("a", 5), node("c", 50))
    state.sort_by("CPU", NOW)
    assert names(state) == ["c", "a"]
    state.sort_by("CPU", NOW)
    assert names(state) == ["a", "c"]
    state.sort_by("NAME", NOW)
    assert state.sort == SortBy("NAME")


def test_every_title_can_be_sorted_by() -> None:
    state = ViewState(KIND)
    state.wide = True
    state.take(demo_fleet(), NOW)
    for title in state.sortable():
        state.sort_by(title, NOW)
        assert sorted(names(state)) == sorted(row.name for row in state.rows)


def test_a_volatile_sort_waits_and_a_state_does_not() -> None:
    a, b = node("a", 5), node("b", 10)
    state = showing(a, b)
    state.set_sort(SortBy("CPU", descending=True), NOW)
    assert names(state) == ["b", "a"]
    state.take(one_reading((replace(a, cpu_percent=20.0), b)), NOW + 1)
    assert names(state) == ["b", "a"]
    assert state.cell(state.order[1], 2).sort == 20.0
    assert state.settle(NOW + HOLD + 0.1)
    assert names(state) == ["a", "b"]
    state.set_sort(SortBy("STATE"), NOW + 10)
    state.take(one_reading((a, replace(b, state="down"))), NOW + 10.1)
    assert names(state) == ["b", "a"]


def test_nothing_moves_under_the_cursor_just_after_a_key() -> None:
    a, b = node("a"), node("b")
    state = showing(a, b, by="STATE")
    state.last_key = NOW + 1
    state.take(one_reading((a, replace(b, state="down"))), NOW + 2)
    assert names(state) == ["a", "b"]
    state.take(one_reading((a, replace(b, state="down"))), NOW + 1 + HOLD)
    assert names(state) == ["b", "a"]


def test_equal_readings_work_nothing_out() -> None:
    rows = many_nodes(50)
    asked: list[str] = []

    def mood(row: Node) -> Mood:
        asked.append(row.id)
        return KIND.mood(row)

    state = ViewState(replace(KIND, mood=mood))
    state.take(one_reading(rows), NOW)
    assert len(asked) == 50
    assert not state.take(one_reading(rows), NOW + 2)
    assert state.cell(rows[0], 2) is state.cell(rows[0], 2)
    changed = replace(rows[3], cpu_percent=1.5)
    state.take(one_reading((*rows[:3], changed, *rows[4:])), NOW + 4)
    assert asked[50:] == [changed.id]


def test_counts_follow_the_moods() -> None:
    a, b = node("a"), node("b")
    state = showing(a, b)
    assert +state.counts == {Mood.UP: 2}
    state.take(one_reading((a, replace(b, state="down"))), NOW + 1)
    assert +state.counts == {Mood.UP: 1, Mood.DOWN: 1}
    state.take(one_reading((a,)), NOW + 2)
    assert +state.counts == {Mood.UP: 1}


def test_warming_up_ends() -> None:
    state = showing(*many_nodes(25))
    assert state.warm(0, 10)
    assert state.warm(10, 10)
    assert not state.warm(20, 10)


def test_the_cursor_stays_on_its_row_and_near_its_place_when_that_goes() -> None:
    rows = tuple(node(name) for name in "abcde")
    state = showing(*rows)
    state.move_to(2)
    state.take(one_reading((node("A0"), *rows)), NOW + 1)
    assert state.cursor_row is not None
    assert state.cursor_row.name == "c"
    assert state.cursor == 3
    state.take(one_reading(tuple(row for row in rows if row.name != "c")), NOW + 2)
    assert state.cursor_row.name == "e" or state.cursor_row.name == "d"
    state.take(one_reading(()), NOW + 3)
    assert state.cursor_row is None
    assert state.targets() == ()
    state.take(one_reading(rows), NOW + 4)
    assert state.cursor_row is not None


def test_marks_are_kept_by_id_and_count_when_hidden() -> None:
    rows = tuple(node(name) for name in ("a1", "a2", "b1", "b2"))
    state = showing(*rows)
    state.toggle_mark()
    state.move_to(2)
    state.mark_range()
    assert state.marks == {"a1", "a2", "b1"}
    state.set_filter(parse("^b"), NOW)
    assert names(state) == ["b1", "b2"]
    assert state.hidden_marks == 2
    assert [row.name for row in state.targets()] == ["b1", "a1", "a2"]
    state.take(one_reading(rows[1:]), NOW + 1)
    assert state.marks == {"a2", "b1"}
    state.clear_marks()
    assert [row.name for row in state.targets()] == [state.cursor_row.name if state.cursor_row else ""]


def test_a_range_goes_up_as_well() -> None:
    state = showing(*(node(name) for name in "abcd"))
    state.move_to(3)
    state.toggle_mark()
    state.move_to(1)
    state.mark_range()
    assert state.marks == set("bcd")


def test_filters_look_at_cells_tags_and_what_the_parent_has() -> None:
    tagged = node("a", tags=frozenset({"edge"}))
    state = showing(tagged, node("b"), node("c", state="down", fault="cable cut"))
    state.set_filter(parse("^edge$"), NOW)
    assert names(state) == ["a"]
    state.set_filter(parse("cable"), NOW)
    assert names(state) == ["c"]
    state.set_filter(parse("bookworm"), NOW)
    assert names(state) == []
    state.set_wide(True)
    state.set_filter(parse("bookworm"), NOW)
    assert names(state) == ["a", "b", "c"]


def test_a_row_comes_and_goes_as_it_passes_the_filter() -> None:
    a, b = node("a"), node("b")
    state = showing(a, b)
    state.set_filter(parse("down"), NOW)
    assert names(state) == []
    state.take(one_reading((a, replace(b, state="down"))), NOW + 1)
    assert names(state) == ["b"]
    state.take(one_reading((a, b)), NOW + 2)
    assert names(state) == []


def test_faults_only() -> None:
    state = ViewState(KIND)
    state.take(demo_fleet(), NOW)
    state.set_faults_only(True, NOW)
    assert set(names(state)) == {"pi-garage", "proxmox-b", "ws1", "hp2", "ws2"}


def test_a_renamed_row_moves() -> None:
    a, b = node("a"), node("b")
    state = showing(a, b)
    state.take(one_reading((replace(a, name="z"), b)), NOW + 1)
    assert names(state) == ["b", "z"]


def test_sorting_by_age_begins_with_the_oldest() -> None:
    def fleet(ages: Iterable[tuple[str, float]]) -> Fleet:
        return Fleet().with_readings(
            Reading(backend="d", source=name, items=(node(name),), taken_at=NOW - age) for name, age in ages
        )

    state = ViewState(KIND)
    state.take(fleet([("a", 3), ("b", 90), ("c", 10)]), NOW)
    state.sort_by("AGE", NOW)
    assert names(state) == ["b", "c", "a"]


def test_things_with_an_age_of_their_own_are_sorted_by_it() -> None:
    def container(name: str, age: float) -> Container:
        return Container(
            id=f"n/{name}", name=name, source="n", state="running", container_id=name, image="i", created_s=age
        )

    state = ViewState(CONTAINER)
    rows = (container("a", 3), container("b", 90), container("c", 10))
    state.take(Fleet().with_readings([Reading(backend="d", source="n", items=rows, taken_at=NOW)]), NOW)
    state.sort_by("AGE", NOW)
    assert names(state) == ["b", "c", "a"]
    assert state.sortable().count("AGE") == 1


def test_rows_that_are_gone_are_forgotten() -> None:
    rows = many_nodes(300)
    state = showing(*rows)
    state.set_filter(parse("x"), NOW)
    state.take(one_reading(rows[:3]), NOW + 1)
    assert len(state.moods) <= 3


@pytest.mark.parametrize("count", [0, 1])
def test_small_fleets(count: int) -> None:
    state = showing(*many_nodes(count))
    state.move_to(9)
    state.mark_range()
    state.toggle_mark()
    assert len(state.targets()) <= count


def test_among_equal_moods_the_worst_worry_stands_first_and_figures_move_nothing() -> None:
    def order(a: float, b: float) -> list[str]:
        rows = (node("a", a), node("b", b), node("c", 5, fault="late"), node("d", 5))
        return names(showing(*rows, by="STATE"))

    assert order(96, 97) == ["c", "a", "b", "d"], "a fault is worse than a busy processor; a little busier is no worse"
    assert order(5, 97) == ["c", "b", "a", "d"]
