"""Peers that are no SSH servers: one that never speaks, one that hangs up, and an address that never answers."""

from __future__ import annotations

import atexit
import contextlib
import socket
import threading
from collections.abc import Generator


@contextlib.contextmanager
def silent(host: str = "127.0.2.1") -> Generator[int]:
    """Accepts TCP and never says a word; gives the port."""
    with socket.create_server((host, 0), backlog=50) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def speaking(words: bytes, host: str = "127.0.2.2") -> Generator[tuple[int, list[int]]]:
    """Says ``words`` to whoever comes and hangs up; gives the port, and a list that grows with each caller."""
    callers: list[int] = []
    with socket.create_server((host, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                callers.append(1)
                with peer:
                    peer.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], callers
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


@contextlib.contextmanager
def blackhole(host: str = "127.0.2.3") -> Generator[int]:
    """A port whose queue of callers is full, so that connecting to it hangs; gives the port."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind((host, 0))
        server.listen(0)
        address = server.getsockname()
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(address)
        yield address[1]


def closed_port(host: str = "127.0.2.4") -> int:
    """A port nobody listens on, nor can while these tests run: it is taken by a socket that does not listen."""
    taken = socket.socket()
    atexit.register(taken.close)
    taken.bind((host, 0))
    return taken.getsockname()[1]
