"""Pieces of drawn lines: text with a style, put together without any markup in between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from app.column import Cell, Token
from widgets.fit import fit_text
from widgets.palette import Palette

Piece = tuple[str, Style]

_FULL, _EMPTY = "▇", "░"


def cell_pieces(cell: Cell, width: int, align: Literal["left", "right"], palette: Palette) -> list[Piece]:
    """A cell in exactly ``width`` cells.

    What is well stays quiet: of a state that is fine only the glyph has its colour, and of a bar below its thresholds
    the number looks like any other.
    """
    text = fit_text(cell.text, width, align)
    style = palette[cell.token]
    if cell.token is Token.OK and text[1:2] == " ":
        return [(text[0], style), (text[1:], palette[Token.TEXT])]
    if text[:1] in (_FULL, _EMPTY):
        filled = len(text) - len(text.lstrip(_FULL))
        bar = len(text) - len(text.lstrip(_FULL + _EMPTY))
        colour = palette.part("spark") if cell.token is Token.TEXT else style
        return [(text[:filled], colour), (text[filled:bar], palette.part("rule")), (text[bar:], style)]
    return [(text, style)]


def strip_of(pieces: Iterable[Piece], width: int, base: Style | None = None) -> Strip:
    """One line of exactly ``width`` cells: equal neighbours joined, padded or cut at the end, ``base`` below all."""
    segments: list[Segment] = []
    joined = ""
    last: Style | None = None
    used = 0
    for text, style in pieces:
        if not text:
            continue
        used += len(text) if text.isascii() else cell_len(text)
        if last is not None and (style is last or style == last):
            joined += text
            continue
        if last is not None:
            segments.append(Segment(joined, last if base is None else last + base))
        joined, last = text, style
    if used < width:
        joined += " " * (width - used)
        last = last if last is not None else Style.null()
        used = width
    if last is not None:
        segments.append(Segment(joined, last if base is None else last + base))
    strip = Strip(segments, used)
    return strip.crop(0, width) if used > width else strip


def spread(left: list[Piece], right: list[Piece], width: int, base: Style | None = None) -> Strip:
    """One line with something at each end; where both do not fit, the right end goes."""
    left_width = sum(cell_len(text) for text, _ in left)
    right_width = sum(cell_len(text) for text, _ in right)
    if left_width + right_width + 1 > width:
        return strip_of(left, width, base)
    return strip_of([*left, (" " * (width - left_width - right_width), Style.null()), *right], width, base)
