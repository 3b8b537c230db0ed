"""A server for logins that need a person: password, keyboard-interactive, codes; asyncssh plays sshd with PAM."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from asyncssh.auth import KbdIntChallenge, KbdIntNewChallenge, KbdIntResponse

from tests.servers.sshd import keygen


@dataclass
class Logins:
    """A running server that lets ``user`` in with ``password``, and then asks for ``code`` when it has one."""

    port: int = 0
    host: str = "127.0.3.1"
    user: str = "someone"
    password: str = "right horse"
    code: str | None = None
    host_key: Path = field(default_factory=Path)
    tries: list[str] = field(default_factory=list[str])
    """Every password that was tried."""
    open: list[asyncssh.SSHServerConnection] = field(default_factory=list[asyncssh.SSHServerConnection])
    """Every connection that was made."""

    def known_hosts_line(self) -> str:
        """Its line for known_hosts."""
        key = " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])
        return f"[{self.host}]:{self.port} {key}\n"


class _Server(asyncssh.SSHServer):
    def __init__(self, logins: Logins, methods: set[str]) -> None:
        self._logins = logins
        self._methods = methods
        self._stage = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._logins.open.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return "password" in self._methods

    def validate_password(self, username: str, password: str) -> bool:
        self._logins.tries.append(password)
        return username == self._logins.user and password == self._logins.password

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self._methods

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> KbdIntChallenge:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: KbdIntResponse) -> bool | KbdIntNewChallenge:
        (answer,) = responses
        if self._stage == 0:
            self._logins.tries.append(answer)
            if answer != self._logins.password:
                return False
            if self._logins.code is None:
                return True
            self._stage = 1
            return "", "second factor", "", [("Code: ", True)]
        return answer == self._logins.code


@contextlib.asynccontextmanager
async def logins(folder: Path, methods: set[str], **settings: str) -> AsyncGenerator[Logins]:
    """Start one with the methods ``password`` and/or ``keyboard-interactive``; commands there say who logged in."""
    key = keygen(folder / "logins_host_key")
    here = Logins(host_key=key, **settings)  # pyright: ignore[reportArgumentType]

    async def process(one: asyncssh.SSHServerProcess[str]) -> None:
        one.stdout.write(f"{one.get_extra_info('username')}\n")
        one.exit(0)

    server = await asyncssh.listen(
        here.host,
        0,
        server_factory=lambda: _Server(here, methods),
        server_host_keys=[str(key)],
        process_factory=process,
    )
    here.port = server.get_port()
    try:
        yield here
    finally:
        server.close()
        for connection in here.open:
            connection.abort()  # from Python 3.12 on a server is closed only when its last connection is
        await server.wait_closed()
