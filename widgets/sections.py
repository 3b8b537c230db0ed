"""Sections of a describe screen as lines: labels, tables and graphs, in as many columns as the width has room for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rich.cells import cell_len

from app.column import UNKNOWN_TEXT, Cell, Section, Token, clean
from widgets.graph import graph_lines
from widgets.page import Line, Span, bars, wrapped

COLUMN = 56
"""Cells that a column of sections wants at least; there are as many columns as fit, at most three."""
GRAPH_LINES = 4
_BETWEEN = 2
_LABEL = 22
"""The widest label that sections have in common; one with wider labels has a width of its own."""
_AFTER = 2
_WIDEST_CELL = 48
_BESIDE_GRAPH = 12
"""Cells for the figures beside a graph."""

Series = Callable[[str, int], Sequence[float | None]]
"""The last values of a figure by its name, as many as asked for."""


def cell_span(cell: Cell) -> Span:
    """A cell as a piece of a line."""
    return (clean(cell.text), cell.token)


def cell_line(cell: Cell) -> Line:
    """A cell as a line; of a state that is fine only the glyph has its colour."""
    text = clean(cell.text)
    if cell.token is Token.OK and text[1:2] == " ":
        return ((text[0], Token.OK), (text[1:], Token.TEXT))
    return bars(text, cell.token)


def arranged(sections: Sequence[Section], width: int, series: Series) -> list[Line]:
    """All sections within ``width``: those of which nothing is known as one line, the others in columns."""
    known = [one for one in sections if not _nothing_known(one, series)]
    unknown = [clean(one.title).lower() for one in sections if _nothing_known(one, series)]
    longest = [max((len(clean(name)) for name, _ in one.lines), default=0) for one in known]
    common = max((one for one in longest if 0 < one <= _LABEL), default=8)
    count = max(1, min(3, (width + _BETWEEN) // (COLUMN + _BETWEEN)))
    column = (width - _BETWEEN * (count - 1)) // count
    blocks: list[list[Line]] = []
    broad: list[list[Line]] = []
    for one, wanted in zip(known, longest, strict=True):
        label = common if wanted <= _LABEL else min(wanted, max(_LABEL, column // 2))
        fits = _table_width(one) <= column
        (blocks if fits else broad).append(section_lines(one, column if fits else width, label, series))
    if unknown:
        note: Line = ((f"Nothing is known of: {', '.join(unknown)}.", Token.MUTED),)
        blocks.append([((" ", Token.MUTED), *line) for line in wrapped(note, max(16, column - 2))])
    lines = _side_by_side(_dealt(blocks, count), column)
    for block in broad:
        lines += [(), *block]
    return lines


def _nothing_known(section: Section, series: Series) -> bool:
    """Whether every line says so, there is no table, and no figure was ever recorded."""
    if section.rows or any(clean(cell.text).strip(f"{UNKNOWN_TEXT} ") for _, cell in section.lines):
        return False
    return section.graph is None or all(value is None for value in series(section.graph, 600))


def section_lines(section: Section, width: int, label: int, series: Series) -> list[Line]:
    """A heading and its labelled lines, then its table, then the graph of its figure."""
    lines: list[Line] = [((f" {clean(section.title).upper()}", Token.MUTED),)]
    indent: Span = (" " * (label + 3 + _AFTER), Token.TEXT)
    room = max(12, width - label - 3 - _AFTER)
    for name, cell in section.lines:
        first, *more = _cell_lines(cell, room) or [()]
        lines.append(((f"   {_label(clean(name), label)}{' ' * _AFTER}", Token.MUTED), *first))
        lines += [(indent, *line) for line in more]
    lines += _table(section)
    if section.graph is not None:
        graph = max(10, min(75, room - _BESIDE_GRAPH))
        drawn = graph_lines(series(section.graph, graph * 2), graph, GRAPH_LINES, section.graph_max)
        lines += [(indent, *line) for line in drawn]
    return lines


def _label(name: str, width: int) -> str:
    """A label in ``width`` cells; of one that is too long the end, which tells it from others of its prefix."""
    return f"{name:<{width}}" if len(name) <= width else f"…{name[len(name) - width + 1 :]}"


def _cell_lines(cell: Cell, width: int) -> list[Line]:
    """A cell within ``width``; several bars with their figures become several lines of as many each."""
    text = clean(cell.text)
    groups = re.split(r" +(?=[▇░])", text)
    if len(groups) == 1 or cell_len(text) <= width:
        return wrapped(cell_line(cell), width)
    size = max(cell_len(group) for group in groups) + 3
    fit = max(1, (width + 3) // size)
    across = -(-len(groups) // -(-len(groups) // fit))
    rows = ["   ".join(groups[first : first + across]) for first in range(0, len(groups), across)]
    return [line for row in rows for line in wrapped(bars(row, cell.token), width)]


def _widths(section: Section) -> list[int]:
    count = max((len(section.header), *(len(row) for row in section.rows)), default=0)
    titles = [*section.header, *([""] * count)]
    found = [max([len(titles[n]), *(cell_len(clean(row[n].text)) for row in section.rows if n < len(row))])
             for n in range(count)]  # fmt: skip
    return [min(_WIDEST_CELL, one) for one in found]


def _table_width(section: Section) -> int:
    return sum(one + 2 for one in _widths(section)) + 3 if section.rows else 0


def _table(section: Section) -> list[Line]:
    if not section.rows:
        return []
    widths = _widths(section)
    lines: list[Line] = []
    if section.header:
        head = "  ".join(f"{title:<{width}}" for title, width in zip(section.header, widths, strict=False))
        lines.append(((f"   {head}", "header"),))
    for row in section.rows:
        spans: list[Span] = [("   ", Token.TEXT)]
        for cell, width in zip(row, widths, strict=False):
            spans += bars(f"{clean(cell.text):<{width}.{width}}  ", cell.token)
        lines.append(tuple(spans))
    return lines


def _dealt(blocks: Sequence[Sequence[Line]], count: int) -> list[list[Line]]:
    """Blocks in their order over at most ``count`` columns, of which the tallest is as short as can be."""
    tallest = max((len(block) for block in blocks), default=0)
    height = max(tallest, -(-sum(len(block) + 1 for block in blocks) // count) - 1)
    while True:
        columns: list[list[Line]] = [[]]
        for block in blocks:
            if columns[-1] and len(columns[-1]) + 1 + len(block) > height:
                columns.append([])
            columns[-1] += [*([()] if columns[-1] else []), *block]
        if len(columns) <= count:
            return columns
        height += 1


def _side_by_side(columns: Sequence[Sequence[Line]], width: int) -> list[Line]:
    """Columns of lines as whole lines; each is cut and padded to ``width`` cells."""
    if len(columns) == 1:
        return list(columns[0])
    lines: list[Line] = []
    for place in range(max(len(column) for column in columns)):
        spans: list[Span] = []
        for number, column in enumerate(columns):
            line = column[place] if place < len(column) else ()
            fitted = wrapped(line, width)[0] if line else ()
            used = sum(cell_len(text) for text, _ in fitted)
            last = number == len(columns) - 1
            spans += [*fitted, *([] if last else [(" " * (width - used + _BETWEEN), Token.TEXT)])]
        lines.append(tuple(spans))
    return lines


__all__ = ["arranged", "cell_span", "section_lines"]
