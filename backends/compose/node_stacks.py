"""One node's stacks: its engine's containers and its own answers put together into rows, told when they change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.backend import Context, Emit, Source
from app.errors import Missing, QuarterdeckError, Unreachable
from app.fleet import Reading, ReadingKey
from backends.compose.configured import Configured
from backends.compose.declared import Declared
from backends.compose.history import History
from backends.compose.look import look
from backends.compose.program import Programs
from backends.compose.rows import PROJECT, Known, Resolved, doubtful, rows
from backends.compose.script import Where
from backends.docker.container_rows import using
from backends.docker.contract import Engines
from backends.docker.node_readings import SETTLE_ASKING_S
from backends.docker.node_usage import NodeUsage
from backends.docker.summary import Seen
from backends.kinds.container import Container
from backends.kinds.stack import Stack
from backends.node_rows import words
from backends.standing import ours

log = logging.getLogger(__name__)

GATHER_S = 0.04
"""Events that come closer together than this make one new set of rows."""
ASK_EVERY_S = 5.0
"""A nudge comes after each verb as well, which told already: so soon nothing is asked again that was answered."""
SETTLE_S = 1.5
"""How long a one-shot look waits for figures once it knows the containers."""
_NOTHING = Seen(taken_at=0.0)

Figures = dict[str, tuple[float | None, int | None]]


class NodeStacks:
    """What is known of the stacks of one node, and who is told.

    In a one-shot look nothing is told before the engine and the node have answered and figures have come, or
    ``SETTLE_S`` have gone by; a command line that acts waits for the engine, so that stacks found running are targets,
    and for the node only where one that runs may be a declared one under a name that its compose file gives.
    """

    def __init__(
        self,
        source: Source,
        stacks: Sequence[Declared],
        wheres: Mapping[str, Where],
        context: Context,
        engines: Engines,
        programs: Programs,
    ) -> None:
        self.source = source
        self.known = Known(node=source.name, declared=tuple(stacks))
        """What the rows are made of."""
        self._wheres = dict(wheres)
        self._context = context
        self._engines = engines
        self._programs = programs
        self._rows: dict[str, Stack] = {}
        self._usage: NodeUsage | None = None
        self._asked = not wheres or context.rows_only
        """The node was asked about its declared stacks, or there is nothing to ask."""
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self._changed = asyncio.Event()
        self._told = False
        self._works = False
        """The engine's last word was no fault."""
        self._waits_until: float | None = None
        self._at = context.clock()
        self._emit: Emit

    # -- what verbs learn on their way

    def learned(self, name: str, folder: str, configured: Configured) -> None:
        """A verb asked compose about a stack; rows know it as well from now on."""
        if name in self._wheres:
            self._resolve(name, Resolved(folder=folder, configured=configured))

    def look_again(self) -> None:
        """A history has a new entry."""
        updated: dict[str, float] = {}
        for row in rows(self.known):
            entries = [e for e in History(self._context.state, row.id).entries() if e.good and e.verb != "found"]
            if entries:
                updated[row.name] = entries[-1].at
        if updated != self.known.updated:
            self.known = replace(self.known, updated=updated)
            self._changed.set()

    # -- watching

    async def run(self, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell what is seen until cancelled."""
        self._emit, self._told, self._works = emit, False, False
        if not (self._context.one_shot or self._context.rows_only):
            self._tell()
        end = self._subscribed()
        try:
            while True:
                if await self._next(nudge):
                    self._engines.nudge(self.source.name)
                    self._ask()
                if self._works and not self._waiting:
                    self.known = replace(self.known, usage=self._figures())
                    self._tell()
        finally:
            end()
            if self._usage is not None:
                self._usage.close()
                self._usage = None
            if self._asking is not None:
                self._asking.cancel()
                await asyncio.gather(self._asking, return_exceptions=True)

    def _subscribed(self) -> Callable[[], None]:
        try:
            return self._engines.subscribe(self.source.name, self._hear)
        except QuarterdeckError as error:  # switched off, or configured wrongly
            self._hear(error)
            return lambda: None

    async def _next(self, nudge: asyncio.Event) -> bool:
        """Wait for news, a nudge or the next look at the figures; says whether it was a nudge."""
        waiting = [asyncio.ensure_future(self._changed.wait()), asyncio.ensure_future(nudge.wait())]
        timeout = 0.1 if self._works and self._waiting else self.source.interval
        try:
            await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        if self._changed.is_set():
            await asyncio.sleep(GATHER_S)
            self._changed.clear()
        nudged = nudge.is_set()
        nudge.clear()
        return nudged

    def _hear(self, said: Seen | QuarterdeckError | None) -> None:
        """What the engine holds, that it still answers, or why it does not."""
        if isinstance(said, Missing):  # no engine, and nobody said that there should be one
            self.known = replace(self.known, seen=_NOTHING, fault=words(said) if self.known.declared else None)
            self._works = self._asked = True
        elif isinstance(said, QuarterdeckError):
            self._failed(said)
            return
        else:
            if said is not None:
                self.known = replace(self.known, seen=said, fault=None)
                self._want(said)
                if self._context.rows_only and self._asking is None and doubtful(self.known):
                    self._asked = False
                    self._ask()
            if not self._works:
                self._works = True
                self._ask()
        self._at = self._context.clock()
        self._changed.set()

    def _failed(self, error: QuarterdeckError) -> None:
        """Rows that were seen stay; where none were, the declared ones stand there with the fault."""
        self._works = False
        fault = words(error)
        if self.known.seen is None and self.known.fault != fault:
            self.known = replace(self.known, fault=fault)
            self._emit(replace(self._reading(), fault=fault, ours=ours(error)))
        self._told = False
        self._emit.fault(fault, ours=ours(error))

    # -- asking the node

    def _ask(self) -> None:
        """Ask the node about its declared stacks, once at a time."""
        if not self._wheres or (self._asking is not None and not self._asking.done()):
            return
        wheres = self._wheres
        if self._context.rows_only:
            wheres = {name: self._wheres[name] for name in sorted(doubtful(self.known))}
            if not wheres:
                return
        told = self.known.resolved
        whole = all(name in told and told[name].fault is None for name in wheres)
        if whole and self._context.clock() - self._asked_at < ASK_EVERY_S:
            return
        self._asked_at = self._context.clock()
        self._asking = asyncio.create_task(self._resolved(wheres), name=f"stacks of {self.source.name}")

    async def _resolved(self, wheres: Mapping[str, Where]) -> None:
        try:
            link = self._context.links.of(self.source.name)
            program = await self._programs.of(link)
            for answer, name in zip(await look(link, program, list(wheres.values())), wheres, strict=True):
                try:
                    configured = answer.configured(program)
                except QuarterdeckError as error:
                    self._resolve(name, Resolved(folder=answer.folder, fault=words(error)))
                else:
                    self._resolve(name, Resolved(folder=answer.folder, configured=configured))
        except Unreachable:
            pass  # the engine's own fault tells of it, and the next nudge asks again
        except QuarterdeckError as error:
            for name in wheres:
                self._resolve(name, Resolved(fault=words(error)))
        except Exception:
            log.exception("asking about the stacks of %s", self.source.name)
        finally:
            self._asked = True
            self._changed.set()

    def _resolve(self, name: str, resolved: Resolved) -> None:
        if self.known.resolved.get(name) != resolved:
            self.known = replace(self.known, resolved={**self.known.resolved, name: resolved})
            self._changed.set()

    # -- figures

    def _want(self, seen: Seen) -> None:
        """A one-shot look has nobody else who reads figures; elsewhere the containers' rows have them."""
        if not self._context.one_shot or self._context.rows_only:
            return
        if self._usage is None:
            self._waits_until = self._context.clock() + SETTLE_S
            self._usage = NodeUsage(
                self.source.name,
                self._context,
                lambda: self._engines.of(self.source.name),
                lambda _: self._changed.set(),
                lambda: rows(self.known),
            )
        self._usage.want(tuple(one for one in using(seen.containers) if PROJECT in one.labels))

    @property
    def _waiting(self) -> bool:
        """Whether a one-shot look is yet to see what its one reading is to show."""
        if self._told or not (self._context.one_shot or self._context.rows_only):
            return False
        if not self._asked:
            return True
        longer = SETTLE_ASKING_S if self._usage is not None and self._usage.asking else 0.0
        late = self._waits_until is None or self._context.clock() > self._waits_until + longer
        return self._usage is not None and not self._usage.settled and not late

    def _figures(self) -> Figures:
        """CPU and memory by project, as last heard."""
        found: Figures = {}
        if self._usage is not None and self.known.seen is not None:
            now = self._usage.now()
            for one in self.known.seen.containers:
                used = now.get(one.id)
                if used is not None:
                    _add(found, one.labels.get(PROJECT), used.cpu_percent, used.mem_used_bytes)
        else:
            reading = self._context.fleet().readings.get(ReadingKey("docker", self.source.name, "containers"))
            for row in reading.items if reading is not None else ():
                if isinstance(row, Container) and row.state == "running":
                    _add(found, row.stack, row.cpu_percent, row.mem_used_bytes)
        return {name: (None if cpu is None else round(cpu, 1), mem) for name, (cpu, mem) in found.items()}

    # -- telling

    def _tell(self) -> None:
        before = self._rows
        reading = self._reading()
        same = len(before) == len(reading.items) and all(before.get(row.id) is row for row in reading.items)
        if not self._told or not same:
            self._told = self._works
            self._emit(reading)
        if self._works and (same or not reading.items):
            self._emit.alive()  # an empty reading alone looks like one that is still to come

    def _reading(self) -> Reading:
        """The rows; those that did not change are the objects they were."""
        items: list[Stack] = []
        for row in rows(self.known):
            old = self._rows.get(row.id)
            items.append(old if old is not None and old == row else row)
        self._rows = {row.id: row for row in items}
        return Reading(
            backend=self.source.backend,
            source=self.source.name,
            items=tuple(items),
            taken_at=self._at,
            interval=self.source.interval,
        )


def _add(found: Figures, name: str | None, cpu: float | None, mem: int | None) -> None:
    if name is None:
        return
    one, two = found.get(name, (None, None))
    found[name] = (
        cpu if one is None else one if cpu is None else one + cpu,
        mem if two is None else two if mem is None else two + mem,
    )
