"""A kind in a few figures: counts by mood, the worst rows and why, how old its news is, and what it does on average."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.column import Cell, Column, Worry
from app.fleet import Fleet, Mood, Ref, Resource
from app.history import History
from app.kind import Kind
from widgets.row_lines import age_of
from widgets.row_order import STATE, RowCache, natural

STALE_AFTER = 3
"""Intervals without news after which a tile is stale."""
_MEAN_EVERY = 2.0
_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class Worst:
    """One of the worst rows of a kind."""

    row: Resource
    mood: Mood
    worry: Worry
    age: str = ""
    """As shown; empty while its news is fresh."""


@dataclass(frozen=True, slots=True)
class Busiest:
    """The rows with the highest figures in one column."""

    column: Column[Any]
    rows: tuple[tuple[Resource, Cell], ...]
    mean: float | None
    course: tuple[float | None, ...]
    """The mean of all rows lately, oldest first."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a tile shows of one kind at one moment."""

    kind: Kind[Any]
    count: int
    moods: Counter[Mood]
    worst: tuple[Worst, ...]
    age: float | None
    """Seconds since the newest reading; ``None`` while there is none."""
    stale: bool
    """No source of this kind has told anything for three intervals."""
    fault: str | None = None
    """Why there is nothing, where a source of this kind says so."""

    @property
    def worst_mood(self) -> Mood:
        """The worst mood of any row; unknown where there are none."""
        return min(self.moods, key=lambda mood: mood.rank, default=Mood.UNKNOWN)


class Summing:
    """Sums up one kind again and again; only rows that changed are looked at anew."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self._judged: RowCache[tuple[Mood, Worry | None]] = RowCache(lambda row: (kind.mood(row), kind.worry(row)))
        self._figures: RowCache[tuple[Cell, ...]] = RowCache(self._measure)
        self._columns: tuple[Column[Any], ...] | None = None
        self._means = History(points=120)
        self._recorded_at = -_MEAN_EVERY

    def sum(self, fleet: Fleet, now: float, worst: int) -> Summary:
        """The kind as the fleet has it; ``worst`` bounds how many of the worst rows are named."""
        rows = list(fleet.noun(self.kind.noun))
        if len(self._judged) > len(rows):
            there = {row.id for row in rows}
            self._judged.keep_only(there)
            self._figures.keep_only(there)
        moods: Counter[Mood] = Counter()
        named: list[Worst] = []
        for row in rows:
            mood, worry = self._judged(row)
            moods[mood] += 1
            if worry is not None:
                named.append(Worst(row, mood, worry))
        most = heapq.nsmallest(worst, named, key=lambda one: (-one.worry.score, natural(one.row.name)))
        aged = (replace(one, age=age_of(fleet, Ref(self.kind.noun, one.row.id), now)[0]) for one in most)
        age, stale = self._age(fleet, rows, now)
        return Summary(self.kind, len(rows), moods, tuple(aged), age, stale)

    def _age(self, fleet: Fleet, rows: Sequence[Resource], now: float) -> tuple[float | None, bool]:
        newest: float | None = None
        fresh = False
        for reading in fleet.readings.values():
            if not reading.items or self.kind.noun != reading.items[0].NOUN:
                continue
            newest = reading.taken_at if newest is None else max(newest, reading.taken_at)
            fresh = fresh or (not reading.stale and now - reading.taken_at < STALE_AFTER * reading.interval)
        return (None if newest is None else max(0.0, now - newest)), bool(rows) and not fresh

    # the busiest

    def record(self, fleet: Fleet, now: float) -> None:
        """Remember the means of this moment, every few seconds, so that there is a course to draw."""
        if now - self._recorded_at < _MEAN_EVERY:
            return
        self._recorded_at = now
        for column, measured in self._measured(fleet):
            values = [value for _, _, value in measured]
            mean = sum(values) / len(values) if values else None
            self._means.push(Ref(self.kind.noun, ""), column.title, now, mean)

    def busiest(self, fleet: Fleet, each: int, course: int) -> tuple[Busiest, ...]:
        """For the kind's most important figures: the highest ``each`` rows, the mean and its recorded course."""
        found: list[Busiest] = []
        for column, measured in self._measured(fleet):
            mean = sum(value for _, _, value in measured) / len(measured) if measured else None
            top = tuple((row, cell) for row, cell, _ in heapq.nlargest(each, measured, key=lambda one: one[2]))
            means = self._means.series(Ref(self.kind.noun, ""), column.title, course)
            found.append(Busiest(column, top, mean, tuple(means)))
        return tuple(found)

    def _measured(self, fleet: Fleet) -> list[tuple[Column[Any], list[tuple[Resource, Cell, float]]]]:
        """Each chosen column with the rows whose figure is known and not stale."""
        rows = [row for row in fleet.noun(self.kind.noun) if self._judged(row)[0] is not Mood.STALE]
        if self._columns is None and rows:
            self._columns = self._choose(rows)
        found: list[tuple[Column[Any], list[tuple[Resource, Cell, float]]]] = []
        for number, column in enumerate(self._columns or ()):
            cells = ((row, self._figures(row)[number]) for row in rows)
            found.append((column, [(r, c, c.sort) for r, c in cells if isinstance(c.sort, int | float)]))
        return found

    def _choose(self, rows: Sequence[Resource]) -> tuple[Column[Any], ...]:
        """Columns of figures that the kind ranks first."""
        chosen: list[Column[Any]] = []
        for column in self.kind.columns[1:]:
            if column.title in ("", STATE) or column.spark is not None or column.wide or column.priority > 2:
                continue
            if any(isinstance(column.cell(row).sort, int | float) for row in rows[:50]):
                chosen.append(column)
        return tuple(chosen[:_BLOCKS])

    def _measure(self, row: Any) -> tuple[Cell, ...]:
        return tuple(column.cell(row) for column in self._columns or ())
