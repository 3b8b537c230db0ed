"""Everything known about one resource, section by section, with the course of its figures; live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.column import Section, Token, duration_text, state
from app.fleet import Fleet, Ref, Resource
from app.kind import Kind
from widgets.key_hints import verb_hints
from widgets.page import Line
from widgets.pane import KeyHint
from widgets.place import Place, heading, short
from widgets.sections import arranged, cell_span

GRAPH_STEP = 1
"""Seconds between two values of a graph."""


class DescribePlace(Place):
    """``d``: the sections of one resource; its verbs have their keys here as well."""

    def __init__(self, ref: Ref) -> None:
        super().__init__()
        self.ref = ref
        self.noun = ref.kind
        self.name_of = f"describe {ref}"
        self._row: Resource | None = None

    @property
    def kind(self) -> Kind[Any]:
        """The resource's kind."""
        return self.bridge.deck.kinds[self.ref.kind]

    def title(self) -> tuple[Line, Line]:
        """Whose sections these are, how it is, and how old that is."""
        row = self._row
        if row is None:
            return (*heading("describe", short(self.ref)), ("   nobody tells of it any more", Token.WARN)), ()
        cell = state(row.state, self.kind.mood(row))
        return (*heading("describe", row.name), ("   ", Token.TEXT), cell_span(cell)), self._age()

    def _age(self) -> Line:
        deck = self.bridge.deck
        reading = deck.feed.fleet.reading_of(self.ref)
        if reading is None:
            return ()
        age = deck.context.clock() - reading.taken_at
        return ((f"as of {duration_text(age)} ago", Token.STALE),) if age >= 2 * reading.interval else ()

    def hints(self) -> Sequence[KeyHint]:
        """The verbs come first."""
        verbs = verb_hints(self.bridge.deck, self.bridge.keymap, self.noun, self.targets())
        return (*verbs, self.key("raw-view", "raw"), self.key("copy"), self.key("back"))

    def targets(self) -> tuple[Resource, ...]:
        """This one."""
        row = self.bridge.deck.feed.fleet.find(self.ref)
        return (row,) if row is not None else ()

    def ready(self) -> None:
        """Show it at the width there is."""
        self.page.make_lines = self._lines
        self.take(self.bridge.deck.feed.fleet)

    def take(self, fleet: Fleet) -> None:
        """Show it as it is now; only lines that differ are painted."""
        self._row = fleet.find(self.ref) or self._row
        self.page.rearrange()
        self.retitle()

    def tick(self) -> None:
        """Ages grow."""
        self.retitle()

    def _lines(self, width: int) -> list[Line]:
        row = self._row
        if row is None:
            return []
        kind = self.kind
        sections = tuple(kind.describe(row)) or (_columns_section(kind, row),)

        def series(figure: str, count: int) -> Sequence[float | None]:
            return self.bridge.deck.history.series(self.ref, figure, count, GRAPH_STEP)

        return arranged(sections, width - 1, series)


def _columns_section(kind: Kind[Any], row: Resource) -> Section:
    """The columns of a kind that describes itself no further."""
    shown = [(column.title, column.cell(row)) for column in kind.columns if column.title and column.spark is None]
    return Section(kind.noun, tuple(shown))


__all__ = ["DescribePlace"]
