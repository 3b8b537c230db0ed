"""One node's engine as four readings: what is heard of it becomes rows, and the feed is told what changed."""

from __future__ import annotations

import asyncio
import time

from app.backend import Context, Emit, Source
from app.errors import Missing, QuarterdeckError
from app.fleet import Reading, Resource
from backends.docker.container_rows import ContainerRows, using
from backends.docker.contract import Engines
from backends.docker.node_usage import NodeUsage
from backends.docker.object_rows import Newer, ObjectRows
from backends.docker.summary import Seen
from backends.node_rows import words
from backends.standing import ours
from backends.waking import wait

SETTLE_S = 1.5
"""How long a one-shot look waits for usage once it knows the containers."""
SETTLE_ASKING_S = 2.0
"""So much longer where the engine is asked for it: it answers once a second, and rates need two answers."""
GATHER_S = 0.04
"""Events that come closer together than this make one new set of rows."""
SILENT_S = 90.0
"""An engine nobody has heard of for so long is stale, whatever was said of it."""
GONE_S = 120.0
"""So long an engine that was there and whose socket has disappeared is looked for at every beat: it may restart."""
_EMPTY = Seen(taken_at=0.0)


class NodeReadings:
    """What is known of one source, and who is told.

    In a one-shot look nothing is told before the usage of what runs is known, or ``SETTLE_S`` have gone by. After that
    events are told at once, and figures with the next beat: ages and the history of figures count in steady intervals,
    however many events come. An engine that is followed and has not failed counts as answering: whoever follows it
    asks it often enough and says so when it does not (``SILENT_S`` is for the case that this goes wrong).
    """

    def __init__(self, source: Source, context: Context, engines: Engines, newer: Newer) -> None:
        self.source = source
        self._context = context
        self._engines = engines
        node = source.name
        self._containers = ContainerRows(node)
        self._objects = ObjectRows(node, newer)
        self._usage = NodeUsage(node, context, lambda: engines.of(node), self._used)
        self._seen: Seen | None = None
        self._answers = False
        """The engine's last word was no fault."""
        self._told = False
        self._gone_at: float | None = None
        """When the socket of an engine that was there disappeared."""
        self._heard_at = float("-inf")
        self._at = float("-inf")
        """The moment of the readings."""
        self._folded_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._broken: Exception | None = None
        self._emit: Emit
        self._nudge: asyncio.Event

    async def run(self, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell what is seen until cancelled."""
        self._emit, self._nudge, self._told = emit, nudge, False
        end = self._engines.subscribe(self.source.name, self._hear)
        try:
            while True:
                nudged = await wait(nudge, self.source.interval)
                nudge.clear()
                if self._broken is not None:
                    broken, self._broken = self._broken, None
                    raise broken
                if nudged or (self._gone_at is not None and self._context.clock() - self._gone_at < GONE_S):
                    self._engines.nudge(self.source.name)
                elif self._answers and self._context.clock() - self._heard_at < SILENT_S:
                    self._tell(beat=True)
        finally:
            end()
            self._usage.close()
            self._cancel_timers()

    def look_again(self) -> None:
        """Something that rows tell of changed here, such as what a registry said."""
        if self._answers:
            self._soon()

    # -- what is heard

    def _hear(self, said: Seen | QuarterdeckError | None) -> None:
        self._heard_at = self._context.clock()
        if isinstance(said, Missing) and self._seen in (None, _EMPTY):
            said = _EMPTY  # there is no engine, and nobody said that there should be one
        if isinstance(said, QuarterdeckError):
            if not isinstance(said, Missing):
                self._gone_at = None
            elif self._gone_at is None:
                self._gone_at = self._heard_at
            self._answers = self._told = False
            self._cancel_timers()
            self._emit.fault(words(said), ours=ours(said))
            return
        self._gone_at = None
        again, self._answers = not self._answers, True
        if said is None:
            if again:
                self._soon()
            return
        self._seen = said
        if not self._context.rows_only:
            self._usage.want(using(said.containers))
        if self._waits_for_usage and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_S, self._settled, SETTLE_ASKING_S)
        self._soon()

    def _used(self, first: bool) -> None:
        """There are new figures: the first ones are told at once, others with the next beat."""
        if self._answers and (first or not self._told):
            self._soon()

    @property
    def _waits_for_usage(self) -> bool:
        return self._context.one_shot and not self._context.rows_only and not self._usage.settled

    def _settled(self, longer: float = 0.0) -> None:
        if longer and self._waits_for_usage and self._usage.asking:
            self._settling = asyncio.get_running_loop().call_later(longer, self._settled)
            return
        self._usage.settled = True
        self._used(True)

    # -- what is told

    def _soon(self) -> None:
        """Tell now, or with what else comes within ``GATHER_S`` of the last time."""
        delay = self._folded_at + GATHER_S - self._context.clock()
        if self._timer is None:
            if delay <= 0:
                self._fold()
            else:
                self._timer = asyncio.get_running_loop().call_later(delay, self._fold)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._settling):
            if timer is not None:
                timer.cancel()
        self._timer = self._settling = None

    def _fold(self) -> None:
        self._timer = None
        try:
            self._tell()
        except Exception as error:  # a defect here: the feed shows it and begins anew
            self._broken = error
            self._nudge.set()

    def _tell(self, *, beat: bool = False) -> None:
        seen = self._seen
        if seen is None or self._waits_for_usage:
            return
        self._folded_at = self._context.clock()
        engine_now = time.time() + seen.ahead_s
        containers = self._containers.fold(seen, self._usage.now(), engine_now)
        objects = self._objects.fold(seen, engine_now)
        if beat or not self._told:
            self._at = self._folded_at
        if not self._told:
            self._told = containers = objects = True
        if containers:
            self._emit(self._reading("containers", self._containers.rows))
        if objects or (containers and beat):
            self._others()
        elif beat and not containers:
            self._emit.alive()
        if containers and not self._containers.rows and not self._objects.images:
            self._emit.alive()  # an empty reading alone looks like one that is still to come

    def _others(self) -> None:
        told = [
            self._reading("images", self._objects.images),
            self._reading("volumes", self._objects.volumes),
            self._reading("networks", self._objects.networks),
        ]
        for reading in sorted(told, key=lambda one: one.fault is not None):  # the last word is the source's
            self._emit(reading)

    def _reading(self, topic: str, items: tuple[Resource, ...]) -> Reading:
        return Reading(
            backend=self.source.backend,
            source=self.source.name,
            topic=topic,
            items=items,
            taken_at=self._at,
            interval=self.source.interval,
            fault=self._seen.faults.get(topic) if self._seen is not None else None,
        )
