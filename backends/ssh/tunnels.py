"""Ports and sockets of a node brought here, and what to say where its server does not allow it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh

from app.column import clean
from app.errors import Missing, Unreachable, Unsupported
from app.link import LinkCost
from backends.ssh.forwards import Relay
from backends.ssh.hop import FORBIDDEN, Streams, lost_words
from backends.ssh.jumps import Shared

if TYPE_CHECKING:
    from backends.ssh.link import SshLink

_SECONDS = 15.0

Connected = Callable[[], Awaitable[Shared]]


async def tcp(
    connected: Connected, cost: LinkCost, relays: set[Relay], listen: tuple[str, int], target: tuple[str, int]
) -> Relay:
    """Forward a port. The far end is tried once: a server that forbids forwarding is found out here and now."""

    async def far() -> Streams:
        shared = await connected()
        async with asyncio.timeout(_SECONDS):
            return await shared.hop.tcp(*target)

    shared = await connected()
    where = shared.resolved.address
    try:
        _, writer = await far()
        writer.close()
    except asyncssh.ChannelOpenError as error:
        if error.code == FORBIDDEN:
            raise Unsupported(
                "the server forbids forwarding", where=where, todo="its sshd_config needs: AllowTcpForwarding yes"
            ) from None
        if shared.hop.conn.is_closed():
            raise lost_words(error, where) from None
        # Nobody listens at the far end now; somebody may when the first connection comes.
    except TimeoutError:
        pass
    except (OSError, asyncssh.Error) as error:
        raise lost_words(error, where) from None
    relay = Relay(far, cost, relays.discard)
    await relay.listen(*listen)
    relays.add(relay)
    return relay


async def socket(connected: Connected, cost: LinkCost, relays: set[Relay], path: Path, remote: str) -> Relay:
    """Forward a Unix socket to a path here."""

    async def far() -> Streams:
        shared = await connected()
        async with asyncio.timeout(_SECONDS):
            return await shared.hop.unix(remote)

    relay = Relay(far, cost, relays.discard)
    await relay.listen_at(path)
    relays.add(relay)
    return relay


async def check_socket(link: SshLink, connected: Connected, remote: str) -> None:
    """Try a socket once; sshd says the same to everything it does not do, so the reason is looked for on the node."""
    shared = await connected()
    where = shared.resolved.address
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await shared.hop.unix(remote)
            writer.close()
            return
    except TimeoutError:
        raise Unreachable(f"{clean(remote)} does not answer", where=where) from None
    except asyncssh.ChannelOpenError as error:
        if shared.hop.conn.is_closed():
            raise lost_words(error, where) from None
    except (OSError, asyncssh.Error) as error:
        raise lost_words(error, where) from None
    name = shlex.quote(remote)
    found = await link.run(f"[ -S {name} ] || exit 3; [ -w {name} ] || exit 4", timeout=_SECONDS)
    if found.exit_code == 3:
        raise Missing("no such socket on the node", where=f"{where} {clean(remote)}")
    if found.exit_code == 4:
        raise Unsupported(
            f"{clean(remote)} may not be used by this account",
            where=where,
            todo="add the account to the group that owns the socket",
        )
    raise Unsupported(
        "the server does not forward sockets, or nobody listens there",
        where=f"{where} {clean(remote)}",
        todo="its sshd_config needs: AllowStreamLocalForwarding yes",
    )
