"""The course of one figure as a small graph of braille dots: two values in a cell, four heights in a line."""

from __future__ import annotations

from collections.abc import Sequence

from app.column import Token, size_text
from widgets.page import Line

_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Bits of the left and the right column of a braille cell, from the lowest dot up."""


def heights(series: Sequence[float | None], levels: int, ceiling: float) -> list[int]:
    """How many dots each value fills, 0 for a gap; anything known fills at least one."""
    return [
        0 if value is None else max(1, min(levels, round(max(0.0, value) / ceiling * levels))) if ceiling > 0 else 1
        for value in series
    ]


def braille(series: Sequence[float | None], width: int, lines: int, ceiling: float) -> list[str]:
    """The last ``2 × width`` values as ``lines`` texts of ``width`` cells, the newest at the right."""
    shown = list(series[-2 * width :])
    filled = [0] * (2 * width - len(shown)) + heights(shown, lines * 4, ceiling)
    drawn: list[str] = []
    for line in reversed(range(lines)):
        cells: list[str] = []
        for cell in range(width):
            bits = 0
            for side in (0, 1):
                dots = min(4, max(0, filled[2 * cell + side] - line * 4))
                for dot in range(dots):
                    bits |= _DOTS[side][dot]
            cells.append(chr(0x2800 + bits) if bits else " ")
        drawn.append("".join(cells))
    return drawn


def graph_lines(series: Sequence[float | None], width: int, lines: int, ceiling: float | None) -> list[Line]:
    """The graph with its ceiling and the newest value beside it; one line of words where nothing is known yet."""
    known = [value for value in series if value is not None]
    if not known:
        return [(("no figures yet", Token.MUTED),)]
    top = ceiling if ceiling is not None else max(known)
    texts = braille(series, width, lines, top)
    unit = " %" if ceiling == 100 else ""
    beside = [""] * lines
    beside[0] = _figure(top, unit)
    beside[-1] = f"now {_figure(known[-1], unit)}"
    return [((text, "spark"), (f" {words}", Token.MUTED)) for text, words in zip(texts, beside, strict=True)]


def _figure(value: float, unit: str) -> str:
    return f"{value:.0f}{unit}" if unit else size_text(value)


__all__ = ["braille", "graph_lines", "heights"]
