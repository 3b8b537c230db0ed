"""Listeners on this machine whose connections come out on a node's side; they outlive a reconnect."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh

from app.errors import QuarterdeckError, Unreachable
from app.link import LinkCost

_PIECE = 1 << 16

Far = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Opens the far end; asyncssh's streams have the same face as asyncio's."""


class Relay:
    """A listener that passes each of its connections to the far end; satisfies ``app.link.Forward``."""

    def __init__(self, far: Far, cost: LinkCost, ended: Callable[[Relay], None]) -> None:
        self.host = ""
        self.port = 0
        self.path: Path | None = None
        self._far = far
        self._cost = cost
        self._ended = ended
        self._server: asyncio.Server | None = None
        self._through: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        """Listen on TCP; raises Unreachable with the reason when that cannot be done."""
        try:
            self._server = await asyncio.start_server(self._accept, host or "localhost", port)
        except (OSError, OverflowError) as error:
            busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            what = "the port is in use" if busy else f"cannot listen: {error}"
            raise Unreachable(what, where=f"{host}:{port}", todo="choose another port, or 0 for any") from None
        self.host = host
        self.port = self._server.sockets[0].getsockname()[1]

    async def listen_at(self, path: Path) -> None:
        """Listen on a Unix socket in a folder that nobody else may enter."""
        self._server = await asyncio.start_unix_server(self._accept, path)
        self.path = path

    async def close(self) -> None:
        """Stop listening and drop what goes through."""
        server, self._server = self._server, None
        if server is None:
            return
        self._ended(self)
        server.close()
        for task in list(self._through):
            task.cancel()
        if self._through:
            await asyncio.wait(list(self._through), timeout=2)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await server.wait_closed()
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._through.add(task)
            task.add_done_callback(self._through.discard)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._pass(reader, writer)
        finally:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._far()
        except (QuarterdeckError, OSError, asyncssh.Error):
            return
        cost = self._cost

        def sent(size: int) -> None:
            cost.bytes_out += size

        def received(size: int) -> None:
            cost.bytes_in += size

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, far_writer, sent))
                both.create_task(_pump(far_reader, writer, received))
        except* (OSError, asyncssh.Error):
            pass  # one direction broke: the other has nobody to wait for
        finally:
            far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]) -> None:
    """Copy one direction to its end, then say that it ended."""
    while data := await reader.read(_PIECE):
        count(len(data))
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
