"""One hop: reach it, check who it is, log in. Everything is given explicitly; asyncssh reads no file of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from app.column import clean
from app.errors import Denied, HostKeyError, Unreachable
from app.inventory.ssh_config import Resolved
from backends.ssh import hostkeys
from backends.ssh.dial import Dialled, Dropped, dial, silence
from backends.ssh.hop import FORBIDDEN, Hop
from backends.ssh.keys import Offer
from backends.ssh.login import Login, Lost, Means

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of every connection and channel otherwise

_DROPPED_TRIES = 6
_KEEPALIVE_SECONDS = 15.0
"""Where nothing is configured: a peer that is gone is noticed within a minute."""


async def connect(hop: Resolved, via: Hop | None, node: str, means: Means, lost: Lost) -> Hop:
    """Reach one hop, directly or through the one before it, and log in.

    ``connect_timeout`` bounds TCP, greeting, key exchange and login together; waiting for a turn and for a person do
    not count. A server that hangs up before its greeting is tried again a few times.
    Raises Unreachable, TimedOut, Denied, or what known_hosts has against the host's key.
    """
    certificates = True
    dropped = 0
    while True:
        try:
            return await _once(hop, via, node, means, lost, certificates)
        except Dropped:
            dropped += 1
            if dropped == _DROPPED_TRIES:
                raise
            await asyncio.sleep(random.uniform(0.5, 1.0) * 0.1 * 2**dropped)
        except _PlainKey:
            certificates = False


class _PlainKey(Exception):
    """A certificate that we cannot trust; its host may still have a key that we know, as OpenSSH looks for."""


async def _once(hop: Resolved, via: Hop | None, node: str, means: Means, lost: Lost, certificates: bool) -> Hop:
    loop = asyncio.get_running_loop()
    known = await asyncio.to_thread(hostkeys.read, hop.known_hosts)
    offer = await means.keys.offer(hop)
    attempt = Login(hop, node, means, offer, known)
    begun = loop.time()
    dialled = None if via is not None else await _closing(offer, dial(hop, hop.connect_timeout))
    left = max(0.1, hop.connect_timeout - (loop.time() - begun))
    try:
        attempt.turn = await means.herd.turn(hop.address if via is None else f"behind {via.address}")
        try:
            conn = await _login(attempt, via, dialled, certificates, left)
        finally:
            attempt.turn.end()
    except BaseException:
        if dialled is not None:
            dialled.socket.close()
            await dialled.end()
        raise
    finally:
        await offer.close()
    attempt.lost = lost
    if conn.is_closed():
        lost(None)
    return Hop(conn, dialled, hop.address)


async def _closing(offer: Offer, dialling: Awaitable[Dialled]) -> Dialled:
    try:
        return await dialling
    except BaseException:
        await offer.close()
        raise


def _algorithms(hop: Resolved, known: hostkeys.KnownHosts, certificates: bool) -> list[str]:
    able = [one.decode() for one in (*get_default_certificate_algs(), *get_default_public_key_algs())]
    configured = [one for one in hop.host_key_algorithms if one in able] or able
    if not certificates:
        configured = [one for one in configured if not one.endswith(hostkeys.CERTIFICATE)]
    return hostkeys.preferred_algorithms(known, hop.known_as, configured)


async def _login(
    attempt: Login, via: Hop | None, dialled: Dialled | None, certificates: bool, seconds: float
) -> asyncssh.SSHClientConnection:
    hop = attempt.hop
    # Nothing is left for asyncssh to look up: no configuration, no agent, no known_hosts, no default keys.
    options: dict[str, object] = {
        "config": None,
        "client_factory": lambda: attempt,
        "username": hop.user,
        "known_hosts": ([], [], []),
        "host_key_alias": hop.host_key_alias,
        "server_host_key_algs": _algorithms(hop, attempt.known, certificates),
        "client_keys": None,
        "public_key_auth": True,
        "agent_path": None,
        "agent_forwarding": False,
        "x509_trusted_certs": None,
        "gss_host": None,
        "password_auth": hop.password,
        "kbdint_auth": hop.password,
        "preferred_auth": ("publickey", "keyboard-interactive", "password"),
        "keepalive_interval": hop.keepalive_interval or _KEEPALIVE_SECONDS,
        "keepalive_count_max": hop.keepalive_count,
        "login_timeout": 0,
        "connect_timeout": None,
        "compression_algs": None,
        "encoding": None,
    }
    if dialled is not None:
        options["sock"] = dialled.socket
    elif via is not None:
        options["tunnel"] = via.conn
    try:
        async with asyncio.timeout(seconds) as clock:
            attempt.clock = clock
            conn = await asyncssh.connect(hop.host, hop.port, **options)  # pyright: ignore[reportArgumentType]
            clock.reschedule(None)
            return conn
    except TimeoutError:
        raise silence(
            hop, "no login" if attempt.greeted else "it accepted the connection and then said nothing"
        ) from None
    except (OSError, asyncssh.Error, ValueError) as error:
        raise _translated(error, attempt, via, dialled) from None
    finally:
        attempt.clock = None


def _translated(error: Exception, attempt: Login, via: Hop | None, dialled: Dialled | None) -> Exception:
    hop = attempt.hop
    reason = clean(getattr(error, "reason", "") or str(error))
    if attempt.refusal is not None:
        return _PlainKey() if attempt.by_authority and _has_plain(attempt) else attempt.refusal
    match error:
        case asyncssh.PermissionDenied():
            return attempt.denied()
        case asyncssh.DisconnectError() if "authentication failures" in reason.lower():
            return Denied(
                f"too many keys were refused; tried {', '.join(attempt.tried)}",
                where=hop.address,
                todo="name the right one: identity in hosts.yaml, or IdentitiesOnly in ssh_config",
            )
        case asyncssh.ChannelOpenError() if via is not None:
            if error.code == FORBIDDEN:
                return Denied(
                    "the jump host forbids forwarding",
                    where=hop.address,
                    todo="AllowTcpForwarding must be yes or local in its sshd_config",
                )
            return Unreachable(f"the jump host cannot reach it: {reason}", where=hop.address)
        case asyncssh.HostKeyNotVerifiable():
            return HostKeyError(f"the host's certificate does not hold: {reason}", where=hop.address)
        case asyncssh.KeyExchangeFailed():
            return Unreachable(f"no encryption in common with the server: {reason}", where=hop.address)
        case asyncssh.ProtocolNotSupported() | asyncssh.ProtocolError():
            return Unreachable(f"what answers there is no SSH server we understand: {reason}", where=hop.address)
        case asyncssh.ConnectionLost() | ConnectionError() if not attempt.greeted:
            said = dialled.said() if dialled is not None else ""
            return Dropped(
                f"the connection was closed before a greeting{': ' + said if said else ''}",
                where=hop.address,
                todo="sshd may have too many logins at once (MaxStartups)",
            )
        case _:
            return Unreachable(f"the connection ended during the login: {reason}", where=hop.address)


def _has_plain(attempt: Login) -> bool:
    return any(not line.marker for line in attempt.known.of(attempt.hop.known_as))
