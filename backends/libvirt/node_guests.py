"""One node's guests as the feed hears of them: a session with its libvirt, looks at intervals, a look at each event."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from app.backend import Asleep, Context, Emit, Source
from app.column import clean
from app.errors import BadAnswer, ConfigurationError, Denied, QuarterdeckError, TimedOut
from app.fleet import Reading
from app.inventory.model import NodeEntry
from app.link import Link
from backends.found import LIBVIRT, found
from backends.kinds.storage import Storage
from backends.libvirt import answers
from backends.libvirt.answers import LIST, SAVED, STATS, UUID
from backends.libvirt.declared import declared, uri_of
from backends.libvirt.definition import Definition, definition
from backends.libvirt.failures import NoLibvirt, classified
from backends.libvirt.pools import EVERY_S, pools, same
from backends.libvirt.rows import GuestRows
from backends.libvirt.session import GaveWay, Looks, OneByOne, Session, room
from backends.node_rows import words
from backends.standing import ours
from backends.waking import wait

log = logging.getLogger(__name__)

GATHER_S = 0.03
"""Events that come closer together than this are answered by one look."""
BETWEEN_S = 0.1
"""Between two looks at the least, however many events come."""
ONE_BY_ONE = 2
"""So much less often a node is looked at where each look takes the only channel from the sampler."""
TRY_AGAIN = 60
"""After so many looks without a channel that stays, one is asked for again."""
RATES_S = 0.5
"""Between the first two looks, as rates need two."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 32.0
ABSENT_WAIT_S = 45.0
"""Between two looks for a libvirt that nobody said should be there: one that is started is seen within a minute."""
DENIED_WAIT_S = 300.0
"""Between two looks at one that will not have us and that nobody said should be there."""
GONE_S = 120.0
"""So long a daemon that is gone is missed where nobody said that it should be there; it may restart."""
SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
_LIFECYCLE = re.compile(r"event '([\w-]+)' for domain '(.*)'(?:: (\w+).*)?", re.DOTALL)
_REDEFINING = frozenset({"Defined", "Undefined"})
_DEFINITIONS_AT_ONCE = 40


class NodeGuests:
    """What is known of one source; ``run`` tells it until cancelled."""

    def __init__(self, source: Source, context: Context) -> None:
        self.source = source
        self._context = context
        self._rows = GuestRows(source.name)
        self._definitions: dict[str, Definition] = {}
        self._told = False
        self._pools: tuple[Storage, ...] = ()
        self._pooled_at = float("-inf")
        self._begun: dict[str, float] = {}
        """Names of guests that were started since the last look, and when."""
        self._redefined: set[str] = set()
        """Names whose definitions are to be read again."""
        self._looked_at = float("-inf")
        self._interval = source.interval
        """Seconds between two looks."""
        self._emit: Emit
        self._nudge: asyncio.Event

    @property
    def _entry(self) -> NodeEntry | None:
        return self._context.inventory().nodes.get(self.source.name)

    async def run(self, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell what is seen until cancelled."""
        self._emit, self._nudge = emit, nudge
        failures, lost_at = 0, None
        while True:
            entry = self._entry
            if entry is None:
                emit.absent()
                await asyncio.Event().wait()
                return
            if not declared(entry) and not self._rows.rows:
                await self._until_there(entry)
            error = QuarterdeckError("its session ended")
            try:
                await self._follow(entry)
            except GaveWay:
                await wait(nudge, FIRST_WAIT_S)
                continue
            except QuarterdeckError as caught:
                error = caught
            answered = self._told
            self._told = False
            self._pooled_at = float("-inf")
            failures = 0 if answered else failures + 1
            now = self._context.clock()
            lost_at = now if answered or lost_at is None else lost_at
            pause = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures, 10))
            there = bool(self._rows.rows) and (not isinstance(error, NoLibvirt) or now - lost_at < GONE_S)
            if declared(entry) or there:
                emit.fault(words(error), ours=ours(error))
            else:
                log.debug("libvirt of %s: %s", self.source.name, error)
                self._forget()
                emit.absent()
                pause = DENIED_WAIT_S if isinstance(error, Denied) else ABSENT_WAIT_S
            nudge.clear()
            await wait(nudge, pause * random.uniform(0.8, 1.2))
            nudge.clear()

    def _forget(self) -> None:
        self._rows = GuestRows(self.source.name)
        self._pools = ()
        self._definitions.clear()

    async def _until_there(self, entry: NodeEntry) -> None:
        """Return where it is worth asking a node that nobody declared to have a libvirt; raises Asleep elsewhere."""
        if entry.local:
            self._nudge.clear()
            if not any(Path(one).exists() for one in SOCKETS):
                self._emit.absent()
                raise Asleep(_in_a_while)
        else:
            await self._context.shared(found).wait_for(self.source.name, (LIBVIRT,), self._emit, self._nudge)

    # -- one session

    async def _follow(self, entry: NodeEntry) -> None:
        """Look until the session ends, which raises why."""
        uri = uri_of(entry)
        if uri is None:
            raise ConfigurationError(
                f"libvirt: {clean(str(entry.extra.get('libvirt')))} is no connection on the node",
                where=entry.name,
                todo="write libvirt: qemu:///system, or libvirt: false",
            )
        link = self._context.links.of(entry.name)
        session = await self._opened(link, uri)
        ended = session.ended if isinstance(session, Session) else None
        try:
            if ended is not None:
                ended.add_done_callback(lambda _: self._nudge.set())
            await self._looks(session, ended, link)
        finally:
            await session.close()

    async def _opened(self, link: Link, uri: str) -> Looks:
        if self._context.rows_only or not room(link):
            return OneByOne(link, uri)
        try:
            return await Session.open(link, uri, self._heard)
        except TimedOut:
            if link.address is None:
                raise
            return OneByOne(link, uri)  # no channel is free for long

    async def _looks(self, session: Looks, ended: asyncio.Future[QuarterdeckError] | None, link: Link) -> None:
        looks = 0
        self._interval = self.source.interval * (ONE_BY_ONE if ended is None else 1)
        while True:
            if ended is not None and ended.done():
                raise ended.result()
            if ended is not None and not room(link):
                raise GaveWay("the only channel is the sampler's", where=self.source.name)
            if looks >= TRY_AGAIN and ended is None and room(link) and not self._context.rows_only:
                raise GaveWay("there may be a channel to stay on by now", where=self.source.name)
            self._nudge.clear()
            await self._look(session)
            looks += 1
            now = self._context.clock()
            again_at = now + (RATES_S if looks == 1 and not self._context.rows_only else self._interval)
            await wait(self._nudge, again_at - now)
            if self._nudge.is_set():
                # Events come in bundles, and a look is as new as the last of them.
                await asyncio.sleep(max(GATHER_S, self._looked_at + BETWEEN_S - self._context.clock()))

    def _heard(self, letter: str, text: str) -> None:
        """Something was told unasked: how long a guest has run already, or an event."""
        if letter == "p":
            seconds, _, uuid = text.partition(" ")
            if seconds.isdigit() and len(seconds) < 12 and UUID.fullmatch(uuid):
                self._rows.started(uuid, self._context.clock() - int(seconds))
            return
        event = _LIFECYCLE.fullmatch(text)
        if event is None:
            return
        kind, name, what = event[1], event[2], event[3] or ""
        if kind == "lifecycle" and what == "Started":
            self._begun[name] = self._context.clock()
        if kind == "metadata-change" or what in _REDEFINING:
            self._redefined.add(name)
        self._nudge.set()

    # -- one look

    async def _look(self, session: Looks) -> None:
        listed, kept, told = await session.ask(LIST, SAVED, STATS)
        if told.startswith("error: ") and "--nowait" in told:
            (told,) = await session.ask(STATS.replace(" --nowait", ""))
        failed = answers.errors((listed, kept, told))
        if failed is not None:
            raise classified(failed, self.source.name)
        at = self._looked_at = self._context.clock()
        pooled = self._pools
        if at - self._pooled_at >= EVERY_S:
            self._pooled_at = at
            self._pools = same(pooled, await pools(session, self.source.name))
        uuids = answers.uuids(listed)
        for name in self._begun.keys() & uuids.keys():
            self._rows.started(uuids[name], self._begun[name])
        self._begun.clear()
        stats = answers.stats(told, time.time())
        await self._define(session, uuids)
        nodes = self._context.inventory().nodes
        changed = self._rows.fold(uuids, answers.saved(kept), stats, self._definitions, nodes, at)
        if self._context.one_shot and not self._context.rows_only and not self._rows.rated:
            return  # a list is to have figures
        first, self._told = not self._told, True
        if changed or first:
            self._emit(self._reading(at))
        if first or self._pools != pooled:
            self._emit(replace(self._reading(at), topic="pools", items=self._pools))
        if not changed or not (self._rows.rows or self._pools):
            self._emit.alive()  # an empty reading alone looks like one that is still to come

    async def _define(self, session: Looks, uuids: dict[str, str]) -> None:
        """Read the definitions of guests that are new or were changed; a look does not fail by them."""
        for gone in self._definitions.keys() - set(uuids.values()):
            del self._definitions[gone]
        wanted = [uuid for name, uuid in uuids.items() if uuid not in self._definitions or name in self._redefined]
        self._redefined.clear()
        for lot in _lots(wanted):
            for uuid, said in zip(lot, await session.ask(*(f"dumpxml --inactive {one}" for one in lot)), strict=True):
                try:
                    self._definitions[uuid] = definition(said)
                except BadAnswer as error:  # it may be gone by now
                    log.debug("definition of %s on %s: %s", uuid, self.source.name, error)
                    self._definitions[uuid] = Definition()

    def _reading(self, at: float) -> Reading:
        return Reading(
            backend=self.source.backend,
            source=self.source.name,
            items=self._rows.rows,
            taken_at=at,
            interval=self._interval,
        )


def _in_a_while(wake: Callable[[], None]) -> Callable[[], None]:
    return asyncio.get_running_loop().call_later(ABSENT_WAIT_S, wake).cancel


def _lots(uuids: Sequence[str]) -> list[Sequence[str]]:
    return [uuids[at : at + _DEFINITIONS_AT_ONCE] for at in range(0, len(uuids), _DEFINITIONS_AT_ONCE)]
