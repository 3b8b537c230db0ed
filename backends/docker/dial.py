"""A socket here for an engine whose own socket cannot be forwarded: each connection is a command on the node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import tempfile
from pathlib import Path

from app.errors import QuarterdeckError
from app.link import Channel, Link

MOST = 3
"""Session channels one engine is asked for at once: the node has four in all, and its sampler wants one."""
_PIECE = 1 << 15
_OPEN_S = 15.0


class DialListener:
    """A Unix socket whose connections come out at the engine's by ``docker system dial-stdio``.

    Connections beyond ``MOST`` wait until one ends.
    """

    def __init__(self, link: Link, command: str, folder: Path) -> None:
        self.path = folder / "dial"
        self._folder = folder
        self._link = link
        self._command = command
        self._places = asyncio.Semaphore(MOST)
        self._server: asyncio.Server | None = None
        self._through: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, link: Link, program: str, socket: str) -> DialListener:
        """Listen; ``program`` is docker or podman on the node."""
        option = "--url" if program.rpartition("/")[2].startswith("podman") else "-H"
        command = f"exec {shlex.quote(program)} {option} {shlex.quote(f'unix://{socket}')} system dial-stdio"
        made = cls(link, command, await asyncio.to_thread(_private_folder))
        made._server = await asyncio.start_unix_server(made._accept, made.path)
        return made

    async def close(self) -> None:
        """Stop listening and drop what goes through; bounded."""
        if self._server is not None:
            self._server.close()
        for task in list(self._through):
            task.cancel()
        if self._through:
            await asyncio.wait(list(self._through), timeout=5)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._through.add(task)
            task.add_done_callback(self._through.discard)
        try:
            async with self._places:
                await self._pass(reader, writer)
            writer.close()  # after what is still on its way out
        except asyncio.CancelledError:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_OPEN_S):
                channel = await self._link.channel(self._command)
        except (QuarterdeckError, OSError, TimeoutError):
            return
        there = asyncio.create_task(_there(reader, channel))
        back = asyncio.create_task(_back(channel, writer))
        try:
            # Either end closing is the end of it: an HTTP client that has hung up wants nothing more.
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            await asyncio.shield(asyncio.ensure_future(channel.close()))


async def _there(reader: asyncio.StreamReader, channel: Channel) -> None:
    with contextlib.suppress(OSError, QuarterdeckError):
        while data := await reader.read(_PIECE):
            await channel.write(data)


async def _back(channel: Channel, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, QuarterdeckError):
        while data := await channel.read():
            writer.write(data)
            await writer.drain()


def _private_folder() -> Path:
    """A folder with a short name that nobody else may enter."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    usable = runtime if runtime and os.access(runtime, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="qd-", dir=usable))
