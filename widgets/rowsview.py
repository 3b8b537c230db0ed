"""Tables that are read and not watched: processes, services, tunnels; with keys that act on a row."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from textual.timer import Timer

from app.column import Cell, Column, Token, clean
from app.errors import QuarterdeckError
from app.fleet import Ref, Resource
from app.keys import normal
from app.verb import RowAction, Rows, Verb
from widgets.filtered import Filtered
from widgets.fit import fit_columns, fit_text
from widgets.page import Line, Page, Span
from widgets.pane import KeyHint
from widgets.place import heading
from widgets.row_order import in_order, sort_key

Reload = Callable[[], Awaitable[Any]]


class RowsPlace(Filtered):
    """A view that is a table. Read again every so often where the view says so; the cursor keeps its row."""

    def __init__(self, verb: Verb, ref: Ref | None, rows: Rows, reload: Reload, *, about: str = "") -> None:
        """``about``: whom it is about, in few words; the target where empty."""
        super().__init__()
        self._about = about or (ref.id if ref is not None else "")
        self.verb = verb
        self.ref = ref
        self.name_of = f"{verb.id} {ref}"
        self.rows = rows
        self._reload = reload
        self._shown: list[Any] = []
        self._cells: dict[int, tuple[Cell, ...]] = {}
        self._sort: int | None = None
        self._descending = False
        self._fault = ""
        self._timer: Timer | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ended_jobs = 0
        self._actions = {normal(action.key): action for action in rows.actions}

    def make_page(self) -> Page:
        """A list with a cursor."""
        return Page(cursor=True)

    def title(self) -> tuple[Line, Line]:
        """What it lists, of what; how it is sorted."""
        count = str(len(self.rows.items))
        left = (*heading(self.verb.name, self._about, count), *self.filter_words())
        if self._fault:
            left = (*left, (f"   ! {clean(self._fault)}", Token.WARN))
        elif self.rows.said:
            left = (*left, (f"   {clean(self.rows.said)}", Token.MUTED))
        right: list[Span] = []
        if self._sort is not None:
            arrow = "↓" if self._descending else "↑"
            right.append((f"sort {self.rows.columns[self._sort].title.lower()} {arrow}", Token.MUTED))
        if self.rows.every:
            right.append((f"   every {self.rows.every:g} s", Token.MUTED))
        return left, tuple(right)

    def hints(self) -> Sequence[KeyHint]:
        """The keys that act on a row, greyed where the guard would refuse."""
        found = [KeyHint(action.key, action.label, self._may(action)) for action in self.rows.actions]
        return (*found, self.key("filter"), self.key("copy"), self.key("back"))

    def targets(self) -> tuple[Resource, ...]:
        """Whom the view is about."""
        row = self.bridge.deck.feed.fleet.find(self.ref) if self.ref is not None else None
        return (row,) if row is not None else ()

    def _may(self, action: RowAction) -> bool:
        from app.backend import Refuse

        deck = self.bridge.deck
        verb = deck.catalog.find(self.verb.noun, action.verb)
        return verb is not None and not isinstance(deck.permitted(verb, self.targets()), Refuse)

    def ready(self) -> None:
        """Show what was read, and read again where that is wanted."""
        self.page.make_lines = self._lines
        self._ended_jobs = self._count_ended()
        self.filtered()
        if self.rows.every:
            self._timer = self.set_interval(max(1.0, self.rows.every), self.read_again)

    def tick(self) -> None:
        """What has just been done may have changed what is listed."""
        ended = self._count_ended()
        if ended != self._ended_jobs:
            self._ended_jobs = ended
            self.read_again()

    def _count_ended(self) -> int:
        return sum(job.ended for job in self.bridge.deck.jobs.values())

    def on_unmount(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()

    def read_again(self) -> None:
        """Read it now, unless that is under way."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name=f"read {self.name_of}")

    async def _read(self) -> None:
        try:
            again = await self._reload()
        except QuarterdeckError as error:
            self._fault = str(error)
        else:
            self._fault = ""
            if isinstance(again, Rows):
                self.rows = again
        if self.is_attached:
            self.filtered()
            self.retitle()

    # which rows, in which order

    def _cells_of(self, row: Any) -> tuple[Cell, ...]:
        known = self._cells.get(id(row))
        if known is None:
            known = self._cells[id(row)] = tuple(column.cell(row) for column in self.rows.columns)
        return known

    def filtered(self) -> None:
        """Sort and filter; the cursor stays on its row."""
        kept = self._key(self.chosen) if self.chosen is not None else None
        self._cells.clear()
        rows = [
            row
            for row in self.rows.items
            if self.filter.empty or self.filter.matches("\n".join(cell.text for cell in self._cells_of(row)))
        ]
        if self._sort is not None:
            number = self._sort
            rows = in_order(rows, lambda row: sort_key(self._cells_of(row)[number]), self._descending)
        self._shown = rows
        if kept is not None:
            self.page.cursor = next((n for n, row in enumerate(rows) if self._key(row) == kept), self.page.cursor)
        self.page.empty = (
            ("No row passes the filter.", "esc takes it away") if self.rows.items else ("Nothing to list.", "")
        )
        self.page.rearrange()

    def _key(self, row: Any) -> str:
        """What makes it the same row when it is read again."""
        for name in ("id", "pid", "upid", "archive", "pos", "name", "unit", "port"):
            if getattr(row, name, None) is not None:
                return f"{name} {getattr(row, name)}"
        return self._cells_of(row)[0].text

    @property
    def chosen(self) -> Any:
        """The row under the cursor; ``None`` when there is none."""
        return self._shown[self.page.cursor] if self.page.cursor < len(self._shown) else None

    def _lines(self, width: int) -> list[Line]:
        columns: Sequence[Column[Any]] = self.rows.columns
        placed = fit_columns(columns, max(10, width - 4))
        header: list[Span] = [("  ", "header")]
        at = 0
        for spot in placed:
            column = columns[spot.number]
            chosen = spot.number == self._sort
            title = column.title + (("↓" if self._descending else "↑") if chosen else "")
            header.append(
                (" " * (spot.x - at) + fit_text(title, spot.width, column.align), "sorted" if chosen else "header")
            )
            at = spot.x + spot.width
        self.page.header = tuple(header)
        lines: list[Line] = []
        for row in self._shown:
            cells = self._cells_of(row)
            spans: list[Span] = []
            at = 0
            for spot in placed:
                text = fit_text(clean(cells[spot.number].text), spot.width, columns[spot.number].align)
                spans += [(" " * (spot.x - at), Token.TEXT), (text, cells[spot.number].token)]
                at = spot.x + spot.width
            lines.append(tuple(spans))
        return lines

    # keys

    def press(self, ident: str) -> bool:
        """Sorting and reading again."""
        if ident == "console.sort-by-name":
            self._sort_by(0)
        elif ident == "console.sort-by-the-next-column":
            self._sort_by(0 if self._sort is None else (self._sort + 1) % len(self.rows.columns))
        elif ident == "console.reverse-the-sort":
            self._descending = not self._descending
            self.filtered()
        elif ident == "console.look-again-now":
            self.read_again()
        else:
            return super().press(ident)
        self.retitle()
        return True

    def _sort_by(self, number: int) -> None:
        self._sort = number
        probe = self._cells_of(self.rows.items[0])[number].sort if self.rows.items else None
        self._descending = isinstance(probe, int | float)
        self.filtered()

    def own_key(self, key: str) -> bool:
        """A key that acts on the chosen row, with the arguments taken from it."""
        action = self._actions.get(key)
        if action is None:
            return False
        verb = self.bridge.deck.catalog.find(self.verb.noun, action.verb)
        row = self.chosen
        if verb is None or row is None:
            return True
        if action.where and not getattr(row, action.where):
            self.bridge.tell(f"nothing to {action.label} here", bad=True)
            return True
        arguments = dict(action.arguments) | {name: getattr(row, attribute) for name, attribute in action.take.items()}
        targets = self._found(_ids(str(getattr(row, action.on)))) if action.on else self.targets()
        if action.on and not targets:
            self.bridge.tell(f"nothing to {action.label} here", bad=True)
            return True
        self.bridge.begin(verb, targets if verb.takes_target else (), arguments=arguments)
        return True

    def _found(self, ids: Sequence[str]) -> tuple[Resource, ...]:
        """The rows of the fleet with these ids."""
        fleet = self.bridge.deck.feed.fleet
        found = (fleet.find(Ref(self.verb.noun, one)) for one in ids)
        return tuple(row for row in found if row is not None)

    def words(self) -> str:
        """The chosen row."""
        row = self.chosen
        return "  ".join(cell.text.strip() for cell in self._cells_of(row)) if row is not None else ""


def _ids(text: str) -> list[str]:
    """Ids with blanks between; one that has a blank itself is quoted."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


__all__ = ["RowsPlace"]
