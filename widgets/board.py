"""The wallboard as a program of its own: read-only, no chrome, and only quit and page keys."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult

from app.deck import Deck
from app.fleet import Fleet
from app.keys import normal
from app.paths import Paths
from widgets.terminal_app import TerminalApp, collect_from_now_on
from widgets.theme import DEFAULT, SHIPPED, Themes, wear
from widgets.wallboard import Wallboard


class Board(TerminalApp):
    """Runs for weeks; nothing can be acted on from it."""

    CSS_PATH = str(SHIPPED / "console.tcss")

    def __init__(
        self,
        deck: Deck,
        *,
        theme: str | None = None,
        demo_label: str = "",
        rotate: float | None = None,
        panes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        paths = Paths.find()
        deck.read_only = True
        self.deck = deck
        self.log_path = str(paths.log / "quarterdeck.log")
        self._themes = Themes(paths.config / "themes")
        self._wanted = theme
        configured = deck.inventory.wallboard
        clock = "%H:%M:%S"
        self.wallboard = Wallboard(
            list(deck.kinds.values()),
            deck.history,
            pages=tuple(panes) or configured.panes,
            rotate=rotate or configured.rotate,
            clock=lambda: time.strftime(clock),
            label=demo_label,
        )
        self.wallboard.ask_unread(lambda noun: [(one.source.name, one.fault or "") for one in deck.feed.unread(noun)])
        deck.context.visible = lambda refs: self.wallboard.refs_shown().intersection(refs)

    def compose(self) -> ComposeResult:
        """Nothing but the board."""
        yield self.wallboard

    def on_mount(self) -> None:
        """Dress, paint, and only then begin to watch."""
        wear(self, self._themes, self._wanted or self.deck.inventory.theme or DEFAULT)
        self.wallboard.focus()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        collect_from_now_on()
        self.begin_terminal()
        self.deck.feed.listen(self._heard)
        self.deck.feed.configure(self.deck.inventory)
        self.set_interval(1.0, self._tick)

    def _heard(self, fleet: Fleet) -> None:
        if self.is_running and self.wallboard.is_mounted:
            self.wallboard.show(fleet, self.deck.context.clock())

    def _tick(self) -> None:
        self.wallboard.tick(self.deck.context.clock())
        wear(self, self._themes)

    def on_key(self, event: events.Key) -> None:
        """``q`` quits; the page keys are the board's."""
        if normal(event.key, event.character) in ("q", "ctrl+c", "ctrl+q", "escape"):
            event.stop()
            self.exit(0)


__all__ = ["Board"]
