"""Where the operator is, was, and can go back to: one place on the screen, and the way that led there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from textual.containers import Container
from textual.widget import AwaitMount, Widget

from widgets.kind_pane import KindPane
from widgets.page import has_keys
from widgets.place import Place

OVERVIEW = "overview"
"""The name of pane 0."""
LONGEST = 50
"""Stops the history keeps."""

Anywhere = KindPane | Place


@dataclass(frozen=True, slots=True)
class Stop:
    """One entry of the history: a pane by name, or a place that is made anew each time."""

    name: str
    make: Callable[[], Anywhere] | None = None
    """``None`` for panes, which stay."""


class Stage(Container):
    """Shows one place; panes are made when first gone to and kept, other places live as long as they are shown."""

    DEFAULT_CSS = """
    Stage { width: 1fr; height: 1fr; }
    """

    def __init__(self, panes: Mapping[str, Callable[[], Anywhere]], first: str) -> None:
        super().__init__()
        self._makers = panes
        self._panes: dict[str, Anywhere] = {}
        self._stops: list[Stop] = [Stop(first)]
        self._at = 0
        self._mounting: AwaitMount | None = None
        self.place: Anywhere | None = None
        """What is on the screen."""
        self.shown: Callable[[Anywhere], None] = lambda place: None
        """Called whenever another place is on the screen."""

    def on_mount(self) -> None:
        """Show the first pane."""
        self._show()

    async def settled(self) -> None:
        """Wait until the place at hand can answer to keys."""
        if self._mounting is not None:
            mounting, self._mounting = self._mounting, None
            await mounting

    @property
    def stop(self) -> Stop:
        """Where the operator is."""
        return self._stops[self._at]

    @property
    def in_pane(self) -> bool:
        """Whether that is a pane."""
        return self.stop.make is None

    def go(self, stop: Stop) -> None:
        """Go somewhere; what could be gone forward to is forgotten."""
        if stop.name == self.stop.name and stop.make is None:
            return
        self._stops = [*self._stops[: self._at + 1], stop][-LONGEST:]
        self._at = len(self._stops) - 1
        self._show()

    def step(self, by: int) -> bool:
        """Back or forward in the history; says whether there was anywhere to go."""
        at = self._at + by
        if not 0 <= at < len(self._stops):
            return False
        self._at = at
        self._show()
        return True

    def last(self) -> bool:
        """To the view before this one; again comes back."""
        if self._at == 0:
            return False
        self.go(self._stops[self._at - 1]) if self._stops[self._at - 1] != self.stop else self.step(-1)
        return True

    def leave(self) -> bool:
        """Out of a place to the nearest stop before it; a pane is not left."""
        if self.in_pane:
            return False
        if self._at == 0:
            self._stops[0] = Stop(next(iter(self._makers)))
            self._show()
            return True
        return self.step(-1)

    def pane(self, name: str) -> Anywhere | None:
        """A pane that was shown before."""
        return self._panes.get(name)

    def swap(self, old: Anywhere, new: Anywhere) -> None:
        """Put a place where another one stands, unless the operator has gone on meanwhile."""
        if old is not self.place or not old.is_attached:
            return
        self._put(new)

    def _show(self) -> None:
        stop = self.stop
        if stop.make is not None:
            self._put(stop.make())
            return
        if stop.name not in self._panes:
            self._panes[stop.name] = self._makers[stop.name]()
        self._put(self._panes[stop.name])

    def _put(self, place: Anywhere) -> None:
        old = self.place
        if place is old:
            return
        with self.screen.app.batch_update():  # pyright: ignore[reportUnknownMemberType]
            if not place.is_attached:
                self._mounting = self.mount(place)
            place.display = True
            if old is not None:
                old.display = False
                if old not in self._panes.values():
                    old.remove()
            self.place = place
            self.call_after_refresh(self._send_keys, place)
        self.shown(place)

    def _send_keys(self, place: Anywhere) -> None:
        """Send the keys to a place that was just shown, unless a line to type in has been opened meanwhile."""
        if place is self.place and not has_keys(self.screen.focused):
            place.focus_body()

    def restyle(self) -> list[Widget]:
        """Every pane that is kept, for whoever must tell them something."""
        return list(self._panes.values())


__all__ = ["OVERVIEW", "Anywhere", "Stage", "Stop"]
