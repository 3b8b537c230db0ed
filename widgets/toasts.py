"""Toasts that do not pile up: equal words become one with a count, and at most three stand at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.cells import cell_len
from textual.containers import Container
from textual.geometry import Size
from textual.strip import Strip
from textual.timer import Timer

from app.column import Token, clean
from widgets.lines import Lines
from widgets.page import wrapped
from widgets.pieces import Piece, strip_of

MOST = 3
SECONDS = 6.0
"""How long good news stands; bad news stands twice as long."""
WIDEST = 64
_LINES = 3
"""Lines one toast may have; the whole text is in the job and in the log file."""


@dataclass(frozen=True, slots=True)
class Toast:
    """One thing said."""

    words: str
    bad: bool
    count: int = 1
    until: float = 0.0


class ToastCorner(Container):
    """Holds the toasts at the right, two lines above the lower edge, and covers nothing else."""

    DEFAULT_CSS = """
    ToastCorner {
        layer: above; dock: bottom; width: 1fr; height: auto; align: right bottom; visibility: hidden;
        margin-bottom: 2;
    }
    """


class Toasts(Lines):
    """A stack at the lower right, above everything; nothing to focus, nothing to close by hand."""

    DEFAULT_CSS = """
    Toasts { height: auto; width: auto; max-width: 100%; visibility: visible; display: none; }
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self.toasts: list[Toast] = []
        self._timer: Timer | None = None

    def say(self, words: str, *, bad: bool = False) -> None:
        """Add a toast; the same words again only count up."""
        now = self._clock()
        until = now + SECONDS * (2 if bad else 1)
        words = clean(words).strip() or "…"
        same = next((toast for toast in self.toasts if (toast.words, toast.bad) == (words, bad)), None)
        if same is not None:
            self.toasts.remove(same)
            self.toasts.append(replace(same, count=same.count + 1, until=until))
        else:
            self.toasts.append(Toast(words, bad, until=until))
        self.toasts = self.toasts[-MOST:]
        self._changed()

    def clear(self) -> None:
        """Take all of them away."""
        self.toasts.clear()
        self._changed()

    def _expire(self) -> None:
        now = self._clock()
        kept = [toast for toast in self.toasts if toast.until > now + 0.05]
        if kept != self.toasts:
            self.toasts = kept
        self._changed()

    def _changed(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self.toasts:
            first = min(toast.until for toast in self.toasts)
            self._timer = self.set_timer(max(0.05, first - self._clock()), self._expire)
        self.display = bool(self.toasts)
        self._drawn_size = None
        self.refresh(layout=True)

    def _blocks(self, width: int) -> list[tuple[Toast, list[str]]]:
        blocks: list[tuple[Toast, list[str]]] = []
        for toast in self.toasts:
            words = f"{toast.words}  ×{toast.count}" if toast.count > 1 else toast.words
            lines = ["".join(text for text, _ in line) for line in wrapped(((words, Token.TEXT),), max(8, width - 4))]
            if len(lines) > _LINES:
                lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1][: width - 6]}…"]
            blocks.append((toast, lines))
        return blocks

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines of all toasts."""
        return sum(len(lines) for _, lines in self._blocks(width))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as the longest line, within bounds."""
        room = min(WIDEST, container.width)
        longest = max((cell_len(line) for _, lines in self._blocks(room) for line in lines), default=1)
        return min(room, longest + 4)

    def draw(self, width: int, height: int) -> list[Strip]:
        """Each toast with its sign: ✓ for news, ! for trouble."""
        palette = self.palette
        base = palette.part("cursor")
        drawn: list[Strip] = []
        for toast, lines in self._blocks(width):
            token = Token.CRIT if toast.bad else Token.OK
            for number, line in enumerate(lines):
                sign: Piece = (f" {('!' if toast.bad else '✓') if number == 0 else ' '} ", palette[token])
                drawn.append(strip_of([sign, (line, palette[Token.TEXT])], width, base))
        return drawn


__all__ = ["MOST", "SECONDS", "Toast", "ToastCorner", "Toasts"]
