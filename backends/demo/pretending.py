"""What pretend verbs are made of: a step that takes a moment and changes the world."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from app.fleet import Ref, Resource
from app.plan import Report, Result, Run, Step
from app.verb import Line

PACE_S = 0.15
"""How long a pretend piece of work takes."""


class Changing(Protocol):
    """A pretend world that counts what was done to it."""

    changes: int


def doing(world: Changing, change: Callable[[], object], said: str = "", pieces: int = 1) -> Run:
    """Work for ``pieces`` moments, then change the world."""

    async def run(report: Report) -> Result:
        for done in range(pieces):
            if pieces > 1:
                report.progress(done, pieces)
            await asyncio.sleep(PACE_S)
        change()
        world.changes += 1
        return Result(0, said)

    return run


def step(world: Changing, target: Resource | Ref, text: str, change: Callable[[], object], said: str = "") -> Step:
    """One step of one moment."""
    return Step(target, text, doing(world, change, said))


def whose(origins: Sequence[str], many: str) -> str:
    """What stands above the lines of some origins."""
    return origins[0] if len(origins) == 1 else f"{len(origins)} {many}"


async def spoken(
    origins: Sequence[str], *, count: int, follow: bool, grep: str | None = None, invert: bool = False
) -> AsyncIterator[Line]:
    """Pretend log lines of several origins, merged; an api writes JSON."""
    words = ("GET /api/health 200", "job 4711 done in 812 ms", "cache miss, fetching", "WARN slow query: 1204 ms")
    number = 0
    began = time.time() - count
    while number < count or follow:
        for place, origin in enumerate(origins):
            text = f"{words[(number + place) % len(words)]} #{number}"
            if "api" in origin:
                level = "warn" if "WARN" in text else "info"
                text = json.dumps({"level": level, "msg": text.removeprefix("WARN "), "pid": 17, "trace": number})
            if (grep is None or grep in text) is not invert:
                yield Line(text, began + number + place / 10, origin)
        number += 1
        if number >= count:
            await asyncio.sleep(1.0)
