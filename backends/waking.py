"""Sleeping until a time or a nudge, whichever comes first."""

from __future__ import annotations

import asyncio


async def wait(nudge: asyncio.Event, seconds: float) -> bool:
    """Sleep ``seconds``, or less when nudged; says whether it was a nudge. Does not clear the event.

    A timer and a future, no task: this runs for every node at every tick.
    """
    if nudge.is_set():
        return True
    loop = asyncio.get_running_loop()
    due = False

    def ring() -> None:
        nonlocal due
        due = True
        nudge.set()

    timer = loop.call_later(max(0.0, seconds), ring)
    try:
        await nudge.wait()
    finally:
        timer.cancel()
        if due:
            nudge.clear()
    return not due
