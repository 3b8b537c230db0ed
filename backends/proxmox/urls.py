"""The URLs of one cluster: which of them is asked, and which one stands in when it does not answer.

A URL that works is stuck to; the first one of the configuration is gone back to after a while. A read is asked
elsewhere whenever no answer came, a change only where it cannot have been sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from app.errors import ConfigurationError, HostKeyError, QuarterdeckError
from app.link import LinkCost
from backends.proxmox import answers, wire
from backends.proxmox.answers import BehindProxy
from backends.proxmox.cluster import Cluster
from backends.proxmox.endpoint import Answer, Dropped, Endpoint, NoAnswer, NotSent, Request
from backends.proxmox.tls import Trust

if TYPE_CHECKING:
    from backends.proxmox.websocket import ByteChannel

log = logging.getLogger(__name__)

BACK_S = 60.0
"""Seconds after which a URL that did not answer is tried again before the one that stands in for it."""
_LONGEST_CONNECT_S = 5.0
_SHORTEST_CONNECT_S = 1.0


class Urls:
    """Asks at the URL in use, and at the others where that one does not answer."""

    def __init__(
        self, cluster: Cluster, trust: Callable[[str], Trust], cost: LinkCost, clock: Callable[[], float]
    ) -> None:
        self._name = cluster.name
        self._clock = clock
        # All of them can be found silent within one interval.
        connect_s = cluster.interval / (len(cluster.urls) + 1)
        connect_s = max(_SHORTEST_CONNECT_S, min(_LONGEST_CONNECT_S, connect_s))
        self.endpoints = [Endpoint(cluster.name, url, partial(trust, url), cost, connect_s) for url in cluster.urls]
        self._used = 0
        self._back_at = 0.0
        self._away: QuarterdeckError | None = None
        self._asked: deque[float] = deque(maxlen=10_000)

    @property
    def used(self) -> str:
        """The URL in use; empty where none is configured."""
        return self.endpoints[self._used].url if self.endpoints else ""

    @property
    def detour(self) -> str:
        """Why another URL than the first is in use; empty while the first is."""
        if not self._used:
            return ""
        return f"{self.endpoints[0].url}: {self._away.what if self._away else 'it did not answer'}"

    def asked_since(self, moment: float) -> int:
        """Requests sent since then; what lies before it is forgotten."""
        while self._asked and self._asked[0] <= moment:
            self._asked.popleft()
        return len(self._asked)

    async def ask(self, request: Request) -> Answer:
        """Ask at one URL after another until one answers, whatever it says.

        Raises what ``Endpoint.send`` raises, BehindProxy, and ConfigurationError where no URL is configured.
        """
        if not self.endpoints:
            raise ConfigurationError("no url is configured", where=self._name)
        failed: list[QuarterdeckError] = []
        for number in self._order(request):
            try:
                answer = await self._ask_one(self.endpoints[number], request)
            except NotSent as error:
                self._missed(number, error)
                failed.append(error)
            except (Dropped, BehindProxy) as error:
                if not request.reads:
                    raise _unsure(error) from None
                if isinstance(error, NoAnswer) and wire.node_of(request.path):
                    raise  # it is that node which is slow, wherever it is asked for
                self._missed(number, error)
                failed.append(error)
            except HostKeyError as error:
                # Who stands in the server's place is told of at once; another URL would only hide it.
                raise _beside(error, failed) from None
            else:
                self._answered(number)
                return answer
        raise _none(failed, self._name)

    async def websocket(self, path: str, query: str, headers: Mapping[str, str]) -> ByteChannel:
        """Open a websocket at the URL in use: the ticket for it came from there."""
        if not self.endpoints:
            raise ConfigurationError("no url is configured", where=self._name)
        self._asked.append(self._clock())
        return await self.endpoints[self._used].websocket(path, query, headers)

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(*(endpoint.close() for endpoint in self.endpoints))

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
        numbers = list(range(len(self.endpoints)))
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
            log.info("cluster %s: %s is in use now, no longer %s", self._name, self.endpoints[number].url, self.used)
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
