"""A pilot in no hurry is a slow suite: Textual's waits until nothing is done for 20 ms after every key, twice.

Whatever matters is waited for by its own condition (``eventually``), so a far shorter lull will do.
"""

from __future__ import annotations

from textual import _wait

LULL = 1 / 150
"""Seconds without work that count as a lull."""
AT_MOST = 0.25
"""Seconds after which a busy console is left to itself: demo fleets are never idle."""


def hurry() -> None:
    """Shorten the lulls that every pilot of this process waits for."""
    _wait.SLEEP_GRANULARITY = LULL
    _wait.SLEEP_IDLE = LULL / 4
    _wait.wait_for_idle.__defaults__ = (LULL, AT_MOST)
