"""In which order rows stand: sorting by any column, unknown last, names as people count them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from app.column import UNKNOWN_TEXT, Cell, SortKey
from app.fleet import Resource

V = TypeVar("V")

AGE = "AGE"
"""How old a row is: a kind's own column of this title; else the age of what is known, which every table can show."""
STATE = "STATE"

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class SortBy:
    """By which column, named by its title, and which way."""

    title: str
    descending: bool = False

    def turned(self) -> SortBy:
        """The other way round."""
        return replace(self, descending=not self.descending)


class RowCache(Generic[V]):
    """A value worked out once per row object; a new object of the same id replaces the old one's value."""

    __slots__ = ("_kept", "_make")

    def __init__(self, make: Callable[[Any], V]) -> None:
        self._make = make
        self._kept: dict[str, tuple[Resource, V]] = {}

    def __call__(self, row: Resource) -> V:
        """The value of ``row``, from memory where that very object was asked about last."""
        kept = self._kept.get(row.id)
        if kept is not None and kept[0] is row:
            return kept[1]
        value = self._make(row)
        self._kept[row.id] = (row, value)
        return value

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, row: Resource) -> V | None:
        """The value last worked out for the row's id, whichever object it was."""
        kept = self._kept.get(row.id)
        return kept[1] if kept else None

    def drop(self, row_id: str) -> None:
        """Forget one row, so that an object that is shown nowhere is not kept alive."""
        self._kept.pop(row_id, None)

    def keep_only(self, ids: Iterable[str]) -> None:
        """Forget every row that is not there any more."""
        there = set(ids)
        for gone in [one for one in self._kept if one not in there]:
            del self._kept[gone]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key under which ``n2`` stands before ``n10``, and case does not matter; long names by their start."""
    return tuple(
        (0, int(part), "") if number % 2 else (1, 0, part)
        for number, part in enumerate(_DIGITS.split(name[:80].lower()))
        if part
    )


def sort_key(cell: Cell) -> SortKey:
    """What a cell sorts by: its key, else its text; a dash and what is no number are ``None``."""
    if cell.sort is None:
        return None if cell.text in (UNKNOWN_TEXT, "") else cell.text[:80].lower()
    if isinstance(cell.sort, float) and math.isnan(cell.sort):
        return None
    return cell.sort


def in_order(rows: Sequence[Any], key: Callable[[Any], SortKey], descending: bool) -> list[Any]:
    """``rows`` sorted by ``key``; equal ones keep their order, unknown ones come last either way."""
    keys = [key(row) for row in rows]
    places = range(len(rows))
    unknown: list[int] = []
    if None in keys:
        unknown = [place for place in places if keys[place] is None]
        places = [place for place in places if keys[place] is not None]
    known: list[Any] = keys
    try:
        order = sorted(places, key=known.__getitem__, reverse=descending)
    except TypeError:  # numbers before texts where a column holds both
        order = sorted(places, key=lambda place: (isinstance(known[place], str), known[place]), reverse=descending)
    return [rows[place] for place in (*order, *unknown)]
