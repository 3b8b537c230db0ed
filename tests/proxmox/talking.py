"""Clients as the tests of this folder need them: a cluster called lab, secrets that are what they say."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.backend import AskSecret, nobody
from backends.proxmox.client import Client
from backends.proxmox.cluster import Cluster
from backends.proxmox.tls import Trust
from backends.ssh.prompts import Secrets

TOKEN = "ops@pve!deck=6e0b6d8a-0000-4000-8000-0123456789ab"
SECRET = TOKEN.partition("=")[2]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def as_it_stands(reference: str) -> str:
    """A reference that is the secret itself."""
    return reference


@asynccontextmanager
async def talking(
    *urls: str,
    token: str | None = TOKEN,
    ask: AskSecret = nobody,
    clock: Callable[[], float] | None = None,
    trust: Callable[[str], Trust] | None = None,
    resolve: Callable[[str], Any] = as_it_stands,
    **more: Any,
) -> AsyncGenerator[Client]:
    """A client of ``lab``; closed at the end of the block."""
    cluster = Cluster(name="lab", urls=urls, token=token, **more)
    timed: dict[str, Any] = {} if clock is None else {"clock": clock}
    client = Client(cluster, resolve=resolve, passwords=Secrets(ask), trust=trust, **timed)
    try:
        yield client
    finally:
        await client.close()
