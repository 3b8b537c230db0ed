"""The stream of a started exec, read on the event loop: it may last for hours, and is ended by closing it.

Engine API, "Start an exec instance": the connection is upgraded and then carries frames, a header of eight bytes (the
first says which stream, the last four how long) and the bytes themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from app.column import clean
from app.errors import BadAnswer, Denied, Missing, QuarterdeckError, Refused, Unreachable

_HEAD = 64 * 1024
_LONGEST_FRAME = 16 << 20
_PIECE = 1 << 16
_ANSWER_S = 30.0

STDERR = 2


async def exec_frames(socket: Path, exec_id: str, where: str) -> AsyncGenerator[tuple[int, bytes]]:
    """Start an exec without a terminal: (1 standard output or 2 standard error, bytes) as they come, until it ends.

    Closing the generator closes the connection, which ends nothing in the container. Raises Unreachable when the
    connection breaks, and what the engine's refusal means.
    """
    reader, writer = await _open(socket, where)
    try:
        try:
            async with asyncio.timeout(_ANSWER_S):
                writer.write(_request(f"/exec/{exec_id}/start", {"Detach": False, "Tty": False}))
                await writer.drain()
                await _upgraded(reader, where)
        except TimeoutError:
            raise Unreachable(f"the engine did not answer within {_ANSWER_S:g} s", where=where) from None
        while head := await _whole(reader, 8):
            size = int.from_bytes(head[4:], "big")
            if head[0] > 2 or head[1:4] != b"\0\0\0" or size > _LONGEST_FRAME:
                raise BadAnswer("the engine sent something that is no output of a command", where=where)
            while size:
                data = await reader.read(min(size, _PIECE))
                if not data:
                    raise Unreachable("the connection to the engine ended", where=where)
                size -= len(data)
                yield head[0], data
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Unreachable(f"the connection to the engine broke: {error}", where=where) from None
    finally:
        writer.transport.abort()


async def _open(socket: Path, where: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await asyncio.open_unix_connection(socket, limit=_HEAD)
    except OSError as error:  # TimeoutError is one of them
        raise Unreachable(f"the engine's socket does not answer: {error}", where=where) from None


def _request(path: str, body: Any) -> bytes:
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def _whole(reader: asyncio.StreamReader, size: int) -> bytes:
    """So many bytes, or none at the end."""
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""


async def _upgraded(reader: asyncio.StreamReader, where: str) -> None:
    """Read the answer's head; raises what a refusal means."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise BadAnswer("the engine's answer is no HTTP", where=where) from None
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise BadAnswer("the engine's answer is no HTTP", where=where)
    status = int(words[1])
    if status in (101, 200):
        return
    body = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):  # enough of it to know the reason; the connection may stay open
            while len(body) < _HEAD and (data := await reader.read(_PIECE)):
                body += data
                if message(body):
                    break
    raise refusal(status, message(body), where)


def message(body: bytes) -> str:
    """The engine's own words in the body of a refusal; empty where there are none (yet)."""
    start, end = body.find(b"{"), body.rfind(b"}")
    try:
        said: Any = json.loads(body[start : end + 1])
    except ValueError:
        return ""
    return clean(str(said.get("message", ""))).strip()[:2000]


def refusal(status: int, words: str, where: str) -> QuarterdeckError:
    """An HTTP status of the engine as one of our errors."""
    words = words or f"the engine answered {status}"
    if status == 404:
        return Missing(words, where=where)
    if status == 409:
        return Refused(words, where=where)
    if status in (401, 403):
        return Denied(words, where=where)
    return BadAnswer(words, where=where)
