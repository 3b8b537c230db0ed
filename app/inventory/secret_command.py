"""A command that prints a secret: run, bounded, and its first line taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from app.errors import ConfigurationError

LARGEST = 64 << 10
"""Bytes of its output that are looked at; what comes after them is dropped."""
_AFTERWARDS_S = 1.0
"""How long output is waited for when the command has ended: a child it left behind may hold the pipe for ever."""


async def first_line(command: str, folder: Path, where: str) -> bytes:
    """The first line of what ``sh -c command`` prints in a folder; what it says on stderr is not kept.

    It runs in a session of its own, which is killed when the caller is cancelled. Raises ConfigurationError where it
    fails; neither the command nor its output stands in that.
    """
    reads, writes = os.pipe()
    stream = asyncio.StreamReader()
    pipe = os.fdopen(reads, "rb", buffering=0)
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
    except BaseException:
        pipe.close()
        os.close(writes)
        raise
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writes,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigurationError(f"its command cannot be run: {error.strerror}", where=where) from None
        finally:
            os.close(writes)
        code, raw = await _ended(process, stream)
    finally:
        transport.close()
    if code != 0:
        said = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise ConfigurationError(f"its command failed with {said}", where=where, todo="run it yourself to see why")
    return raw.partition(b"\n")[0].rstrip(b"\r")


async def _ended(process: asyncio.subprocess.Process, stream: asyncio.StreamReader) -> tuple[int, bytes]:
    kept = bytearray()
    draining = asyncio.create_task(_drain(stream, kept))
    try:
        code = await process.wait()
        await asyncio.wait([draining], timeout=_AFTERWARDS_S)
    finally:
        draining.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return code, bytes(kept)


async def _drain(stream: asyncio.StreamReader, kept: bytearray) -> None:
    """Read all there is, so that the command never waits for a reader."""
    while piece := await stream.read(LARGEST):
        kept += piece[: max(0, LARGEST - len(kept))]
