"""A guest's serial terminal on the operator's: keys and sizes to the cluster's websocket, what it answers back.

The protocol is termproxy's: ``user:ticket`` and a line end, ``OK``, then ``0:LENGTH:keys``, ``1:COLUMNS:LINES:`` and
``2`` to keep it open; what comes back is the terminal's output as it is.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import shutil
import socket
import struct
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from app.column import clean
from app.errors import BadAnswer, Denied, QuarterdeckError, TimedOut
from app.plan import Report

PING_S = 30.0
"""Seconds between the words that keep a quiet terminal open."""
HELLO_S = 15.0
"""Seconds for the cluster to take the ticket."""
LOST = 125
"""The exit code of the operator's end when it was not the operator who ended it."""
_PROGRAM = Path(__file__).parent / "serial_child.py"
_LARGEST = 1 << 20


class Terminal(Protocol):
    """The cluster's end: a websocket of ``client.websocket``."""

    async def write_text(self, text: str) -> None:
        """Send a text message."""

    async def read(self) -> bytes:
        """The next piece; empty at the end."""
        ...

    async def close(self) -> None:
        """End it."""


Open = Callable[[], Awaitable[Terminal]]


async def hello(channel: Terminal, user: str, ticket: str, *, where: str) -> bytes:
    """Show the ticket; returns what the terminal said already. Raises Denied where it is not taken."""
    said = b""
    try:
        async with asyncio.timeout(HELLO_S):
            await channel.write_text(f"{user}:{ticket}\n")
            while len(said) < 2:
                piece = await channel.read()
                if not piece:
                    raise Denied("the cluster closed the terminal at once", where=where)
                said += piece
    except TimeoutError:
        raise TimedOut(f"the terminal did not open within {HELLO_S:g} s", where=where) from None
    if not said.startswith(b"OK"):
        raise BadAnswer("what answers there is no terminal", where=where)
    return said[2:]


async def seated(report: Report, open_channel: Callable[[], Awaitable[tuple[Terminal, bytes]]], name: str) -> bool:
    """Give the operator's terminal to a guest's; returns whether it was the operator who left.

    ``open_channel`` is called when the operator's end is there, and returns the channel and what came over it already;
    its errors are raised here.
    """
    folder = Path(tempfile.mkdtemp(prefix="qd-"))
    bridge = _Bridge(open_channel)
    try:
        server = await asyncio.start_unix_server(bridge.take, folder / "t")
        try:
            code = await report.terminal([sys.executable, "-I", "-S", str(_PROGRAM), str(folder / "t"), clean(name)])
        finally:
            server.close()
            await bridge.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if bridge.failed is not None:
        raise bridge.failed
    return code == 0


class _Bridge:
    """One operator's end and one terminal."""

    def __init__(self, open_channel: Callable[[], Awaitable[tuple[Terminal, bytes]]]) -> None:
        self._open = open_channel
        self._work: asyncio.Task[None] | None = None
        self.failed: QuarterdeckError | None = None

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The operator's end is there; nobody else is let in."""
        if self._work is not None or not _ours(writer):
            writer.close()
            return
        self._work = asyncio.create_task(self._pass(reader, writer))
        with contextlib.suppress(asyncio.CancelledError):
            await self._work

    async def end(self) -> None:
        """Let go of both."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            channel, first = await self._open()
            try:
                writer.write(first)
                works = [
                    asyncio.create_task(one)
                    for one in (_typed(reader, channel), _shown(channel, writer), _kept_open(channel))
                ]
                try:
                    done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in works:
                        one.cancel()
                    await asyncio.gather(*works, return_exceptions=True)
                for one in done:
                    error = None if one.cancelled() else one.exception()
                    if error is not None and not isinstance(error, QuarterdeckError | OSError):
                        raise error
            finally:
                await channel.close()
        except QuarterdeckError as error:
            self.failed = error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _typed(reader: asyncio.StreamReader, channel: Terminal) -> None:
    """Keys and sizes, from the operator's end to the guest."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a key of several bytes may come in two pieces
    while True:
        try:
            head = await reader.readexactly(5)
            kind, size = head[:1], struct.unpack("!I", head[1:])[0]
            data = await reader.readexactly(min(size, _LARGEST))
        except asyncio.IncompleteReadError:
            return
        if kind == b"r":
            lines, columns = (int(one) for one in data.split())
            await channel.write_text(f"1:{columns}:{lines}:")
        elif keys := decoder.decode(data):
            await channel.write_text(f"0:{len(keys.encode())}:{keys}")


async def _shown(channel: Terminal, writer: asyncio.StreamWriter) -> None:
    """What the guest says, to the operator's end."""
    while data := await channel.read():
        writer.write(data)
        await writer.drain()


async def _kept_open(channel: Terminal) -> None:
    while True:
        await asyncio.sleep(PING_S)
        await channel.write_text("2")


def _ours(writer: asyncio.StreamWriter) -> bool:
    """Whether it is a process of ours; the socket's folder lets in nobody else, and this says so once more."""
    found: socket.socket = writer.get_extra_info("socket")
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack("3i", found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid == os.getuid()
