"""Lines of a table: a header, and one line per row, each worked out again only when something in it changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from rich.style import Style
from textual.strip import Strip

from app.column import Token, duration_text, spark_text
from app.fleet import Fleet, Mood, Ref, Resource
from app.history import History
from app.kind import Kind
from widgets.fit import GAP, Placed, fit_columns, fit_text, hidden_right
from widgets.palette import PLAIN, Palette
from widgets.pieces import Piece, cell_pieces, padded, strip_of
from widgets.row_order import AGE, STATE, SortBy
from widgets.view_state import ViewState

GUTTER = 3
"""Cursor, mark, blank."""
AGE_WIDTH = 5
EDGE = 1
"""The last cell, where a scroll bar may stand."""
SPARK_STEP = 5
"""Recorded values in one cell of a sparkline: at a reading each 2 s, a cell is 10 s."""
NAME_ROOM = 48
"""A name column grows no wider than this."""
DIGEST = 64
"""Names of so many characters are digests, which nobody reads to their end: no column grows for them."""
_KEPT = 400
"""Lines remembered beyond what is visible, so that scrolling back costs nothing."""


def age_of(fleet: Fleet, ref: Ref, now: float) -> tuple[str, bool]:
    """The age of a row as shown, empty before two intervals have passed, and whether its source is stale."""
    reading = fleet.reading_of(ref)
    if reading is None:
        return "", False
    age = now - reading.taken_at
    return (duration_text(age) if age >= 2 * reading.interval else ""), reading.stale


class RowLines:
    """Draws rows of one kind into a width: which columns fit, their cells, sparklines and the age."""

    def __init__(self, kind: Kind[Any], history: History) -> None:
        self.kind = kind
        self._history = history
        self._strips: dict[str, tuple[Resource, tuple[object, ...], Strip]] = {}
        self.placed: tuple[Placed, ...] = ()
        self.longest_name = 0

    def forget(self) -> None:
        """Draw everything anew: the palette changed, or who has the keys."""
        self._strips.clear()

    def measure_names(self, rows: Sequence[Resource]) -> None:
        """Let the name column grow to the longest name; it never shrinks, so that nothing jumps to and fro."""
        longest = max((len(row.name) for row in rows if len(row.name) != DIGEST), default=0)
        self.longest_name = max(self.longest_name, min(longest, NAME_ROOM))

    def fit(self, width: int, *, wide: bool = False, first: int = 0) -> None:
        """Decide which columns stand where in ``width`` cells, gutter and age included."""
        room = max(1, width - GUTTER - AGE_WIDTH - GAP - EDGE)
        placed = fit_columns(self.kind.columns, room, wide=wide, first=first, name_width=self.longest_name)
        if placed != self.placed:
            self.placed = placed
            self._strips.clear()
        for row_id in list(islice(self._strips, max(0, len(self._strips) - _KEPT))):
            del self._strips[row_id]

    @property
    def shows_state(self) -> bool:
        """Whether the state column is among those shown."""
        return any(self.kind.columns[placed.number].title == STATE for placed in self.placed)

    def more_right(self, *, wide: bool) -> bool:
        """Whether columns of the wide view stand beyond the right edge."""
        return hidden_right(self.kind.columns, self.placed, wide=wide)

    def header(self, width: int, sort: SortBy | None, palette: Palette, *, wide: bool = False) -> Strip:
        """The titles, an arrow at the one sorted by."""
        plain, chosen = palette.part("header"), palette.part("sorted")
        by = sort.title if sort else None
        arrow = "↓" if sort and sort.descending else "↑"
        pieces: list[Piece] = [(" " * GUTTER, PLAIN)]
        at = 0
        for placed in self.placed:
            column = self.kind.columns[placed.number]
            sorted_by = bool(column.title) and column.title == by
            title = f"{column.title}{arrow}" if sorted_by else column.title
            pieces.append((" " * (placed.x - at), PLAIN))
            pieces += padded(fit_text(title, placed.width, column.align), chosen if sorted_by else plain)
            at = placed.x + placed.width
        own = any(column.title == AGE for column in self.kind.columns)
        age = f"AGE{arrow}" if by == AGE and not own else "›" if self.more_right(wide=wide) else ""
        pieces.append((" " * max(0, width - AGE_WIDTH - GUTTER - EDGE - at), PLAIN))
        pieces += padded(fit_text(age, AGE_WIDTH, "right"), chosen)
        return strip_of(pieces, width)

    def line(
        self,
        row: Resource,
        state: ViewState,
        now: float,
        width: int,
        palette: Palette,
        *,
        cursor: Style | None = None,
        marked: bool = False,
    ) -> Strip:
        """One row; ``cursor`` is laid over the row that has it."""
        ref = Ref(self.kind.noun, row.id)
        age, stale = age_of(state.fleet, ref, now)
        sparks = self._sparks(ref)
        key = (width, age, stale, sparks, cursor, marked)
        known = self._strips.get(row.id)
        if known is not None and known[0] is row and known[1] == key:
            return known[2]
        stale = stale or state.moods(row) is Mood.STALE
        pieces = self._gutter(stale, cursor is not None, marked, palette)
        pieces += self._cells(row, state, stale, sparks, palette)
        used = GUTTER + (self.placed[-1].x + self.placed[-1].width if self.placed else 0)
        pieces.append((" " * max(0, width - AGE_WIDTH - EDGE - used), PLAIN))
        pieces += padded(fit_text(age, AGE_WIDTH, "right"), palette[Token.STALE if stale else Token.MUTED])
        strip = strip_of(pieces, width, cursor)
        self._strips[row.id] = (row, key, strip)
        return strip

    def _sparks(self, ref: Ref) -> tuple[str, ...]:
        drawn: list[str] = []
        for placed in self.placed:
            column = self.kind.columns[placed.number]
            if column.spark is not None:
                series = self._history.series(ref, column.spark, placed.width, SPARK_STEP)
                drawn.append(spark_text(series, placed.width, column.spark_max))
        return tuple(drawn)

    def _gutter(self, stale: bool, at_cursor: bool, marked: bool, palette: Palette) -> list[Piece]:
        mark = "✓" if marked else Mood.STALE.glyph if stale and not self.shows_state else " "
        return [
            ("▌" if at_cursor else " ", palette[Token.ACCENT]),
            (mark, palette[Token.MARK if marked else Token.STALE]),
            (" ", PLAIN),
        ]

    def _cells(
        self, row: Resource, state: ViewState, stale: bool, sparks: Sequence[str], palette: Palette
    ) -> list[Piece]:
        grey = palette[Token.STALE]
        spark = iter(sparks)
        pieces: list[Piece] = []
        for place, placed in enumerate(self.placed):
            column = self.kind.columns[placed.number]
            if place:
                pieces.append((" " * GAP, PLAIN))
            if column.spark is not None:
                pieces.append((next(spark), grey if stale else palette.part("spark")))
                continue
            cell = state.cell(row, placed.number)
            if stale:
                pieces += padded(fit_text(cell.text, placed.width, column.align), grey)
            elif placed.number == 0:
                style = palette.part("name") if cell.token is Token.TEXT else palette[cell.token]
                pieces += padded(fit_text(cell.text, placed.width, column.align), style)
            else:
                pieces += cell_pieces(cell, placed.width, column.align, palette)
        return pieces


def thumb(top: int, height: int, count: int) -> range:
    """The lines of a scroll bar's thumb; none when everything is in view."""
    if count <= height or height <= 0:
        return range(0)
    size = max(1, height * height // count)
    start = round(top * (height - size) / (count - height))
    return range(start, start + size)
