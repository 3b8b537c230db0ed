"""What one table shows of a fleet: which rows, in which order, which are marked, and where the cursor stands.

Knows no screen: everything here can be tested as values. Rows are known by id, so that cursor and marks survive
every refresh, and compared by identity, so that a refresh costs what changed and not what there is.
"""

from __future__ import annotations

from collections import Counter
from itertools import compress
from operator import is_not
from typing import Any

from app.column import Cell, SortKey
from app.fleet import Fleet, Mood, Ref, Resource
from app.kind import Kind
from app.pattern import LONGEST as LONGEST_TEXT
from widgets.filter import EVERYTHING, RowFilter
from widgets.row_order import AGE, STATE, RowCache, SortBy, in_order, natural, sort_key

HOLD = 5.0
"""Seconds: a volatile sort reorders no more often than this, and never sooner than this after a key."""

MANY = 1000
HOLD_MANY = 1.0
"""Seconds that other sorts of so many rows hold: among them, somebody's state changes all the time."""

TROUBLE = frozenset({Mood.ATTENTION, Mood.DOWN, Mood.STALE, Mood.UNKNOWN})
"""The moods that "faults only" shows."""


class ViewState:
    """Rows, order, filter, marks and cursor of one table of one kind."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self.fleet = Fleet()
        self.rows: list[Resource] = []
        """Every row of the kind, as the fleet tells them."""
        self.order: list[Resource] = []
        """The rows shown, in the order shown."""
        self.sort = SortBy(self._state_title)
        self.filter: RowFilter = EVERYTHING
        self.faults_only = False
        self.wide = False
        self.marks: set[str] = set()
        self.unread: tuple[tuple[str, str], ...] = ()
        """Names of sources without a row, and why they cannot be read."""
        self.cursor_id: str | None = None
        self.last_key = -HOLD
        self.moods: RowCache[Mood] = RowCache(kind.mood)
        self.counts: Counter[Mood] = Counter()
        """How many rows are in each mood, whether shown or not."""
        self._cells: RowCache[list[Cell | None]] = RowCache(lambda row: [None] * len(kind.columns))
        self._names = RowCache(lambda row: natural(row.name))
        self._texts = RowCache(self._make_text)
        self._keys: RowCache[SortKey] = RowCache(self._make_key)
        self._searched = self._columns_searched()
        self._own_age = any(column.title == AGE for column in kind.columns)
        """Whether rows of this kind have an age of their own."""
        self._place: dict[str, int] = {}
        self._by_id: dict[str, Resource] = {}
        self._ids_by_name: list[str] = []
        self._names_due = True
        self._anchor: str | None = None
        self._sorted_at = -HOLD
        self._order_due = False

    # what is known of a row

    @property
    def _state_title(self) -> str:
        titles = [column.title for column in self.kind.columns]
        return STATE if STATE in titles else titles[0]

    @property
    def volatile(self) -> bool:
        """Whether the sort is by a figure that changes all the time."""
        return self.sort.title not in (self.kind.columns[0].title, STATE)

    def _columns_searched(self) -> tuple[int, ...]:
        """The columns that a filter looks at: those of the view, whether they fit the width or not."""
        columns = enumerate(self.kind.columns)
        return tuple(number for number, c in columns if number and c.spark is None and (self.wide or not c.wide))

    def cell(self, row: Resource, number: int) -> Cell:
        """One cell of a row by the number of its column, worked out when it is first asked for."""
        cells = self._cells(row)
        cell = cells[number]
        if cell is None:
            cell = cells[number] = self.kind.columns[number].cell(row)
        return cell

    def _make_text(self, row: Any) -> str:
        """What a filter looks at: name, id, tags and the cells of the view, one per line, bounded."""
        parts = [row.name, row.id]
        parts += [self.cell(row, number).text for number in self._searched]
        if row.tags or row.parent is not None:
            parts += sorted(self.fleet.tags(Ref(self.kind.noun, row.id)))
        return "\n".join(part[:LONGEST_TEXT] for part in parts)[:LONGEST_TEXT]

    def _make_key(self, row: Any) -> SortKey:
        title = self.sort.title
        if title == STATE:
            return self._how_bad(row)
        if title == AGE and not self._own_age:
            reading = self.fleet.reading_of(Ref(self.kind.noun, row.id))
            return -reading.taken_at if reading else None
        number = next((n for n, column in enumerate(self.kind.columns) if column.title == title), 0)
        return sort_key(self.cell(row, number))

    def _how_bad(self, row: Any) -> float:
        """The rank of its mood; among rows in trouble the worst worry first, in steps, so that figures move nothing."""
        mood = self.moods(row)
        worry = self.kind.worry(row) if mood in TROUBLE else None
        return mood.rank - (min(worry.score, 999.0) // 10 / 100 if worry is not None and worry.score >= 100 else 0.0)

    # taking in a fleet

    def take(self, fleet: Fleet, now: float) -> bool:
        """Look at a newer fleet; says whether the rows shown or their order changed (their figures may have)."""
        self.fleet = fleet
        rows = list(fleet.noun(self.kind.noun))
        same_rows = len(rows) == len(self.rows)
        changed = list(compress(rows, map(is_not, rows, self.rows))) if same_rows else rows
        if same_rows:
            old = compress(self.rows, map(is_not, rows, self.rows))
            same_rows = all(one.id == other.id for one, other in zip(old, changed, strict=True))
        self.rows = rows
        if not same_rows:
            self._by_id = {row.id: row for row in rows}
            self._names_due = True
            self._forget_gone()
            self.counts = Counter(self.moods(row) for row in rows)
            return self._arrange(now)
        for row in changed:
            self._cells.drop(row.id)
            self._names.drop(row.id)
            self._recount(row)
            self._names_due = self._names_due or self._by_id[row.id].name != row.name
            self._by_id[row.id] = row
            place = self._place.get(row.id)
            if place is not None:
                self.order[place] = row
        if self._names_due:
            return self._arrange(now)
        if self._shown_changed(changed):
            return self._arrange(now)
        self._order_due = self._keys_changed(changed) or self._order_due
        return self.settle(now)

    def _recount(self, row: Resource) -> None:
        """Move a changed row from its old mood's count to its new one's."""
        old, new = self.moods.known(row), self.moods(row)
        if old is not None and old is not new:
            self.counts[old] -= 1
            self.counts[new] += 1

    def _forget_gone(self) -> None:
        there = {row.id for row in self.rows}
        self.marks &= there
        if len(self.moods) > len(there):
            for cache in (self.moods, self._cells, self._names, self._texts, self._keys):
                cache.keep_only(there)

    def _shown_changed(self, changed: list[Resource]) -> bool:
        """Whether a changed row now passes the filter and did not, or the other way round."""
        if self.filter.empty and not self.faults_only:
            return False
        return any(self._passes(row) != (row.id in self._place) for row in changed)

    def _keys_changed(self, changed: list[Resource]) -> bool:
        if self.sort.title == self.kind.columns[0].title:
            return False
        if self.sort.title == AGE and not self._own_age:
            return True
        moved = [row for row in changed if self._keys.known(row) != self._keys(row)]  # each asked: none kept alive
        return bool(moved)

    def _passes(self, row: Resource) -> bool:
        if self.faults_only and self.moods(row) not in TROUBLE:
            return False
        return self.filter.empty or self.filter.matches(self._texts(row))

    def settle(self, now: float) -> bool:
        """Reorder when that is due and allowed by now; says whether anything moved."""
        if not self._order_due:
            return False
        quiet_at = self.last_key + HOLD
        if self.volatile or len(self.order) > MANY:
            quiet_at = max(quiet_at, self._sorted_at + (HOLD if self.volatile else HOLD_MANY))
        return now >= quiet_at and self._arrange(now)

    def _arrange(self, now: float) -> bool:
        """Put the rows that pass into order; the cursor stays on its row, or near where it was."""
        before = self.order
        cursor_place = self.cursor
        if self._names_due:
            self._ids_by_name = [row.id for row in sorted(self.rows, key=self._names)]
            self._names_due = False
        shown = [self._by_id[row_id] for row_id in self._ids_by_name]
        if self.faults_only or not self.filter.empty:
            shown = [row for row in shown if self._passes(row)]
        if self.sort.title == self.kind.columns[0].title:
            self.order = shown[::-1] if self.sort.descending else list(shown)
        else:
            if self.sort.title == AGE and not self._own_age:
                self._keys.clear()
            self.order = in_order(shown, self._keys, self.sort.descending)
        self._place = {row.id: place for place, row in enumerate(self.order)}
        self._sorted_at = now
        self._order_due = False
        if self.order and (self.cursor_id is None or self.cursor_id not in self._place):
            self.cursor_id = self.order[min(cursor_place, len(self.order) - 1)].id
        return len(before) != len(self.order) or any(map(is_not, before, self.order))

    # choosing what is shown

    def set_sort(self, sort: SortBy, now: float) -> None:
        """Sort by a column, at once."""
        if sort.title != self.sort.title:
            self._keys.clear()
        self.sort = sort
        self._arrange(now)

    def sort_by(self, title: str, now: float) -> None:
        """Sort by a column as a key does: again turns it round; figures begin with the largest, words at A."""
        if title == self.sort.title:
            return self.set_sort(self.sort.turned(), now)
        number = next((n for n, column in enumerate(self.kind.columns) if column.title == title), None)
        figures = title == AGE or (
            title != STATE
            and number is not None
            and any(isinstance(self.cell(row, number).sort, int | float) for row in self.rows[:50])
        )
        return self.set_sort(SortBy(title, descending=figures), now)

    def sortable(self) -> tuple[str, ...]:
        """The titles that can be sorted by, in the order they stand."""
        shown = (c for c in self.kind.columns if c.title and c.spark is None and (self.wide or not c.wide))
        return tuple(dict.fromkeys((*(column.title for column in shown), AGE)))

    def set_filter(self, row_filter: RowFilter, now: float) -> None:
        """Show only rows that pass."""
        self.filter = row_filter
        self._arrange(now)

    def warm(self, begin: int, count: int) -> bool:
        """Work out what a filter will look at for some of the rows, ahead of the first letter; ``False`` at the end."""
        for row in self.rows[begin : begin + count]:
            self._texts(row)
        return begin + count < len(self.rows)

    def set_faults_only(self, on: bool, now: float) -> None:
        """Show only rows in trouble."""
        self.faults_only = on
        self._arrange(now)

    def set_wide(self, on: bool) -> None:
        """Show every column; a filter then looks at those as well."""
        self.wide = on
        self._searched = self._columns_searched()
        self._texts.clear()

    # the cursor and the marks

    @property
    def cursor(self) -> int:
        """The cursor's place among the rows shown; 0 when there are none."""
        return self._place.get(self.cursor_id, 0) if self.cursor_id is not None else 0

    @property
    def cursor_row(self) -> Resource | None:
        """The row under the cursor; ``None`` when none is shown."""
        place = self._place.get(self.cursor_id) if self.cursor_id is not None else None
        return self.order[place] if place is not None else None

    def move_to(self, place: int) -> bool:
        """Put the cursor on a row shown, clamped to the first and last; says whether it moved."""
        if not self.order:
            return False
        row_id = self.order[max(0, min(place, len(self.order) - 1))].id
        moved = row_id != self.cursor_id
        self.cursor_id = row_id
        return moved

    def toggle_mark(self) -> None:
        """Mark the cursor's row or take its mark away; a range begins here."""
        row = self.cursor_row
        if row is not None:
            self.marks ^= {row.id}
            self._anchor = row.id

    def mark_range(self) -> None:
        """Mark from the row last marked to the cursor's, as they are shown now."""
        if self.cursor_row is None:
            return
        start = self._place.get(self._anchor, self.cursor) if self._anchor is not None else self.cursor
        first, last = sorted((start, self.cursor))
        self.marks |= {row.id for row in self.order[first : last + 1]}
        self._anchor = self.cursor_id

    def clear_marks(self) -> None:
        """Take every mark away."""
        self.marks.clear()
        self._anchor = None

    def targets(self) -> tuple[Resource, ...]:
        """What an action is for: the marked rows, hidden ones too, in the order shown; else the cursor's row."""
        if not self.marks:
            row = self.cursor_row
            return (row,) if row is not None else ()
        places = sorted(self._place[mark] for mark in self.marks if mark in self._place)
        shown = (self.order[place] for place in places)
        if len(places) == len(self.marks):  # asked with every news: ten thousand rows are not gone through for it
            return tuple(shown)
        return (*shown, *(row for row in self.rows if row.id in self.marks and row.id not in self._place))

    @property
    def hidden_marks(self) -> int:
        """How many marked rows the filter hides."""
        return sum(1 for mark in self.marks if mark not in self._place)
