"""How a figure becomes a cell: text, alignment and a style token, the same for pane, CLI table and docs.

Tokens are names of meanings; the themes give them colours. Widths count terminal cells.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Literal, TypeVar

from app.fleet import Mood, Resource

T = TypeVar("T", contravariant=True)

UNKNOWN_TEXT = "–"
"""What stands where a figure is not known."""


class Token(StrEnum):
    """What a piece of text means; themes say how that looks."""

    TEXT = "text"
    MUTED = "muted"
    ACCENT = "accent"
    OK = "ok"
    WARN = "warn"
    CRIT = "crit"
    STALE = "stale"
    BUSY = "busy"
    TITLE = "title"
    MARK = "mark"


MOOD_TOKENS = {
    Mood.UP: Token.OK,
    Mood.STALE: Token.STALE,
    Mood.DOWN: Token.CRIT,
    Mood.UNKNOWN: Token.MUTED,
    Mood.ATTENTION: Token.WARN,
    Mood.BUSY: Token.BUSY,
    Mood.MUTED: Token.MUTED,
}

SortKey = float | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One drawn value."""

    text: str
    token: Token = Token.TEXT
    sort: SortKey = None
    """What the column sorts by; the text where ``None`` and the text is no dash."""


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of a kind: a pure function from a row to a cell, and how much room it wants."""

    title: str
    cell: Callable[[T], Cell]
    width: int
    """Terminal cells; fixed, so that numbers do not jump."""
    align: Literal["left", "right"] = "left"
    priority: int = 5
    """Columns with a higher number go first when the terminal is narrow; 0 never goes."""
    wide: bool = False
    """Shown only in the wide view."""
    flex: bool = False
    """Takes the room that is left over."""
    spark: str | None = None
    """The figure whose recent course is drawn here, as recorded by the history."""
    spark_max: float | None = None
    """The figure's ceiling; ``None`` scales to the largest value shown."""
    help: str = ""


def clean(text: str) -> str:
    """Text from outside made safe to draw: one line, no control, format or surrogate characters.

    Covers C0, C1, bidirectional overrides and lone surrogates, so that no host can move the cursor, start an
    escape sequence or reverse what an operator reads.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c in "\t\n\r" else c for c in text if c in "\t\n\r" or _drawable(c))


_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def unescaped(text: str) -> str:
    """A line that was written for a terminal made safe to draw: ``clean``, with escape sequences left out as a whole.

    Tabs become blanks up to the next multiple of four.
    """
    if text.isascii() and text.isprintable():
        return text
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return clean(text.expandtabs(4) if "\t" in text else text)


def _drawable(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def text(value: str | None, token: Token = Token.TEXT) -> Cell:
    """A string from outside, or a dash."""
    return Cell(clean(value), token) if value else Cell(UNKNOWN_TEXT, Token.MUTED)


def state(word: str, mood: Mood) -> Cell:
    """A state: glyph and word, coloured by mood, sorted worst first."""
    return Cell(f"{mood.glyph} {clean(word)}", MOOD_TOKENS[mood], mood.rank)


def level(value: float | None, thresholds: tuple[float, float] | None) -> Token:
    """The token of a figure against (warning, critical)."""
    if value is None:
        return Token.MUTED
    if thresholds is None or value < thresholds[0]:
        return Token.TEXT
    return Token.CRIT if value >= thresholds[1] else Token.WARN


def percent(value: float | None, thresholds: tuple[float, float] | None = None) -> Cell:
    """``0`` to ``100`` as a whole number and a sign, marked ``!`` when critical, so colour is not the only sign."""
    if value is None:
        return Cell(UNKNOWN_TEXT, Token.MUTED)
    token = level(value, thresholds)
    return Cell(f"{value:.0f} %{'!' if token is Token.CRIT else ''}", token, value)


_BAR_FULL, _BAR_EMPTY = "▇", "░"


def bar_text(share: float, width: int) -> str:
    """A bar of ``width`` cells for a share of 0 to 1; anything above nothing shows at least one filled cell."""
    share = min(1.0, max(0.0, share))
    filled = min(width, max(round(share * width), 1 if share > 0.005 else 0))
    return _BAR_FULL * filled + _BAR_EMPTY * (width - filled)


def bar(value: float | None, thresholds: tuple[float, float] | None = None, width: int = 8) -> Cell:
    """A percentage as bar and number: ``▇▇▇░░░░░  38 %``; a critical one ends in ``!`` instead of a blank."""
    if value is None:
        return Cell(UNKNOWN_TEXT, Token.MUTED)
    token = level(value, thresholds)
    sign = "!" if token is Token.CRIT else " "
    return Cell(f"{bar_text(value / 100, width)} {value:3.0f} %{sign}", token, value)


def number(value: float | None, digits: int = 0) -> Cell:
    """A plain number with a fixed count of decimals."""
    return Cell(UNKNOWN_TEXT, Token.MUTED) if value is None else Cell(f"{value:.{digits}f}", Token.TEXT, value)


_UNITS = ("", "K", "M", "G", "T", "P", "E")


def size_text(value: float) -> str:
    """Bytes in powers of 1024, at most five characters: ``812``, ``3.4K``, ``512M``, ``1.2T``."""
    unit = 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    if unit == 0 or abs(value) >= 9.95:
        return f"{value:.0f}{_UNITS[unit]}"
    return f"{value:.1f}{_UNITS[unit]}"


def size(value: float | None) -> Cell:
    """Bytes in powers of 1024."""
    return Cell(UNKNOWN_TEXT, Token.MUTED) if value is None else Cell(size_text(value), Token.TEXT, value)


def rate(value: float | None) -> Cell:
    """Bytes per second in powers of 1024."""
    return Cell(UNKNOWN_TEXT, Token.MUTED) if value is None else Cell(f"{size_text(value)}/s", Token.TEXT, value)


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that fits: ``42 s``, ``17 m``, ``9 h``, ``3 d``."""
    seconds = max(0.0, seconds)
    for limit, unit, step in ((100, "s", 1), (100 * 60, "m", 60), (48 * 3600, "h", 3600)):
        if seconds < limit:
            return f"{seconds // step:.0f} {unit}"
    return f"{seconds // 86400:.0f} d"


def duration(value: float | None) -> Cell:
    """Seconds in the largest unit that fits."""
    return Cell(UNKNOWN_TEXT, Token.MUTED) if value is None else Cell(duration_text(value), Token.TEXT, value)


_SPARKS = "▁▂▃▄▅▆▇█"


def spark_text(values: Sequence[float | None], width: int, ceiling: float | None = None) -> str:
    """The last ``width`` values as one line of eight heights; a gap stays a gap."""
    shown = values[-width:]
    top = ceiling if ceiling is not None else max((v for v in shown if v is not None), default=0.0)
    drawn = "".join(
        " " if v is None else _SPARKS[min(7, max(0, int(v / top * 7.999)))] if top > 0 else _SPARKS[0] for v in shown
    )
    return drawn.rjust(width)


@dataclass(frozen=True, slots=True)
class Section:
    """One block of a describe screen: a heading and labelled lines, or a small table."""

    title: str
    lines: tuple[tuple[str, Cell], ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    graph: str | None = None
    """The figure whose history is drawn below the lines, as a graph."""
    graph_max: float | None = None


@dataclass(frozen=True, slots=True)
class Worry:
    """Why a resource stands among the worst: how bad, and the words for it."""

    score: float
    """Above 100 is trouble, 0 to 100 is how loaded it is."""
    text: str
    token: Token = Token.WARN


Describe = Callable[[Resource], Sequence[Section]]
