"""docker-py's client with its connections in our hands: any of them can be ended from another thread at once.

Imports the library, which takes a tenth of a second: import this module in a thread.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import weakref
from typing import Any

import docker
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool

NEWEST_API = DEFAULT_DOCKER_API_VERSION
"""The newest API that the library was written for."""


class Connections:
    """The sockets of one client; ``end`` shuts them all, and those that are opened afterwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._ended = False

    def add(self, one: Any) -> None:
        """A connection was made."""
        with self._lock:
            self._sockets.add(one)
            if self._ended:
                self._shut(one)

    def end(self) -> None:
        """Whoever reads from one of them gets its end at once."""
        with self._lock:
            self._ended = True
            for one in self._sockets:
                self._shut(one)

    def close(self) -> None:
        """Give their descriptors back, also where an answer that was not read to its end holds on to one.

        Nobody reads any more.
        """
        with self._lock:
            for one in list(self._sockets):
                number = one.detach()
                if number >= 0:
                    os.close(number)

    @staticmethod
    def _shut(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class _Connection(UnixHTTPConnection):
    connections: Connections

    def connect(self) -> None:
        # As the library does it, but for a socket that nobody answers at: the library forgets to close it.
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self.unix_socket)
        except BaseException:
            sock.close()
            raise
        self.sock = sock
        self.connections.add(sock)


class _Pool(UnixHTTPConnectionPool):
    connections: Connections

    def _new_conn(self) -> Any:
        seconds: Any = self.timeout
        made = _Connection(self.base_url, self.socket_path, seconds)
        made.connections = self.connections
        return made


class _Adapter(UnixHTTPAdapter):
    """One pool for all pages, so that one connection serves call after call; the library's has one for each address."""

    def __init__(self, path: str, timeout: int, connections: Connections) -> None:
        super().__init__(f"http+unix://{path}", timeout)
        self._pool: Any = _Pool("http+docker://localhost", path, timeout, maxsize=self.max_pool_size)
        self._pool.connections = connections

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        return self._pool

    def close(self) -> None:
        super().close()
        self._pool.close()


class EngineClient:
    """One ``APIClient`` and its connections; used by one thread at a time."""

    def __init__(self, path: str, api: str, timeout: float) -> None:
        self.connections = Connections()
        seconds = max(1, int(timeout))
        self.api: Any = docker.APIClient(base_url=f"unix://{path}", version=api, timeout=seconds)
        self.api.trust_env = False
        adapter = _Adapter(path, seconds, self.connections)
        self.api._custom_adapter = adapter
        self.api.mount("http+docker://", adapter)

    def end(self) -> None:
        """End what it waits for; from any thread."""
        self.connections.end()

    def close(self) -> None:
        """Let go of everything; from the thread that used it, or when none does."""
        self.connections.end()
        try:
            self.api.close()
        finally:
            self.connections.close()
