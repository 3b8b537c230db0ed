"""Bounded rings of figures."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from app.fleet import Ref
from app.history import History
from backends.kinds.node import KIND, Node

PI = Ref("node", "pi")


def pushed(history: History, values: list[float | None], every: float = 2.0, begin: float = 0.0) -> History:
    for number, value in enumerate(values):
        history.push(PI, "cpu", begin + number * every, value)
    return history


def test_newest_last_and_no_more_than_there_is() -> None:
    history = pushed(History(points=5), [1, 2, 3])
    assert history.series(PI, "cpu", 2) == [2, 3]
    assert history.series(PI, "cpu", 9) == [1, 2, 3]
    assert history.series(PI, "mem", 9) == []
    assert history.series(Ref("node", "hp"), "cpu", 9) == []
    assert history.series(PI, "cpu", 0) == []


@pytest.mark.parametrize("count", [1, 5, 15, 16, 17, 31, 32, 33, 149, 150, 151, 500])
def test_the_ring_keeps_the_last(count: int) -> None:
    history = pushed(History(points=150), [float(n) for n in range(count)])
    assert history.series(PI, "cpu", 1000) == [float(n) for n in range(max(0, count - 150), count)]


def test_unknown_is_a_gap_and_so_is_time_without_news() -> None:
    history = pushed(History(), [1, None, 3])
    assert history.series(PI, "cpu", 9) == [1, None, 3]
    history.push(PI, "cpu", 14.0, 4)
    assert history.series(PI, "cpu", 9) == [1, None, 3, None, None, None, None, 4]
    history.push(PI, "cpu", 17.0, 5)
    assert history.series(PI, "cpu", 2) == [4, 5]


def test_a_very_long_gap_costs_no_more_than_the_ring() -> None:
    history = pushed(History(points=10), [1, 2, 3])
    history.push(PI, "cpu", 1e9, 4)
    assert history.series(PI, "cpu", 99) == [None] * 9 + [4]


def test_the_same_moment_is_recorded_once_and_the_past_not_at_all() -> None:
    history = pushed(History(), [1, 2])
    history.push(PI, "cpu", 2.0, 9)
    history.push(PI, "cpu", 1.0, 9)
    assert history.series(PI, "cpu", 9) == [1, 2]


def test_groups_begin_at_fixed_counts() -> None:
    history = pushed(History(), [float(n) for n in range(10)])
    assert history.series(PI, "cpu", 3, 4) == [1.5, 5.5, 8.5]
    history.push(PI, "cpu", 20.0, 10.0)
    assert history.series(PI, "cpu", 3, 4) == [1.5, 5.5, 9.0]
    assert history.series(PI, "cpu", 2, 4) == [5.5, 9.0]


def test_a_group_of_gaps_is_a_gap() -> None:
    history = pushed(History(), [1, None, None, 4, None, None])
    assert history.series(PI, "cpu", 9, 2) == [1, 4, None]


def test_forgetting() -> None:
    history = pushed(History(), [1])
    history.forget(PI)
    history.forget(PI)
    assert len(history) == 0
    assert history.series(PI, "cpu", 9) == []


def test_ten_thousand_rows_of_four_figures_stay_small() -> None:
    refs = [Ref("node", f"n{n}") for n in range(500)]
    tracemalloc.start()
    try:
        history = History(points=150, budget=100_000)
        for at in range(200):
            for ref in refs:
                history.push(ref, "cpu", 2.0 * at, 50.0)
                if at % 4 == 0:
                    history.push(ref, "mem", 2.0 * at, 50.0)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(history) == 1000
    assert used / len(history) < 900


def test_recording_many_at_once_is_the_same_as_pushing_each() -> None:
    chance = random.Random(7)
    one, other = History(points=40), History(points=40)
    figures = {"node": KIND.figures}
    at = 0.0
    items: list[Node] = []
    for turn in range(900):
        at += chance.choice([2.0, 2.0, 2.0, 2.1, 1.9, 0.0, 6.0, 9.0, 200.0] if turn < 400 else [2.0])
        if turn < 2 or chance.random() < (0.3 if turn < 400 else 0.005):
            cpu = chance.choice([None, 1.0, 2.0])
            items = [
                Node(id=name, name=name, source="s", state="up", cpu_percent=cpu, mem_total_bytes=100, mem_used_bytes=7)
                for name in ("pi", "hp")
            ]
        one.record(items, figures, at)
        for item in items:
            for name, read in KIND.figures.items():
                other.push(item.ref, name, at, read(item))
        if turn % 7 == 0:
            for name in KIND.figures:
                assert one.series(PI, name, 99) == other.series(PI, name, 99)
    for name in KIND.figures:
        assert one.series(Ref("node", "hp"), name, 99, 5) == other.series(Ref("node", "hp"), name, 99, 5)
    assert len(one) == len(other) == 4
    one.forget(PI)
    assert len(one) == 2
