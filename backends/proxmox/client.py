"""One cluster's API: calls, with the login and the fail-over that they need.

Paths are relative to ``/api2/json``; make them of parts with ``wire.path``. What comes back is the answer's ``data``.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from app.errors import ConfigurationError, QuarterdeckError, TimedOut
from app.link import LinkCost
from backends.proxmox import answers, wire
from backends.proxmox.answers import Listed
from backends.proxmox.cluster import Cluster
from backends.proxmox.endpoint import CONNECTIONS, Answer, Request
from backends.proxmox.failures import MissingPrivilege
from backends.proxmox.login import Login, Passwords, Resolve
from backends.proxmox.permissions import Permissions
from backends.proxmox.tls import Trust
from backends.proxmox.urls import Urls

if TYPE_CHECKING:
    from backends.proxmox.websocket import ByteChannel

WITHIN_S = 35.0
"""Seconds for a call: longer than the 30 after which a node says that another one does not answer."""
_MINUTE = 60.0
_PERMISSIONS = "/access/permissions"


class Client:
    """Calls one cluster; safe to use from many tasks at once. Made without I/O, connects when first asked.

    Every call raises the errors of ``failures`` and of ``endpoint``, all of them ``QuarterdeckError``.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        resolve: Resolve,
        passwords: Passwords,
        trust: Callable[[str], Trust] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster = cluster
        self.cost = LinkCost()
        """What the console caused there since it started: bytes within TLS, ``commands`` are requests."""
        self.permissions = Permissions()
        """What the login may do, as far as it was read."""
        self._clock = clock
        self._urls = Urls(cluster, trust or self._configured, self.cost, clock)
        self._login = Login(cluster, resolve, passwords, self._post_bare, clock)
        self._node_room = asyncio.Semaphore(CONNECTIONS - 1)
        """Calls that another node may leave hanging for half a minute: they never hold every connection."""
        self._pending = 0
        self._successor: Client | None = None
        self._reading_permissions = asyncio.Lock()
        self._permissions_at = -math.inf

    def _configured(self, url: str) -> Trust:
        return Trust(self.cluster.fingerprints, ca=self.cluster.ca)

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.cluster.name

    @property
    def url(self) -> str:
        """The URL in use."""
        return self._urls.used

    @property
    def user(self) -> str:
        """Whose login it is, ``ops@pve!deck``; empty before the first call with a token."""
        return self._login.user

    @property
    def detour(self) -> str:
        """Why another URL than the first is in use; empty while the first is."""
        return self._urls.detour

    @property
    def requests_a_minute(self) -> int:
        """Requests of the last 60 seconds."""
        return self._urls.asked_since(self._clock() - _MINUTE)

    async def get(
        self, path: str, params: wire.Params | None = None, /, *, within: float = WITHIN_S, **more: Any
    ) -> Any:
        """Read something. ``params`` holds names that are no Python names; ``within`` is in seconds."""
        return (await self._call("GET", path, params, more, within))["data"]

    async def list(
        self, path: str, params: wire.Params | None = None, /, *, within: float = WITHIN_S, **more: Any
    ) -> Listed:
        """Read a list of objects, with the ``total`` that stands beside it."""
        return answers.listed(await self._call("GET", path, params, more, within), where=self._where(path))

    async def post(
        self, path: str, params: wire.Params | None = None, /, *, within: float = WITHIN_S, **more: Any
    ) -> Any:
        """Begin or make something; most often a UPID comes back. Never sent twice."""
        return (await self._call("POST", path, params, more, within))["data"]

    async def put(
        self, path: str, params: wire.Params | None = None, /, *, within: float = WITHIN_S, **more: Any
    ) -> Any:
        """Change something. Never sent twice."""
        return (await self._call("PUT", path, params, more, within))["data"]

    async def delete(
        self, path: str, params: wire.Params | None = None, /, *, within: float = WITHIN_S, **more: Any
    ) -> Any:
        """Remove something; parameters go into the query. Never sent twice."""
        return (await self._call("DELETE", path, params, more, within))["data"]

    async def websocket(self, path: str, params: wire.Params | None = None, /, **more: Any) -> ByteChannel:
        """Open the websocket of a console, ``…/vncwebsocket`` with ``port`` and ``vncticket`` as termproxy gave them.

        It goes to the URL in use, where the ticket came from. Close what comes back.
        """
        if self._successor is not None:
            return await self._successor.websocket(path, params, **more)
        shown = await self._login.current()
        query = wire.encoded([*(params or {}).items(), *more.items()])
        return await self._urls.websocket(path, query, shown.of("GET"))

    def may(self, path: str, privilege: str) -> bool | None:
        """Whether the login holds a privilege at a path; ``None`` while that is not known."""
        return self.permissions.may(path, privilege)

    def missing(self, path: str, *privileges: str) -> tuple[str, ...]:
        """Those of some privileges that the login certainly lacks at a path."""
        return self.permissions.missing(path, *privileges)

    async def read_permissions(self) -> Permissions:
        """Ask what the login may do; the backend does so when it connects, a 403 has it done again."""
        async with self._reading_permissions:
            self._permissions_at = self._clock()
            self.permissions = Permissions.of(await self.get(_PERMISSIONS))
            return self.permissions

    async def retire(self, successor: Client) -> None:
        """Hand later calls on to another client of the cluster, and close when those on their way have their answers.

        So whoever follows a task for hours goes on doing so with the new login.
        """
        self._successor = successor
        deadline = time.monotonic() + 2 * WITHIN_S
        while self._pending and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        await self.close()

    async def close(self) -> None:
        """End its connections, bounded in time."""
        await self._urls.close()

    def _where(self, path: str) -> str:
        node = wire.node_of(path)
        return f"{self.name}/{node}" if node else self.name

    async def _call(
        self, method: str, path: str, params: wire.Params | None, more: Mapping[str, Any], within: float
    ) -> Mapping[str, Any]:
        """One call with a login; after a 401 once more, with another one."""
        if self._successor is not None:
            return await self._successor._call(method, path, params, more, within)
        if self.cluster.fault is not None:
            raise ConfigurationError(self.cluster.fault, where=self.name)
        said = wire.encoded([*(params or {}).items(), *more.items()])
        query, form = ("", said) if method in ("POST", "PUT") else (said, None)
        self._pending += 1
        try:
            shown = await self._login.current()
            answer = await self._ask(Request(method, path, query, form, shown.of(method), within))
            if answer.status == 401:
                shown = await self._login.again(shown)
                answer = await self._ask(Request(method, path, query, form, shown.of(method), within))
                if answer.status == 401:
                    raise self._login.rejected()
        finally:
            self._pending -= 1
        try:
            return answers.document(answer, where=self._where(path), node=wire.node_of(path))
        except MissingPrivilege:
            if path != _PERMISSIONS and self._clock() - self._permissions_at >= WITHIN_S:
                with contextlib.suppress(QuarterdeckError):  # what was known of them is not so any more
                    await self.read_permissions()
            raise

    async def _post_bare(self, path: str, form: Mapping[str, str], /) -> Any:
        """A POST without a login: the login itself."""
        answer = await self._ask(Request("POST", path, "", wire.encoded(form.items()), {}, WITHIN_S))
        return answers.document(answer, where=self.name)["data"]

    async def _ask(self, request: Request) -> Answer:
        """Ask where an answer is to be had; what concerns single nodes leaves room for the rest."""
        if not wire.node_of(request.path):
            return await self._urls.ask(request)
        try:
            async with asyncio.timeout(request.within):
                await self._node_room.acquire()
        except TimeoutError:
            what = f"calls to its nodes did not end within {request.within:g} s"
            raise TimedOut(what, where=self._where(request.path)) from None
        try:
            return await self._urls.ask(request)
        finally:
            self._node_room.release()
