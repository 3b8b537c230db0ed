"""How a line of a stream is printed: its moment, who said it, what it says."""

from __future__ import annotations

from datetime import datetime
from zlib import crc32

from app.cli.output import painted
from app.column import Token, clean, unescaped
from app.verb import Line

_COLOURS = (Token.ACCENT, Token.OK, Token.WARN, Token.TITLE)


def moment_text(at: float) -> str:
    """A moment in local time with its offset: ``2026-01-31T08:00:00.123+01:00``."""
    try:
        return datetime.fromtimestamp(at).astimezone().isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{at:.3f}"


def line_text(line: Line, origin: str, *, timestamps: bool, color: bool) -> str:
    """``2026-01-31T08:00:00.123+01:00 pi/web │ text``; each part only where it is wanted and known.

    A sender has the same colour in every log; what came by standard error is marked by the bar's colour.
    """
    front = ""
    if timestamps and line.at is not None:
        front = f"{painted(moment_text(line.at), Token.MUTED, color=color)} "
    if origin:
        token = _COLOURS[crc32(origin.encode("utf-8", "replace")) % len(_COLOURS)]
        bar = painted("│", Token.CRIT if line.error else Token.MUTED, color=color)
        front += f"{painted(clean(origin), token, color=color)} {bar} "
    return front + unescaped(line.text)


__all__ = ["line_text", "moment_text"]
