"""Files in and out of a container as tar streams (Engine API, "archive"), in a thread, over a connection of its own.

``http.client`` speaks here: the request's body and the answer's are streams of any length, and cancelling shuts the
connection under the thread's hands.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

from app.errors import QuarterdeckError, Unreachable
from backends.docker.hijack import message, refusal
from backends.docker.threads import in_thread

T = TypeVar("T")

_QUIET_S = 120.0
"""How long the engine may take or give nothing before it counts as lost."""
_END_S = 10.0


class Stopped(Exception):
    """The transfer was cancelled."""


class Archive(http.client.HTTPConnection):
    """One connection to an engine's socket, for one request."""

    def __init__(self, path: Path, where: str) -> None:
        super().__init__("docker", timeout=_QUIET_S)
        self._path = path
        self._where = where
        self._shut = threading.Event()

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

    @property
    def stopped(self) -> bool:
        """Whether whoever wanted it no longer does."""
        return self._shut.is_set()

    def stop(self) -> None:
        """End it from another thread, at once."""
        self._shut.set()
        one: socket.socket | None = self.sock
        if one is not None:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def get(self, container: str, path: str) -> http.client.HTTPResponse:
        """The tar stream of a path. Blocking."""
        self.request("GET", f"/containers/{container}/archive?{urlencode({'path': path})}")
        return self._answered()

    def put(self, container: str, folder: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar stream in a folder; a file never replaces a folder, nor the other way round. Blocking."""
        query = urlencode({"path": folder, "noOverwriteDirNonDir": "true"})
        headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
        url = f"/containers/{container}/archive?{query}"
        try:
            self.request("PUT", url, body=tar, headers=headers, encode_chunked=True)
        except (BrokenPipeError, ConnectionResetError):
            if self.stopped:
                raise
            # It refused before it had everything: its answer says why.
        self._answered().read()

    def _answered(self) -> http.client.HTTPResponse:
        answer = self.getresponse()
        if answer.status >= 300:
            raise refusal(answer.status, message(answer.read(1 << 16)), self._where)
        return answer


async def transfer(path: Path, where: str, work: Callable[[Archive], T]) -> T:
    """Run a transfer in a thread; cancelling ends it and waits for its tidying up."""
    archive = Archive(path, where)

    def run() -> T:
        try:
            return work(archive)
        except QuarterdeckError:
            raise
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            if archive.stopped:
                raise Stopped from None
            raise Unreachable(
                f"the connection to the engine broke: {error or type(error).__name__}", where=where
            ) from None
        finally:
            archive.close()

    future = in_thread(f"archive {where}", run)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        archive.stop()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(asyncio.shield(future), _END_S)
        raise
