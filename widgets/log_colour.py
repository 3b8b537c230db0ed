"""How a line of a log is drawn: its moment, who said it, how bad it is; JSON in the order people read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from zlib import crc32

from app.column import Token, clean
from widgets.fit import fit_text, text_width
from widgets.log_buffer import Kept, tame
from widgets.page import Line, Meaning, Span

_BAD = (
    "errors?|fail(?:ed|ure)?|fatal|panic(?:ked)?|critical|crit|emerg(?:ency)?|alert|severe|exception|traceback|err|eror"
)
_POOR = "warn(?:ing)?s?|deprecated|retry(?:ing)?|timed? ?out|timeout"
_LEVELS = re.compile(rf"\b(?:(?P<bad>{_BAD})|(?P<poor>{_POOR}))\b", re.IGNORECASE)
_QUIET = re.compile(r"^\W*(?:\S+\s+){0,3}\W*(?:debug|trace|verbose)\b", re.IGNORECASE)
_MOST_LEVELS = 4

_ORIGINS: tuple[Meaning, ...] = (Token.ACCENT, Token.OK, Token.BUSY, "spark", Token.TITLE)
_WIDEST_ORIGIN = 24

_LEVEL_KEYS = ("level", "lvl", "severity", "loglevel", "log.level", "levelname")
_MESSAGE_KEYS = ("message", "msg", "event", "text", "log")
_TIME_KEYS = ("time", "ts", "timestamp", "@timestamp", "asctime")
_NUMBERS: dict[float, str] = {10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal"}
"""Levels as pino and bunyan write them."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn of each line."""

    timestamps: bool = False
    origin_width: int = 0
    """0 draws none: one sender needs no name."""
    found: Callable[[str], Iterable[tuple[int, int]]] | None = None
    """Where in a text the search finds something."""
    chosen: int = -1
    """The number of the line that the search stands at."""


def origin_width(origins: Iterable[str]) -> int:
    """Cells for the names of several senders; 0 where there is one."""
    names = [clean(one) for one in origins]
    return min(_WIDEST_ORIGIN, max(map(text_width, names))) if len(names) > 1 else 0


def origin_meaning(origin: str) -> Meaning:
    """The colour of a sender: the same in every log."""
    return _ORIGINS[crc32(origin.encode("utf-8", "surrogatepass")) % len(_ORIGINS)]


def moment_text(at: float | None) -> str:
    """A moment in local time: ``01-31 08:00:00.123``; blanks where it is not known."""
    if at is None:
        return " " * 18
    try:
        when = datetime.fromtimestamp(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return " " * 18
    return f"{when:%m-%d %H:%M:%S}.{when.microsecond // 1000:03d}"


def drawn(kept: Kept, how: Drawing) -> Line:
    """One line with its meanings; a bar before it says that it came by standard error."""
    gutter: Span = (
        ("▌", Token.MARK) if kept.number == how.chosen else ("▏", Token.WARN) if kept.error else (" ", Token.TEXT)
    )
    front: list[Span] = [gutter]
    if how.timestamps:
        front.append((moment_text(kept.at) + " ", Token.MUTED))
    if how.origin_width:
        front += [(fit_text(clean(kept.origin), how.origin_width), origin_meaning(kept.origin)), (" │ ", "rule")]
    body = _json(kept.text) or _plain(kept.text)
    if how.found is not None:
        body = _lit(body, how.found)
    return (*front, *body)


def _plain(text: str) -> Line:
    if _QUIET.match(text[:80]):
        return ((text, Token.MUTED),)
    spans: list[Span] = []
    at = 0
    for count, found in enumerate(_LEVELS.finditer(text[:2000])):
        if count == _MOST_LEVELS:
            break
        if found.start() > at:
            spans.append((text[at : found.start()], Token.TEXT))
        spans.append((found.group(), Token.CRIT if found.group("bad") else Token.WARN))
        at = found.end()
    if at < len(text) or not spans:
        spans.append((text[at:], Token.TEXT))
    return tuple(spans)


def _level_token(level: str) -> Token:
    found = _LEVELS.search(level)
    if found is not None:
        return Token.CRIT if found.group("bad") else Token.WARN
    return Token.MUTED


def _json(text: str) -> Line | None:
    """An object as level, message, then what else it says; ``None`` for what is no object, or one that was cut."""
    if not (text.startswith("{") and text.rstrip().endswith("}")):
        return None
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not found:
        return None
    fields = cast("dict[str, Any]", found)
    by_name = {key.lower(): key for key in reversed(fields)}
    spans: list[Span] = []
    used: set[str] = set()
    for names, make in ((_TIME_KEYS, _time_span), (_LEVEL_KEYS, _level_span), (_MESSAGE_KEYS, _message_span)):
        key = next((by_name[name] for name in names if name in by_name), None)
        if key is not None and isinstance(fields[key], str | int | float):
            used.add(key)
            spans.append(make(fields[key]))
    for key, value in fields.items():
        if key not in used:
            said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            spans += [(f"{tame(key)}=", Token.MUTED), (f"{tame(said)} ", Token.MUTED)]
    return tuple(spans)


def _time_span(value: str | float) -> Span:
    return f"{tame(str(value))} ", Token.MUTED


def _level_span(value: str | float) -> Span:
    level = value if isinstance(value, str) else _NUMBERS.get(value // 10 * 10, str(value))
    return f"{tame(level).upper():<5} ", _level_token(level)


def _message_span(value: str | float) -> Span:
    return f"{tame(str(value))}  ", Token.TEXT


def _lit(line: Line, found: Callable[[str], Iterable[tuple[int, int]]]) -> Line:
    """The line with what a search found standing out."""
    places = [place for place in found("".join(text for text, _ in line)) if place[0] < place[1]]
    if not places:
        return line
    spans: list[Span] = []
    begin = 0
    for text, meaning in line:
        at = 0
        for first, last in places:
            first, last = max(first - begin, at), min(last - begin, len(text))
            if first >= last:
                continue
            if first > at:
                spans.append((text[at:first], meaning))
            spans.append((text[first:last], Token.MARK))
            at = last
        if at < len(text):
            spans.append((text[at:], meaning))
        begin += len(text)
    return tuple(spans)


__all__ = ["Drawing", "drawn", "moment_text", "origin_meaning", "origin_width"]
