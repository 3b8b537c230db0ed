"""Pieces of drawn lines: text with a style, put together without any markup in between."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from app.column import Cell, Token
from widgets.drawn_line import DrawnLine
from widgets.fit import fit_text, text_width
from widgets.palette import PLAIN, Palette

Piece = tuple[str, Style]

_FULL, _EMPTY = "▇", "░"


def cell_pieces(cell: Cell, width: int, align: Literal["left", "right"], palette: Palette) -> list[Piece]:
    """A cell in exactly ``width`` cells.

    What is well stays quiet: of a state that is fine only the glyph has its colour, and of a bar below its thresholds
    the number looks like any other.
    """
    return styled(fit_text(cell.text, width, align), cell, palette)


def padded(text: str, style: Style) -> list[Piece]:
    """Fitted text whose padding is blank, so that nothing is underlined or reversed but the words."""
    if not _shows_on_blanks(style):
        return [(text, style)]
    words = text.rstrip(" ")
    bare = words.lstrip(" ")
    if not bare:
        return [(text, PLAIN)]
    before, after = len(words) - len(bare), len(text) - len(words)
    return [(" " * before, PLAIN), (bare, style), (" " * after, PLAIN)]


@lru_cache(256)
def _shows_on_blanks(style: Style) -> bool:
    """Whether a blank in this style looks like something."""
    return bool(style.underline or style.reverse or style.strike or style.overline or style.bgcolor)


def styled(text: str, cell: Cell, palette: Palette) -> list[Piece]:
    """The pieces of a cell whose text is fitted already."""
    style = palette[cell.token]
    if cell.token is Token.OK and text[1:2] == " ":
        return [(text[0], style), *padded(text[1:], palette[Token.TEXT])]
    begin = min((at for at in (text.find(_FULL), text.find(_EMPTY)) if at >= 0), default=-1)
    if begin >= 0:
        rest = text[begin:].lstrip(_FULL)
        filled = len(text) - len(rest)
        end = len(text) - len(rest.lstrip(_EMPTY))
        colour = palette.part("spark") if cell.token is Token.TEXT else style
        bar = [(text[begin:filled], colour), (text[filled:end], palette.part("rule"))]
        return [(text[:begin], style), *bar, *padded(text[end:], style)]
    return padded(text, style)


def strip_of(pieces: Iterable[Piece], width: int, over: Style | None = None) -> Strip:
    """One line of exactly ``width`` cells: neighbours joined, padded or cut at the end, ``over`` laid on all of it.

    Blanks join whatever stands before them where that does not show: each change of style costs bytes on the line.
    """
    segments: list[Segment] = []
    joined = ""
    last: Style | None = None
    used = 0
    for text, style in pieces:
        if not text:
            continue
        used += text_width(text)
        if last is not None and (style is last or (text.isspace() and not _shows_on_blanks(last) and style is PLAIN)):
            joined += text
            continue
        if last is not None:
            segments.append(Segment(joined, last if over is None else last + over))
        joined, last = text, style
    if last is not None:
        segments.append(Segment(joined, last if over is None else last + over))
    if used < width:
        segments.append(Segment(" " * (width - used), PLAIN if over is None else over))
        used = width
    strip = DrawnLine(segments, used)
    return strip.crop(0, width) if used > width else strip


def spread(left: list[Piece], right: list[Piece], width: int, over: Style | None = None) -> Strip:
    """One line with something at each end; where both do not fit, the right end goes."""
    room = width - pieces_width(left) - pieces_width(right)
    return strip_of([*left, (" " * room, PLAIN), *right] if room > 0 else left, width, over)


def pieces_width(pieces: Iterable[Piece]) -> int:
    """Terminal cells that pieces take together."""
    return sum(text_width(text) for text, _ in pieces)
