"""The logs of containers, of one or many engines, as one stream of lines in order of time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from app.column import clean
from app.errors import Missing, QuarterdeckError
from app.verb import Line, Stream
from backends.docker.contract import Engines
from backends.docker.log_frames import Said
from backends.docker.log_reader import Live, Note, read
from backends.docker.log_request import Asked, LogRequest, asked

HOLD_S = 0.15
"""Seconds that a new line waits for an older one of another container."""
_OPENING_S = 2.0
"""Seconds that a followed log waits for a container whose engine is slow to answer."""
_OLD_S = 10.0
"""Age in seconds from which a line is no new one: nobody silent has one before it."""
_MOST_HELD = 4000
"""Lines of one container that wait; then its engine waits."""
_AT_ONCE = 500
"""Lines after which others get their turn in the loop."""


class _Source:
    """One container's lines on their way into the merged stream."""

    def __init__(self, request: LogRequest) -> None:
        self.request = request
        self.held: deque[tuple[float, float, Line]] = deque()
        """(moment to sort by, ``time.monotonic()`` of arrival, line)"""
        self.live = False
        """Whether its past has been read."""
        self.over = False
        self.said = False
        self.error: QuarterdeckError | None = None
        self.room = asyncio.Event()
        self._key = 0.0

    def take(self, batch: list[Said]) -> None:
        """Lines as they were written; their order stays even where their moments contradict it."""
        now, key, origin, held = time.monotonic(), self._key, self.request.origin, self.held
        for text, stamp, error in batch:
            at = None if stamp is None else stamp[0] + stamp[1] / 1e9
            if at is not None and at > key:
                key = at
            held.append((key, now, Line(text, at, origin, error)))
        self._key = key
        self.said = True

    def note(self, text: str) -> None:
        """Something about the log itself."""
        at = time.time()
        self._key = self._key or at
        self.held.append((self._key, time.monotonic(), Line(f"── {text} ──", at, self.request.origin, True)))


def log_stream(
    engines: Engines,
    requests: Sequence[LogRequest],
    *,
    follow: bool = False,
    lines: int = 200,
    since: str | None = None,
    until: str | None = None,
    grep: str | None = None,
    invert: bool = False,
    timestamps: bool = False,
    title: str = "",
) -> Stream:
    """The ``Stream`` that a ``logs`` view gives; arguments as typed. Raises ConfigurationError for wrong ones."""
    wanted = asked(follow=follow, lines=lines, since=since, until=until, grep=grep, invert=invert)
    return Stream(merged(engines, requests, wanted), title=title, timestamps=timestamps)


async def merged(engines: Engines, requests: Sequence[LogRequest], wanted: Asked) -> AsyncGenerator[Line]:
    """Lines of all containers in order of time, signed with their origin; reads no faster than it is read.

    The past is merged strictly; new lines wait ``HOLD_S`` for older ones of others. A container that is removed, an
    engine that goes or a log that cannot be read says so in a line (``error`` set), and the rest goes on. Raises at
    the end what went wrong: the one error where there was a single container, else a count.
    """
    sources = [_Source(request) for request in dict.fromkeys(requests)]
    news = asyncio.Event()
    pumps = [asyncio.create_task(_pump(engines, s, wanted, news, alone=len(sources) == 1)) for s in sources]
    began = time.monotonic()
    try:
        while True:
            news.clear()
            lines = _ready(sources, strict=not wanted.follow or time.monotonic() - began < _OPENING_S)
            for source in sources:
                if len(source.held) < _MOST_HELD:
                    source.room.set()
            for line in lines:
                yield line
            if lines:
                await asyncio.sleep(0)  # others in this loop want their turn as well
            elif all(source.over and not source.held for source in sources):
                break
            else:
                try:
                    async with asyncio.timeout(HOLD_S / 2 if any(s.held for s in sources) else 5.0):
                        await news.wait()
                except TimeoutError:
                    pass
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    _tell(sources)


def _tell(sources: Sequence[_Source]) -> None:
    failed = [source.error for source in sources if source.error is not None]
    if len(failed) == 1 == len(sources):
        raise failed[0]
    if failed:
        raise QuarterdeckError(f"{len(failed)} of {len(sources)} logs could not be read to their end")


async def _pump(engines: Engines, source: _Source, wanted: Asked, news: asyncio.Event, *, alone: bool) -> None:
    """Bring the lines of one container; waits where there is no room for more."""
    try:
        async with aclosing(read(engines, source.request, wanted)) as reading:
            async for got in reading:
                if isinstance(got, Live):
                    source.live = True
                elif isinstance(got, Note):
                    source.note(got.text)
                else:
                    source.take(got)
                news.set()
                while len(source.held) >= _MOST_HELD:
                    source.room.clear()
                    await source.room.wait()
    except Missing as error:
        if source.said or source.live:
            source.note(clean(error.what))  # it was there: its end is no failure
        else:
            source.error = error
            if not alone:
                source.note(clean(error.what))
    except QuarterdeckError as error:
        source.error = error
        if not alone:
            source.note(clean(str(error)))
    finally:
        source.over = True
        news.set()


def _ready(sources: Sequence[_Source], *, strict: bool) -> list[Line]:
    """The lines that may be shown now, oldest first, and not too many at once."""
    if len(sources) == 1:
        held = sources[0].held
        return [held.popleft()[2] for _ in range(min(len(held), _AT_ONCE))]
    ready: list[Line] = []
    now, wall = time.monotonic(), time.time()
    while len(ready) < _AT_ONCE:
        heads = [(source.held[0][0], place) for place, source in enumerate(sources) if source.held]
        if not heads:
            break
        silent = [source for source in sources if not source.held and not source.over]
        if strict and any(not source.live for source in silent):
            break  # its past may be older than everything at hand
        key, place = min(heads)
        held = sources[place].held
        if silent and key > wall - _OLD_S and now - held[0][1] < HOLD_S:
            break
        after = min((other for other, number in heads if number != place), default=None)
        # A run of lines of one container needs no comparison with all others for each of them.
        while held and len(ready) < _AT_ONCE and (after is None or held[0][0] <= after):
            if silent and held[0][0] > wall - _OLD_S and now - held[0][1] < HOLD_S:
                break
            ready.append(held.popleft()[2])
    return ready


__all__ = ["HOLD_S", "Asked", "LogRequest", "asked", "log_stream", "merged"]
