"""Several streams read as one, in the order in which their lines come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

from app.errors import QuarterdeckError
from app.view import Line, Stream

WAITING = 1000
"""Lines that wait to be read; a sender of more waits itself."""
CLOSE_WITHIN = 5.0
"""Seconds a sender has to end."""


async def merged(streams: Sequence[tuple[str, Stream]]) -> AsyncGenerator[tuple[str, Line]]:
    """The lines of named streams, each with the name of its stream; ends with the last, or with the first error.

    Closing it closes all of them.
    """
    queue: asyncio.Queue[tuple[str, Line] | QuarterdeckError | None] = asyncio.Queue(WAITING)

    async def pump(name: str, lines: AsyncIterator[str | Line]) -> None:
        try:
            async for line in lines:
                await queue.put((name, Line(line) if isinstance(line, str) else line))
        except QuarterdeckError as error:
            await queue.put(error)
        finally:
            close = getattr(lines, "aclose", None)
            if close is not None:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(CLOSE_WITHIN):
                        await close()
        await queue.put(None)

    tasks = [asyncio.create_task(pump(name, stream.lines)) for name, stream in streams]
    try:
        left = len(tasks)
        while left:
            got = await queue.get()
            if got is None:
                left -= 1
            elif isinstance(got, QuarterdeckError):
                raise got
            else:
                yield got
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def as_one(streams: Sequence[tuple[str, Stream]]) -> AsyncGenerator[Line]:
    """The lines of named streams; one that does not say who said it has the name of its stream."""
    lines = merged(streams)
    try:
        async for name, line in lines:
            yield line if line.origin else replace(line, origin=name)
    finally:
        await lines.aclose()


__all__ = ["as_one", "merged"]
