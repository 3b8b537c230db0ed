"""One connection's worth of following an engine: lists at its start, then events, and lists where these cannot tell."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from app.errors import BadAnswer, Missing, QuarterdeckError, Unreachable
from backends.docker import lists
from backends.docker.contract import Client
from backends.docker.engine import NodeEngine
from backends.docker.events import FILTERS, Event, event
from backends.docker.failures import translated
from backends.docker.summary import ContainerSummary, ImageSummary, NetworkSummary, Seen, VolumeSummary
from backends.docker.told import Stale, Told, reused
from backends.waking import wait

if TYPE_CHECKING:
    from backends.docker.hello import Hello

HEARTBEAT_S = 10.0
SETTLE_S = 0.25
"""Between two lists at the least, however many events come."""
FLUSH_S = 0.05
"""Between two deliveries at the least; the first of a burst is delivered at once."""
MEMORY_S = 3600.0
"""How far back the engine is asked for what it remembers."""
_LIST_S = 30.0
PING_S = 5.0
_MANY = 40
"""So many doubtful containers are listed with all the others."""

News = Seen | QuarterdeckError | None
T = TypeVar("T")
S = TypeVar("S", ImageSummary, VolumeSummary, NetworkSummary)


@dataclass(slots=True)
class _Listing:
    """What one round of lists is to find, and what it found."""

    asked: Stale
    every: bool
    """All containers, not only those asked for."""
    containers: Mapping[str, ContainerSummary] | None = None
    images: tuple[ImageSummary, ...] | None = None
    volumes: tuple[VolumeSummary, ...] | None = None
    networks: tuple[NetworkSummary, ...] | None = None
    faults: dict[str, str] = field(default_factory=dict[str, str])

    def read(self, client: Client, node: str, ahead_s: float) -> _Listing:
        """Ask the engine; blocks. Only the list of containers must not fail: the others say why they did."""
        listed_at = time.time() + ahead_s
        if self.every:
            self.containers = lists.containers(client.containers(all=True), listed_at)
        elif self.asked.containers:
            wanted = {"id": sorted(self.asked.containers)}
            self.containers = lists.containers(client.containers(all=True, filters=wanted), listed_at)
        if self.asked.images:
            self.images = self._tried("images", lambda: lists.images(client.images()), node)
        if self.asked.volumes:
            self.volumes = self._tried("volumes", lambda: lists.volumes(client.volumes()), node)
        if self.asked.networks:
            self.networks = self._tried("networks", lambda: lists.networks(client.networks()), node)
        return self

    def _tried(self, what: str, ask: Callable[[], tuple[S, ...]], node: str) -> tuple[S, ...] | None:
        try:
            return ask()
        except Exception as error:
            found = translated(error, node)
            if not isinstance(found, QuarterdeckError) or isinstance(found, Unreachable):
                raise
            self.faults[what] = found.what
            return None


class Following:
    """Follows an engine until the connection ends, which raises why.

    ``told`` outlives it: after a reconnect nothing is told twice, and rows that did not change are the same objects.
    """

    def __init__(
        self, engine: NodeEngine, told: Told, tell: Callable[[News], None], clock: Callable[[], float]
    ) -> None:
        self.listed = False
        """The engine was seen in this connection."""
        self._engine = engine
        self._told = told
        self._tell = tell
        self._clock = clock
        self._before = told.last_at
        """The newest event of the connection before this one; events of one connection are not quite in order."""
        self._wake = asyncio.Event()
        self._arrived: list[Event] = []
        self._touched: set[str] = set()
        """Containers that events told of while lists were on their way: what the lists say of them may be older."""
        self._every = True
        """All containers are to be listed."""
        self._changed = False
        self._flushed_at = self._listed_at = float("-inf")
        self._alive_at = clock()

    def nudge(self) -> None:
        """List everything again now."""
        self._doubt_all()
        self._wake.set()

    def _doubt_all(self) -> None:
        stale = self._told.stale
        self._every = stale.images = stale.volumes = stale.networks = True

    # -- the loop

    async def run(self) -> None:
        """Follow it; returns never."""
        engine = self._engine
        hello = await engine.hello()
        self._told.announces = hello.engine.startswith("Podman")
        self._doubt_all()
        reading = self._begun(self._read(hello))
        listing: asyncio.Task[_Listing] | None = None
        pinging: asyncio.Task[None] | None = None
        try:
            while True:
                self._fold(hello)
                if listing is not None and listing.done():
                    self._apply(listing.result(), hello)
                    listing = None
                if pinging is not None and pinging.done():
                    pinging.result()
                    pinging, self._alive_at = None, self._clock()
                    self._tell(None)
                if reading.done():
                    reading.result()
                    await self._ended()
                now = self._clock()
                if listing is None and self._doubts and now - self._listed_at >= SETTLE_S:
                    listing = self._begun(self._list(hello))
                if self._changed and self.listed and now - self._flushed_at >= FLUSH_S:
                    self._publish(hello)
                if pinging is None and now - self._alive_at >= HEARTBEAT_S:
                    pinging = self._begun(engine.reach.ping(PING_S))
                await wait(self._wake, self._due(listing is None, pinging is None) - now)
                self._wake.clear()
        except Exception:
            engine.lost()
            raise
        finally:
            ends: list[asyncio.Task[Any]] = [one for one in (reading, listing, pinging) if one is not None]
            for one in ends:
                one.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    @property
    def _doubts(self) -> bool:
        return self._every or bool(self._told.stale)

    def _due(self, may_list: bool, may_ping: bool) -> float:
        due = [self._clock() + HEARTBEAT_S]
        if may_ping:
            due.append(self._alive_at + HEARTBEAT_S)
        if self._changed and self.listed:
            due.append(self._flushed_at + FLUSH_S)
        if may_list and self._doubts:
            due.append(self._listed_at + SETTLE_S)
        return min(due)

    def _begun(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=f"engine of {self._engine.node}")
        task.add_done_callback(lambda done: self._wake.set())
        return task

    async def _ended(self) -> None:
        """The stream of events ended without a word: say so at once, then find out why."""
        error = Unreachable("the engine ended the connection", where=self._engine.node)
        self._tell(error)
        raise await self._engine.reach.explain(error)

    # -- events

    async def _read(self, hello: Hello) -> None:
        since = max(self._before, hello.now - MEMORY_S)

        def begin(client: Client) -> Iterator[Any]:
            filters = {key: list(names) for key, names in FILTERS.items()}
            return client.events(since=f"{since:.9f}", filters=filters, decode=True)

        try:
            async with contextlib.aclosing(self._engine.batches(begin)) as batches:
                async for batch in batches:
                    self._arrived += [one for one in map(event, batch) if one is not None]
                    self._wake.set()
        except Missing as error:
            raise BadAnswer(error.what, where=error.where) from None

    def _fold(self, hello: Hello) -> None:
        if not self.listed:
            return
        arrived, self._arrived = self._arrived, []
        for one in arrived:
            if one.at <= self._before:  # told before the connection was lost
                continue
            self._told.last_at = max(self._told.last_at, one.at)
            if one.type == "container":
                self._touched.add(one.id)
            self._changed = self._told.heard(one, past=one.at < hello.now) or self._changed

    # -- lists

    async def _list(self, hello: Hello) -> _Listing:
        told = self._told
        asked, told.stale = told.stale, Stale()
        every, self._every = self._every or len(asked.containers) > _MANY, False
        self._touched.clear()
        self._listed_at = self._clock()
        wanted = _Listing(asked, every)
        try:
            return await self._engine.call(
                lambda client: wanted.read(client, self._engine.node, hello.ahead_s), timeout=_LIST_S
            )
        except Missing as error:
            raise BadAnswer(error.what, where=error.where) from None

    def _apply(self, found: _Listing, hello: Hello) -> None:
        told = self._told
        before = dict(told.containers), told.images, told.volumes, told.networks, dict(told.faults)
        # What an event told while the lists were on their way is newer than they are: it is listed once more.
        newer = set(self._touched)
        if found.containers is not None and found.every:
            told.listed(found.containers, newer)
        elif found.containers is not None:
            asked = found.asked.containers - newer
            told.listed_some(asked, found.containers)
        told.stale.containers |= newer & ((found.containers or {}).keys() | found.asked.containers)
        if found.images is not None:
            told.images = reused(told.images, found.images)
        if found.volumes is not None:
            told.volumes = reused(told.volumes, found.volumes)
        if found.networks is not None:
            told.networks = reused(told.networks, found.networks)
        for what in found.asked.others:
            told.faults.pop(what, None)
        told.faults |= found.faults
        self._alive_at = self._clock()
        after = told.containers, told.images, told.volumes, told.networks, told.faults
        if not self.listed:
            self.listed = self._changed = True
            self._fold(hello)
        elif before != after:
            self._changed = True
        else:
            self._tell(None)

    def _publish(self, hello: Hello) -> None:
        told = self._told
        self._changed = False
        self._flushed_at = self._alive_at = self._clock()
        seen = Seen(
            taken_at=self._flushed_at,
            containers=tuple(sorted(told.containers.values(), key=lambda one: (one.name, one.id))),
            restarts=told.restarts(),
            images=told.images,
            volumes=told.volumes,
            networks=told.networks,
            engine=hello.engine,
            api=hello.api,
            cgroup_driver=hello.cgroup_driver,
            root_dir=hello.root_dir,
            ahead_s=hello.ahead_s,
            faults=MappingProxyType(dict(told.faults)),
        )
        self._engine.known = seen
        self._tell(seen)
