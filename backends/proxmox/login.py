"""Who we are to a cluster: a token, or a session that a user and a password opened, renewed before it ends.

A token is one header on every call. A session is a ticket (a cookie, good for two hours) and beside it a word that
every call but GET must repeat. Neither is ever part of a message, a repr or a log line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from urllib.parse import quote

from app.errors import BadAnswer, Denied, QuarterdeckError
from backends.proxmox import pieces
from backends.proxmox.cluster import Cluster
from backends.proxmox.failures import ExpiredTicket, SecondFactor, WrongLogin

RENEW_S = 5400.0
"""Seconds of age from which a ticket is renewed; it ends after 7,200."""
WAIT_S = 30.0
"""Seconds for which a refused login is not tried again: nothing is gained by it, and accounts get locked by it."""

Resolve = Callable[[str], Awaitable[str]]
"""A reference to a secret -> the secret."""
AskPassword = Callable[[str, str], Awaitable[str | None]]
"""(what for, prompt) -> what was typed."""


class Post(Protocol):
    """A bare POST that brings no login of its own; raises WrongLogin for 401."""

    def __call__(self, path: str, form: Mapping[str, str], /) -> Awaitable[Any]: ...


class Passwords(Protocol):
    """What operators typed, kept in memory only."""

    async def get(self, what: str, prompt: str) -> str | None: ...

    def wrong(self, what: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What one call shows; compared by identity to know whether a refused one was still the current one."""

    headers: Mapping[str, str] = field(repr=False)
    writing: Mapping[str, str] = field(repr=False)
    """What is shown besides where something is changed."""
    at: float = 0.0
    ticket: str = field(default="", repr=False)

    def of(self, method: str) -> dict[str, str]:
        """The headers of one call."""
        return dict(self.headers) if method == "GET" else {**self.headers, **self.writing}


class Login:
    """One cluster's login. Many calls at once cause one login."""

    def __init__(
        self,
        cluster: Cluster,
        resolve: Resolve,
        passwords: Passwords,
        post: Post,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._resolve = resolve
        self._passwords = passwords
        self._post = post
        self._clock = clock
        self._shown: Shown | None = None
        self._one = asyncio.Lock()
        self._refused: tuple[float, QuarterdeckError] | None = None

    @property
    def user(self) -> str:
        """``root@pam`` or ``ops@pve!deck``; empty for a token that was not looked up yet."""
        return self._user if self._cluster.token else self._cluster.login or ""

    _user = ""

    async def current(self) -> Shown:
        """What to show now; logs in, or renews, where that is due.

        Raises WrongLogin, SecondFactor and Denied; for half a minute after a refusal the same one without asking again.
        """
        async with self._one:
            self._still_refused()
            shown = self._shown
            if shown is None:
                return await self._anew()
            if shown.ticket and self._clock() - shown.at >= RENEW_S:
                return await self._renewed(shown)
            return shown

    async def again(self, refused: Shown) -> Shown:
        """What to show after a 401: once more is worth it for an ended session or a token that was replaced.

        Raises WrongLogin where there is nothing else to show.
        """
        async with self._one:
            self._still_refused()
            if self._shown is not None and self._shown is not refused:
                return self._shown
            if refused.ticket:
                self._shown = None
                return await self._anew()
            fresh = await self._token()
            if fresh.headers == refused.headers:
                self._shown = None
                raise self._keep(self.wrong())
            self._shown = fresh
            return fresh

    def rejected(self) -> QuarterdeckError:
        """The second refusal in a row: no more is tried for a while."""
        self._shown = None
        return self._keep(self.wrong())

    def wrong(self) -> QuarterdeckError:
        """The error of a login that is not accepted."""
        if self._cluster.token:
            return WrongLogin(
                f"the token {self._user} is not accepted: wrong, expired or removed",
                where=self._cluster.name,
                todo="check token in hosts.yaml against Datacenter → Permissions → API Tokens",
            )
        if self._cluster.password is None:
            return ExpiredTicket(
                f"{self._cluster.login} is not let in any more",
                where=self._cluster.name,
                todo="type the password again",
            )
        return WrongLogin(
            f"the password of {self._cluster.login} is not accepted",
            where=self._cluster.name,
            todo="check user, realm and password in hosts.yaml",
        )

    def _still_refused(self) -> None:
        if self._refused is not None:
            until, error = self._refused
            if self._clock() < until:
                raise copy(error)  # who catches it may add to it
            self._refused = None

    def _keep(self, error: QuarterdeckError) -> QuarterdeckError:
        self._refused = (self._clock() + WAIT_S, error)
        return error

    async def _anew(self) -> Shown:
        self._shown = await self._token() if self._cluster.token else await self._session()
        return self._shown

    async def _token(self) -> Shown:
        text = (await self._resolve(self._cluster.token or "")).strip()
        try:
            if not (text.isascii() and text.isprintable()):
                raise ValueError("a token reads USER@REALM!TOKENID=SECRET")
            self._user = pieces.token_user(text)
        except ValueError as error:
            raise self._keep(
                WrongLogin(str(error), where=self._cluster.name, todo="check token in hosts.yaml")
            ) from None
        return Shown({"Authorization": f"PVEAPIToken={text}"}, {}, self._clock())

    async def _session(self) -> Shown:
        cluster = self._cluster
        if cluster.login is None:
            raise WrongLogin("there is neither a token nor a user", where=cluster.name, todo="name one in hosts.yaml")
        what = f"password of {cluster.login} at {cluster.name}"
        if cluster.password is not None:
            password = await self._resolve(cluster.password)
        else:
            typed = await self._passwords.get(what, f"Password of {cluster.login} at {cluster.name}: ")
            if typed is None:
                raise Denied("no password was given", where=cluster.name, todo="name a token in hosts.yaml")
            password = typed
        try:
            return await self._ticket(password)
        except SecondFactor as error:
            raise self._keep(error) from None
        except WrongLogin:
            if cluster.password is None:
                self._passwords.wrong(what, password)
                raise WrongLogin(
                    f"the password of {cluster.login} is not accepted", where=cluster.name, todo="type it again"
                ) from None
            raise self._keep(self.wrong()) from None

    async def _renewed(self, shown: Shown) -> Shown:
        """A younger ticket for one that will end; where that is refused, a login from the beginning."""
        try:
            self._shown = await self._ticket(shown.ticket)
        except Denied:
            self._shown = None
            return await self._anew()
        return self._shown

    async def _ticket(self, password: str) -> Shown:
        login = self._cluster.login or ""
        said = await self._post("/access/ticket", {"username": login, "password": password})
        answer: Mapping[str, Any] = cast("Mapping[str, Any]", said) if isinstance(said, Mapping) else {}
        ticket, word = answer.get("ticket"), answer.get("CSRFPreventionToken")
        if answer.get("NeedTFA") or (isinstance(ticket, str) and ticket.startswith("PVE:!tfa!")):
            raise SecondFactor(
                f"{login} wants a second factor, which cannot be given here",
                where=self._cluster.name,
                todo="make an API token (Datacenter → Permissions → API Tokens) and name it below token in hosts.yaml",
            )
        if not isinstance(ticket, str) or not isinstance(word, str) or not ticket or not _plain(word):
            raise BadAnswer("the answer to the login holds no ticket", where=self._cluster.name)
        # The server unescapes it: only what a cookie cannot hold is escaped, which a user's name may bring in.
        cookie = f"PVEAuthCookie={quote(ticket, safe=':/+=@!', errors='replace')}"
        return Shown({"Cookie": cookie}, {"CSRFPreventionToken": word}, self._clock(), ticket)


def _plain(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()
