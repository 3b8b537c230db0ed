"""The overview as a place of the console."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult

from app.column import Token
from app.fleet import Fleet
from app.kind import AnyKind, families
from widgets.overview import Overview
from widgets.page import Line, take_keys
from widgets.pane import KeyHint
from widgets.place import Place, heading


class OverviewPlace(Place):
    """Pane 0: a tile per kind."""

    name_of = "overview"

    def __init__(self, kinds: Sequence[AnyKind], *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._kinds = [family[0] for family in families(kinds)]
        """Those with a number."""
        self._clock = clock
        self.overview = Overview(kinds)
        self.overview.can_focus = True

    def body(self) -> ComposeResult:
        """The tiles."""
        yield self.overview

    def focus_body(self) -> None:
        """The tiles have no cursor; the keys still need somewhere to go."""
        take_keys(self.overview)

    def title(self) -> tuple[Line, Line]:
        """What this is."""
        return heading("overview"), (("what wants a person stands first", Token.MUTED),)

    def hints(self) -> Sequence[KeyHint]:
        """The panes, and the frame's own keys."""
        panes = [self.key(f"pane-{number}", kind.plural) for number, kind in enumerate(self._kinds[:6], start=1)]
        frame = ("command-line", "palette", "jobs", "witness", "help", "quit")
        words = {"command-line": "command"}
        return (*panes, *(self.key(one, words.get(one, one)) for one in frame))

    def press(self, ident: str) -> bool:
        """``enter`` opens the first pane; there is no cursor to move."""
        if ident == "console.open" and self._kinds:
            self.bridge.pane(self._kinds[0].noun)
            return True
        return False

    def ready(self) -> None:
        """Show the fleet there is."""
        feed = self.bridge.deck.feed
        self.overview.ask_unread(lambda noun: [(one.source.name, one.fault or "") for one in feed.unread(noun)])
        self.take(feed.fleet)

    def take(self, fleet: Fleet) -> None:
        """A newer fleet is there."""
        self.overview.show(fleet, self._clock())

    def tick(self) -> None:
        """Ages grow."""
        self.overview.tick(self._clock())

    @on(Overview.Chosen)
    def _chosen(self, event: Overview.Chosen) -> None:
        event.stop()
        self.bridge.pane(event.noun)

    def words(self) -> str:
        """Nothing to copy but how it stands."""
        fleet = self.bridge.deck.feed.fleet
        return "\n".join(f"{kind.plural}: {sum(1 for _ in fleet.noun(kind.noun))}" for kind in self._kinds)


__all__ = ["OverviewPlace"]
