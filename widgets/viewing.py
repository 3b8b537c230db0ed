"""A view while it is being read; becomes the table, text or stream that it turns out to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.column import Token, clean
from app.deck import Deck
from app.errors import QuarterdeckError
from app.fleet import Ref
from app.verb import Rows, Sections, Shape, Stream, Verb, View
from widgets.logview import LogPlace
from widgets.page import Line
from widgets.pane import KeyHint
from widgets.place import Place, heading
from widgets.rowsview import RowsPlace
from widgets.sectionsview import SectionsPlace
from widgets.textview import TextPlace

log = logging.getLogger(__name__)


class ViewPlace(Place):
    """Reads one view of one target, or of several; what goes wrong is told here, and it can be left at any time."""

    def __init__(self, verb: Verb, refs: Sequence[Ref], arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.verb = verb
        self.refs = tuple(refs)
        self.ref = refs[0] if len(refs) == 1 else None
        """The one target; ``None`` for several, and for a view of the kind."""
        self.arguments = arguments
        self.name_of = f"{verb.id} {', '.join(str(ref) for ref in refs)}"
        self._reading: asyncio.Task[None] | None = None
        self._failed = False

    def title(self) -> tuple[Line, Line]:
        """What is being read."""
        state = ("failed", Token.CRIT) if self._failed else ("reading …", Token.MUTED)
        return heading(self.verb.name, self._about), (state,)

    @property
    def _about(self) -> str:
        """Whom it is about, in few words."""
        if len(self.refs) > 1:
            return f"{len(self.refs)} {self.bridge.deck.kinds[self.verb.noun].plural}"
        return self.ref.id if self.ref is not None else given_words(self.verb, self.arguments)

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
        """Read it. Raises what the backend raises, and Missing where no target is left."""
        return await _look(self.bridge.deck, self.verb, self.refs, self.arguments)

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
        self._failed = True
        self.page.empty = (clean(what), clean(more))
        self.page.set_lines(())
        self.page.refresh()
        self.retitle()

    def _place_of(self, view: View) -> Place:
        place = self._made(view)
        place.name_of = self.name_of
        return place

    def _made(self, view: View) -> Place:
        deck, verb, refs, arguments = self.bridge.deck, self.verb, self.refs, self.arguments

        def again() -> Awaitable[View]:
            return _look(deck, verb, refs, arguments)

        if isinstance(view, Rows):
            return RowsPlace(verb, self.ref, view, again, about=self._about)
        if isinstance(view, Stream):
            return LogPlace(verb, self.ref, view if view.title else replace(view, title=self._about))
        if isinstance(view, Sections):
            return SectionsPlace(verb, self.ref, view, again)
        return TextPlace(verb.name, self._about, view.text)


def given_words(verb: Verb, arguments: Mapping[str, Any]) -> str:
    """What a view was narrowed down to: ``lab/101  errors``; secrets and what was left open are not said."""
    said: list[str] = []
    for param in verb.params:
        value = arguments.get(param.name)
        if param.secret or value is None or value is False or value == ():
            continue
        if param.shape is not Shape.OPTION:
            said.append(str(value))
        else:
            said.append(param.name if value is True else f"{param.name} {value}")
    return "  ".join(said)


async def _look(deck: Deck, verb: Verb, refs: Sequence[Ref], arguments: Mapping[str, Any]) -> View:
    found = [deck.feed.fleet.find(ref) for ref in refs]
    return await deck.look(verb, [target for target in found if target is not None], arguments)


__all__ = ["ViewPlace", "given_words"]
