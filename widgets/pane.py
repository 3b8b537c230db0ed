"""The generic pane: a line of context, one table, a line of keys; the same for every kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.strip import Strip
from textual.widgets import Input

from app.column import MOOD_TOKENS, Token, clean
from app.fleet import Fleet, Mood, Ref, Resource
from app.history import History
from app.kind import AnyKind, Kind, full_name
from app.verb import Verb
from widgets.field import Field
from widgets.filter import BadFilter, parse
from widgets.fit import fit_text
from widgets.lines import Lines
from widgets.pieces import Piece, pieces_width, spread, strip_of
from widgets.table import FleetTable
from widgets.view_state import TROUBLE

_KEY_NAMES = {"enter": "⏎", "escape": "esc", "question_mark": "?", "slash": "/", "colon": ":", "backslash": "\\"}


def key_text(key: str) -> str:
    """A key as people write it: ``ctrl-d``, ``⏎``, ``F9``."""
    *held, last = key.split("+")
    shown = _KEY_NAMES.get(last, last.upper() if last[:1] == "f" and last[1:].isdigit() else last)
    return "-".join([*held, shown])


@dataclass(frozen=True, slots=True)
class KeyHint:
    """One key on the last line."""

    key: str
    """As Textual names it."""
    label: str
    enabled: bool = True
    """Greyed where the verb is not permitted on the row at hand."""


FRAME = (
    KeyHint("space", "mark"),
    KeyHint("d", "describe"),
    KeyHint("slash", "filter"),
    KeyHint("0", "overview"),
    KeyHint("question_mark", "help"),
)
"""What the last line of a pane shows after the verbs, with the keys that nobody has remapped."""
MORE = KeyHint("question_mark", "all keys")
"""What stands at the end where not all of them fit."""


def hints_in_order(verbs: Sequence[KeyHint], frame: Sequence[KeyHint], foremost: Sequence[str]) -> tuple[KeyHint, ...]:
    """Verbs and then the frame's; where a kind says what comes first, that, the frame's and the other verbs."""
    if not foremost:
        return (*verbs, *frame)
    named = {hint.label: hint for hint in (*frame, *verbs)}
    first = [named[label] for label in foremost if label in named]
    return (*first, *(hint for hint in (*frame, *verbs) if hint not in first))


def hints_of(verbs: Sequence[Verb]) -> tuple[KeyHint, ...]:
    """The hints of declared verbs that have a key."""
    return tuple(KeyHint(verb.key, verb.name) for verb in verbs if verb.key)


class ContextLine(Lines):
    """What the table shows: the kind, counts by mood, filter, marks and sort."""

    def __init__(self, table: FleetTable, family: Sequence[AnyKind] = ()) -> None:
        super().__init__()
        self._table = table
        self._family = family
        self.clock = ""
        self.complaint = ""

    def draw(self, width: int, height: int) -> list[Strip]:
        """One line; where there is no room, the sort goes first, then the other kinds of the family."""
        state, palette = self._table.state, self.palette
        muted, text = palette[Token.MUTED], palette[Token.TEXT]
        title: list[Piece] = [(f" {state.kind.plural.upper()} ", palette[Token.TITLE])]
        family: list[Piece] = [
            (f" {kind.plural.upper()} ", palette[Token.TITLE]) if kind is state.kind else (f" {kind.plural} ", muted)
            for kind in self._family
        ]
        left: list[Piece] = [(f" {len(state.rows)}", text)]
        for mood in sorted(+state.counts, key=lambda one: (one is not Mood.UP, one.rank)):
            left += [("  ", muted), (f"{mood.glyph} {state.counts[mood]}", palette[MOOD_TOKENS[mood]])]
        if state.unread:
            left += [("  ", muted), (f"{len(state.unread)} not read", palette[Token.WARN])]
        if self.complaint:
            left += [("   ", muted), (clean(self.complaint)[:width], palette[Token.WARN])]
        elif not state.filter.empty:
            left += [("   ", muted), (f"/{clean(state.filter.typed)[:40]}", palette[Token.ACCENT])]
            left += [(f"  {len(state.order)} shown", muted)]
        if state.faults_only:
            left += [("   ", muted), ("faults only", palette[Token.ACCENT])]
        if state.marks:
            hidden = f" ({state.hidden_marks} hidden)" if state.hidden_marks else ""
            left += [("   ", muted), (f"✓ {len(state.marks)} marked{hidden}", palette[Token.MARK])]
        arrow = "↓" if state.sort.descending else "↑"
        right: list[Piece] = [(f"{'wide  ' if state.wide else ''}sort {state.sort.title.lower()} {arrow}", muted)]
        clock: list[Piece] = [(f"   {self.clock}", palette.part("clock"))] if self.clock else []
        end: list[Piece] = [(" ", muted)]
        heads = [[*family, ("  ", muted)], title] if len(self._family) > 1 else [title]
        for head in heads:
            for tail in ([*right, *clock, *end], [*clock, *end]):
                if pieces_width([*head, *left, *tail]) < width:
                    return [spread([*head, *left], tail, width)]
        return [spread([*title, *left], [*clock, *end], width)]


class Rule(Lines):
    """A thin line across."""

    def draw(self, width: int, height: int) -> list[Strip]:
        """One line."""
        return [strip_of([("─" * width, self.palette.part("rule"))], width)]


class NoteRule(Lines):
    """A thin line across, which tells why the row under the cursor is in trouble: whole, as no column can.

    Of one that is well there is nothing to tell: what cannot be read and has no row is told in its place.
    """

    def __init__(self, table: FleetTable) -> None:
        super().__init__()
        self._table = table

    def _words(self) -> tuple[str, str, Token]:
        """Whose trouble, which, and how bad; empty where all is well."""
        state = self._table.state
        row = state.cursor_row
        if row is None or state.moods(row) not in TROUBLE:
            if not state.unread or not state.rows:  # an empty table tells of all of them
                return "", "", Token.MUTED
            return *state.unread[0], Token.WARN
        worry = state.kind.worry(row)
        words = row.fault or (worry.text if worry is not None and worry.score >= 100 else "")
        return full_name(row), words, worry.token if worry is not None else Token.WARN

    def draw(self, width: int, height: int) -> list[Strip]:
        """One line; the words are cut before the line is."""
        rule = self.palette.part("rule")
        name, words, token = self._words()
        if not words or width < 30:
            return [strip_of([("─" * width, rule)], width)]
        head = f" {clean(name)[:48]}  "
        text = fit_text(clean(words[:400]), width - cell_len(head) - 4).rstrip()
        pieces: list[Piece] = [("─", rule), (head, self.palette.part("name")), (f"{text} ", self.palette[token])]
        return [strip_of([*pieces, ("─" * max(0, width - pieces_width(pieces)), rule)], width)]


class KeyLine(Lines):
    """The keys that do something here, as many as fit."""

    def __init__(self) -> None:
        super().__init__()
        self.hints: tuple[KeyHint, ...] = ()
        self.more: KeyHint | None = None
        """What stands at the end where not all of them fit."""

    def _fitting(self, width: int) -> tuple[KeyHint, ...]:
        """The hints that fit whole; where some do not, room is kept for ``more``."""
        sizes = [cell_len(key_text(hint.key)) + cell_len(hint.label) + 4 for hint in self.hints]
        if sum(sizes) - 2 <= width or self.more is None:
            return self.hints
        room = width - cell_len(key_text(self.more.key)) - cell_len(self.more.label) - 2
        shown: list[KeyHint] = []
        for hint, size in zip(self.hints, sizes, strict=True):
            if hint.key == self.more.key:  # it stands at the end in other words
                continue
            if room - size < 1:
                break
            shown.append(hint)
            room -= size
        return (*shown, self.more)

    def draw(self, width: int, height: int) -> list[Strip]:
        """One line; hints that do not fit whole are left out."""
        palette = self.palette
        pieces: list[Piece] = [(" ", palette[Token.MUTED])]
        used = 1
        for hint in self._fitting(width):
            key = key_text(hint.key)
            size = cell_len(key) + 1 + cell_len(hint.label) + 3
            if used + size - 2 > width:
                break
            used += size
            pieces += [
                (key, palette.part("key") if hint.enabled else palette.part("rule")),
                (f" {hint.label}   ", palette[Token.MUTED] if hint.enabled else palette.part("rule")),
            ]
        return [strip_of(pieces, width)]


class FilterLine(Field):
    """Where a filter is typed, in place of the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    DEFAULT_CSS = """
    FilterLine, FilterLine:focus { width: 1fr; height: 1; border: none; padding: 0 1 0 0; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__(placeholder="regex   !inverse   -f fuzzy")

    def action_leave(self) -> None:
        """Take the filter away and go back to the table."""
        self.value = ""
        self.post_message(self.Submitted(self, ""))


class FilterRow(Horizontal):
    """The line in which a filter is typed, behind the key that began it."""

    DEFAULT_CSS = """
    FilterRow { width: 1fr; height: 1; display: none; background: $surface; }
    FilterRow > FilterSign { width: 3; }
    """

    def __init__(self, field: FilterLine) -> None:
        super().__init__()
        self._field = field

    def compose(self) -> ComposeResult:
        """The sign and the field."""
        yield FilterSign()
        yield self._field


class FilterSign(Lines):
    """What stands before a filter that is being typed."""

    def draw(self, width: int, height: int) -> list[Strip]:
        """One sign."""
        return [strip_of([(" / ", self.palette.part("key"))], width)]


class Pane(Vertical):
    """One table of one kind, with what is above and below it."""

    DEFAULT_CSS = """
    Pane { width: 1fr; height: 1fr; }
    Pane.-filtering > FilterRow { display: block; }
    Pane.-filtering > KeyLine { display: none; }
    Pane.-low Rule, Pane.-low NoteRule { display: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", id="pane.filter", show=False),
    ]

    def __init__(
        self,
        kind: Kind[Any],
        history: History,
        *,
        verbs: Sequence[Verb] = (),
        clock: Callable[[], float] = time.monotonic,
        family: Sequence[AnyKind] = (),
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """``family``: all kinds of the pane's number, itself included; those of one are not named."""
        super().__init__(id=id, classes=classes)
        self.kind = kind
        self.table = FleetTable(kind, history, clock=clock)
        self._context_line = ContextLine(self.table, family)
        self._note = NoteRule(self.table)
        self.table.when_arranged = self._redraw_around
        self.table.when_moved = self._note.redraw
        self.unread: Callable[[], Sequence[tuple[str, str]]] = tuple
        """Tells of sources of the kind that have no row: their names, and why they cannot be read."""
        self._keys = KeyLine()
        self._keys.more = MORE
        self._filter = FilterLine()
        self.set_keys(hints_of(verbs))

    def compose(self) -> ComposeResult:
        """Context, table, keys."""
        yield self._context_line
        yield Rule()
        yield self.table
        yield self._note
        yield self._keys
        yield FilterRow(self._filter)

    # what the console asks

    def show(self, fleet: Fleet, now: float | None = None, *, clock: str = "") -> None:
        """Take a newer fleet; ``clock`` is the time as it stands in the corner."""
        self._context_line.clock = clock
        self._ask_unread()
        self.table.show(fleet, now)
        self._redraw_around()

    def tick(self, now: float | None = None, *, clock: str = "") -> None:
        """Let time pass without news."""
        self._context_line.clock = clock
        if self._ask_unread() and not self.table.state.rows:
            self.table.redraw()
        self.table.tick(now)
        self._redraw_around()

    def _ask_unread(self) -> bool:
        """Learn what cannot be read and has no row; says whether that is something else than before."""
        before, self.table.state.unread = self.table.state.unread, tuple(self.unread())
        return before != self.table.state.unread

    def _redraw_around(self) -> None:
        """What is said above and below the table."""
        self._context_line.redraw()
        self._note.redraw()

    def set_keys(self, hints: Sequence[KeyHint], frame: Sequence[KeyHint] = FRAME, more: KeyHint = MORE) -> None:
        """Say which keys the last line shows, most important first; those of the frame follow."""
        self._keys.hints = hints_in_order(hints, frame, self.kind.foremost)
        self._keys.more = more
        self._keys.redraw()

    def targets(self) -> tuple[Resource, ...]:
        """What an action is for: the marked rows, hidden ones too, else the cursor's row."""
        return self.table.targets()

    @property
    def hidden_marks(self) -> int:
        """How many of the marked rows the filter hides."""
        return self.table.state.hidden_marks

    @property
    def cursor_ref(self) -> Ref | None:
        """The row under the cursor."""
        return self.table.cursor_ref

    def go_to(self, ref: Ref) -> bool:
        """Put the cursor on a row, and show it if a filter hides it; says whether there is such a row."""
        if self.table.go_to(ref):
            return True
        if not self.table.state.filter.empty:
            self.set_filter("")
        if self.table.state.faults_only:
            self.table.action_faults()
        return self.table.go_to(ref)

    def focus_table(self) -> None:
        """Send the keys to the table."""
        self.table.focus()

    def back(self) -> bool:
        """What ``esc`` undoes first, marks then filter then faults-only; ``False`` when there is nothing of it."""
        state = self.table.state
        if state.marks:
            self.table.action_clear_marks()
        elif not state.filter.empty:
            self.set_filter("")
        elif state.faults_only:
            self.table.action_faults()
        else:
            return False
        return True

    # the filter

    def action_filter(self) -> None:
        """Type a filter; the table follows every letter."""
        self.add_class("-filtering")
        self._filter.value = self.table.state.filter.typed
        self._filter.cursor_position = len(self._filter.value)
        self._filter.focus()
        self.run_worker(self.table.warm_filter(), group="warm", exclusive=True)

    def set_filter(self, typed: str) -> bool:
        """Filter as typed; what is no filter is told above the table, and the last good one stays."""
        try:
            row_filter = parse(typed)
        except BadFilter as error:
            self._context_line.complaint = error.what
            self._context_line.redraw()
            return False
        self._context_line.complaint = ""
        self.table.set_filter(row_filter)
        self._context_line.redraw()
        return True

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.has_class("-filtering"):
            self.set_filter(event.value)

    @on(Input.Submitted)
    def _filter_done(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_filter(event.value)
        self._context_line.complaint = ""
        self._context_line.redraw()
        self.remove_class("-filtering")
        self.table.focus()

    def on_resize(self) -> None:
        """Leave the rules out where there are few lines."""
        self.set_class(self.size.height < 14, "-low")
