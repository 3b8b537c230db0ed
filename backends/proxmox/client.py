"""One cluster's API: calls, with the login and the fail-over that they need.

Paths are relative to ``/api2/json``; make them of parts with ``wire.path``. What comes back is the answer's ``data``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from app.errors import ConfigurationError, HostKeyError, QuarterdeckError, TimedOut
from app.link import LinkCost
from backends.proxmox import answers, wire
from backends.proxmox.answers import BehindProxy, Listed
from backends.proxmox.cluster import Cluster
from backends.proxmox.endpoint import CONNECTIONS, Answer, Dropped, Endpoint, NotSent, Request
from backends.proxmox.failures import MissingPrivilege
from backends.proxmox.login import Login, Passwords, Resolve
from backends.proxmox.permissions import Permissions
from backends.proxmox.tls import Trust

if TYPE_CHECKING:
    from backends.proxmox.websocket import ByteChannel

log = logging.getLogger(__name__)

WITHIN_S = 35.0
"""Seconds for a call: longer than the 30 after which a node says that another one does not answer."""
BACK_S = 60.0
"""Seconds after which a URL that did not answer is tried again before the one that stands in for it."""
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
        connect_s = max(1.0, min(5.0, cluster.interval / (len(cluster.urls) + 1)))
        self._endpoints = [
            Endpoint(cluster.name, url, partial(trust or self._configured, url), self.cost, connect_s)
            for url in cluster.urls
        ]
        self._login = Login(cluster, resolve, passwords, self._post_bare, clock)
        self._used = 0
        self._back_at = 0.0
        self._away: QuarterdeckError | None = None
        self._node_room = asyncio.Semaphore(CONNECTIONS - 1)
        """Calls that another node may leave hanging for half a minute: they never hold every connection."""
        self._pending = 0
        self._successor: Client | None = None
        self._asked: deque[float] = deque(maxlen=10_000)
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
        return self.cluster.urls[self._used] if self.cluster.urls else ""

    @property
    def user(self) -> str:
        """Whose login it is, ``ops@pve!deck``; empty before the first call with a token."""
        return self._login.user

    @property
    def detour(self) -> str:
        """Why another URL than the first is in use; empty while the first is."""
        return (
            "" if not self._used else f"{self.cluster.urls[0]} is not in use: {self._away.what if self._away else '?'}"
        )

    @property
    def requests_a_minute(self) -> int:
        """Requests of the last 60 seconds."""
        since = self._clock() - _MINUTE
        while self._asked and self._asked[0] <= since:
            self._asked.popleft()
        return len(self._asked)

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
        if not self._endpoints:
            raise ConfigurationError("no url is configured", where=self.name)
        shown = await self._login.current()
        query = wire.encoded([*(params or {}).items(), *more.items()])
        self._asked.append(self._clock())
        return await self._endpoints[self._used].websocket(path, query, shown.of("GET"))

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
        for endpoint in self._endpoints:
            await endpoint.close()

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
        """Ask at one URL after another until one answers; what concerns single nodes leaves room for the rest."""
        if not wire.node_of(request.path):
            return await self._ask_any(request)
        try:
            async with asyncio.timeout(request.within):
                await self._node_room.acquire()
        except TimeoutError:
            what = f"calls to its nodes did not end within {request.within:g} s"
            raise TimedOut(what, where=self._where(request.path)) from None
        try:
            return await self._ask_any(request)
        finally:
            self._node_room.release()

    async def _ask_any(self, request: Request) -> Answer:
        if not self._endpoints:
            raise ConfigurationError("no url is configured", where=self.name)
        failed: list[QuarterdeckError] = []
        for number in self._order(request):
            try:
                answer = await self._ask_one(self._endpoints[number], request)
            except NotSent as error:
                self._missed(number, error)
                failed.append(error)
            except (Dropped, BehindProxy) as error:
                self._missed(number, error)
                if not request.reads:
                    raise _unsure(error) from None
                failed.append(error)
            except HostKeyError as error:
                # Who stands in the server's place is told of at once; another URL would only hide it.
                raise _beside(error, failed) from None
            else:
                self._answered(number)
                return answer
        raise _none(failed, self.name)

    async def _ask_one(self, endpoint: Endpoint, request: Request) -> Answer:
        """Ask at one URL; a read whose connection was just being closed is asked once more."""
        try:
            return await self._send(endpoint, request)
        except Dropped as error:
            if not request.reads or not error.at_once:
                raise
        return await self._send(endpoint, request)

    async def _send(self, endpoint: Endpoint, request: Request) -> Answer:
        self._asked.append(self._clock())
        answer = await endpoint.send(request)
        answers.check_proxy(answer, where=endpoint.where)
        return answer

    def _order(self, request: Request) -> list[int]:
        """The URL in use comes first; now and then, for a read, the first one of the configuration."""
        numbers = list(range(len(self._endpoints)))
        first = [self._used]
        if self._used and request.reads and self._clock() >= self._back_at:
            self._back_at = self._clock() + BACK_S
            first = [0, self._used]
        return [*first, *(number for number in numbers if number not in first)]

    def _missed(self, number: int, error: QuarterdeckError) -> None:
        if number == 0:
            self._away, self._back_at = error, self._clock() + BACK_S

    def _answered(self, number: int) -> None:
        if number != self._used:
            log.info("cluster %s: %s is in use now, no longer %s", self.name, self.cluster.urls[number], self.url)
            self._used = number


def _unsure(error: QuarterdeckError) -> QuarterdeckError:
    """A change of which nobody knows whether it was begun."""
    return type(error)(
        f"{error.what}; it may have been begun all the same",
        where=error.where,
        todo="quarterdeck vm tasks shows what the cluster does",
    )


def _beside(error: QuarterdeckError, others: list[QuarterdeckError]) -> QuarterdeckError:
    """The same error, with what went wrong at the URLs before."""
    if others:
        error.todo += f" (before it: {'; '.join(f'{one.where}: {one.what}' for one in others)})"
    return error


def _none(failed: list[QuarterdeckError], name: str) -> QuarterdeckError:
    """No URL answered."""
    if len(failed) == 1:
        return failed[0]
    what = "; ".join(f"{one.where.removeprefix(name).strip(' ()')}: {one.what}" for one in failed)
    return NotSent(f"none of its URLs answers: {what}", where=name, todo="look after its nodes, or name another url")
