"""A view that is sections: labelled lines, tables, as a describe screen has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from app.column import Token, clean
from app.errors import QuarterdeckError
from app.fleet import Ref, Resource
from app.verb import Sections, Verb
from widgets.page import Line
from widgets.pane import KeyHint
from widgets.place import Place, heading
from widgets.sections import arranged


class SectionsPlace(Place):
    """Sections to read; ``ctrl-r`` reads them again."""

    def __init__(self, verb: Verb, ref: Ref | None, sections: Sections, reload: Callable[[], Awaitable[Any]]) -> None:
        super().__init__()
        self.verb = verb
        self.ref = ref
        self.name_of = f"{verb.id} {ref}"
        self.sections = sections.sections
        self._reload = reload
        self._fault = ""
        self._reading: asyncio.Task[None] | None = None

    def title(self) -> tuple[Line, Line]:
        """What it is, of what."""
        left = heading(self.verb.name, self.ref.id if self.ref is not None else "")
        return (*left, ((f"   ! {clean(self._fault)}" if self._fault else ""), Token.WARN)), ()

    def hints(self) -> Sequence[KeyHint]:
        """Read again, copy, leave."""
        return (self.key("look-again-now", "again"), self.key("copy"), self.key("back"))

    def targets(self) -> tuple[Resource, ...]:
        """Whom it is about."""
        row = self.bridge.deck.feed.fleet.find(self.ref) if self.ref is not None else None
        return (row,) if row is not None else ()

    def ready(self) -> None:
        """Show them at the width there is."""
        self.page.empty = ("It said nothing.", "")
        self.page.make_lines = lambda width: arranged(self.sections, width - 1, lambda figure, count: ())
        self.page.rearrange()

    def press(self, ident: str) -> bool:
        """``ctrl-r`` reads again."""
        if ident != "console.look-again-now":
            return super().press(ident)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name=f"read {self.name_of}")
        return True

    async def _read(self) -> None:
        try:
            found = await self._reload()
        except QuarterdeckError as error:
            self._fault = str(error)
        else:
            self._fault = ""
            if isinstance(found, Sections):
                self.sections = found.sections
        if self.is_attached:
            self.page.rearrange()
            self.retitle()

    def on_unmount(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()


__all__ = ["SectionsPlace"]
