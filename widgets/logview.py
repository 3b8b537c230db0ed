"""Lines that keep coming: followed, filtered, wrapped, saved; memory is bounded and keys answer while it floods."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import overload

from textual.strip import Strip

from app.column import Token, clean
from app.errors import QuarterdeckError
from app.fleet import Ref, Resource
from app.verb import Stream, Verb
from widgets.filtered import Filtered
from widgets.page import Line, Page, said, wrapped
from widgets.pane import KeyHint
from widgets.place import heading

KEEP = 10_000
"""Lines kept; older ones are dropped and counted."""
LONGEST = 4096
"""Characters kept of one line."""
PAINT_EVERY = 0.25
_AT_ONCE = 200
"""Lines taken before keys get their turn."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_LOUD = re.compile(r"\b(?:error|errors|fail|failed|failure|fatal|panic|critical|crit|emerg|alert)\b", re.IGNORECASE)


def tame(line: str) -> str:
    """A line from outside, bounded and without escape sequences."""
    cut = line[:LONGEST] + ("…" if len(line) > LONGEST else "")
    return clean(_ESCAPES.sub("", cut)) if "\x1b" in cut else clean(cut)


class LogLines(Sequence[Line]):
    """Kept texts that become drawn lines only where they are looked at."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [_drawn(text) for text in self.texts[index]]
        return _drawn(self.texts[index])


def _drawn(text: str) -> Line:
    return said(f" {text}", Token.WARN if _LOUD.search(text) else Token.TEXT)


class LogPage(Page):
    """A page that can stay at the end, and can wrap."""

    def __init__(self) -> None:
        super().__init__()
        self.follow = True
        self.wrap = False

    def move(self, lines: int) -> None:
        """Moving up ends following; reaching the end begins it again."""
        if self.follow:
            self.top = max(0, len(self.lines) - self.room)
            self.follow = False
        super().move(lines)
        self.follow = self.top + self.room >= len(self.lines)
        self.redraw()

    def draw(self, width: int, height: int) -> list[Strip]:
        """The end while following, else where it was left."""
        if self.follow:
            self.top = max(0, len(self.lines) - height)
        if not self.wrap or not self.lines:
            return super().draw(width, height)
        return self._draw_wrapped(width, height)

    def _draw_wrapped(self, width: int, height: int) -> list[Strip]:
        rows: list[Line] = []
        if self.follow:
            for number in range(len(self.lines) - 1, -1, -1):
                rows = [*wrapped(self.lines[number], width - 2), *rows]
                if len(rows) >= height:
                    break
            rows = rows[-height:]
        else:
            for number in range(self.top, len(self.lines)):
                rows += wrapped(self.lines[number], width - 2)
                if len(rows) >= height:
                    break
        left, self.left = self.left, 0
        drawn = [self._line(row, place, width, " ") for place, row in enumerate(rows[:height])]
        self.left = left
        return drawn


class LogPlace(Filtered):
    """A view that is a stream. Closing the place ends what sends the lines."""

    def __init__(self, verb: Verb, ref: Ref | None, stream: Stream) -> None:
        super().__init__()
        self.verb = verb
        self.ref = ref
        self.name_of = f"{verb.id} {ref}"
        self._stream = stream
        self._kept: list[str] = []
        self._dropped = 0
        self._shown = LogLines()
        self._pump: asyncio.Task[None] | None = None
        self._state = "reading"
        self._dirty = False

    def make_page(self) -> Page:
        """A page that follows."""
        return LogPage()

    @property
    def log_page(self) -> LogPage:
        """The page, as what it is."""
        assert isinstance(self.page, LogPage)
        return self.page

    def title(self) -> tuple[Line, Line]:
        """Whose lines, how many, and whether the end is followed."""
        about = self._stream.title or (self.ref.id if self.ref is not None else "")
        left = (*heading(self.verb.name, about), (f"   {self._count()}", Token.MUTED), *self.filter_words())
        state = self._state
        token = Token.MUTED
        if state == "reading":
            state, token = ("following", Token.OK) if self.log_page.follow else ("held; G follows", Token.WARN)
        return left, ((state, token),)

    def _count(self) -> str:
        count = f"{len(self._kept)} lines" if self.filter.empty else f"{len(self._shown)} of {len(self._kept)} lines"
        return f"{count}, {self._dropped} older dropped" if self._dropped else count

    def hints(self) -> Sequence[KeyHint]:
        """What can be done with lines."""
        page = self.log_page
        return (
            KeyHint("f", "hold" if page.follow else "follow"),
            self.key("filter"),
            self.key("wide", "cut lines" if page.wrap else "wrap"),
            KeyHint("s", "save"),
            self.key("copy"),
            self.key("back"),
        )

    def targets(self) -> tuple[Resource, ...]:
        """Whom the lines are about."""
        row = self.bridge.deck.feed.fleet.find(self.ref) if self.ref is not None else None
        return (row,) if row is not None else ()

    def ready(self) -> None:
        """Begin to read."""
        self.page.empty = ("No lines yet.", "they appear as they come")
        self.page.set_lines(self._shown)
        self._pump = asyncio.create_task(self._read(self._stream.lines), name=f"stream {self.name_of}")
        self.set_interval(PAINT_EVERY, self._paint)

    async def _read(self, lines: AsyncIterator[str]) -> None:
        count = 0
        try:
            async for line in lines:
                self._add(line)
                count += 1
                if count % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            self._state = "ended"
        except QuarterdeckError as error:
            self._state = f"ended: {error}"
        finally:
            close = getattr(lines, "aclose", None)
            if close is not None:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(5):
                        await close()
            self._dirty = True

    def _add(self, line: str) -> None:
        text = tame(line)
        self._kept.append(text)
        if self.filter.empty or self.filter.matches(text):
            self._shown.texts.append(text)
        if len(self._kept) > KEEP + KEEP // 10:
            self._drop()
        self._dirty = True

    def _drop(self) -> None:
        """Let go of the oldest lines, in one go for many."""
        gone = len(self._kept) - KEEP
        leaving = self._kept[:gone]
        passing = gone if self.filter.empty else sum(1 for text in leaving if self.filter.matches(text))
        del self._kept[:gone]
        del self._shown.texts[:passing]
        self.log_page.top = max(0, self.log_page.top - passing)
        self._dropped += gone

    def _paint(self) -> None:
        if not self._dirty:
            return
        self._dirty = False
        self.page.set_lines(self._shown)
        self.retitle()

    def filtered(self) -> None:
        """Show the lines that pass."""
        passes = self.filter.matches
        self._shown.texts = list(self._kept) if self.filter.empty else [t for t in self._kept if passes(t)]
        self.page.empty = (
            ("No lines yet.", "they appear as they come")
            if self.filter.empty
            else ("No line passes the filter.", "esc takes it away")
        )
        self.page.set_lines(self._shown)

    def press(self, ident: str) -> bool:
        """``ctrl-w`` wraps; moving changes whether the end is followed."""
        if ident == "console.wide":
            self.log_page.wrap = not self.log_page.wrap
            self.page.redraw()
            self.retitle()
            return True
        done = super().press(ident)
        self.retitle()
        return done

    def own_key(self, key: str) -> bool:
        """``f`` follows or holds, ``s`` saves."""
        if key == "f":
            self.log_page.follow = not self.log_page.follow
            self.page.redraw()
            self.retitle()
        elif key == "s":
            self.bridge.tell(*self._save())
        else:
            return False
        return True

    def _save(self) -> tuple[str]:
        """Write what is shown to a new file of the operator's, readable by nobody else."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{self.verb.noun}-{self.verb.name}-{self.ref.id if self.ref else ''}")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        error: OSError | None = None
        for folder in (Path.cwd(), Path.home()):
            path = folder / f"{name.strip('-')}-{stamp}.log"
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                    file.write("\n".join(self._shown.texts) + "\n")
            except OSError as problem:
                error = problem
                continue
            return (f"{len(self._shown)} lines saved to {path}",)
        return (f"not saved: {error}",)

    def on_unmount(self) -> None:
        """End what sends the lines."""
        if self._pump is not None:
            self._pump.cancel()

    def words(self) -> str:
        """The lines on the screen."""
        page = self.log_page
        return "\n".join(self._shown.texts[page.top : page.top + page.room])


__all__ = ["KEEP", "LogPlace", "tame"]
