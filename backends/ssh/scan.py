"""The host keys on the way to a node, shown without logging in to the host that is asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from app.errors import QuarterdeckError, TimedOut, Unreachable
from app.inventory.ssh_config import Resolved
from backends.ssh import hostkeys
from backends.ssh.dial import dial
from backends.ssh.hop import Hop
from backends.ssh.hostkeys import Finding, fingerprint

TYPES: tuple[tuple[str, ...], ...] = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""One question each: a server shows one key per connection."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One key that a host shows."""

    type: str
    blob: bytes
    finding: Finding

    @property
    def fingerprint(self) -> str:
        """``SHA256:…``"""
        return fingerprint(self.blob)


@dataclass(frozen=True, slots=True)
class Scan:
    """What one hop shows, and where a key of it would be written."""

    address: str
    name: str
    """As known_hosts lists it."""
    jump: bool
    """It is a jump host on the way, not the node itself."""
    file: Path
    keys: tuple[Offered, ...]


async def scan_hop(hop: Resolved, via: Hop | None, *, jump: bool) -> Scan:
    """Ask a hop for its keys, each type on a connection of its own, in parallel; raises Unreachable."""
    found = await asyncio.gather(*(_ask(hop, via, types) for types in TYPES), return_exceptions=True)
    blobs = [blob for blob in found if isinstance(blob, bytes)]
    if not blobs:
        errors = [one for one in found if isinstance(one, BaseException)]
        raise errors[0] if errors else Unreachable("the server shows no key that we understand", where=hop.address)
    known = await asyncio.to_thread(hostkeys.read, hop.known_hosts)
    host = "" if hop.host_key_alias else hop.host
    keys = tuple(
        Offered(hostkeys.blob_type(blob), blob, hostkeys.classify(known, hop.known_as, blob, port=hop.port, host=host))
        for blob in blobs
    )
    return Scan(hop.address, hop.known_as, jump, hop.user_known_hosts[0], keys)


async def _ask(hop: Resolved, via: Hop | None, types: tuple[str, ...]) -> bytes | None:
    """One key, ``None`` when the server has none of these types."""
    dialled = None if via is not None else await dial(hop, hop.connect_timeout)
    try:
        async with asyncio.timeout(hop.connect_timeout):
            key = await asyncssh.get_server_host_key(
                hop.host,
                hop.port,
                config=None,
                server_host_key_algs=list(types),
                **({"sock": dialled.socket} if dialled is not None else {"tunnel": via.conn if via else ()}),  # pyright: ignore[reportArgumentType]
            )
    except TimeoutError:
        raise TimedOut(f"no key within {hop.connect_timeout:g} s", where=hop.address) from None
    except asyncssh.KeyExchangeFailed:
        return None
    except QuarterdeckError:
        raise
    except (OSError, ValueError, asyncssh.Error) as error:
        raise Unreachable(f"the host key could not be asked for: {error}", where=hop.address) from None
    finally:
        if dialled is not None:
            dialled.socket.close()
            await dialled.end()
    return key.public_data if key is not None else None
