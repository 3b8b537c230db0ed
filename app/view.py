"""What reading gives: rows, text, sections, or lines that keep coming."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.column import Column, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAction:
    """A key on a row of a view that performs a verb on the view's target, filled in from the row."""

    key: str
    verb: str
    label: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fixed arguments of the verb."""
    take: Mapping[str, str] = field(default_factory=dict[str, str])
    """Argument name -> attribute of the row it is taken from."""
    on: str = ""
    """An attribute with the ids of the rows it is performed on, as words of a shell; the view's target where empty."""
    where: str = ""
    """An attribute that must be true of the row; empty where every row will do."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table to read: processes, units, images. ``items`` are flat dataclasses; JSON shows their fields."""

    columns: tuple[Column[Any], ...]
    items: tuple[Any, ...]
    actions: tuple[RowAction, ...] = ()
    note: str = ""
    every: float | None = None
    """Seconds after which an open screen reads it again; ``None`` reads once."""
    join: Callable[[Sequence[Any]], Sequence[Any]] | None = None
    """Makes one table of the items of several backends, such as one row of two that mean the same."""
    none: str = ""
    """What is said where there is no item, beside the note."""

    @property
    def said(self) -> str:
        """What stands with the table."""
        return "; ".join(filter(None, (self.note, "" if self.items else self.none)))


@dataclass(frozen=True, slots=True)
class Text:
    """Lines to read, as they came."""

    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a stream whose sender and moment are known."""

    text: str
    at: float | None = None
    """Seconds since the epoch, as the sender's clock had it."""
    origin: str = ""
    """Who said it, where several are read as one: an id."""
    error: bool = False
    """It came by standard error."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Lines that keep coming: a journal, a log. Closing the iterator ends what sends them."""

    lines: AsyncIterator[str | Line]
    title: str = ""
    timestamps: bool = False
    """Whether the moment of each ``Line`` is asked for; screen and command line draw it from ``Line.at``."""


@dataclass(frozen=True, slots=True)
class Sections:
    """A describe screen, or the rest of one: what had to be asked for."""

    sections: tuple[Section, ...]


View = Rows | Text | Stream | Sections


def jsonable(item: Any) -> dict[str, Any]:
    """A flat row of a view as JSON-ready fields."""
    return {name: getattr(item, name) for name in item.__dataclass_fields__ if not name.startswith("_")}
