"""One hop: reach it, check who it is, log in. Everything is given explicitly; asyncssh reads no file of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from app.column import clean
from app.errors import Denied, HostKeyError, UnknownHostKey, Unreachable
from app.inventory.ssh_config import Resolved
from backends.ssh import hostkeys
from backends.ssh.dial import Dialled, Dropped, dial, silence
from backends.ssh.herd import Herd, Turn
from backends.ssh.keys import Keyring, Offer
from backends.ssh.prompts import Secrets
from backends.ssh.sessions import Pipe
from backends.ssh.verify import authority_error, key_error

FORBIDDEN = 1
"""SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, RFC 4254, 5.1."""
logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of every connection and channel otherwise

_PASSWORD_TRIES = 3
_DROPPED_TRIES = 6
_KEEPALIVE_SECONDS = 15.0
"""Where nothing is configured: a peer that is gone is noticed within a minute."""

T = TypeVar("T")
Lost = Callable[[Exception | None], None]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""asyncssh's own streams, which have the same face."""


@dataclass(slots=True)
class Means:
    """What all attempts share: secrets, keys, and turns."""

    secrets: Secrets
    keys: Keyring
    herd: Herd


class _Attempt(asyncssh.SSHClient):
    """Answers asyncssh's questions during one login, and remembers why it went wrong."""

    def __init__(self, hop: Resolved, node: str, means: Means, offer: Offer, known: hostkeys.KnownHosts) -> None:
        self.hop = hop
        self.node = node
        self.means = means
        self.offer = offer
        self.known = known
        self.refusal: HostKeyError | None = None
        self.by_authority = False
        """It was an unknown authority that was refused; the host may have a plain key that we know."""
        self.greeted = False
        """The key exchange began: what answers there is an SSH server."""
        self.methods: set[str] = set()
        self.tried: list[str] = []
        self.clock: asyncio.Timeout | None = None
        self.turn: Turn | None = None
        self.lost: Lost | None = None
        self._conn: asyncssh.SSHClientConnection | None = None
        self._locked = list(offer.locked) if hop.passphrase else []
        self._asked = 0
        self._last: str | None = None

    # -- who it is

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.greeted = True
        self.refusal = key_error(self.known, self.hop, key.public_data, self.node)
        return self.refusal is None

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.greeted = True
        self.refusal = authority_error(self.known, self.hop, key.public_data, self.node)
        self.by_authority = isinstance(self.refusal, UnknownHostKey)
        return self.refusal is None

    # -- who we are

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._conn = conn

    def connection_lost(self, exc: Exception | None) -> None:
        if self.lost is not None:
            self.lost(exc)

    def _note_methods(self) -> None:
        if self._conn is not None:
            self.methods.update(self._conn.get_server_auth_methods())

    @contextlib.contextmanager
    def _asking(self) -> Generator[None]:
        """While a person types, neither the clock runs nor does anybody wait for this one's turn."""
        loop = asyncio.get_running_loop()
        if self.turn is not None:
            self.turn.end()
        clock = self.clock
        when = clock.when() if clock is not None else None
        if clock is None or when is None:
            yield
            return
        left = max(5.0, when - loop.time())
        clock.reschedule(None)
        try:
            yield
        finally:
            if self.clock is clock and not clock.expired():
                clock.reschedule(loop.time() + left)

    async def public_key_auth_requested(self) -> list[asyncssh.SSHKeyPair] | None:
        self._note_methods()
        if self.offer.pairs:
            pairs, self.offer.pairs = self.offer.pairs, []
            self.tried.append(f"keys ({', '.join(self.offer.names)})")
            return pairs
        while self._locked:
            path = self._locked.pop(0)
            with self._asking():
                pairs = await self.means.keys.unlock(path)
            if pairs:
                self.tried.append(f"key {path.name}")
                return pairs
        return None

    async def password_auth_requested(self) -> str | None:
        self._note_methods()
        return await self._password("password")

    def kbdint_auth_requested(self) -> str | None:
        self._note_methods()
        return "" if self.hop.password and self._asked < _PASSWORD_TRIES else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        answers: list[str] = []
        for text, echo in prompts:
            if not echo and "password" in text.lower():
                answer = await self._password("keyboard-interactive")
            else:  # a code that is good once
                self._asked += 1
                with self._asking():
                    words = clean(f"{instructions} {text}").strip()
                    answer = await self.means.secrets.once(f"code for {self._who}", f"{self._who}: {words}")
            if answer is None:
                return None
            answers.append(answer)
        return answers

    @property
    def _who(self) -> str:
        return f"{self.hop.user}@{self.hop.address}"

    async def _password(self, method: str) -> str | None:
        if not self.hop.password:
            return None
        what = f"password of {self._who}"
        again = ""
        if self._last is not None:
            self.means.secrets.wrong(what, self._last)
            again = "That was wrong. "
        if self._asked >= _PASSWORD_TRIES:
            return None
        self._asked += 1
        if method not in self.tried:
            self.tried.append(method)
        with self._asking():
            self._last = await self.means.secrets.get(what, f"{again}Password of {self._who}")
        return self._last

    def denied(self) -> Denied:
        """Why nothing that was tried let us in, and what else there is."""
        if self._last is not None:
            self.means.secrets.wrong(f"password of {self._who}", self._last)
        tried = ", ".join(self.tried) or "nothing: there is no key to offer"
        notes = f"; {'; '.join(self.offer.notes)}" if self.offer.notes else ""
        asks = {"password", "keyboard-interactive"} & self.methods
        todo = (
            "set password: ask for this node, or give the host a key"
            if asks and not self.hop.password
            else "check the user name and the key: ssh-copy-id adds it"
        )
        return Denied(f"{self.hop.user} was not let in; tried {tried}{notes}", where=self.hop.address, todo=todo)


class Hop:
    """A logged-in connection to one hop."""

    def __init__(self, conn: asyncssh.SSHClientConnection, dialled: Dialled | None, address: str) -> None:
        self.conn = conn
        self.address = address
        self._dialled = dialled

    async def command(self, pipe: Pipe, request: str) -> None:
        """Start a command whose ends are ``pipe``; raises asyncssh.ChannelOpenError when the server has no place."""

        async def opening() -> None:
            await self.conn.create_session(lambda: pipe, request, encoding=None)  # pyright: ignore[reportUnknownMemberType]

        await _seen_through(opening(), lambda _: pipe.chan.close() if pipe.chan is not None else None)

    async def sftp(self) -> asyncssh.SFTPClient:
        """Start an SFTP session, whose paths are text with undecodable bytes as surrogates."""

        async def opening() -> asyncssh.SFTPClient:
            return await self.conn.start_sftp_client(path_encoding="utf-8", path_errors="surrogateescape")

        return await _seen_through(opening(), lambda client: client.exit())

    async def tcp(self, host: str, port: int) -> Streams:
        """A stream that comes out at ``host:port`` as seen from the hop."""
        opened = self.conn.open_connection(host, port, encoding=None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return cast(Streams, await opened)

    async def unix(self, path: str) -> Streams:
        """A stream that comes out at a Unix socket of the hop."""
        opened = self.conn.open_unix_connection(path, encoding=None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return cast(Streams, await opened)

    async def close(self) -> None:
        """Disconnect, bounded to two seconds."""
        self.conn.close()
        try:
            async with asyncio.timeout(1):
                await self.conn.wait_closed()
        except TimeoutError:
            self.conn.abort()
        if self._dialled is not None:
            await self._dialled.end()


async def _seen_through(opening: Coroutine[Any, Any, T], undo: Callable[[T], object]) -> T:
    """Wait for a channel to open. Who stops waiting leaves no channel behind: it is closed as soon as it is open."""
    task = asyncio.create_task(opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception() or undo(done.result()))
        raise


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
    attempt = _Attempt(hop, node, means, offer, known)
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
    attempt: _Attempt, via: Hop | None, dialled: Dialled | None, certificates: bool, seconds: float
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


def _translated(error: Exception, attempt: _Attempt, via: Hop | None, dialled: Dialled | None) -> Exception:
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


def _has_plain(attempt: _Attempt) -> bool:
    return any(not line.marker for line in attempt.known.of(attempt.hop.known_as))


def lost_words(error: Exception | None, where: str) -> Unreachable:
    """What to say of a connection that ended."""
    reason = clean(getattr(error, "reason", "") or (str(error) if error else ""))
    words = f"the connection was lost: {reason}" if reason else "the connection was closed"
    return Unreachable(words, where=where)
