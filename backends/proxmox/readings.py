"""One cluster as three readings, guests, hypervisors and storages: asked at every beat, told when something changed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.backend import Context, Emit, Source
from app.errors import Denied, Missing, QuarterdeckError
from app.fleet import Reading, Ref, Resource
from backends.node_rows import words
from backends.proxmox.known_of import Elsewhere, KnownOf
from backends.proxmox.questions import Questions
from backends.proxmox.turns import AT_ONCE, AskPermissions, Question, Turns, sees_no_guests
from backends.standing import ours
from backends.waking import wait

if TYPE_CHECKING:
    from backends.proxmox.client import Client

LIST_S = 20.0
"""How long the list may take."""
SETTLE_S = 3.0
"""How long a one-shot look waits for what stands beside the list."""
DENIED_S = 60.0
"""Seconds before a refused login is tried again: servers ban those who go on trying."""
NUDGED_S = 0.3
"""Two looks are never closer than this, however often somebody asks for one."""
GATHER_S = 0.03
"""Answers that come closer together than this make one new set of rows."""
MOST_ACTED_ON = 40
MOST_LOOKED_AT = 80
ONE_SHOT_QUESTIONS = 60


class ClusterReadings:
    """What is known of one source, and who is told.

    While nobody looks at its guests a beat is one request: the list, or now and then something else in its place. A
    list whose next one is put off so says that it is good for two intervals.
    """

    def __init__(
        self,
        source: Source,
        context: Context,
        client: Callable[[], Client],
        elsewhere: Elsewhere,
    ) -> None:
        self.source = source
        self.known = KnownOf(source.name, context, elsewhere)
        self._context = context
        self._client = client
        self._doings = elsewhere.doings
        self._turns = Turns(self.known.backups)
        self._questions = Questions(client, self.known, self._turns, context.clock, self._news)
        self._answers = False
        """The last list came."""
        self._told = False
        """It was told of since the watch began or the cluster failed."""
        self._at = float("-inf")
        """The moment of the last list."""
        self._fault: str | None = None
        """What the rows do not show: that the login may not see any."""
        self._telling: asyncio.TimerHandle | None = None
        self._emit: Emit

    async def run(self, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell what is seen until cancelled."""
        self._emit, self._told = emit, False
        end = self._doings.listen(nudge.set, self._said)
        nudged, longer = False, self.source.interval * _apart(self.source.name)
        try:
            while True:
                nudge.clear()
                began = self._context.clock()
                pause = await self._beat(nudged=nudged) + longer
                longer = 0.0
                nudged = await wait(nudge, began + pause - self._context.clock())
                await asyncio.sleep(max(0.0, began + NUDGED_S - self._context.clock()))
        finally:
            end()
            await self._questions.close()
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None

    async def _beat(self, *, nudged: bool) -> float:
        """Ask what is due; returns the seconds until the next beat."""
        now = self._context.clock()
        instead = None if nudged or not self._answers or self._somebody_looks() else self._turns.instead(now)
        if instead is not None:
            self._turns.not_listed()
            self._questions.ask([instead])
            return self.source.interval
        try:
            await self._list()
        except QuarterdeckError as error:
            self._answers = self._told = False
            self._emit.fault(_with_place(error, self.source.name), ours=ours(error))
            return max(self.source.interval, DENIED_S if isinstance(error, Denied) else 0.0)
        self._questions.look_at(self._doings.take()[:MOST_ACTED_ON])
        return self.source.interval

    async def _list(self) -> None:
        answer = await self._client().get("/cluster/resources", within=LIST_S)
        self._turns.listed()
        self._at = self._context.clock()
        had_guests = bool(self.known.guests.rows)
        if self.known.take(answer):
            self._turns.odd()
        if not self._answers:
            self._turns.connected()
        for vmid in self._turns.outdated(self._at):
            self.known.pending.pop(vmid, None)
        self.known.fold()
        if not self.known.guests.rows and (had_guests or self._client().permissions.known is None):
            self._questions.ask([AskPermissions()])  # an empty list may be one that we may not read (any more)
            await self._questions.settled(SETTLE_S)
        if self._context.one_shot and not self._context.rows_only and not self._told:
            self._questions.ask(self._beside(ONE_SHOT_QUESTIONS))
            await self._questions.settled(SETTLE_S)
            self.known.fold()
            self._answers = True
        else:
            self._answers = True
            self._questions.ask(self._beside(AT_ONCE))
        self._tell_all()

    def _visible(self, rows: Sequence[Resource]) -> frozenset[Ref]:
        return self._context.visible([row.ref for row in rows])

    def _beside(self, most: int) -> tuple[Question, ...]:
        """What is asked beside the list because somebody looks at some of its rows."""
        shown = self._visible(self.known.guests.rows)
        if not shown and not self._somebody_looks():
            return ()
        guests = [int(guest.key) for guest in self.known.guests.rows if guest.ref in shown]
        # A whole cluster in one list is not asked guest by guest.
        one_by_one = guests if len(guests) <= MOST_LOOKED_AT else []
        return self._turns.beside(self._context.clock(), one_by_one, most, backups=bool(shown))

    def _somebody_looks(self) -> bool:
        known = self.known
        return any(self._visible(rows) for rows in (known.guests.rows, known.hypervisors.rows, known.storages.rows))

    # -- what is told

    def _said(self, vmid: int) -> None:
        """What our verbs do to a guest has other words."""
        if self._answers and self._told and self.known.guests.say(vmid, self._doings.words(vmid)):
            self._emit(self._reading("vm", self.known.guests.rows))

    def _tell_all(self) -> None:
        """Tell of everything there is: a list came, and all of it is as young as that."""
        self._fault, self._told = self._unseen(), True
        known = self.known
        self._emit(self._reading("storage", known.storages.rows))
        self._emit(self._reading("hypervisor", known.hypervisors.rows))
        self._emit(self._reading("vm", known.guests.rows))
        rows = (*known.hypervisors.rows, *known.storages.rows, *known.guests.rows)
        if self._fault is None and (not known.guests.rows or all(row.state == "unknown" for row in rows)):
            self._emit.alive()  # an empty reading alone looks like one that is still to come, unknown guests as well

    def _news(self) -> None:
        """Something beside the list was answered; what comes close together is told of at once."""
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(GATHER_S, self._tell_news)

    def _tell_news(self) -> None:
        self._telling = None
        if not self._answers or not self._told:
            return
        try:
            guests, hypervisors, storages = self.known.fold()
            fault = self._unseen()
        except Missing:  # the cluster was taken out of hosts.yaml just now: this watch is about to end
            return
        if fault != self._fault:
            self._tell_all()
            return
        if storages:
            self._emit(self._reading("storage", self.known.storages.rows))
        if hypervisors:
            self._emit(self._reading("hypervisor", self.known.hypervisors.rows))
        if guests:
            self._emit(self._reading("vm", self.known.guests.rows))

    def _unseen(self) -> str | None:
        """Why no guest is listed, where the login is the reason."""
        client = self._client()
        if self.known.guests.rows or not sees_no_guests(client.permissions.known):
            return None
        who = client.user or "the login"
        return (
            f"{who} may not see guests: it lacks VM.Audit on /vms; give it the role PVEAuditor on /, and with privilege"
            " separation the token itself as well"
        )

    def _reading(self, topic: str, items: tuple[Resource, ...]) -> Reading:
        interval = self.source.interval
        put_off = self._answers and self._turns.instead(self._at + interval) is not None
        return Reading(
            backend=self.source.backend,
            source=self.source.name,
            topic=topic,
            items=items,
            taken_at=self._at,
            interval=interval * 2 if put_off else interval,
            fault=self._fault,
            ours=self._fault is not None,
        )


def _with_place(error: QuarterdeckError, cluster: str) -> str:
    """An error as a fault of a cluster's rows: which of its URLs, or which place of hosts.yaml, it is about."""
    place = error.where.removeprefix(cluster).strip(" ()/")
    return f"{place}: {words(error)}" if place else words(error)


def _apart(cluster: str) -> float:
    """By how much of an interval a cluster's second beat comes later than the others'.

    All are asked at once at first; after that lists of several hundred guests are better not read in one moment.
    """
    return zlib.crc32(cluster.encode("utf-8", "surrogatepass")) % 1000 / 2000
