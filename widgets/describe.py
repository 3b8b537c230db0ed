"""Everything known about one resource, section by section, with the course of its figures; live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.column import Cell, Section, Token, clean, duration_text, state
from app.fleet import Fleet, Ref, Resource
from app.kind import Kind
from widgets.graph import graph_lines
from widgets.key_hints import verb_hints
from widgets.page import Line, Span, bars, wrapped
from widgets.pane import KeyHint
from widgets.place import Place, heading, short

LABEL = 22
GRAPH_LINES = 4
GRAPH_STEP = 1


def cell_span(cell: Cell) -> Span:
    """A cell as a piece of a line."""
    return (clean(cell.text), cell.token)


def cell_line(cell: Cell) -> Line:
    """A cell as a line; of a state that is fine only the glyph has its colour."""
    text = clean(cell.text)
    if cell.token is Token.OK and text[1:2] == " ":
        return ((text[0], Token.OK), (text[1:], Token.TEXT))
    return bars(text, cell.token)


def section_lines(section: Section, width: int, graph: Sequence[Line] = ()) -> list[Line]:
    """A heading and its labelled lines, then its table, then the graph."""
    lines: list[Line] = [((f" {clean(section.title).upper()}", Token.MUTED),)]
    for name, cell in section.lines:
        first, *more = wrapped(cell_line(cell), max(16, width - LABEL - 4)) or [()]
        lines.append(((f"   {clean(name):<{LABEL}.{LABEL}} ", Token.MUTED), *first))
        lines += [((" " * (LABEL + 4), Token.TEXT), *line) for line in more]
    lines += _table(section)
    lines += [((" " * (LABEL + 4), Token.TEXT), *line) for line in graph]
    return [*lines, ()]


def _table(section: Section) -> list[Line]:
    if not section.rows:
        return []
    texts = [[clean(cell.text) for cell in row] for row in section.rows]
    count = max(len(section.header), *(len(row) for row in texts))
    widths = [
        max([len(section.header[n]) if n < len(section.header) else 0, *(len(r[n]) for r in texts if n < len(r))])
        for n in range(count)
    ]
    widths = [min(48, one) for one in widths]
    lines: list[Line] = []
    if section.header:
        head = "  ".join(f"{title:<{width}}" for title, width in zip(section.header, widths, strict=False))
        lines.append(((f"   {head}", "header"),))
    for row in section.rows:
        spans: list[Span] = [("   ", Token.TEXT)]
        for cell, width in zip(row, widths, strict=False):
            spans += bars(f"{clean(cell.text):<{width}.{width}}  ", cell.token)
        lines.append(tuple(spans))
    return lines


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
        return (*verbs, KeyHint("y", "raw"), KeyHint("c", "copy"), KeyHint("escape", "back"))

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
        lines: list[Line] = [()]
        for section in sections:
            graph: list[Line] = []
            if section.graph is not None:
                room = max(10, min(75, width - LABEL - 18))
                series = self.bridge.deck.history.series(self.ref, section.graph, room * 2, GRAPH_STEP)
                graph = graph_lines(series, room, GRAPH_LINES, section.graph_max)
            lines += section_lines(section, width, graph)
        return lines


def _columns_section(kind: Kind[Any], row: Resource) -> Section:
    """The columns of a kind that describes itself no further."""
    shown = [(column.title, column.cell(row)) for column in kind.columns if column.title and column.spark is None]
    return Section(kind.noun, tuple(shown))


__all__ = ["DescribePlace", "cell_span", "section_lines"]
