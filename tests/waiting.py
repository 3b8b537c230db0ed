"""Waiting for a condition instead of for time to pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 30.0
"""How long a test waits for what is sure to come: as long as a machine may take that many others use as well."""


async def eventually(condition: Callable[[], object], within: float = PATIENCE_S, what: str = "") -> None:
    """Return as soon as ``condition()`` is true; fail the test when it has not become so in time.

    ``within`` is given where the claim is that something does not come, or for what takes still longer.
    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or condition}")
        await asyncio.sleep(0.01)
