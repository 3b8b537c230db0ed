"""Everything known about one resource, section by section, with the course of its figures; live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.column import Section, Token, duration_text, state
from app.fleet import Fleet, Ref, Resource
from app.kind import Kind, full_name
from widgets.details import Ask, Details
from widgets.key_hints import verb_hints
from widgets.page import Line
from widgets.pane import KeyHint, hints_in_order
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
        self._details = Details(self._who_knows, self._drawn_anew, name=str(ref))
        self._ended_jobs = 0

    @property
    def kind(self) -> Kind[Any]:
        """The resource's kind."""
        return self.bridge.deck.kinds[self.ref.kind]

    def title(self) -> tuple[Line, Line]:
        """Whose sections these are, how it is, and how old that is."""
        row = self._row
        if row is None:
            return (*heading("describe", short(self.ref)), ("   nobody tells of it any more", Token.WARN)), ()
        cell = state(self.kind.word(row), self.kind.mood(row))
        return (*heading("describe", full_name(row)), ("   ", Token.TEXT), cell_span(cell)), self._age()

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
        frame = (self.key("back"), self.key("raw-view", "raw"), self.key("copy"))
        return hints_in_order(verbs, frame, self.kind.foremost)

    def targets(self) -> tuple[Resource, ...]:
        """This one."""
        row = self.bridge.deck.feed.fleet.find(self.ref)
        return (row,) if row is not None else ()

    def ready(self) -> None:
        """Show it at the width there is, and ask for the rest."""
        self.page.make_lines = self._lines
        self._ended_jobs = self._count_ended()
        self._row = self.bridge.deck.feed.fleet.find(self.ref)
        self._details.begin()
        self.take(self.bridge.deck.feed.fleet)

    def _who_knows(self) -> Ask | None:
        """How to ask for what the row does not hold; ``None`` where its kind or its backend has no more."""
        deck, row, name = self.bridge.deck, self.bridge.deck.feed.fleet.find(self.ref), self.kind.details
        verb = deck.catalog.find(self.ref.kind, name) if name else None
        if row is None or verb is None or verb not in deck.offered(row):
            return None
        return lambda: deck.look(verb, row, {})

    def _drawn_anew(self) -> None:
        if self.is_attached:
            self.page.rearrange()

    def _count_ended(self) -> int:
        return sum(job.ended for job in self.bridge.deck.jobs.values())

    def press(self, ident: str) -> bool:
        """``ctrl-r`` asks for the rest again, and for everything else as everywhere."""
        if ident == "console.look-again-now":
            self._details.begin()
            self._drawn_anew()
            return False
        return super().press(ident)

    def on_unmount(self) -> None:
        """Nobody waits for the rest any more."""
        self._details.end()

    def take(self, fleet: Fleet) -> None:
        """Show it as it is now; only lines that differ are painted."""
        self._row = fleet.find(self.ref) or self._row
        self._details.hear(self._row)
        self.page.rearrange()
        self.retitle()

    def tick(self) -> None:
        """Ages grow; what was done or has changed is a reason to ask for the rest again."""
        ended = self._count_ended()
        if ended != self._ended_jobs:
            self._ended_jobs = ended
            self._details.want()
        self._details.tick()
        self.retitle()

    def _lines(self, width: int) -> list[Line]:
        row = self._row
        if row is None:
            return []
        kind = self.kind
        sections = tuple(kind.describe(row)) or (_columns_section(kind, row),)

        def series(figure: str, count: int) -> Sequence[float | None]:
            return self.bridge.deck.history.series(self.ref, figure, count, GRAPH_STEP)

        lines = arranged(sections, width - 1, series)
        # The rest stands below, so that nothing moves when it comes.
        rest = arranged(self._details.sections, width - 1, series) if self._details.sections else []
        for block in (self._details.lines(width), rest):
            lines += [(), *block] if block else []
        return lines


def _columns_section(kind: Kind[Any], row: Resource) -> Section:
    """The columns of a kind that describes itself no further."""
    shown = [(column.title, column.cell(row)) for column in kind.columns if column.title and column.spark is None]
    return Section(kind.noun, tuple(shown))


__all__ = ["DescribePlace"]
