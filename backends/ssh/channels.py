"""A long-running command with both ends open, and how it gives way to others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import lru_cache

import asyncssh

from app.errors import Unreachable
from app.link import LinkCost
from backends.ssh.hop import lost_words
from backends.ssh.jobs import portable
from backends.ssh.jumps import Shared
from backends.ssh.sessions import Buffer, Pipe, refusal

_LEAVE_SECONDS = 2.0
_of_those_that_stay = lru_cache(maxsize=8)(portable)
"""The few command lines that all nodes share, such as the samplers': each is kept for as long as a channel runs it."""


class RemoteChannel:
    """One command on a node; satisfies ``app.link.Channel``.

    Its standard error is thrown away. One that ``yields`` may end by itself, because the server allows no channel
    beside it and another is wanted: then ``read`` returns nothing more and ``yielded`` is true.
    """

    def __init__(self, where: str, cost: LinkCost, ended: Callable[[RemoteChannel], None]) -> None:
        self._where = where
        self._cost = cost
        self._ended = ended
        self._buffer = Buffer()
        self._pipe = Pipe(self._take)
        self._buffer.pipe = self._pipe
        self._leaving: asyncio.Task[None] | None = None
        self.yielded = False

    def _take(self, fd: int, data: bytes) -> None:
        self._cost.bytes_in += len(data)
        self._buffer(fd, data)

    async def start(self, shared: Shared, command: str, yields: bool) -> None:
        """Start the command; called once, by the link."""
        request = _of_those_that_stay(command) if yields else portable(command)
        sessions = shared.sessions
        try:
            seat, _ = await sessions.open(lambda: shared.hop.command(self._pipe, request), yields=yields)
        except asyncssh.ChannelOpenError as error:
            raise refusal(error, self._where) from None
        except (OSError, asyncssh.Error) as error:
            raise lost_words(error, self._where) from None
        seat.leave = self._leave

        def over() -> None:
            sessions.vacate(seat)
            self._buffer.end()
            self._ended(self)

        self._pipe.at_end = over
        if self._pipe.ended.is_set():
            over()
        self._cost.channels += 1
        self._cost.bytes_out += len(request)

    def _leave(self) -> None:
        self.yielded = True
        self._leaving = asyncio.get_running_loop().create_task(self.close())

    async def write(self, data: bytes) -> None:
        """Send to its standard input; raises Unreachable when it is gone."""
        await self._pipe.room.wait()
        if self._pipe.chan is None or self._pipe.ended.is_set():
            raise self._gone()
        try:
            self._pipe.send(data)
        except OSError:
            raise self._gone() from None
        self._cost.bytes_out += len(data)

    def _gone(self) -> Unreachable:
        if self.yielded:
            return Unreachable("the channel gave way to another (MaxSessions)", where=self._where)
        if self._pipe.error is not None:
            return lost_words(self._pipe.error, self._where)
        return Unreachable("the command has ended", where=self._where)

    async def read(self) -> bytes:
        """All output that has come since the last call; empty when it has ended."""
        return await self._buffer.read()

    async def close(self) -> None:
        """End its input and wait two seconds for it to end; then drop it."""
        chan = self._pipe.chan
        if chan is None or self._pipe.ended.is_set():
            return
        with contextlib.suppress(OSError):
            chan.write_eof()
        chan.resume_reading()  # what is kept for a reader must not keep the end away
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._pipe.ended.wait()
                return
        chan.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._pipe.ended.wait()
