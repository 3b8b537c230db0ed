"""Results on stdout as a table or as one JSON object; everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from app.column import Cell, Column, Token, clean

GAP = "  "
_SGR = {
    Token.MUTED: "2",
    Token.ACCENT: "36",
    Token.OK: "32",
    Token.WARN: "33",
    Token.CRIT: "31;1",
    Token.STALE: "2;35",
    Token.BUSY: "36",
    Token.TITLE: "1",
    Token.MARK: "7",
}


def complain(words: str) -> None:
    """Say something on stderr, one line per line, safe to draw."""
    for line in words.splitlines() or [""]:
        sys.stderr.write(f"quarterdeck: {clean(line)}\n")
    sys.stderr.flush()


def hush() -> None:
    """Whoever read stdout has gone: what is left to write goes nowhere, and nothing complains at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def remark(words: str) -> None:
    """Say something on stderr that is no complaint."""
    sys.stderr.write(f"{clean(words)}\n")
    sys.stderr.flush()


class JsonResult:
    """``{"items": [...], "errors": [...]}`` written item by item: a long result is never held as one text."""

    def __init__(self) -> None:
        self._number = 0
        sys.stdout.write('{"items": [')

    def item(self, item: Mapping[str, Any]) -> None:
        """Write one item."""
        sys.stdout.write(("," if self._number else "") + "\n  " + json_text(item))
        sys.stdout.flush()
        self._number += 1

    def end(self, errors: Iterable[Mapping[str, Any]] = ()) -> None:
        """Write the errors and close the object."""
        said = ",".join("\n  " + json_text(error) for error in errors)
        sys.stdout.write(("\n" if self._number else "") + f'], "errors": [{said}]}}\n')
        sys.stdout.flush()


def print_json(items: Iterable[Mapping[str, Any]], errors: Iterable[Mapping[str, Any]] = ()) -> None:
    """Write a whole result."""
    result = JsonResult()
    for item in items:
        result.item(item)
    result.end(errors)


def json_text(value: Any) -> str:
    """One JSON value in pure ASCII: no string from outside can reach a terminal raw; NaN and infinity are ``null``."""
    try:
        return json.dumps(value, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in cast("Sequence[Any]", value)]
    return value


def cells_wide(text: str) -> int:
    """Terminal cells a cleaned text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)


def painted(text: str, token: Token, *, color: bool) -> str:
    """A text in the colour of its meaning."""
    sgr = _SGR.get(token) if color else None
    return f"\x1b[{sgr}m{text}\x1b[0m" if sgr and text else text


def table_lines(
    columns: Sequence[Column[Any]], rows: Sequence[Any], *, color: bool, wide: bool = False, width: int | None = None
) -> Iterator[str]:
    """A header and one line per row, each column as wide as its widest cell.

    Where ``width`` is given, columns are left out by priority until the lines fit; the first one always stays.
    """
    shown = [column for column in columns if column.spark is None and (wide or not column.wide)]
    drawn = {id(column): [column.cell(row) for row in rows] for column in shown}
    widths = {
        id(column): max([cells_wide(column.title), *(cells_wide(cell.text) for cell in drawn[id(column)])])
        for column in shown
    }
    if width is not None:
        while len(shown) > 1 and sum(widths[id(c)] + len(GAP) for c in shown) - len(GAP) > width:
            worst = max(shown[1:], key=lambda column: column.priority)
            if worst.priority == 0:
                break
            shown.remove(worst)
    header = [_padded(Cell(c.title, Token.TITLE), widths[id(c)], c.align, color) for c in shown]
    yield GAP.join(header).rstrip()
    for number in range(len(rows)):
        line = [_padded(drawn[id(c)][number], widths[id(c)], c.align, color) for c in shown]
        yield GAP.join(line).rstrip()


def _padded(cell: Cell, width: int, align: str, color: bool) -> str:
    pad = " " * max(0, width - cells_wide(cell.text))
    text = painted(cell.text, cell.token, color=color)
    return pad + text if align == "right" else text + pad


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; ``None`` where it is none, and lines may be as long as they are."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
