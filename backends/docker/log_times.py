"""Moments of logs: those that an engine writes before each line, and those that an operator asks for."""

from __future__ import annotations

import math
import re
import time
from calendar import timegm
from datetime import datetime
from functools import lru_cache

from app.errors import ConfigurationError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_EPOCH = re.compile(r"\d{9,11}(?:\.\d+)?")
_DAY_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_ADVICE = "write 10m, 2h, 1d, 2026-01-31, 2026-01-31T08:00, 08:00 or seconds since 1970"

Stamp = tuple[int, int]
"""Seconds since the epoch and nanoseconds: exact, which a float is not."""


def moment(said: str, *, where: str = "", now: float | None = None) -> float:
    """Seconds since the epoch of what an operator wrote: how long ago, a local or zoned time, or an epoch.

    ``10m``, ``1h30m``, ``90s``, ``2d``; ``2026-01-31``, ``2026-01-31T08:00:00Z``, ``2026-01-31 08:00`` (local),
    ``08:00`` (today, local); ``1769846400.5``. Raises ConfigurationError for anything else.
    """
    now = time.time() if now is None else now
    text = said.strip()
    if _DURATION.fullmatch(text):
        seconds = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
        if not math.isfinite(seconds) or seconds > now:
            raise ConfigurationError(f"'{text[:40]}' ago was before there were computers", where=where, todo=_ADVICE)
        return now - seconds
    if _EPOCH.fullmatch(text):
        return float(text)
    if _DAY_TIME.fullmatch(text):
        text = f"{datetime.fromtimestamp(now).astimezone():%Y-%m-%d}T{text.zfill(5) if len(text) < 6 else text}"
    try:
        found = datetime.fromisoformat(text)
        at = (found if found.tzinfo is not None else found.astimezone()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ConfigurationError(f"'{said[:60]}' is no time", where=where, todo=_ADVICE) from None
    if at < 0:
        raise ConfigurationError(f"'{said[:60]}' is before 1970", where=where, todo=_ADVICE)
    return at


@lru_cache(64)
def _seconds(text: bytes) -> int:
    """``2026-01-31T08:00:00`` as seconds since the epoch; lines of one second ask for the same."""
    return timegm(time.strptime(text.decode(), "%Y-%m-%dT%H:%M:%S"))


def stamp(text: bytes) -> Stamp | None:
    """RFC 3339 with any number of decimals, as engines write it; ``None`` for anything else."""
    if text[4:5] != b"-":
        return None
    try:
        seconds = _seconds(text[:19])
        rest = text[19:]
        if len(rest) == 11 and rest[:1] == b"." and rest[10:] == b"Z":  # as Docker writes it
            return seconds, int(rest[1:10])
        if rest.endswith(b"Z"):
            rest, offset = rest[:-1], 0
        elif rest[-6:-5] in (b"+", b"-") and rest[-3:-2] == b":":
            offset = (int(rest[-5:-3]) * 60 + int(rest[-2:])) * 60
            offset = -offset if rest[-6:-5] == b"-" else offset
            rest = rest[:-6]
        else:
            return None
        if not rest:
            return seconds - offset, 0
        if rest[:1] != b"." or not rest[1:].isdigit():
            return None
        return seconds - offset, int(rest[1:10].ljust(9, b"0"))
    except (ValueError, OverflowError):
        return None


def said_to_engine(at: Stamp) -> str:
    """A moment as the engine's ``since`` and ``until`` take it."""
    return f"{at[0]}.{at[1]:09d}"


def stamp_of(at: float) -> Stamp:
    """Seconds since the epoch with their nanoseconds apart."""
    seconds = math.floor(at)
    return seconds, min(999_999_999, int((at - seconds) * 1e9))


__all__ = ["Stamp", "moment", "said_to_engine", "stamp", "stamp_of"]
