"""The lines of a log that are kept: bounded in number and bytes, those that pass a filter longer than the others."""

from __future__ import annotations

import heapq
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from app.column import unescaped
from app.pattern import LONGEST as LONGEST_SEARCHED
from app.verb import Line

KEEP = 10_000
"""Lines kept; older ones are dropped and counted."""
KEEP_BYTES = 8 << 20
"""Memory that the texts of these lines may take; lines may be long."""
LONGEST = 4096
"""Characters kept of one line."""


def tame(line: str) -> str:
    """A line from outside, bounded and without escape sequences."""
    if len(line) <= LONGEST and line.isascii() and line.isprintable():
        return line
    return unescaped(line[:LONGEST] + ("…" if len(line) > LONGEST else ""))[: 2 * LONGEST]


class Kept(NamedTuple):
    """One line, safe to draw."""

    number: int
    """Counts from 0 in the order they came."""
    text: str
    at: float | None
    """Seconds since the epoch; ``None`` where the sender does not say."""
    origin: str
    error: bool


class Ring:
    """Lines bounded in number and bytes; the oldest go first."""

    def __init__(self) -> None:
        self._lines: deque[Kept] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._lines)

    def part(self, begin: int, end: int) -> list[Kept]:
        """Lines by their places."""
        if begin > len(self._lines) // 2:  # a deque is quick at both ends
            back = list(islice(reversed(self._lines), max(0, len(self._lines) - end), len(self._lines) - begin))
            return back[::-1]
        return list(islice(self._lines, begin, end))

    def add(self, line: Kept) -> int:
        """Keep a line; returns how many had to go for it."""
        self._lines.append(line)
        self._bytes += sys.getsizeof(line.text)
        gone = 0
        while len(self._lines) > KEEP or (self._bytes > KEEP_BYTES and len(self._lines) > 1):
            self._bytes -= sys.getsizeof(self._lines.popleft().text)
            gone += 1
        return gone


Test = Callable[[str], bool]


class LogBuffer:
    """Lines as they come, told apart by a filter: those that pass are ``shown``.

    Both sorts are bounded by themselves, so that a flood of others drives no line out that the operator looks for.
    """

    def __init__(self) -> None:
        self.shown = Ring()
        self._others = Ring()
        self._passes: Test | None = None
        self.count = 0
        """Lines that ever came."""
        self.dropped = 0
        """Lines that are kept no more."""
        self.origins: dict[str, None] = {}
        """Who said anything, in the order of their first lines."""

    def __len__(self) -> int:
        return len(self.shown) + len(self._others)

    def add(self, line: str | Line) -> int:
        """Keep a line; returns how many of those shown had to go."""
        if isinstance(line, str):
            kept = Kept(self.count, tame(line), None, "", False)
        else:
            origin = line.origin
            kept = Kept(self.count, tame(line.text), line.at, origin, line.error)
            if origin and origin not in self.origins and len(self.origins) < KEEP:
                self.origins[origin] = None
        self.count += 1
        return self._put(kept)

    def _put(self, kept: Kept) -> int:
        if self._passes is None or self._passes(kept.text[:LONGEST_SEARCHED]):
            gone = self.shown.add(kept)
            self.dropped += gone
            return gone
        self.dropped += self._others.add(kept)
        return 0

    def refilter(self, passes: Test | None) -> Iterator[None]:
        """Tell the kept lines apart anew, a part of them with each step; nothing may be added meanwhile."""
        held = [*heapq.merge(self.shown, self._others)]  # their numbers come first, so they are compared by these
        fresh = LogBuffer()
        fresh._passes = passes
        for done, kept in enumerate(held, 1):
            fresh._put(kept)
            if done % 200 == 0:
                yield
        self.shown, self._others, self._passes = fresh.shown, fresh._others, passes
        self.dropped += fresh.dropped

    def find(self, found: Test, places: Iterable[int]) -> int | None:
        """The first of some places of shown lines where one is found."""
        lines = list(self.shown)
        return next((place for place in places if found(lines[place].text[:LONGEST_SEARCHED])), None)


__all__ = ["KEEP", "KEEP_BYTES", "Kept", "LogBuffer", "Ring", "tame"]
