"""What is asked of logs: whose, how many lines, from when to when, and which."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import ConfigurationError
from app.pattern import LONGEST, compiled
from backends.docker.log_frames import Said
from backends.docker.log_times import moment

MOST_LINES = 10_000_000
SEARCHED = 50_000
"""Lines of each container that are looked through for the last ones that match."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """One container whose log is read."""

    node: str
    container: str
    """The engine's id of it."""
    origin: str
    """How its lines are signed: ``pi/web``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of each container's log, checked."""

    follow: bool = False
    lines: int = 200
    since: float | None = None
    """Seconds since the epoch."""
    until: float | None = None
    pattern: re.Pattern[str] | None = None
    invert: bool = False

    @property
    def last(self) -> int | None:
        """How many of the past lines that were sent are kept; ``None`` where the engine sends no others."""
        return self.lines if self.lines and (self.pattern is not None or self.until is not None) else None

    @property
    def tail(self) -> int | None:
        """Past lines to ask the engine for, which counts before it looks at their moments; ``None`` is all."""
        if self.until is not None and self.lines:
            return None
        return self.lines if self.pattern is None or not self.lines else max(SEARCHED, self.lines)

    def passes(self) -> Callable[[Said], bool] | None:
        """A test of a line; ``None`` where all pass."""
        if self.pattern is None:
            return None
        search = self.pattern.search
        if self.invert:
            return lambda said: search(said.text[:LONGEST]) is None
        return lambda said: search(said.text[:LONGEST]) is not None


def asked(
    *,
    follow: bool = False,
    lines: int = 200,
    since: str | None = None,
    until: str | None = None,
    grep: str | None = None,
    invert: bool = False,
) -> Asked:
    """What an operator asked for, as typed. Raises ConfigurationError in words for what cannot be meant."""
    if not 0 <= lines <= MOST_LINES:
        raise ConfigurationError(f"{lines} is no number of lines", where="--lines", todo=f"0 to {MOST_LINES}")
    if invert and not grep:
        raise ConfigurationError("there is nothing to be the opposite of", where="--invert", todo="say --grep as well")
    begin = moment(since, where="--since") if since else None
    end = moment(until, where="--until") if until else None
    if begin is not None and end is not None and end <= begin:
        raise ConfigurationError("the log would end before it begins", where="--until", todo="name a later one")
    return Asked(
        follow=follow and end is None,
        lines=lines,
        since=begin,
        until=end,
        pattern=compiled(grep, where="--grep") if grep else None,
        invert=invert,
    )


__all__ = ["MOST_LINES", "Asked", "LogRequest", "asked"]
