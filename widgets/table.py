"""The fleet table: ten thousand rows of any kind, of which only the visible lines are ever drawn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from app.fleet import Fleet, Ref, Resource
from app.history import History
from app.kind import Kind
from widgets.drawn_line import DrawnLine
from widgets.empty import empty_lines
from widgets.filter import RowFilter
from widgets.lines import Lines
from widgets.palette import Palette
from widgets.row_lines import GUTTER, RowLines, thumb
from widgets.row_order import AGE, STATE
from widgets.view_state import ViewState

_SLICE = 100
_AHEAD_AFTER = 0.005
_AHEAD_PAUSE = 0.001
_AHEAD_AT_ONCE = 6
"""Lines of the next page drawn at once, seconds before the first and between two lots."""
WHEEL = 3
"""Rows that one notch of the wheel moves."""


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
        self._rows = RowLines(kind, history)
        self._clock = clock
        self._now = clock()
        self._top = 0
        self._first_column = 0
        self._told: Ref | None = None
        self._ahead: Timer | None = None
        self.when_arranged: Callable[[], None] = lambda: None
        """Called when what stands above the table is to be drawn anew: at once, so that one frame shows both."""
        self.when_moved: Callable[[], None] = lambda: None
        """Called when the cursor stands on another row, as above."""

    # what others ask

    def show(self, fleet: Fleet, now: float | None = None) -> None:
        """Take a newer fleet and repaint the visible lines that differ; the latest one wins."""
        self._now = self._clock() if now is None else now
        line = self.state.cursor - self._top
        if self.state.take(fleet, self._now):
            self._keep_line(line)
            self._rows.measure_names(self.state.rows)
            self._say_arranged()
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

    def refs_shown(self) -> frozenset[Ref]:
        """The rows that are on the screen."""
        return frozenset(row.ref for row in self.state.order[self._top : self._top + self._height])

    def set_filter(self, row_filter: RowFilter) -> None:
        """Show only rows that pass."""
        self.state.last_key = self._clock()
        self.state.set_filter(row_filter, self._clock())
        self._rearranged()

    async def warm_filter(self) -> None:
        """Prepare for a filter while its first letter is being typed, in slices that no key notices."""
        begin = 0
        while self.state.warm(begin, _SLICE):
            begin += _SLICE
            await asyncio.sleep(0)

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
            self.when_moved()
            self.post_message(self.Moved(self, ref))

    def _say_arranged(self) -> None:
        self.when_arranged()
        self.post_message(self.Arranged(self))

    def _rearranged(self) -> None:
        self._rows.measure_names(self.state.rows)
        self._reveal()
        self.redraw()
        self._tell()
        self._say_arranged()

    def action_move(self, rows: int) -> None:
        """Cursor up or down."""
        self._go(self.state.cursor + rows)

    def action_page(self, pages: int) -> None:
        """Cursor and window one page up or down."""
        step = max(1, self._height - 1) * pages
        self._top = max(0, min(self._top + step, len(self.state.order) - self._height))
        self._go(self.state.cursor + step)
        if self._ahead is not None:
            self._ahead.stop()
        begin = self._top + (self._height if pages > 0 else -self._height)
        self._ahead = self.set_timer(_AHEAD_AFTER, lambda: self._draw_ahead(begin, begin + self._height))

    def _draw_ahead(self, begin: int, end: int) -> None:
        """Draw the page that comes next while nobody waits for it, a few lines at a time."""
        palette, state = self.palette, self.state
        stop = min(end, begin + _AHEAD_AT_ONCE)
        for row in state.order[max(0, begin) : max(0, stop)]:
            marked = row.id in state.marks
            self.prepare(self._rows.line(row, state, self._now, self.size.width, palette, marked=marked))
        if stop < min(end, len(state.order)):
            self._ahead = self.set_timer(_AHEAD_PAUSE, lambda: self._draw_ahead(stop, end))

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
        right_end = columns > 0 and not self._rows.more_right(wide=self.state.wide)
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
        self._say_arranged()

    def action_mark_range(self) -> None:
        """Mark from the row marked last to this one."""
        self.state.mark_range()
        self.redraw()
        self._say_arranged()

    def action_clear_marks(self) -> None:
        """Take every mark away."""
        self.state.clear_marks()
        self.redraw()
        self._say_arranged()

    def sort_by(self, title: str) -> None:
        """Sort by a column, named by its title; again turns it round."""
        self.state.last_key = self._clock()
        self.state.sort_by(title, self._clock())
        self._rearranged()

    def action_sort_name(self) -> None:
        """Sort by the first column."""
        self.sort_by(self.kind.columns[0].title)

    def action_sort_age(self) -> None:
        """Sort by age: that of the thing where its kind tells one, else when its row was last seen."""
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
        for placed in self._rows.placed:
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
        self.redraw()

    def on_blur(self) -> None:
        """Show the cursor as waiting."""
        self.redraw()

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._reveal()
        self._drawn_size = None

    # drawing

    def restyled(self) -> None:
        """Forget lines drawn in other colours."""
        self._rows.forget()

    def draw(self, width: int, height: int) -> list[Strip]:
        """The header and the visible rows."""
        state, rows, palette = self.state, self.state.order, self.palette
        self._top = max(0, min(self._top, len(rows) - (height - 1)))
        self._rows.fit(width, wide=state.wide, first=self._first_column)
        lines = [self._rows.header(width, state.sort, palette, wide=state.wide)]
        if not rows:
            return [*lines, *empty_lines(state, width, height - 1, palette)]
        cursor = palette.part("cursor" if self.has_focus else "cursor_away")
        bar = thumb(self._top, height - 1, len(rows))
        for line, row in enumerate(rows[self._top : self._top + height - 1]):
            strip = self._rows.line(
                row,
                state,
                self._now,
                width,
                palette,
                cursor=cursor if row.id == state.cursor_id else None,
                marked=row.id in state.marks,
            )
            lines.append(_with_thumb(strip, width, palette) if line in bar else strip)
        return lines


def _with_thumb(strip: Strip, width: int, palette: Palette) -> Strip:
    """The line with a piece of the scroll bar's thumb in its last cell."""
    return DrawnLine([*strip.crop(0, width - 1), Segment("▐", palette.part("thumb"))], width)
