"""Sections of a describe screen on the command line: as text, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.cli.output import painted, table_lines
from app.column import Cell, Column, Section, Token, clean


def section_lines(sections: Sequence[Section], *, color: bool) -> list[str]:
    """Headings, labelled lines and small tables."""
    lines: list[str] = []
    for section in sections:
        if section.title:
            lines += ["", painted(clean(section.title), Token.ACCENT, color=color)]
        labels = [clean(label) for label, _ in section.lines]
        width = max((len(label) for label in labels), default=0)
        for label, (_, cell) in zip(labels, section.lines, strict=True):
            lines.append(f"  {label:<{width}}  {painted(clean(cell.text), cell.token, color=color)}")
        if section.rows:
            columns = [_nth(head, number) for number, head in enumerate(section.header)]
            rows = [tuple(Cell(clean(cell.text), cell.token) for cell in row) for row in section.rows]
            lines += [f"  {line}" for line in table_lines(columns, rows, color=color)]
    return lines


def _nth(title: str, number: int) -> Column[Sequence[Cell]]:
    return Column(title, lambda cells: cells[number] if number < len(cells) else Cell(""), 0)


def section_json(section: Section) -> dict[str, Any]:
    """``title``, ``lines`` as label and text, ``rows`` as objects with the header's words in lower case.

    A label that stands more than once has a list of texts; rows without a header are lists.
    """
    lines: dict[str, Any] = {}
    for label, cell in section.lines:
        if label not in lines:
            lines[label] = cell.text
        elif isinstance(lines[label], list):
            lines[label].append(cell.text)
        else:
            lines[label] = [lines[label], cell.text]
    names = [name.lower() for name in section.header]
    rows: list[Any] = []
    for row in section.rows:
        texts = [cell.text for cell in row]
        rows.append(dict(zip(names, texts, strict=False)) if len(set(names)) == len(texts) else texts)
    return {"title": section.title, "lines": lines, "rows": rows}


__all__ = ["section_json", "section_lines"]
