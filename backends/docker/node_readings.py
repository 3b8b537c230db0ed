"""One node's engine as four readings: what is heard of it becomes rows, and the feed is told what changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

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

SETTLE_S = 1.5
"""How long a one-shot look waits for usage once it knows the containers."""
GATHER_S = 0.04
"""Events that come closer together than this make one new set of rows."""
_EMPTY = Seen(taken_at=0.0)


class NodeReadings:
    """What is known of one source, and who is told.

    In a one-shot look nothing is told before the usage of what runs is known, or ``SETTLE_S`` have gone by.
    Moments of readings move on at a steady pace (0.8 intervals at the least), however many events come: ages and the
    history of figures count in them.
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
        self._heard_at = float("-inf")
        self._at = float("-inf")
        """The moment of the readings."""
        self._folded_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._broken: Exception | None = None
        self._emit: Emit
        self._nudge: asyncio.Event

    async def run(self, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell what is seen until cancelled."""
        self._emit, self._nudge, self._told = emit, nudge, False
        end = self._engines.subscribe(self.source.name, self._hear)
        try:
            while True:
                await nudge.wait()
                nudge.clear()
                if self._broken is not None:
                    broken, self._broken = self._broken, None
                    raise broken
                self._engines.nudge(self.source.name)
        finally:
            end()
            self._usage.close()
            self._cancel_timer()

    def look_again(self) -> None:
        """Something that rows tell of changed here, such as what a registry said."""
        if self._answers:
            self._soon(0.0)

    # -- what is heard

    def _hear(self, said: Seen | QuarterdeckError | None) -> None:
        now = self._context.clock()
        if isinstance(said, QuarterdeckError) and not isinstance(said, Missing):
            self._answers = False
            self._told = False
            self._cancel_timer()
            self._emit.fault(words(said), ours=ours(said))
            return
        self._heard_at = now
        self._answers = True
        if said is not None:
            first = self._seen is None
            self._seen = _EMPTY if isinstance(said, Missing) else said
            if not self._context.rows_only:
                self._usage.want(using(self._seen.containers))
            if first and self._waits_for_usage:
                asyncio.get_running_loop().call_later(SETTLE_S, self._settled)
        self._soon(max(0.0, self._folded_at + GATHER_S - now))

    def _used(self) -> None:
        """There are new figures; they say nothing about the engine, so they are not told while it does not answer."""
        if self._answers and self._context.clock() - self._heard_at < 3 * self.source.interval:
            self._soon(0.0)

    @property
    def _waits_for_usage(self) -> bool:
        return self._context.one_shot and not self._context.rows_only and not self._usage.settled

    def _settled(self) -> None:
        self._usage.settled = True
        if not self._told and self._answers:
            self._soon(0.0)

    # -- what is told

    def _soon(self, delay: float) -> None:
        if delay <= 0:
            self._cancel_timer()
            self._fold()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay, self._fold)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fold(self) -> None:
        self._timer = None
        try:
            self._tell()
        except Exception as error:  # a defect here: the feed shows it and begins anew
            self._broken = error
            self._nudge.set()

    def _tell(self) -> None:
        seen = self._seen
        if seen is None or self._waits_for_usage:
            return
        now = self._folded_at = self._context.clock()
        engine_now = time.time() + seen.ahead_s
        containers = self._containers.fold(seen, self._usage.now(), engine_now)
        objects = self._objects.fold(seen, engine_now)
        due = now - self._at >= 0.8 * self.source.interval and self._heard_at > self._at
        if due or not self._told:
            self._at = now
        if not self._told or (objects and (containers or due)) or (containers and due):
            self._told = True
            self._everything()
        elif containers:
            self._emit(self._reading("containers", self._containers.rows))
        elif objects:
            self._other()
        elif due:
            self._emit.alive()

    def _everything(self) -> None:
        self._emit(self._reading("containers", self._containers.rows))
        self._other()
        if not self._containers.rows and not any((self._objects.images, self._objects.networks)):
            self._emit.alive()  # an empty reading alone looks like one that waits

    def _other(self) -> None:
        told = [
            self._reading("images", self._objects.images),
            self._reading("volumes", self._objects.volumes),
            self._reading("networks", self._objects.networks),
        ]
        for reading in sorted(told, key=lambda one: one.fault is not None):  # the last word is the source's
            self._emit(reading)

    def _reading(self, topic: str, items: Iterable[Resource]) -> Reading:
        return Reading(
            backend=self.source.backend,
            source=self.source.name,
            topic=topic,
            items=tuple(items),
            taken_at=self._at,
            interval=self.source.interval,
            fault=self._seen.faults.get(topic) if self._seen is not None else None,
        )
