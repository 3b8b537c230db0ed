"""The page that a log is read on: stays at the end while lines come, can wrap, draws only what is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import overload

from textual.strip import Strip

from widgets.log_buffer import LogBuffer
from widgets.log_colour import Drawing, drawn, origin_width
from widgets.page import Line, Page, wrapped


class LogLines(Sequence[Line]):
    """Kept lines that become drawn ones only where they are looked at."""

    def __init__(self, buffer: LogBuffer) -> None:
        self.buffer = buffer
        self.how = Drawing()
        self._origins = 0

    def _drawing(self) -> Drawing:
        """How lines are drawn, with room for everybody who has said something by now."""
        if len(self.buffer.origins) != self._origins:
            self._origins = len(self.buffer.origins)
            self.how = replace(self.how, origin_width=origin_width(self.buffer.origins))
        return self.how

    def __len__(self) -> int:
        return len(self.buffer.shown)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            begin, end, _ = index.indices(len(self))
            how = self._drawing()
            return [drawn(kept, how) for kept in self.buffer.shown.part(begin, end)]
        place = index if index >= 0 else len(self) + index
        found = self.buffer.shown.part(place, place + 1)
        if not found:
            raise IndexError(index)
        return drawn(found[0], self._drawing())


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

    def hold(self) -> None:
        """Stay where it is."""
        if self.follow:
            self.top = max(0, len(self.lines) - self.room)
            self.follow = False

    def show(self, place: int) -> None:
        """Bring a line into view, and stay there."""
        self.hold()
        if not self.top <= place < self.top + self.room:
            self.top = max(0, min(place - self.room // 2, len(self.lines) - self.room))
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
        lines = [self._line(row, place, width, " ") for place, row in enumerate(rows[:height])]
        self.left = left
        return lines


__all__ = ["LogLines", "LogPage"]
