"""Proxmox peers for the tests of this folder, and a port that is nobody's."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.servers.fakepve import pve, pve_at, pve_process

__all__ = ["pve", "pve_at", "pve_process"]


@pytest.fixture
def unused_tcp_port() -> Iterator[int]:
    """A port of 127.0.0.1 where nobody listens: it is held, so that nobody else is given it, until the test listens.

    A listener that says SO_REUSEADDR, as asyncio's do, gets it all the same.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
