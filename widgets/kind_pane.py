"""A pane as a place of the console: the generic table, answering to the console's bindings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.column import clean
from app.fleet import Fleet, Ref
from app.history import History
from app.kind import AnyKind, Kind
from app.verb import Verb
from widgets.page import take_keys
from widgets.pane import KeyHint, Pane


class KindPane(Pane):
    """One numbered pane."""

    def __init__(
        self,
        kind: Kind[Any],
        history: History,
        *,
        verbs: Sequence[Verb],
        clock: Callable[[], float],
        family: Sequence[AnyKind] = (),
    ) -> None:
        super().__init__(kind, history, verbs=verbs, clock=clock, family=family, id=f"pane-{kind.noun}")
        self.noun: str | None = kind.noun
        self.name_of = kind.plural
        self.when_mounted: Callable[[], None] = lambda: None
        """Called once it can show something."""
        self._wanted: Ref | None = None
        """The row the cursor is to stand on as soon as it is there."""
        table = self.table
        self._answers: dict[str, Callable[[], object]] = {
            "console.down": lambda: table.action_move(1),
            "console.up": lambda: table.action_move(-1),
            "console.page-down": lambda: table.action_page(1),
            "console.page-up": lambda: table.action_page(-1),
            "console.first-row": table.action_first,
            "console.last-row": table.action_last,
            "console.scroll-left": lambda: table.action_across(-1),
            "console.scroll-right": lambda: table.action_across(1),
            "console.open": table.action_open,
            "console.mark": table.action_mark,
            "console.mark-range": table.action_mark_range,
            "console.clear-marks": table.action_clear_marks,
            "console.sort-by-name": table.action_sort_name,
            "console.sort-by-age": table.action_sort_age,
            "console.sort-by-state": table.action_sort_state,
            "console.sort-by-the-next-column": table.action_sort_next,
            "console.reverse-the-sort": table.action_sort_turn,
            "console.faults-only": table.action_faults,
            "console.wide": table.action_wide,
            "console.filter": self.action_filter,
        }

    def on_mount(self) -> None:
        """Have something to show from the first frame on."""
        self.call_later(self.when_mounted)

    def action_filter(self) -> None:
        """Type a filter, from the very next key on."""
        super().action_filter()
        take_keys(self._filter)

    def arrive_at(self, ref: Ref) -> None:
        """Put the cursor on a row, now or as soon as it is there; another key forgets it."""
        self._wanted = None if self.go_to(ref) else ref

    def show(self, fleet: Fleet, now: float | None = None, *, clock: str = "") -> None:
        """Take a newer fleet."""
        super().show(fleet, now, clock=clock)
        if self._wanted is not None:
            self.arrive_at(self._wanted)

    def press(self, ident: str) -> bool:
        """Answer to one of the console's bindings."""
        self._wanted = None
        answer = self._answers.get(ident)
        if answer is None:
            return False
        answer()
        return True

    def own_key(self, key: str) -> bool:
        """Every key of a pane is the console's or a verb's."""
        return False

    def take(self, fleet: Fleet) -> None:
        """A newer fleet is there."""
        self.show(fleet)

    def refs_shown(self) -> frozenset[Ref]:
        """The rows that are on the screen."""
        return self.table.refs_shown()

    def focus_body(self) -> None:
        """Send the keys to the table."""
        take_keys(self.table)

    def words(self) -> str:
        """What ``copy`` takes: the ids an action would be for."""
        return "\n".join(clean(target.id) for target in self.targets())

    def offer(self, hints: Sequence[KeyHint], frame: Sequence[KeyHint], more: KeyHint) -> None:
        """Show the keys of the verbs, then the frame's; painted only where they differ."""
        self.set_keys(hints, frame, more)


__all__ = ["KindPane"]
