"""A view while it is being read; becomes the table, text or stream that it turns out to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from app.column import Token
from app.errors import QuarterdeckError
from app.fleet import Ref
from app.verb import Rows, Stream, Verb, View
from widgets.logview import LogPlace
from widgets.page import Line
from widgets.pane import KeyHint
from widgets.place import Place, heading
from widgets.rowsview import RowsPlace
from widgets.textview import TextPlace

log = logging.getLogger(__name__)


class ViewPlace(Place):
    """Reads one view of one target; what goes wrong is told here, and the operator can leave at any time."""

    def __init__(self, verb: Verb, ref: Ref | None, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.verb = verb
        self.ref = ref
        self.arguments = arguments
        self.name_of = f"{verb.id} {ref}"
        self._reading: asyncio.Task[None] | None = None
        self._failed = False

    def title(self) -> tuple[Line, Line]:
        """What is being read."""
        state = ("failed", Token.CRIT) if self._failed else ("reading …", Token.MUTED)
        return heading(self.verb.name, self.ref.id if self.ref is not None else ""), (state,)

    def hints(self) -> Sequence[KeyHint]:
        """Leave, or try again."""
        again = (self.key("look-again-now", "again"),) if self._failed else ()
        return (*again, self.key("back"))

    def ready(self) -> None:
        """Begin to read."""
        self._failed = False
        self.page.empty = ("Reading …", "esc leaves")
        self.page.set_lines(())
        self._reading = asyncio.create_task(self._read(), name=f"view {self.name_of}")

    def on_unmount(self) -> None:
        """Nobody waits for it any more."""
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()

    def press(self, ident: str) -> bool:
        """``ctrl-r`` tries again."""
        if ident == "console.look-again-now" and self._failed:
            self.ready()
            self.retitle()
            return True
        return super().press(ident)

    async def look(self) -> View:
        """Read it. Raises what the backend raises, and Missing for a target that is gone."""
        deck = self.bridge.deck
        target = deck.feed.fleet.find(self.ref) if self.ref is not None else None
        return await deck.look(self.verb, target, self.arguments)

    async def _read(self) -> None:
        bridge = self.bridge
        try:
            view = await self.look()
        except QuarterdeckError as error:
            self._tell(error.what, f"{error.where}  {error.todo}".strip())
        except Exception as error:
            log.exception("view %s", self.verb.title)
            self._tell(f"{type(error).__name__}: {error}", "details are in the log file")
        else:
            bridge.swap(self, self._place_of(view))

    def _tell(self, what: str, more: str) -> None:
        from app.column import clean

        self._failed = True
        self.page.empty = (clean(what), clean(more))
        self.page.set_lines(())
        self.page.refresh()
        self.retitle()

    def _place_of(self, view: View) -> Place:
        about = self.ref.id if self.ref is not None else ""
        if isinstance(view, Rows):
            deck, verb, ref, arguments = self.bridge.deck, self.verb, self.ref, self.arguments

            async def again() -> View:
                target = deck.feed.fleet.find(ref) if ref is not None else None
                return await deck.look(verb, target, arguments)

            return RowsPlace(verb, ref, view, again)
        if isinstance(view, Stream):
            return LogPlace(self.verb, self.ref, view)
        return TextPlace(self.verb.name, about, view.text)


__all__ = ["ViewPlace"]
