"""Entries for other programs: JSON and CSV as pieces of text, made one entry at a time whatever their number."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from app.witness.entry import COLUMNS, Entry, as_json

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell instead of showing it."""


def json_pieces(entries: Iterable[Entry], errors: Callable[[], Sequence[object]] = tuple[object]) -> Iterator[str]:
    """``{"items": [...], "errors": [...]}``, ASCII only; ``errors`` is asked after the last entry."""
    yield '{"items": ['
    between = "\n"
    for entry in entries:
        yield f"{between}{json.dumps(as_json(entry))}"
        between = ",\n"
    yield f'], "errors": {json.dumps(list(errors()))}}}\n'


def csv_pieces(entries: Iterable[Entry]) -> Iterator[str]:
    """A heading and one row per entry, as RFC 4180 has them; plan and cost stand as JSON.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, control characters but the line
    feed and halves of surrogate pairs are written as escapes.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for entry in entries:
        values = as_json(entry)
        values["plan"] = json.dumps(values["plan"])
        values["cost"] = None if values["cost"] is None else json.dumps(values["cost"])
        writer.writerow([_cell(values[name]) for name in COLUMNS])
        if buffer.tell() > 32_768:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    shown = "".join(c if c == "\n" or c.isprintable() else _escape(c) for c in value)
    return f"'{shown}" if value.startswith(_FORMULA) else shown


def _escape(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode("ascii") if ord(char) > 127 else f"\\x{ord(char):02x}"
