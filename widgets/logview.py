"""Lines that keep coming: followed, filtered, searched, wrapped, saved; keys answer while it floods."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from app.column import Token, clean
from app.errors import QuarterdeckError
from app.fleet import Ref, Resource
from app.verb import Line as SentLine
from app.verb import Stream, Verb
from widgets.fit import fit_text
from widgets.log_buffer import KEEP, LogBuffer, tame
from widgets.log_colour import Drawing, origin_width
from widgets.log_file import save
from widgets.log_page import LogLines, LogPage
from widgets.page import Line, Page, plain
from widgets.pane import KeyHint
from widgets.place import heading
from widgets.searched import Searched

PAINT_EVERY = 0.25
_FIRST_S = 0.02
"""Seconds after the first line until it is shown: those that come with it are shown with it."""
_SLICE_S = 0.002
"""Seconds of work on lines before others get their turn."""
_TURNS = 6
"""Turns that others get in a row: a key is handed on from one task to the next before it is answered."""
_REST_S = 0.06
"""Seconds that lines wait after a key, so that what it does is not held up by them."""
_SUBJECT = 40
"""Cells of a title for whose lines they are: how many and which filter stands behind."""
_TOO_SLOW_S = 0.4
"""A filter that takes longer for one line is taken away."""


class LogPlace(Searched):
    """A view that is a stream. Closing the place ends what sends the lines."""

    def __init__(self, verb: Verb, ref: Ref | None, stream: Stream) -> None:
        super().__init__()
        self.verb = verb
        self.ref = ref
        self.name_of = f"{verb.id} {ref}"
        self.buffer = LogBuffer()
        self._stream = stream
        self._shown = LogLines(self.buffer)
        self._timestamps = stream.timestamps
        self._pump: asyncio.Task[None] | None = None
        self._refilter: asyncio.Task[None] | None = None
        self._state = "reading"
        self._dirty = False
        self._calm_until = 0.0
        self._match = -1

    def make_page(self) -> Page:
        """A page that follows."""
        return LogPage()

    @property
    def log_page(self) -> LogPage:
        """The page, as what it is."""
        assert isinstance(self.page, LogPage)
        return self.page

    # what it says of itself

    def title(self) -> tuple[Line, Line]:
        """Whose lines, how many, and whether the end is followed."""
        about = self._stream.title or (self.ref.id if self.ref is not None else "")
        left = (
            *heading(self.verb.name, fit_text(about, _SUBJECT).rstrip()),
            (f"   {self._count()}", Token.MUTED),
            *self.filter_words(),
        )
        left = (*left, *self.search_words())
        state = self._state
        token = Token.MUTED
        if state == "reading":
            state, token = ("following", Token.OK) if self.log_page.follow else ("held; G follows", Token.WARN)
        return left, ((state, token),)

    def _count(self) -> str:
        buffer = self.buffer
        kept = len(buffer)
        count = f"{kept} lines" if self.filter.empty else f"{len(buffer.shown)} of {kept} lines"
        return f"{count}, {buffer.dropped} older dropped" if buffer.dropped else count

    def hints(self) -> Sequence[KeyHint]:
        """What can be done with lines."""
        page = self.log_page
        return (
            KeyHint("f", "hold" if page.follow else "follow"),
            self.key("filter"),
            *self.search_hints(),
            KeyHint("t", "no time" if self._timestamps else "time"),
            self.key("wide", "cut lines" if page.wrap else "wrap"),
            KeyHint("s", "save"),
            self.key("copy"),
            self.key("back"),
        )

    def targets(self) -> tuple[Resource, ...]:
        """Whom the lines are about."""
        row = self.bridge.deck.feed.fleet.find(self.ref) if self.ref is not None else None
        return (row,) if row is not None else ()

    def words(self) -> str:
        """The lines on the screen."""
        page = self.log_page
        return "\n".join(plain(line)[1:].rstrip() for line in self._shown[page.top : page.top + page.room])

    # lines

    def ready(self) -> None:
        """Begin to read."""
        self.page.empty = ("No lines yet.", "they appear as they come")
        self._redraw()
        self._pump = asyncio.create_task(self._read(self._stream.lines), name=f"stream {self.name_of}")
        self.set_interval(PAINT_EVERY, self._paint)

    async def _read(self, lines: AsyncIterator[str | SentLine]) -> None:
        until = time.monotonic() + _SLICE_S
        try:
            async for line in lines:
                began = time.monotonic()
                if began > until or self._refilter is not None:
                    await self._give_way()
                    began = time.monotonic()
                    until = began + _SLICE_S
                if not self.buffer.count:
                    self.set_timer(_FIRST_S, self._paint)
                gone = self.buffer.add(line)
                if gone:
                    self._went(gone)
                self._dirty = True
                if not self.filter.empty and time.monotonic() - began > _TOO_SLOW_S:
                    self._give_up_filter()
            self._state = "ended"
        except QuarterdeckError as error:
            self._state = f"ended: {clean(str(error))}"
        finally:
            close = getattr(lines, "aclose", None)
            if close is not None:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(5):
                        await close()
            self._dirty = True

    async def _give_way(self) -> None:
        """Let keys and the screen have their turn; longer after a key, or while the filter is applied anew."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while (left := self._calm_until - time.monotonic()) > 0:
            await asyncio.sleep(left)
        while self._refilter is not None:
            await asyncio.wait((self._refilter,))

    def _went(self, lines: int) -> None:
        if not self.log_page.follow:
            self.log_page.top = max(0, self.log_page.top - lines)

    def _paint(self) -> None:
        if self._dirty and self._refilter is None:
            self._dirty = False
            self._redraw()
            self.retitle()

    def _redraw(self) -> None:
        """Show the lines as they are wanted now."""
        self._shown.how = Drawing(
            timestamps=self._timestamps,
            origin_width=origin_width(self.buffer.origins),
            found=None if self.pattern is None else self.places,
            chosen=self._match,
        )
        self.page.set_lines(self._shown)

    # filter

    def filtered(self) -> None:
        """Show the lines that pass; the kept ones are looked through between keys."""
        if self._refilter is not None:
            self._refilter.cancel()
        self._refilter = asyncio.create_task(self._apply(), name=f"filter {self.name_of}")

    async def _apply(self) -> None:
        wanted = self.filter
        try:
            began = last = time.monotonic()
            for _ in self.buffer.refilter(None if wanted.empty else wanted.matches):
                now = time.monotonic()
                if now - last > _TOO_SLOW_S:
                    self._give_up_filter()
                    return
                if now - began > 2 * _SLICE_S:
                    await asyncio.sleep(0)
                    now = began = time.monotonic()
                last = now
            self.page.empty = (
                ("No lines yet.", "they appear as they come")
                if wanted.empty
                else ("No line passes the filter.", "esc takes it away")
            )
            self._redraw()
            self.retitle()
        finally:
            if self._refilter is asyncio.current_task():
                self._refilter = None

    def _give_up_filter(self) -> None:
        typed = self.filter.typed
        self.call_later(self.set_filter, "")
        self.call_later(self.bridge.tell, f"/{clean(typed)[:60]} takes too long on these lines", bad=True)

    # search

    def find(self, step: int) -> None:
        """Go to the next line that the search finds, before where it stands for a negative step."""
        shown, page = self.buffer.shown, self.log_page
        numbers = [kept.number for kept in shown]
        if self._match in numbers:
            here = numbers.index(self._match)
        else:
            here = len(numbers) if page.follow else page.top + (-1 if step > 0 else page.room)
        after, before = range(here + 1, len(numbers)), range(min(here, len(numbers)) - 1, -1, -1)
        place = self.buffer.find(self.finds, after if step > 0 else before)
        if place is None:
            self.bridge.tell(f"nothing more {'after' if step > 0 else 'before'} this one is like {clean(self.search)}")
            return
        self._match = numbers[place]
        self._redraw()
        page.show(place)
        self.retitle()

    def searched(self) -> None:
        """Begin anew; what is found stands out."""
        self._match = -1
        self._redraw()

    # keys

    def press(self, ident: str) -> bool:
        """``ctrl-w`` wraps; moving changes whether the end is followed."""
        self.typing()
        if ident == "console.wide":
            self.log_page.wrap = not self.log_page.wrap
            self.page.redraw()
            self.retitle()
            return True
        done = super().press(ident)
        self.retitle()
        return done

    def own_key(self, key: str) -> bool:
        """``f`` follows or holds, ``t`` shows moments, ``#`` searches, ``n`` and ``N`` go on, ``s`` saves."""
        if key == "f":
            page = self.log_page
            page.follow = not page.follow
            page.redraw()
        elif key == "t":
            self._timestamps = not self._timestamps
            self._redraw()
        elif key == "s":
            self._save()
        elif not super().own_key(key):
            return False
        self.typing()
        self.retitle()
        return True

    def typing(self) -> None:
        """Lines wait a moment."""
        self._calm_until = time.monotonic() + _REST_S

    def _save(self) -> None:
        name = f"{self.verb.noun}-{self.verb.name}-{self.ref.id if self.ref else ''}"
        try:
            path = save(
                name,
                self.buffer.shown,
                timestamps=self._timestamps,
                origins=len(self.buffer.origins) > 1,
                folders=(Path.cwd(), Path.home()),
            )
        except OSError as error:
            self.bridge.tell(f"not saved: {error}", bad=True)
        else:
            self.bridge.tell(f"{len(self.buffer.shown)} lines saved to {path}")

    def on_unmount(self) -> None:
        """End what sends the lines."""
        for task in (self._pump, self._refilter):
            if task is not None:
                task.cancel()


__all__ = ["KEEP", "LogPlace", "tame"]
