"""A command that runs on a node in a process group of its own, and is ended there when nobody wants it any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import asyncssh

from app.errors import QuarterdeckError, Unreachable
from app.link import LinkCost
from backends.ssh.connect import connect
from backends.ssh.hop import lost_words
from backends.ssh.jobs import Marker, ending, marked
from backends.ssh.jumps import Connections, Shared
from backends.ssh.sessions import MOST, Pipe, refusal

log = logging.getLogger(__name__)

_MARK_SECONDS = 3.0
_KILL_SECONDS = 8.0
_ANSWER_SECONDS = 4.0
"""A connection on which not even a channel opens within this time is taken for dead."""

Sink = Callable[[int, bytes], None]


class RemoteJob:
    """One command on one connection. ``sink`` is called with (1 or 2, bytes); ``begin`` before ``wait`` or ``end``."""

    def __init__(
        self,
        shared: Shared,
        connections: Connections,
        node: str,
        command: str,
        sink: Sink,
        cost: LinkCost,
        *,
        input: bytes | None,
        join: bool,
        elevate: bool,
    ) -> None:
        self._shared = shared
        self._connections = connections
        self._node = node
        self._request, mark = marked(command, join=join)
        self._marker = Marker(mark)
        self._sink = sink
        self._cost = cost
        self._input = input
        self._elevate = elevate
        self._pipe = Pipe(self._take)
        self._starting: asyncio.Task[None] | None = None
        self.known = asyncio.Event()
        """The process group is known, or never will be."""

    @property
    def group(self) -> int | None:
        """Its process group on the node."""
        return self._marker.group

    @property
    def _where(self) -> str:
        return self._shared.way[-1].address

    def _take(self, fd: int, data: bytes) -> None:
        self._cost.bytes_in += len(data)
        if fd == 1:
            data = self._marker.feed(data)
            if self._marker.group is not None:
                self.known.set()
        if data:
            self._sink(fd, data)

    async def begin(self) -> None:
        """Start it; raises what opening a channel raises."""
        self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        sessions, hop = self._shared.sessions, self._shared.hop
        try:
            seat, _ = await sessions.open(lambda: hop.command(self._pipe, self._request))
        except asyncssh.ChannelOpenError as error:
            raise refusal(error, self._where) from None
        except (OSError, asyncssh.Error) as error:
            raise lost_words(error, self._where) from None
        self._pipe.at_end = lambda: sessions.vacate(seat)
        if self._pipe.ended.is_set():
            sessions.vacate(seat)
        self._cost.channels += 1
        self._cost.commands += 1
        self._cost.bytes_out += len(self._request) + len(self._input or b"")
        with contextlib.suppress(OSError):
            if self._input:
                self._pipe.send(self._input)
            self._pipe.send_eof()

    async def wait(self) -> int:
        """Its exit code; raises Unreachable when the connection ended before it did."""
        await self._pipe.ended.wait()
        kept = self._marker.rest()
        if kept:
            self._sink(1, kept)
        self.known.set()
        if self._pipe.exit_code is None:
            raise Unreachable(
                "the connection was lost while the command ran; whether it ended is not known", where=self._where
            )
        return self._pipe.exit_code

    async def end(self) -> None:
        """End the whole group on the node, bounded; quiet where that cannot be done, since nobody waits for it."""
        starting = self._starting
        if starting is not None and not starting.done():
            # Whatever the server has begun must be ended, so the start is seen through to its end.
            await asyncio.wait([starting], timeout=_ANSWER_SECONDS)
            if not starting.done():
                starting.cancel()
                await asyncio.wait([starting])
        if starting is None or starting.cancelled() or starting.exception() is not None:
            return
        if self._pipe.ended.is_set():
            return
        try:
            async with asyncio.timeout(_MARK_SECONDS + 2 * _KILL_SECONDS):
                await self._end()
        except (QuarterdeckError, asyncssh.Error, OSError) as error:  # TimeoutError is an OSError
            log.warning("%s: process group %s may still run: %s", self._node, self.group, error)
        if self._pipe.chan is not None:
            self._pipe.chan.close()

    async def _end(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MARK_SECONDS):
                await self.known.wait()
        if self.group is None:
            return
        command = ending(self.group, elevate=self._elevate)
        sessions = self._shared.sessions
        # Where the server's own limit is reached, asking for one more channel is in vain.
        full = sessions.limit < MOST and len(sessions.seats) >= sessions.limit
        code = None if full else await self._kill(self._shared, command)
        if code is None:
            code = await self._kill_over_another(command)
        if code != 0:
            log.warning("%s: process group %s did not end", self._node, self.group)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._pipe.ended.wait()

    async def _kill(self, shared: Shared, command: str) -> int | None:
        """Run the ending over this connection, past the queue; ``None`` when it opens no channel."""
        pipe = Pipe(_unread)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await shared.hop.command(pipe, command)
        except asyncssh.ChannelOpenError:
            return None
        except TimeoutError:
            shared.hop.conn.abort()
            raise
        async with asyncio.timeout(_KILL_SECONDS):
            await pipe.ended.wait()
        return pipe.exit_code

    async def _kill_over_another(self, command: str) -> int | None:
        """Where MaxSessions leaves no channel: a second connection by the same way, for this one command."""
        shared = self._shared
        hop = await connect(
            shared.resolved,
            shared.via.hop if shared.via else None,
            self._node,
            await self._connections.means(),
            _ignore,
        )
        pipe = Pipe(_unread)
        try:
            await hop.command(pipe, command)
            async with asyncio.timeout(_KILL_SECONDS):
                await pipe.ended.wait()
            return pipe.exit_code
        finally:
            await hop.close()


def _ignore(error: Exception | None) -> None:
    """Nobody depends on that connection."""


def _unread(fd: int, data: bytes) -> None:
    """Output that nobody needs."""
