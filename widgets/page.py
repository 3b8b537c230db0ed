"""Lines to read, with or without a cursor: the body of every screen that is not a fleet table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from app.column import Token, clean
from widgets.fit import fit_text
from widgets.lines import Lines
from widgets.palette import Palette
from widgets.pieces import Piece, strip_of

Meaning = Token | str
"""A token, or the name of a part of the screen (``key``, ``rule``, ``spark``)."""
Span = tuple[str, Meaning]
Line = tuple[Span, ...]
"""One line before it has colours; its text is already safe to draw."""

WHEEL = 3
_FAR = 8
"""Cells that left and right scroll by."""


def said(text: str, token: Meaning = Token.TEXT) -> Line:
    """A line of one piece of text from outside, made safe to draw."""
    return ((clean(text), token),)


_BARS = re.compile(r"▇+|░+|[^▇░]+")


def bars(text: str, token: Meaning) -> Line:
    """A text with bars in it: what is filled in the colour of courses where nothing is wrong, the rest faint."""
    if "▇" not in text and "░" not in text:
        return ((text, token),)
    filled = "spark" if token is Token.TEXT else token
    return tuple(
        (part, filled if part[0] == "▇" else "rule" if part[0] == "░" else token) for part in _BARS.findall(text)
    )


def style_of(palette: Palette, meaning: Meaning) -> Style:
    """How a meaning looks in the theme in force."""
    return palette[meaning] if isinstance(meaning, Token) else palette.part(meaning)


def pieces_of(line: Line, palette: Palette) -> list[Piece]:
    """A line with its colours."""
    return [(text, style_of(palette, meaning)) for text, meaning in line]


def plain(line: Line) -> str:
    """A line's text alone."""
    return "".join(text for text, _ in line)


def wrapped(line: Line, width: int) -> list[Line]:
    """A line as lines of at most ``width`` cells; breaks between words where it can."""
    if width <= 0 or sum(cell_len(text) for text, _ in line) <= width:
        return [line]
    done: list[Line] = []
    row: list[Span] = []
    used = 0
    for text, meaning in line:
        rest = text
        while rest:
            room = width - used
            if cell_len(rest) <= room:
                row.append((rest, meaning))
                used += cell_len(rest)
                break
            cut = _break(rest, room, at_start=not row)
            row.append((rest[:cut], meaning))
            rest = rest[cut:].lstrip(" ") if cut else rest
            done.append(tuple(row))
            row, used = [], 0
    return [*done, tuple(row)] if row else done


def _break(text: str, room: int, *, at_start: bool) -> int:
    """How many characters of ``text`` go on a line with ``room`` cells."""
    used = 0
    count = 0
    for char in text:
        used += cell_len(char)
        if used > room:
            break
        count += 1
    blank = text.rfind(" ", 0, count + 1)
    if blank > 0:
        return blank
    if not at_start:
        return 0
    return max(1, count)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The line under the cursor and what it stands for."""

    number: int
    value: object


class Page(Lines, can_focus=True):
    """Lines that scroll. With ``cursor`` one of them is chosen, and ``Opened`` tells of it."""

    DEFAULT_CSS = """
    Page { width: 1fr; height: 1fr; }
    """

    class Opened(Message):
        """The operator asked for more about the chosen line."""

        def __init__(self, page: Page, number: int) -> None:
            super().__init__()
            self.page = page
            self.number = number

    class Moved(Message):
        """Another line is chosen."""

        def __init__(self, page: Page, number: int) -> None:
            super().__init__()
            self.page = page
            self.number = number

    def __init__(self, *, cursor: bool = False, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines: Sequence[Line] = ()
        self.header: Line | None = None
        self.empty: tuple[str, str] = ("Nothing here.", "")
        """Two lines for when there is nothing to show."""
        self.top = 0
        self.left = 0
        self.cursor = 0
        self._with_cursor = cursor
        self.at_hand = False
        """Whether keys reach the cursor even while something else, such as a field, has them first."""
        self.make_lines: Callable[[int], Sequence[Line]] | None = None
        """Makes the lines for a width, where they depend on it."""
        self._arranged_for = 0

    # what others ask

    def set_lines(self, lines: Sequence[Line], header: Line | None = None) -> None:
        """Show these lines; what is as it was is not painted again, and the window stays where it is."""
        self.lines = lines
        self.header = header
        self.cursor = max(0, min(self.cursor, len(lines) - 1))
        self.redraw()

    def rearrange(self) -> None:
        """Make the lines anew for the present width."""
        if self.make_lines is not None and self.size.width:
            self._arranged_for = self.size.width
            self.set_lines(self.make_lines(self.size.width), self.header)

    @property
    def room(self) -> int:
        """Lines that fit below the header."""
        return max(1, self.size.height - (1 if self.header is not None else 0))

    def act(self, ident: str) -> bool:
        """Move as a binding of the console says (``console.down``); ``False`` when it says something else."""
        step = {
            "console.down": lambda: self.move(1),
            "console.up": lambda: self.move(-1),
            "console.page-down": lambda: self.move(self.room - 1),
            "console.page-up": lambda: self.move(1 - self.room),
            "console.first-row": lambda: self.move(-len(self.lines)),
            "console.last-row": lambda: self.move(len(self.lines)),
            "console.scroll-left": lambda: self.across(-_FAR),
            "console.scroll-right": lambda: self.across(_FAR),
            "console.open": self.open,
        }.get(ident)
        if step is None:
            return False
        step()
        return True

    def move(self, lines: int) -> None:
        """Cursor or window down (up where negative)."""
        if not self._with_cursor:
            self.top = max(0, min(self.top + lines, len(self.lines) - self.room))
            self.redraw()
            return
        self.go(self.cursor + lines)

    def go(self, number: int) -> None:
        """Choose a line, clamped to the first and last."""
        before = self.cursor
        self.cursor = max(0, min(number, len(self.lines) - 1))
        self.redraw()
        if self.cursor != before:
            self.post_message(self.Moved(self, self.cursor))

    def across(self, cells: int) -> None:
        """Window to the right (left where negative); the ends of the longest visible line are the limit."""
        shown = self.lines[self.top : self.top + self.room]
        longest = max((sum(cell_len(text) for text, _ in line) for line in shown), default=0)
        self.left = max(0, min(self.left + cells, longest - self.size.width + 1))
        self.redraw()

    def open(self) -> None:
        """Ask for more about the chosen line."""
        if self._with_cursor and self.lines:
            self.post_message(self.Opened(self, self.cursor))

    # drawing

    def draw(self, width: int, height: int) -> list[Strip]:
        """The header and the visible lines, with a thumb at the right edge where there are more."""
        palette = self.palette
        drawn: list[Strip] = []
        if self.header is not None:
            drawn.append(strip_of(pieces_of(self.header, palette), width))
            height -= 1
        if not self.lines:
            return [*drawn, *self._nothing(width, height)]
        if self._with_cursor:
            self.top = max(min(self.top, self.cursor), self.cursor - height + 1)
        self.top = max(0, min(self.top, len(self.lines) - height))
        thumb = _thumb(self.top, height, len(self.lines))
        for place, line in enumerate(self.lines[self.top : self.top + height]):
            drawn.append(self._line(line, place, width, "▐" if place in thumb else " "))
        return drawn

    def _line(self, line: Line, place: int, width: int, edge: str) -> Strip:
        palette = self.palette
        base = None
        pieces = pieces_of(line, palette)
        inner = width - 1
        if self._with_cursor:
            chosen = self.top + place == self.cursor
            inner -= 2
            if chosen:
                base = palette.part("cursor" if self.has_focus or self.at_hand else "cursor_away")
            mark: Piece = ("▌ " if chosen else "  ", palette[Token.ACCENT])
        else:
            mark = ("", Style.null())
        length = sum(cell_len(text) for text, _ in pieces)
        if self.left:
            body = strip_of(pieces, max(length, self.left + inner)).crop(self.left, self.left + inner)
            pieces = [(segment.text, segment.style or Style.null()) for segment in body]
        elif length > inner:
            pieces = _shortened(pieces, inner)
        pad = max(0, inner - sum(cell_len(text) for text, _ in pieces))
        blank = (" " * pad, Style.null())
        return strip_of([mark, *pieces, blank, (edge, palette.part("thumb"))], width, base)

    def _nothing(self, width: int, height: int) -> list[Strip]:
        above = max(0, min(height - 2, height // 3))
        lines = [Strip.blank(width)] * above
        for words, token in zip(self.empty, (Token.TEXT, Token.MUTED), strict=True):
            left = max(1, (width - cell_len(words[:width])) // 2)
            lines.append(strip_of([(" " * left + fit_text(words, max(1, width - left)), self.palette[token])], width))
        return lines

    # what happens to it

    def on_resize(self) -> None:
        """Make the lines for the new width; keep the cursor in view."""
        self._drawn_size = None
        if self.make_lines is not None and self.size.width != self._arranged_for:
            self.rearrange()
        self.redraw()

    def on_focus(self) -> None:
        """Show the cursor as the one that keys go to."""
        self.redraw()

    def on_blur(self) -> None:
        """Show the cursor as waiting."""
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Down a few lines."""
        event.stop()
        self.move(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Up a few lines."""
        event.stop()
        self.move(-WHEEL)

    def on_click(self, event: events.Click) -> None:
        """Choose the line; twice opens it."""
        event.stop()
        number = self.top + event.y - (1 if self.header is not None else 0)
        if self._with_cursor and 0 <= number < len(self.lines):
            self.go(number)
            if event.chain == 2:
                self.open()


def take_keys(widget: Widget) -> None:
    """Send the keys to a widget from the very next one on; ``Widget.focus`` would let a fast one slip by."""
    if widget.is_attached:
        widget.screen.set_focus(widget, scroll_visible=False)


def has_keys(field: Widget | None) -> bool:
    """Whether a field to type in has the keys: one that is hidden, itself or with what it stands in, has none."""
    return isinstance(field, Input) and all(one.display for one in field.ancestors_with_self if isinstance(one, Widget))


def _shortened(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """Pieces cut to ``width`` cells, with ``…`` where something is left out."""
    kept: list[Piece] = []
    room = width
    for text, style in pieces:
        size = cell_len(text)
        if size >= room:
            kept.append((fit_text(text + ("  " if size == room else ""), room), style))
            break
        kept.append((text, style))
        room -= size
    return kept


def _thumb(top: int, height: int, count: int) -> range:
    """Which lines of the window show the thumb; none where everything fits."""
    if count <= height or height < 3:
        return range(0)
    size = max(1, height * height // count)
    start = round(top / max(1, count - height) * (height - size))
    return range(start, start + size)


__all__ = ["Line", "Meaning", "Page", "Span", "bars", "pieces_of", "plain", "said", "style_of", "take_keys", "wrapped"]
