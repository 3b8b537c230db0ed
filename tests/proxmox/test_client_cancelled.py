"""A call that is cancelled while its connection is being made leaves nothing open."""

from __future__ import annotations

import asyncio
import contextlib

from app.link import LinkCost
from backends.proxmox.endpoint import Endpoint, Request
from backends.proxmox.tls import Trust
from tests.waiting import eventually


async def test_a_connection_is_closed_when_its_handshake_is_cancelled() -> None:
    came, went = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes the beginning of a handshake, and says nothing to it."""
        with contextlib.suppress(OSError):
            await reader.read(1)
            came.set()
            while await reader.read(1 << 16):
                pass
        went.set()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pinned = Trust(("AA:" * 31 + "AA",))
    endpoint = Endpoint("lab", f"https://127.0.0.1:{port}", lambda: pinned, LinkCost(), 30.0)
    try:
        asking = asyncio.create_task(endpoint.send(Request("GET", "/version")))
        await asyncio.wait_for(came.wait(), 20)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await eventually(went.is_set, what="the end of the connection")
    finally:
        await endpoint.close()
        server.close()
        await server.wait_closed()
