"""The recent course of figures, for sparklines and graphs: one bounded ring per resource and figure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.fleet import Ref, Resource

_NAN = math.nan
_FIRST_ROOM = 16


class _Ring:
    """The last values of one figure, oldest overwritten; 4 bytes a value, grown only as values come."""

    __slots__ = ("count", "last_at", "period", "values")

    def __init__(self) -> None:
        self.values = array("f")
        self.count = 0
        """How many were ever pushed, gaps included; the next one stands at ``count`` modulo the room."""
        self.last_at = -math.inf
        self.period = 0.0
        """Seconds between the last two that came in time; 0 while only one did."""

    def push(self, value: float, limit: int) -> None:
        room = len(self.values)
        if self.count < room:
            self.values[self.count] = value
        elif room < limit:
            wanted = min(limit, max(_FIRST_ROOM, 2 * room))
            kept = self.last(room)
            self.values = array("f", kept)
            self.values.extend([_NAN] * (wanted - room))
            self.values[room] = value
            self.count = room
        else:
            self.values[self.count % room] = value
        self.count += 1

    def repeat(self, times: int, limit: int) -> None:
        """Push the newest value again, so many times."""
        room = len(self.values)
        value = self.values[(self.count - 1) % room]
        if self.count < room or room < limit or times > room:
            for _ in range(times):
                self.push(value, limit)
            return
        begin = self.count % room
        first = min(times, room - begin)
        self.values[begin : begin + first] = array("f", [value]) * first
        self.values[: times - first] = array("f", [value]) * (times - first)
        self.count += times

    def last(self, n: int) -> list[float]:
        """Up to ``n`` newest values, oldest first; a gap is NaN."""
        room = len(self.values)
        held = min(self.count, room)
        n = min(n, held)
        if n == 0:
            return []
        end = self.count if self.count <= room else self.count % room or room
        if n <= end:
            return self.values[end - n : end].tolist()
        return self.values[room - (n - end) :].tolist() + self.values[:end].tolist()


class _Course:
    """The rings of one resource; readings in which it was the very same row are counted first and written later."""

    __slots__ = ("at", "held", "period", "rings", "row")

    def __init__(self) -> None:
        self.rings: dict[str, _Ring] = {}
        self.row: Resource | None = None
        """As recorded last."""
        self.held = 0
        """Readings since then that told of the very same row, not in the rings yet."""
        self.at = -math.inf
        self.period = 0.0
        """Seconds between the last two readings that came in time."""

    def settle(self, limit: int) -> None:
        """Write what was only counted."""
        if self.held:
            for ring in self.rings.values():
                ring.repeat(self.held, limit)
                ring.last_at, ring.period = self.at, self.period
            self.held = 0


_HOLD = 60
"""Readings that are counted before they are written."""


class History:
    """What every figure was lately.

    ``points`` values are kept of each; where there are so many rings that this would need more than ``budget`` values
    altogether, new ones stay shorter (never below 32).
    """

    def __init__(self, points: int = 150, budget: int = 2_000_000) -> None:
        self.points = points
        self._budget = budget
        self._courses: dict[str, dict[str, _Course]] = {}
        """By noun and id."""
        self._count = 0

    @property
    def _limit(self) -> int:
        """Values kept of each figure."""
        return min(self.points, max(32, self._budget // max(1, self._count)))

    def push(self, ref: Ref, figure: str, at: float, value: float | None) -> None:
        """Record one value as of ``at`` (seconds, monotonic); ``None`` and time passed without one are gaps.

        A moment already recorded is not recorded again, so that pushing the same reading twice does no harm.
        """
        course = self._courses.setdefault(ref.kind, {}).setdefault(ref.id, _Course())
        course.settle(self._limit)
        course.row = None
        self._push(course.rings, figure, at, value)

    def record(
        self, items: Iterable[Resource], figures: Mapping[str, Mapping[str, Callable[[Any], float | None]]], at: float
    ) -> None:
        """Record the figures of many resources as of one moment; ``figures`` by noun and name.

        The same as pushing each, but a row that is the very object of the reading before is only counted: of ten
        thousand rows most are, at each of their readings.
        """
        for item in items:
            noun = item.NOUN
            known = self._courses.get(noun)
            if known is None:
                known = self._courses[noun] = {}
            course = known.get(item.id)
            if course is None:
                course = known[item.id] = _Course()
            passed = at - course.at
            if passed <= 0:
                continue
            if course.row is item and passed <= 2.5 * course.period and course.held < _HOLD:
                course.held += 1
            else:
                course.settle(self._limit)
                for name, read in figures.get(noun, {}).items():
                    self._push(course.rings, name, at, read(item))
                course.row = item
            if course.at > -math.inf and not (course.period and passed > 2.5 * course.period):
                course.period = passed
            course.at = at

    def _push(self, rings: dict[str, _Ring], figure: str, at: float, value: float | None) -> None:
        ring = rings.get(figure)
        if ring is None:
            if value is None:
                return
            ring = rings[figure] = _Ring()
            self._count += 1
        limit = self._limit
        if ring.count:
            passed = at - ring.last_at
            if passed <= 0:
                return
            if ring.period and passed > 2.5 * ring.period:
                for _ in range(min(limit, round(passed / ring.period) - 1)):
                    ring.push(_NAN, limit)
            else:
                ring.period = passed
        ring.push(_NAN if value is None else value, limit)
        ring.last_at = at

    def series(self, ref: Ref, figure: str, n: int, step: int = 1) -> list[float | None]:
        """The newest ``n`` values, oldest first, each the mean of up to ``step`` recorded ones; a gap is ``None``.

        Groups begin at fixed counts, so that a drawn series moves once in ``step`` values and not with each.
        Shorter than ``n`` while fewer are known; empty for a resource or figure nobody told of.
        """
        course = self._courses.get(ref.kind, {}).get(ref.id)
        if course is None or n <= 0:
            return []
        course.settle(self._limit)
        ring = course.rings.get(figure)
        if ring is None:
            return []
        if step <= 1:
            return [None if math.isnan(value) else value for value in ring.last(n)]
        newest = (ring.count - 1) % step + 1
        values = ring.last((n - 1) * step + newest)
        means: list[float | None] = []
        end = len(values)
        size = newest
        while end > 0:
            group = [value for value in values[max(0, end - size) : end] if not math.isnan(value)]
            means.append(sum(group) / len(group) if group else None)
            end -= size
            size = step
        means.reverse()
        return means

    def forget(self, ref: Ref) -> None:
        """Let go of everything about a resource that is gone."""
        course = self._courses.get(ref.kind, {}).pop(ref.id, None)
        self._count -= len(course.rings) if course is not None else 0

    def __len__(self) -> int:
        """How many rings there are."""
        return self._count
