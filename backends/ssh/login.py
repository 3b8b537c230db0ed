"""One login: the answers to asyncssh's questions, and what is remembered of them for the person who waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import asyncssh

from app.column import clean
from app.errors import Denied, HostKeyError, UnknownHostKey
from app.inventory.ssh_config import Resolved
from backends.ssh import hostkeys
from backends.ssh.herd import Herd, Turn
from backends.ssh.keys import Keyring, Offer
from backends.ssh.prompts import Secrets
from backends.ssh.verify import authority_error, key_error

_PASSWORD_TRIES = 3

Lost = Callable[[Exception | None], None]


@dataclass(slots=True)
class Means:
    """What all attempts share: secrets, keys, and turns."""

    secrets: Secrets
    keys: Keyring
    herd: Herd


class Login(asyncssh.SSHClient):
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
