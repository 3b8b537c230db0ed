"""A logged-in connection to one hop, and the channels it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import asyncssh

from app.column import clean
from app.errors import Unreachable
from backends.ssh.dial import Dialled
from backends.ssh.sessions import Pipe

FORBIDDEN = 1
"""SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, RFC 4254, 5.1."""

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""asyncssh's own streams, which have the same face."""


class Hop:
    """A logged-in connection to one hop."""

    def __init__(self, conn: asyncssh.SSHClientConnection, dialled: Dialled | None, address: str) -> None:
        self.conn = conn
        self.address = address
        self._dialled = dialled

    async def command(self, pipe: Pipe, request: str) -> None:
        """Start a command whose ends are ``pipe``; raises asyncssh.ChannelOpenError when the server has no place."""

        async def opening() -> None:
            await self.conn.create_session(lambda: pipe, request, encoding=None)  # pyright: ignore[reportUnknownMemberType]

        await _seen_through(opening(), lambda _: pipe.chan.close() if pipe.chan is not None else None)

    async def sftp(self) -> asyncssh.SFTPClient:
        """Start an SFTP session, whose paths are text with undecodable bytes as surrogates."""

        async def opening() -> asyncssh.SFTPClient:
            return await self.conn.start_sftp_client(path_encoding="utf-8", path_errors="surrogateescape")

        return await _seen_through(opening(), lambda client: client.exit())

    async def tcp(self, host: str, port: int) -> Streams:
        """A stream that comes out at ``host:port`` as seen from the hop."""
        opened = self.conn.open_connection(host, port, encoding=None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return cast(Streams, await opened)

    async def unix(self, path: str) -> Streams:
        """A stream that comes out at a Unix socket of the hop."""
        opened = self.conn.open_unix_connection(path, encoding=None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return cast(Streams, await opened)

    async def close(self) -> None:
        """Disconnect, bounded to two seconds."""
        self.conn.close()
        try:
            async with asyncio.timeout(1):
                await self.conn.wait_closed()
        except TimeoutError:
            self.conn.abort()
        if self._dialled is not None:
            await self._dialled.end()


async def _seen_through(opening: Coroutine[Any, Any, T], undo: Callable[[T], object]) -> T:
    """Wait for a channel to open. Who stops waiting leaves no channel behind: it is closed as soon as it is open."""
    task = asyncio.create_task(opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception() or undo(done.result()))
        raise


def lost_words(error: Exception | None, where: str) -> Unreachable:
    """What to say of a connection that ended."""
    reason = clean(getattr(error, "reason", "") or (str(error) if error else ""))
    words = f"the connection was lost: {reason}" if reason else "the connection was closed"
    return Unreachable(words, where=where)
