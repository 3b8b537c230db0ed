"""A port of this machine that comes out at another address: what a tunnel is where no connection lies between."""

from __future__ import annotations

import asyncio
import contextlib
import errno

from app.errors import Unreachable

_PIECE = 1 << 16
_CONNECT_S = 10.0


class LocalForward:
    """A listener whose connections are passed on to ``host:port``; satisfies ``app.link.Forward``."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._through: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, listen_host: str, listen_port: int, host: str, port: int) -> LocalForward:
        """Listen; raises Unreachable with the reason when that cannot be done."""
        forward = cls(host, port)
        try:
            forward._server = await asyncio.start_server(forward._accept, listen_host or "localhost", listen_port)
        except (OSError, OverflowError) as error:
            busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            what = "the port is in use" if busy else f"cannot listen: {error}"
            raise Unreachable(
                what, where=f"{listen_host}:{listen_port}", todo="choose another port, or 0 for any"
            ) from None
        forward.host = listen_host
        forward.port = forward._server.sockets[0].getsockname()[1]
        return forward

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._through.add(task)
            task.add_done_callback(self._through.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._pass(reader, writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_CONNECT_S):
                far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:  # TimeoutError is one of them
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, far_writer))
                both.create_task(_pump(far_reader, writer))
        except* OSError:
            pass
        finally:
            writer.transport.abort()
            far_writer.transport.abort()

    async def close(self) -> None:
        """Stop listening and drop what goes through it."""
        if self._server is not None:
            self._server.close()
        for task in list(self._through):
            task.cancel()
        if self._through:
            await asyncio.wait(self._through, timeout=2.0)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
