"""The fleet table: ten thousand rows of any kind, of which only the visible lines are ever drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from app.column import Cell, Token, duration_text, spark_text
from app.fleet import Fleet, Mood, Ref, Resource
from app.history import History
from app.kind import Kind
from widgets.filter import RowFilter
from widgets.fit import GAP, Placed, fit_columns, fit_text, hidden_right
from widgets.lines import Lines
from widgets.palette import PLAIN
from widgets.pieces import Piece, cell_pieces, padded, strip_of
from widgets.row_order import AGE, STATE
from widgets.view_state import ViewState

GUTTER = 3
"""Cursor, mark, blank."""
AGE_WIDTH = 5
SPARK_STEP = 5
"""Recorded values in one cell of a sparkline: at a reading each 2 s, a cell is 10 s."""
WHEEL = 3
_BLANK = " " * GAP
_NAME_ROOM = 48


class FleetTable(Lines, can_focus=True):
    """All rows of one kind. Knows cursor, marks, sort and filter by id; tells of them by messages.

    ``show`` takes a fleet; whatever did not change is neither worked out nor painted again.
    """

    DEFAULT_CSS = """
    FleetTable { width: 1fr; height: 1fr; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", id="table.down", show=False),
        Binding("up,k", "move(-1)", "up", id="table.up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", id="table.page_down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", id="table.page_up", show=False),
        Binding("home,g", "first", "first row", id="table.first", show=False),
        Binding("end,G", "last", "last row", id="table.last", show=False),
        Binding("left", "across(-1)", "scroll left", id="table.left", show=False),
        Binding("right", "across(1)", "scroll right", id="table.right", show=False),
        Binding("enter", "open", "open", id="table.open", show=False),
        Binding("space", "mark", "mark", id="table.mark", show=False),
        Binding("ctrl+space,ctrl+@", "mark_range", "mark range", id="table.mark_range", show=False),
        Binding("ctrl+backslash", "clear_marks", "clear marks", id="table.clear_marks", show=False),
        Binding("N", "sort_name", "sort by name", id="table.sort_name", show=False),
        Binding("A", "sort_age", "sort by age", id="table.sort_age", show=False),
        Binding("S", "sort_state", "sort by state", id="table.sort_state", show=False),
        Binding("O", "sort_next", "sort by the next column", id="table.sort_next", show=False),
        Binding("I", "sort_turn", "reverse the sort", id="table.sort_turn", show=False),
        Binding("ctrl+z", "faults", "faults only", id="table.faults", show=False),
        Binding("ctrl+w", "wide", "wide", id="table.wide", show=False),
    ]

    class Opened(Message):
        """The operator asked for more about a row."""

        def __init__(self, table: FleetTable, ref: Ref) -> None:
            super().__init__()
            self.table = table
            self.ref = ref

    class Moved(Message):
        """The cursor stands on another row, or on none."""

        def __init__(self, table: FleetTable, ref: Ref | None) -> None:
            super().__init__()
            self.table = table
            self.ref = ref

        def can_replace(self, message: Message) -> bool:
            """Only the newest place matters."""
            return isinstance(message, FleetTable.Moved) and message.table is self.table

    class Arranged(Message):
        """Marks, sort, filter or the rows shown changed: what stands above the table is to be drawn anew."""

        def __init__(self, table: FleetTable) -> None:
            super().__init__()
            self.table = table

        def can_replace(self, message: Message) -> bool:
            """One redrawing serves all."""
            return isinstance(message, FleetTable.Arranged) and message.table is self.table

    def __init__(
        self,
        kind: Kind[Any],
        history: History,
        *,
        clock: Callable[[], float] = time.monotonic,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.kind = kind
        self.state = ViewState(kind)
        self._history = history
        self._clock = clock
        self._now = clock()
        self._top = 0
        self._first_column = 0
        self._longest_name = 0
        self._placed: tuple[Placed, ...] = ()
        self._strips: dict[str, tuple[tuple[object, ...], Strip]] = {}
        self._told: Ref | None = None

    # what others ask

    def show(self, fleet: Fleet, now: float | None = None) -> None:
        """Take a newer fleet and repaint the visible lines that differ; the latest one wins."""
        self._now = self._clock() if now is None else now
        line = self.state.cursor - self._top
        if self.state.take(fleet, self._now):
            self._keep_line(line)
            self._measure_names()
            self.post_message(self.Arranged(self))
        self.redraw()
        self._tell()

    def tick(self, now: float | None = None) -> None:
        """Let time pass: ages grow, a held sort may settle. Costs nothing where no age is shown."""
        self._now = self._clock() if now is None else now
        line = self.state.cursor - self._top
        if self.state.settle(self._now):
            self._keep_line(line)
        self.redraw()

    def targets(self) -> tuple[Resource, ...]:
        """What an action is for: the marked rows, hidden ones too, else the cursor's row."""
        return self.state.targets()

    @property
    def cursor_ref(self) -> Ref | None:
        """The row under the cursor."""
        row = self.state.cursor_row
        return None if row is None else Ref(self.kind.noun, row.id)

    def set_filter(self, row_filter: RowFilter) -> None:
        """Show only rows that pass."""
        self.state.last_key = self._clock()
        self.state.set_filter(row_filter, self._clock())
        self._rearranged()

    def go_to(self, ref: Ref) -> bool:
        """Put the cursor on a row; says whether it is shown."""
        place = next((n for n, row in enumerate(self.state.order) if row.id == ref.id), None)
        if place is None or ref.kind != self.kind.noun:
            return False
        self._go(place)
        return True

    # moving

    @property
    def _height(self) -> int:
        """Rows that fit below the header."""
        return max(0, self.size.height - 1)

    def _go(self, place: int) -> None:
        self.state.last_key = self._clock()
        if self.state.move_to(place):
            self._reveal()
            self.redraw()
            self._tell()

    def _reveal(self) -> None:
        """Scroll as little as shows the cursor and, where there is room, two rows beyond it."""
        height = self._height
        margin = min(2, max(0, (height - 1) // 4))
        place = self.state.cursor
        top = min(max(self._top, place + margin + 1 - height), place - margin)
        self._top = max(0, min(top, len(self.state.order) - height))

    def _keep_line(self, line: int) -> None:
        """After reordering: the first page stays the first page, elsewhere the cursor keeps its line."""
        place = self.state.cursor
        if not (self._top == 0 and place < self._height):
            self._top = place - line
        self._reveal()

    def _tell(self) -> None:
        ref = self.cursor_ref
        if ref != self._told:
            self._told = ref
            self.post_message(self.Moved(self, ref))

    def _rearranged(self) -> None:
        self._measure_names()
        self._reveal()
        self.redraw()
        self._tell()
        self.post_message(self.Arranged(self))

    def _measure_names(self) -> None:
        """Let the name column grow to the longest name; it never shrinks while the table is up."""
        longest = max((len(row.name) for row in self.state.rows), default=0)
        self._longest_name = max(self._longest_name, min(longest, _NAME_ROOM))

    def action_move(self, rows: int) -> None:
        """Cursor up or down."""
        self._go(self.state.cursor + rows)

    def action_page(self, pages: int) -> None:
        """Cursor and window one page up or down."""
        step = max(1, self._height - 1) * pages
        self._top = max(0, min(self._top + step, len(self.state.order) - self._height))
        self._go(self.state.cursor + step)

    def action_first(self) -> None:
        """Cursor to the first row."""
        self._go(0)

    def action_last(self) -> None:
        """Cursor to the last row."""
        self._go(len(self.state.order) - 1)

    def action_across(self, columns: int) -> None:
        """In the wide view: to the columns further right or left."""
        last = len(self.kind.columns) - 2
        first = max(0, min(self._first_column + columns, last))
        right_end = columns > 0 and not hidden_right(self.kind.columns, self._placed, wide=self.state.wide)
        if first != self._first_column and self.state.wide and not right_end:
            self._first_column = first
            self.redraw()

    def action_open(self) -> None:
        """Ask for more about the row."""
        ref = self.cursor_ref
        if ref is not None:
            self.post_message(self.Opened(self, ref))

    # marking, sorting, choosing

    def action_mark(self) -> None:
        """Mark the row or take its mark away, and go on to the next."""
        self.state.toggle_mark()
        self._go(self.state.cursor + 1)
        self.redraw()
        self.post_message(self.Arranged(self))

    def action_mark_range(self) -> None:
        """Mark from the row marked last to this one."""
        self.state.mark_range()
        self.redraw()
        self.post_message(self.Arranged(self))

    def action_clear_marks(self) -> None:
        """Take every mark away."""
        self.state.clear_marks()
        self.redraw()
        self.post_message(self.Arranged(self))

    def sort_by(self, title: str) -> None:
        """Sort by a column, named by its title; again turns it round."""
        self.state.last_key = self._clock()
        self.state.sort_by(title, self._clock())
        self._rearranged()

    def action_sort_name(self) -> None:
        """Sort by the first column."""
        self.sort_by(self.kind.columns[0].title)

    def action_sort_age(self) -> None:
        """Sort by when a row was last seen."""
        self.sort_by(AGE)

    def action_sort_state(self) -> None:
        """Sort by how bad it is."""
        self.sort_by(STATE)

    def action_sort_next(self) -> None:
        """Sort by the column to the right of the one sorted by."""
        titles = self.state.sortable()
        at = titles.index(self.state.sort.title) if self.state.sort.title in titles else -1
        self.sort_by(titles[(at + 1) % len(titles)])

    def action_sort_turn(self) -> None:
        """Turn the sort round."""
        self.sort_by(self.state.sort.title)

    def action_faults(self) -> None:
        """Show only rows in trouble, or all again."""
        self.state.last_key = self._clock()
        self.state.set_faults_only(not self.state.faults_only, self._clock())
        self._rearranged()

    def action_wide(self) -> None:
        """Show every column, or those that fit again."""
        self.state.set_wide(not self.state.wide)
        self._first_column = 0
        self._rearranged()

    # the mouse

    def on_click(self, event: events.Click) -> None:
        """Cursor to the row; on a heading, sort by it; twice on a row opens it."""
        event.stop()
        if event.y > 0:
            if self._top + event.y - 1 < len(self.state.order):
                self._go(self._top + event.y - 1)
                if event.chain == 2:
                    self.action_open()
            return
        for placed in self._placed:
            column = self.kind.columns[placed.number]
            if placed.x <= event.x - GUTTER < placed.x + placed.width and column.title in self.state.sortable():
                self.sort_by(column.title)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Cursor down a few rows."""
        event.stop()
        self.action_move(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Cursor up a few rows."""
        event.stop()
        self.action_move(-WHEEL)

    def on_focus(self) -> None:
        """Show the cursor as the one that keys go to."""
        self._strips.clear()
        self.redraw()

    def on_blur(self) -> None:
        """Show the cursor as waiting."""
        self._strips.clear()
        self.redraw()

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._reveal()
        self._drawn_size = None

    # drawing

    def restyled(self) -> None:
        """Forget lines drawn in other colours."""
        self._strips.clear()

    def draw(self, width: int, height: int) -> list[Strip]:
        """The header and the visible rows."""
        rows = self.state.order
        self._top = max(0, min(self._top, len(rows) - (height - 1)))
        room = width - GUTTER - AGE_WIDTH - GAP - 1
        placed = fit_columns(
            self.kind.columns,
            max(1, room),
            wide=self.state.wide,
            first=self._first_column,
            name_width=self._longest_name,
        )
        if placed != self._placed or len(self._strips) > 6 * height + 64:
            self._placed = placed
            self._strips.clear()
        lines = [self._header(width)]
        if not rows:
            return [*lines, *self._empty(width, height - 1)]
        visible = rows[self._top : self._top + height - 1]
        thumb = _thumb(self._top, height - 1, len(rows))
        for line, row in enumerate(visible):
            strip = self._row(row, width - 1)
            glyph = "▐" if line in thumb else " "
            lines.append(Strip([*strip, *strip_of([(glyph, self.palette.part("thumb"))], 1)], width))
        return lines

    def _header(self, width: int) -> Strip:
        palette = self.palette
        plain, chosen = palette.part("header"), palette.part("sorted")
        sort = self.state.sort
        arrow = "↓" if sort.descending else "↑"
        pieces: list[Piece] = [(" " * GUTTER, PLAIN)]
        at = 0
        for placed in self._placed:
            column = self.kind.columns[placed.number]
            sorted_by = bool(column.title) and column.title == sort.title
            title = f"{column.title}{arrow}" if sorted_by else column.title
            pieces.append((" " * (placed.x - at), PLAIN))
            pieces += padded(fit_text(title, placed.width, column.align), chosen if sorted_by else plain)
            at = placed.x + placed.width
        more = hidden_right(self.kind.columns, self._placed, wide=self.state.wide)
        age = f"AGE{arrow}" if sort.title == AGE else "›" if more else ""
        pieces.append((" " * max(0, width - 1 - AGE_WIDTH - GUTTER - at), PLAIN))
        pieces += padded(fit_text(age, AGE_WIDTH, "right"), chosen)
        return strip_of(pieces, width)

    def _age(self, row: Resource) -> tuple[str, bool]:
        """The age as shown, from two intervals on, and whether the reading is stale."""
        reading = self.state.fleet.reading_of(Ref(self.kind.noun, row.id))
        if reading is None:
            return "", False
        age = self._now - reading.taken_at
        return (duration_text(age) if age >= 2 * reading.interval else ""), reading.stale

    def _sparks(self, row: Resource) -> tuple[str, ...]:
        ref = Ref(self.kind.noun, row.id)
        drawn: list[str] = []
        for placed in self._placed:
            column = self.kind.columns[placed.number]
            if column.spark is not None:
                series = self._history.series(ref, column.spark, placed.width, SPARK_STEP)
                drawn.append(spark_text(series, placed.width, column.spark_max))
        return tuple(drawn)

    def _row(self, row: Resource, width: int) -> Strip:
        at_cursor = row.id == self.state.cursor_id
        marked = row.id in self.state.marks
        age, stale = self._age(row)
        sparks = self._sparks(row)
        known = self._strips.get(row.id)
        key = (row, width, age, stale, sparks, at_cursor, marked)
        if known is not None and known[0][0] is row and known[0][1:] == key[1:]:
            return known[1]
        base = None
        if at_cursor:
            base = self.palette.part("cursor" if self.has_focus else "cursor_away")
        strip = strip_of(self._row_pieces(row, width, age, stale, sparks, at_cursor, marked), width, base)
        self._strips[row.id] = (key, strip)
        return strip

    def _row_pieces(
        self, row: Resource, width: int, age: str, stale: bool, sparks: Sequence[str], at_cursor: bool, marked: bool
    ) -> list[Piece]:
        palette = self.palette
        stale = stale or self.state.moods(row) is Mood.STALE
        grey = palette[Token.STALE]
        mark = "✓" if marked else Mood.STALE.glyph if stale and not self._shows_state else " "
        pieces: list[Piece] = [
            ("▌" if at_cursor else " ", palette[Token.ACCENT]),
            (mark, palette[Token.MARK] if marked else grey),
            (" ", PLAIN),
        ]
        cells = self.state.cells(row)
        spark = iter(sparks)
        at = 0
        for placed in self._placed:
            column = self.kind.columns[placed.number]
            if placed.x > at:
                pieces.append((_BLANK, PLAIN))
            if column.spark is not None:
                pieces.append((next(spark), grey if stale else palette.part("spark")))
            elif stale:
                pieces += padded(fit_text(cells[placed.number].text, placed.width, column.align), grey)
            elif placed.number == 0:
                name: Cell = cells[0]
                style = palette.part("name") if name.token is Token.TEXT else palette[name.token]
                pieces += padded(fit_text(name.text, placed.width, column.align), style)
            else:
                pieces += cell_pieces(cells[placed.number], placed.width, column.align, palette)
            at = placed.x + placed.width
        pieces.append((" " * max(0, width - AGE_WIDTH - GUTTER - at), PLAIN))
        pieces += padded(fit_text(age, AGE_WIDTH, "right"), palette[Token.STALE if stale else Token.MUTED])
        return pieces

    @property
    def _shows_state(self) -> bool:
        return any(self.kind.columns[placed.number].title == STATE for placed in self._placed)

    def _empty(self, width: int, height: int) -> list[Strip]:
        """What would fill the table and how, or why its rows are hidden."""
        from widgets.empty import empty_lines

        return empty_lines(self.state, width, height, self.palette)


def _thumb(top: int, height: int, count: int) -> range:
    """The lines of a scroll bar's thumb; none when everything is in view."""
    if count <= height or height <= 0:
        return range(0)
    size = max(1, height * height // count)
    start = round(top * (height - size) / (count - height))
    return range(start, start + size)
