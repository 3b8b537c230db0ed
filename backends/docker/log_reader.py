"""One container's log from its past into its future, over restarts of the container and of its engine."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from app.column import clean
from app.errors import BadAnswer, Missing, QuarterdeckError, TimedOut, Unreachable
from backends.docker.contract import Engine, Engines
from backends.docker.log_bytes import LogBytes, Seam
from backends.docker.log_frames import Said
from backends.docker.log_request import Asked, LogRequest
from backends.docker.log_times import said_to_engine, stamp, stamp_of
from backends.docker.summary import Seen

LULL_S = 0.3
"""Seconds of silence after which what an engine had to say of the past has been said."""
_SILENT_S = 30.0
"""Seconds that an engine may take between two pieces of a log that ends."""
_LOOK_S = 10.0
"""Seconds after which a stopped container is looked at again, should no event tell of it."""
_REREAD = 50_000
"""Past lines that are looked through after an interruption, for where it broke off."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to say about a log in between its lines."""

    text: str


@dataclass(frozen=True, slots=True)
class Live:
    """What was asked of the past has been said; from here on lines are new."""


LIVE = Live()
Got = list[Said] | Note | Live


@dataclass(frozen=True, slots=True)
class _About:
    """What reading a log needs to know of its container."""

    tty: bool
    running: bool
    exit_code: int | None
    started_at: str


class _Standing:
    """Hears when something about a container may have changed."""

    def __init__(self, engines: Engines, request: LogRequest) -> None:
        self._id = request.container
        self._last: Any = None
        self.changed = asyncio.Event()
        self.leave: Callable[[], None] = engines.subscribe(request.node, self._hear)

    def _hear(self, seen: Seen | QuarterdeckError | None) -> None:
        if seen is None:
            return
        if isinstance(seen, Seen):
            now: Any = next((c.state for c in seen.containers if c.id == self._id), "gone")
        else:
            now = "unreachable"
        if now != self._last:
            self._last = now
            self.changed.set()


async def read(engines: Engines, request: LogRequest, asked: Asked) -> AsyncGenerator[Got]:
    """A container's lines in batches, as they were written; a followed log goes on when its container starts again.

    Raises Missing where there is no such container, Unreachable where its engine cannot be reached at first, BadAnswer
    with the engine's words where its log cannot be read.
    """
    engine = engines.of(request.node)
    about = await _about(engine, request)
    seam = Seam()
    tail = asked.tail
    since = None if asked.since is None else said_to_engine(stamp_of(asked.since))
    source = _bytes(request, about, asked, seam, tail="all" if tail is None else tail, since=since)
    async with aclosing(_first(engine, source, asked)) as first:
        broken = False
        try:
            async for got in first:
                yield got
        except (Unreachable, BadAnswer) as error:
            if not asked.follow or not source.answered:
                raise
            broken = True
            yield Note(_words(error))
    if not asked.follow:
        return
    standing = _Standing(engines, request)
    pause = 0.0
    try:
        while True:
            await asyncio.sleep(pause)
            async with aclosing(_standing_still(engine, request, standing, said=broken)) as waiting:
                async for note in waiting:
                    if isinstance(note, _About):
                        about = note
                    else:
                        yield note
            begin = seam.begin() or since or about.started_at
            source = _bytes(request, about, asked, seam, tail=_REREAD, since=begin)
            broken = False
            began = time.monotonic()
            try:
                async with aclosing(_lines(engine, source)) as batches:
                    async for batch in batches:
                        if seam.gap:
                            seam.gap = False
                            yield Note("lines before this one may be missing: it wrote faster than could be read on")
                        yield batch
            except Missing:
                continue
            except (Unreachable, BadAnswer) as error:
                broken = True
                yield Note(_words(error))
            # An engine that ends the log of what runs at once is not asked without pause.
            pause = min(5.0, 2 * pause + 0.1) if time.monotonic() - began < 1 else 0.0
    finally:
        standing.leave()


async def _first(engine: Engine, source: LogBytes, asked: Asked) -> AsyncGenerator[Got]:
    """The log as it is now and, where it is followed, until its container stops."""
    live = False
    kept: deque[Said] | None = None if asked.last is None else deque(maxlen=asked.last)
    batches = engine.stream(source.begin)
    coming: asyncio.Task[list[Said]] | None = None
    try:
        while True:
            coming = coming or asyncio.create_task(anext(batches, _END))
            # An engine with nothing to say may leave even its first answer until there is something.
            patience = LULL_S if asked.follow and source.answered else _SILENT_S
            await asyncio.wait((coming,), timeout=None if live else patience)
            if not coming.done():
                if not asked.follow:
                    raise TimedOut(f"the engine said nothing for {_SILENT_S:g} s", where=engine.node)
            else:
                batch, coming = coming.result(), None
                if batch is _END:
                    break
                if batch:
                    source.taken()
                if live or kept is None:
                    if batch:
                        yield batch
                else:
                    kept.extend(batch)
                if live or not asked.follow or not _is_new(batch, source):
                    continue
            # A followed log: nothing more of the past.
            live = True
            if kept:
                yield list(kept)
            yield LIVE
        if not live:
            if kept:
                yield list(kept)
            if asked.follow:
                yield LIVE
    finally:
        source.close()
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await batches.aclose()


async def _lines(engine: Engine, source: LogBytes) -> AsyncGenerator[list[Said]]:
    """What comes, as long as it comes; its thread is told first when nothing more is wanted."""
    batches = engine.stream(source.begin)
    try:
        async for batch in batches:
            if batch:
                source.taken()
                yield batch
    finally:
        source.close()
        await batches.aclose()


_END: list[Said] = [Said("", None, False)]


def _is_new(batch: list[Said], source: LogBytes) -> bool:
    """Whether lines are younger than the request for them."""
    at = batch[-1].at if batch else None
    return at is not None and source.engine_time is not None and at[0] > source.engine_time


async def _standing_still(
    engine: Engine, request: LogRequest, standing: _Standing, *, said: bool
) -> AsyncGenerator[Note | _About]:
    """Wait until a container runs; what is known of it then comes last. Raises Missing when it is gone for good."""
    silent = said
    stopped = False
    while True:
        standing.changed.clear()
        try:
            about = await _about(engine, request)
        except Missing:
            raise Missing("the container was removed", where=request.origin) from None
        except Unreachable as error:
            if not silent:
                silent = True
                yield Note(_words(error))
        else:
            if about.running:
                if silent:
                    yield Note("the engine answers again")
                yield about
                return
            if not stopped:
                stopped = True
                code = "" if about.exit_code is None else f" with exit code {about.exit_code}"
                yield Note(f"it stopped{code}; its log goes on when it starts")
        try:
            async with asyncio.timeout(_LOOK_S):
                await standing.changed.wait()
        except TimeoutError:
            pass


def _bytes(request: LogRequest, about: _About, asked: Asked, seam: Seam, *, tail: int | str, since: str | None):
    params: dict[str, Any] = {"tail": tail, "follow": int(asked.follow)}
    if since is not None:
        params["since"] = since
    if asked.until is not None:
        params["until"] = said_to_engine(stamp_of(asked.until))
    return LogBytes(request.container, tty=about.tty, seam=seam, passes=asked.passes(), **params)


async def _about(engine: Engine, request: LogRequest) -> _About:
    try:
        found: Any = await engine.call(lambda client: client.inspect_container(request.container), timeout=15.0)
    except Missing as error:
        raise Missing("there is no such container", where=request.origin) from error
    state: Any = found.get("State") or {}
    config: Any = found.get("Config") or {}
    running = bool(state.get("Running")) and not state.get("Restarting")
    code = state.get("ExitCode")
    return _About(
        tty=bool(config.get("Tty")),
        running=running,
        exit_code=code if isinstance(code, int) and not running else None,
        started_at=_started(state),
    )


def _started(state: Any) -> str:
    at = stamp(str(state.get("StartedAt") or "").encode())
    return said_to_engine(at if at is not None and at[0] > 0 else stamp_of(time.time()))


def _words(error: QuarterdeckError) -> str:
    return clean(f"{error.what}; its log goes on when the engine is back")


__all__ = ["LIVE", "Got", "Live", "Note", "read"]
