"""A byte channel through a cluster's websocket: what a guest's serial terminal comes over.

``POST …/termproxy`` answers a port and a ticket; the websocket is then opened at the same server, with the login and
the certificate check of every other call.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.column import clean
from app.errors import Denied, QuarterdeckError, TimedOut, Unreachable
from app.link import LinkCost
from backends.proxmox.failures import Gone, NotProxmox, Rejected, words
from backends.proxmox.tls import why_not

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_S = 15.0
"""Seconds to connect and be let in."""
_CLOSE_S = 2.0
_LARGEST = 1 << 20
_quiet = logging.getLogger(f"{__name__}.library")
_quiet.setLevel(logging.ERROR)  # below that the library writes down headers and frames


class ByteChannel:
    """Bytes both ways; satisfies ``app.link.Channel``."""

    def __init__(self, socket: ClientConnection, where: str) -> None:
        self._socket = socket
        self._where = where

    async def write(self, data: bytes) -> None:
        """Send some bytes; raises Unreachable when it is closed."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(data)
        except ConnectionClosed:
            raise Unreachable("the console was closed", where=self._where) from None

    async def write_text(self, text: str) -> None:
        """Send a text message, as consoles in a browser do; raises Unreachable when it is closed."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(text)
        except ConnectionClosed:
            raise Unreachable("the console was closed", where=self._where) from None

    async def read(self) -> bytes:
        """The next piece; empty when it has ended."""
        from websockets.exceptions import ConnectionClosed

        while True:
            try:
                got = await self._socket.recv()
            except ConnectionClosed:
                return b""
            data = got.encode() if isinstance(got, str) else got
            if data:
                return data

    async def close(self) -> None:
        """End it, bounded in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._socket.close()


async def opened(
    url: str, *, headers: Mapping[str, str], context: ssl.SSLContext | None, cost: LinkCost, where: str
) -> ByteChannel:
    """Open ``wss://host:port/api2/json/…/vncwebsocket?port=…&vncticket=…``; no redirect is followed.

    Raises ``ssl.SSLError`` as it came: whose certificate was wrong is for the caller to say. Raises Unreachable,
    TimedOut, Denied, Gone and NotProxmox.
    """
    await asyncio.to_thread(importlib.import_module, "websockets.asyncio.client")
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.typing import Subprotocol

    class Direct(connect):
        """Goes nowhere but to the URL: a login is not carried on to where a server sends us."""

        def process_redirect(self, exc: Exception) -> Exception | str:
            return exc

    # A URL with a ticket in it must not get into a message, so nothing of the library's is repeated.
    trying = Direct(
        url,
        ssl=context,
        subprotocols=[Subprotocol("binary")],
        additional_headers=dict(headers),
        user_agent_header="quarterdeck",
        compression=None,
        proxy=None,
        open_timeout=OPEN_S,
        close_timeout=_CLOSE_S,
        max_size=_LARGEST,
        logger=_quiet,
    )
    try:
        socket = await trying
    except InvalidStatus as error:
        raise _refused(error.response.status_code, error.response.reason_phrase, where) from None
    except TimeoutError:
        raise TimedOut(f"the console did not open within {OPEN_S:g} s", where=where) from None
    except ssl.SSLError:
        raise
    except OSError as error:
        raise Unreachable(why_not(error), where=where) from None
    except (WebSocketException, ValueError):
        raise NotProxmox("no websocket is spoken there", where=where) from None
    cost.channels += 1
    return ByteChannel(socket, where)


def _refused(status: int, reason: str, where: str) -> QuarterdeckError:
    said = words(reason)
    if status in (401, 403):
        return Denied(f"the console is not for us: {said or status}", where=where, todo="it needs VM.Console")
    if status in (301, 302, 307, 308):
        return NotProxmox("it sends us elsewhere", where=where)
    if status in (404, 501):
        return Gone(f"there is no console: {said or status}", where=where)
    return Rejected(f"the console was refused: {clean(said) or status}", where=where)
