"""Fitting text into cells and columns into a width; measured in terminal cells, never in characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len, get_character_cell_size

from app.column import Column

GAP = 2
"""Blank cells between columns."""

ELLIPSIS = "…"
LESS_THAN_A_NAME = 5
"""Columns of this priority number and above give way to a name that would be cut."""
NAME_FIRST = 26
"""So much of a name comes before them."""

_SELECTORS = str.maketrans("", "", "\u200d\ufe0e\ufe0f")
"""Joiners and variation selectors change a width in some terminals and not in others, so none is drawn."""


_OURS = frozenset(map(chr, range(32, 127))) | frozenset("▀▄█▐▌▁▂▃▄▅▆▇░●○◐◌✓╱─·–…↑↓→")
"""What this console itself draws with: each takes one cell."""


def text_width(text: str) -> int:
    """Terminal cells that a text takes.

    What consists of our own glyphs is counted without Rich, whose cache would keep every second of a clock.
    """
    return len(text) if text.isascii() or _OURS.issuperset(text) else cell_len(text)


def fit_text(text: str, width: int, align: Literal["left", "right"] = "left") -> str:
    """``text`` in exactly ``width`` cells: padded, or cut with ``…`` at its end.

    Looks at a bounded number of characters, so that a megabyte in a cell costs no more than a line.
    """
    if width <= 0:
        return ""
    if len(text) <= width and text.isascii():
        return text.ljust(width) if align == "left" else text.rjust(width)
    if len(text) > 4 * width + 16:
        return _cut(text[: 4 * width + 16], width)
    if not text.isascii():
        text = text.translate(_SELECTORS)
    used = text_width(text)
    if used > width:
        return _cut(text, width)
    pad = " " * (width - used)
    return text + pad if align == "left" else pad + text


def _cut(text: str, width: int) -> str:
    """The beginning of ``text`` and ``…``, in exactly ``width`` cells; never half of a wide character."""
    used = 0
    kept: list[str] = []
    for char in text.translate(_SELECTORS):
        size = get_character_cell_size(char)
        if used + size > width - 1:
            break
        kept.append(char)
        used += size
    return "".join(kept) + ELLIPSIS + " " * (width - 1 - used)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a column stands: its number in the kind, its first cell and its width."""

    number: int
    x: int
    width: int


def fit_columns(
    columns: Sequence[Column[Any]], room: int, *, wide: bool = False, first: int = 0, name_width: int = 0
) -> tuple[Placed, ...]:
    """Which columns are shown in ``room`` cells and where.

    In the ordinary view those of least priority are dropped until the others fit, and those that matter less than a
    whole name until the name does; in the wide view none is dropped, the name stays and the rest begins ``first``
    columns further on. What is left over goes to the name, as far as ``name_width`` says that it needs more, then to
    the flexible columns.
    """
    chosen = [number for number, column in enumerate(columns) if wide or not column.wide]
    scrolled = 1 + min(first, max(0, len(chosen) - 2))
    chosen = chosen[:1] + chosen[scrolled:] if wide else _drop(columns, chosen, room, name_width)
    widths = _widths(columns, chosen, room, name_width)
    placed: list[Placed] = []
    x = 0
    for number in chosen:
        width = min(widths[number], room - x)
        if width <= 0:
            break
        placed.append(Placed(number, x, width))
        x += width + GAP
    return tuple(placed)


def _needed(columns: Sequence[Column[Any]], chosen: Sequence[int]) -> int:
    return sum(columns[number].width for number in chosen) + GAP * (len(chosen) - 1)


def _drop(columns: Sequence[Column[Any]], chosen: list[int], room: int, name_width: int) -> list[int]:
    """Columns of the highest priority number go first, from the right; the first column and priority 0 stay."""
    name = max(0, min(name_width, NAME_FIRST) - columns[chosen[0]].width) if chosen else 0
    while (over := _needed(columns, chosen) - room) + name > 0:
        least = 1 if over > 0 else LESS_THAN_A_NAME
        droppable = [number for number in chosen[1:] if columns[number].priority >= least]
        if not droppable:
            break
        worst = max(droppable, key=lambda number: (columns[number].priority, number))
        chosen = [number for number in chosen if number != worst]
    return chosen


def _widths(columns: Sequence[Column[Any]], chosen: Sequence[int], room: int, name_width: int) -> dict[int, int]:
    widths = {number: columns[number].width for number in chosen}
    left = room - _needed(columns, chosen)
    flexible = [number for number in chosen if columns[number].flex]
    if left <= 0:
        return widths
    more = max(0, min(left, name_width - widths[chosen[0]]))
    widths[chosen[0]] += more
    left -= more
    for place, number in enumerate(flexible):
        widths[number] += left // len(flexible) + (1 if place < left % len(flexible) else 0)
    return widths


def hidden_right(columns: Sequence[Column[Any]], placed: Sequence[Placed], *, wide: bool) -> bool:
    """Whether columns of the wide view stand beyond the right edge."""
    last = placed[-1] if placed else None
    return wide and last is not None and (last.number < len(columns) - 1 or last.width < columns[last.number].width)
