"""A kind in a few figures: counts by mood, the worst rows and why, how old its news is, and what it does on average."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.column import Cell, Column, Worry, clean
from app.fleet import STALE as STALE_STATE
from app.fleet import Fleet, Mood, Ref, Resource
from app.history import History
from app.kind import Kind, full_name
from widgets.fit import text_width
from widgets.row_lines import age_of
from widgets.row_order import STATE, RowCache, natural

STALE_AFTER = 3
"""Intervals without news after which a tile is stale."""
_MEAN_EVERY = 2.0
_BLOCKS = 3
_NOTHING = -math.inf
NAME = 24
"""Cells that a name takes from long words beside it."""
LONGEST_NAME = 200
"""Characters of a name that are looked at."""


@dataclass(frozen=True, slots=True)
class Worst:
    """One of the worst rows of a kind."""

    row: Resource
    mood: Mood
    worry: Worry
    age: str = ""
    """As shown; empty while its news is fresh."""
    short: str = ""
    """A shorter name; empty where the kind has none."""

    def called(self, width: int = LONGEST_NAME) -> str:
        """Its name with the node's, where that has room; made safe to draw, and not cut."""
        name = clean(full_name(self.row)[:LONGEST_NAME])
        return clean(self.short[:LONGEST_NAME]) if self.short and text_width(name) > width else name


def names_of(shown: Sequence[Worst], width: int) -> list[str]:
    """Their names, all of them whole or all of them short: what stands in one list is named in one way."""
    whole = all(text_width(one.called()) <= width for one in shown)
    return [one.called(LONGEST_NAME if whole else 0) for one in shown]


def name_room(shown: Sequence[Worst], room: int, least: int) -> int:
    """Cells for the names of lines of ``room`` cells: what the longest wants, as far as words and ages leave it.

    Words give way to names of up to ``NAME`` cells, but never more than down to ``least``.
    """
    room -= max((len(one.age) + 2 for one in shown if one.age), default=0)
    longest = max((text_width(one.called()) for one in shown), default=0)
    words = max((text_width(clean(one.worry.text[:LONGEST_NAME])) for one in shown), default=0)
    return max(8, min(longest, max(room - words, min(NAME, room - least))))


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
    unread: tuple[tuple[str, str], ...] = ()
    """Names of sources without a row, and why they cannot be read."""
    behind: frozenset[Mood] = frozenset()
    """Moods of what is in trouble behind its number; its rows are among the worst."""

    @property
    def worst_mood(self) -> Mood:
        """The worst mood of any row that is not muted; unknown where there are none at all."""
        moods = [mood for mood in (*self.moods, *self.behind) if mood is not Mood.MUTED] or list(self.moods)
        return min(moods, key=lambda mood: mood.rank, default=Mood.UNKNOWN)


def summings(families: Sequence[Sequence[Kind[Any]]]) -> list[Summing]:
    """One for each number, with the kinds behind it that raise alarms of their own."""
    made: list[Summing] = []
    for first, *behind in families:
        summing = Summing(first)
        summing.behind = tuple(Summing(kind) for kind in behind if kind.alarms)
        made.append(summing)
    return made


Unread = Callable[[str], Sequence[tuple[str, str]]]
"""Tells of the sources of a noun that cannot be read and have no row: their names, and why."""


class Summing:
    """Sums up one kind again and again; only rows that changed are looked at anew."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self.unread: Unread = lambda noun: ()
        self.behind: tuple[Summing, ...] = ()
        """Kinds behind its number whose trouble is told with its own."""
        self._fleet: Fleet | None = None
        self._rows: list[Resource] = []
        self._worries: list[Worry | None] = []
        self._scores: list[float] = []
        self._moods: list[Mood] = []
        self._figures: list[list[float]] = []
        """For each chosen column the figure of each row; minus infinity where it is unknown or stale."""
        self._columns: tuple[Column[Any], ...] = ()
        self._judged: RowCache[tuple[Mood, Worry | None]] = RowCache(lambda row: (kind.mood(row), kind.worry(row)))
        self._measured: RowCache[tuple[float, ...]] = RowCache(self._measure)
        self._means = History(points=120)
        self._recorded_at = -_MEAN_EVERY

    def sum(self, fleet: Fleet, now: float, worst: int) -> Summary:
        """The kind as the fleet has it; ``worst`` bounds how many of the worst rows are named."""
        self._take(fleet)
        named: list[Worst] = []
        for score, place in heapq.nlargest(worst, zip(self._scores, range(0, -len(self._rows), -1), strict=True)):
            row, worry = self._rows[-place], self._worries[-place]
            if worry is not None and score > _NOTHING:
                age = age_of(fleet, Ref(self.kind.noun, row.id), now)[0]
                short = self.kind.short(row) if self.kind.short is not None else ""
                named.append(Worst(row, self._moods[-place], worry, age, short))
        behind = [one for kind in self.behind for one in kind.alarms(fleet, now, worst)]
        named += behind
        named.sort(key=lambda one: (-one.worry.score, natural(one.row.name)))
        age, stale = self._age(fleet, now)
        unread = tuple(self.unread(self.kind.noun))
        moods = frozenset(one.mood for one in behind)
        return Summary(self.kind, len(self._rows), Counter(self._moods), tuple(named), age, stale, unread, moods)

    def alarms(self, fleet: Fleet, now: float, worst: int) -> list[Worst]:
        """The rows in trouble; of a source that is silent its other kinds tell."""
        found = self.sum(fleet, now, worst).worst
        return [one for one in found if one.worry.score >= 100 and one.mood is not Mood.STALE]

    def _age(self, fleet: Fleet, now: float) -> tuple[float | None, bool]:
        newest: float | None = None
        fresh = False
        for reading in fleet.readings.values():
            if not reading.items or self.kind.noun != reading.items[0].NOUN:
                continue
            newest = reading.taken_at if newest is None else max(newest, reading.taken_at)
            fresh = fresh or (not reading.stale and now - reading.taken_at < STALE_AFTER * reading.interval)
        return (None if newest is None else max(0.0, now - newest)), bool(self._rows) and not fresh

    def _take(self, fleet: Fleet) -> None:
        if fleet is self._fleet:
            return
        self._fleet = fleet
        rows = list(fleet.noun(self.kind.noun))
        if rows and len(self._columns) < _BLOCKS and (columns := self._choose(rows)) != self._columns:
            self._columns = columns
            self._measured.clear()
            self._rows = []
        if len(rows) == len(self._rows):
            changed = [place for place, (old, new) in enumerate(zip(self._rows, rows, strict=True)) if old is not new]
            self._rows = rows
            for place in changed:
                self._look(place, rows[place])
            return
        if len(rows) < len(self._judged):
            there = {row.id for row in rows}
            self._judged.keep_only(there)
            self._measured.keep_only(there)
        self._rows = rows
        self._worries, self._moods = [None] * len(rows), [Mood.UNKNOWN] * len(rows)
        self._scores = [_NOTHING] * len(rows)
        self._figures = [[_NOTHING] * len(rows) for _ in self._columns]
        for place, row in enumerate(rows):
            self._look(place, row)

    def _look(self, place: int, row: Resource) -> None:
        mood, worry = self._judged(row)
        self._moods[place], self._worries[place] = mood, worry
        self._scores[place] = _NOTHING if worry is None else worry.score
        figures = self._measured(row)
        for column, values in enumerate(self._figures):
            values[place] = _NOTHING if mood is Mood.STALE or row.state == STALE_STATE else figures[column]

    # the busiest

    def record(self, fleet: Fleet, now: float) -> None:
        """Remember the means of this moment, every few seconds, so that there is a course to draw."""
        if now - self._recorded_at < _MEAN_EVERY:
            return
        self._recorded_at = now
        self._take(fleet)
        for number, column in enumerate(self._columns):
            self._means.push(Ref(self.kind.noun, ""), column.title, now, self._mean(number))

    def _mean(self, number: int) -> float | None:
        known = [value for value in self._figures[number] if value != _NOTHING]
        return sum(known) / len(known) if known else None

    def busiest(self, fleet: Fleet, each: int, course: int) -> tuple[Busiest, ...]:
        """For the kind's most important figures: the highest ``each`` rows, the mean and its recorded course."""
        self._take(fleet)
        found: list[Busiest] = []
        for number, column in enumerate(self._columns):
            figures = zip(self._figures[number], range(0, -len(self._rows), -1), strict=True)
            top = [self._rows[-place] for value, place in heapq.nlargest(each, figures) if value != _NOTHING]
            means = self._means.series(Ref(self.kind.noun, ""), column.title, course)
            rows = tuple((row, column.cell(row)) for row in top)
            found.append(Busiest(column, rows, self._mean(number), tuple(means)))
        return tuple(found)

    def _choose(self, rows: Sequence[Resource]) -> tuple[Column[Any], ...]:
        """Columns of figures that the kind ranks first."""
        chosen: list[Column[Any]] = []
        for column in self.kind.columns[1:]:
            if column.title in ("", STATE) or column.spark is not None or column.wide or column.priority > 2:
                continue
            if any(isinstance(column.cell(row).sort, int | float) for row in rows[:50]):
                chosen.append(column)
        return tuple(chosen[:_BLOCKS])

    def _measure(self, row: Any) -> tuple[float, ...]:
        keys = (column.cell(row).sort for column in self._columns)
        return tuple(float(key) if isinstance(key, int | float) and key == key else _NOTHING for key in keys)
