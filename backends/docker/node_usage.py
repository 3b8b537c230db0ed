"""What the containers of one node use, kept up to date: from its sampler, or from the engine where that cannot see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from app.backend import Context
from app.errors import QuarterdeckError
from app.fleet import Ref
from app.link import Sample
from backends.docker.container_rows import stack_of
from backends.docker.contract import Engine
from backends.docker.one_shot_stats import counters, machine_memory
from backends.docker.summary import ContainerSummary
from backends.docker.usage import EVERY_S, Counters, Look, Usage, probes, usage
from backends.kinds.stack import Stack
from backends.rates import SHORTEST_S
from backends.sampling.links import Nudges

log = logging.getLogger(__name__)

OLD_AFTER = 3.2
"""Figures older than so many looks are no longer told."""
STATS_EVERY_S = 10.0
"""Between two times that an engine is asked about one container."""
STATS_AT_ONCE = 8
"""Containers an engine is asked about before it is seen again what is visible; who waited longest comes first."""
_SOON_S = 0.5
"""Between the first two times, as rates need two, and between two looks at what is visible."""
_HURRY_S = 0.3
_HURRIES = 3
"""Looks that are asked for before their time: the tick that begins the second, and those that read the two."""
_STATS_SIDE_BY_SIDE = 3
"""An engine counts once a second and answers then; of its four calls one is left to others."""
_STATS_TIMEOUT_S = 10.0


@dataclass(slots=True)
class _Known:
    """One container that has processes."""

    since: float
    """When it was first heard of."""
    name: str
    project: str | None
    """The compose project or project stack it belongs to."""
    host_network: bool
    """Its traffic is the host's."""
    before: Counters | None = None
    before_at: float = 0.0
    """On the clock that ``before`` was counted by: the host's uptime, or ours where the engine was asked."""
    usage: Usage | None = None
    at: float = 0.0
    """When ``usage`` was taken, on our clock."""
    missed: int = 0
    """Looks in a row in which its control group was not found."""
    asked: bool = False
    """Its figures come from the engine."""
    asked_at: float = float("-inf")
    asks: int = 0
    """How often, since it became visible."""


class NodeUsage:
    """Usage by container id.

    ``changed`` is called when there are new figures, from the event loop: with true when something has its first.

    Nothing runs while no container does. An engine is asked (``GET /containers/ID/stats?one-shot=1``) only about
    containers whose control groups the sampler cannot find or read: engines in a virtual machine or without root, a
    host without ``awk``; and of these only about visible ones and those of visible stacks, a few at a time: twice as
    soon as they are seen, then every ``STATS_EVERY_S``.
    """

    def __init__(
        self,
        node: str,
        context: Context,
        engine: Callable[[], Engine],
        changed: Callable[[bool], None],
        stacks: Callable[[], Iterable[Stack]] | None = None,
    ) -> None:
        """``stacks``: those of the node, where the fleet does not have them yet."""
        self.node = node
        self.settled = False
        """There was a look with rates, or there will be none."""
        self._context = context
        self._engine = engine
        self._changed = changed
        self._stacks = stacks or (lambda: (one for one in context.fleet().of(Stack) if one.source == node))
        self._known: dict[str, _Known] = {}
        self._names: tuple[str, ...] = ()
        """Of the probes."""
        self._unsubscribe: Callable[[], None] | None = None
        self._hurry: asyncio.TimerHandle | None = None
        self._hurried = 0
        self._heard = 0
        """Samples with a look."""
        self._asking: asyncio.Task[None] | None = None
        self._memory: int | None = None
        entry = context.inventory().nodes.get(node)
        self._old_s = OLD_AFTER * max(EVERY_S, entry.interval if entry is not None else 0.0)

    def want(self, containers: tuple[ContainerSummary, ...]) -> None:
        """These have processes now; begins or ends the looking."""
        now = self._context.clock()
        known: dict[str, _Known] = {}
        for one in containers:
            old = self._known.get(one.id)
            name, project = one.name or one.id[:12], stack_of(one.labels)
            known[one.id] = old if old is not None else _Known(now, name, project, "host" in one.networks)
            known[one.id].name = name
        self._known = known
        if known and self._unsubscribe is None:
            asked = probes(one_shot=self._context.one_shot)
            self._names = tuple(one.name for one in asked)
            self._unsubscribe = self._context.links.subscribe(self.node, asked, self._hear)
        elif not known:
            self.settled = True
            self.close()

    def close(self) -> None:
        """End the looking."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    @property
    def asking(self) -> bool:
        """The engine is asked, who takes its time."""
        return self._asking is not None

    def now(self) -> dict[str, Usage]:
        """What is known and not too old, by container id."""
        now = self._context.clock()
        return {
            one: known.usage
            for one, known in self._known.items()
            if known.usage is not None and now - known.at <= (_stats_old_s() if known.asked else self._old_s)
        }

    # -- from the sampler

    def _hear(self, sample: Sample) -> None:
        first = heard = False
        for name in self._names:
            look: Look | None = sample.answers.get(name)
            if look is not None:
                heard = True
                first = self._fold(look, sample.taken_at) or first
            elif name in sample.answers or name in sample.faults:
                for known in self._known.values():
                    known.missed += 1
        self._hurry_on()
        self._ask_where_unseen(sample.taken_at)
        self._heard += heard
        if self._heard >= 2 and self._asking is None:
            self.settled = True
        if heard:
            self._changed(first)

    def _hurry_on(self) -> None:
        """The first two looks, and reading them, are no matter of whole intervals."""
        links = self._context.links
        if self._hurried < _HURRIES and self._hurry is None and isinstance(links, Nudges):
            self._hurried += 1

            def nudge() -> None:
                self._hurry = None
                links.nudge(self.node)

            self._hurry = asyncio.get_running_loop().call_later(_HURRY_S, nudge)

    def _fold(self, look: Look, at: float) -> bool:
        """Take a look in; says whether there are first figures of something."""
        first = False
        for container_id, known in self._known.items():
            found = look.of(container_id)
            if found is None:
                known.missed += 1
                continue
            known.missed = 0
            if known.asked:  # the clock of the other way of counting is another one
                known.asked, known.before = False, None
            seconds = look.uptime_s - known.before_at
            if known.before is not None and -EVERY_S < seconds < SHORTEST_S:  # two answers that crossed each other
                continue
            before = known.usage
            known.usage = _told(usage(known.before, found, seconds), known)
            known.before, known.before_at, known.at = found, look.uptime_s, at
            first = first or before is None or (before.cpu_percent is None and known.usage.cpu_percent is not None)
        return first

    # -- from the engine

    def _unseen(self, now: float) -> list[str]:
        enough = 1 if self._context.one_shot else 2
        return [
            one
            for one, known in self._known.items()
            if known.asked or known.missed >= enough or now - max(known.at, known.since) > self._old_s
        ]

    def _ask_where_unseen(self, now: float) -> None:
        if self._asking is None and self._unseen(now):
            self._asking = asyncio.create_task(self._ask(), name=f"stats of {self.node}")

    async def _ask(self) -> None:
        gate = asyncio.Semaphore(_STATS_SIDE_BY_SIDE)
        while unseen := self._unseen(self._context.clock()):
            visible = self._visible(unseen)
            now = self._context.clock()
            due = sorted((one for one in visible if self._due(one, now)), key=lambda one: self._known[one].asked_at)
            lot = due[:STATS_AT_ONCE]
            first = any(self._known[one].asks < 2 for one in lot)
            await asyncio.gather(*(self._ask_about(one, gate) for one in lot))
            asked = [known for known in map(self._known.get, visible) if known is not None]
            settled, self.settled = self.settled, self.settled or all(known.asks >= 2 for known in asked)
            if lot or self.settled is not settled:
                self._changed(first)
            now = self._context.clock()
            if not any(one in self._known and self._due(one, now) for one in visible):
                await asyncio.sleep(_SOON_S)
        self._asking = None

    def _visible(self, ids: Sequence[str]) -> list[str]:
        """Those of the containers whose row, or the row of whose stack, somebody looks at."""
        stacks = {one.project: one.ref for one in self._stacks()}
        whose: dict[Ref, list[str]] = {}
        for one in ids:
            known = self._known[one]
            whose.setdefault(Ref("container", f"{self.node}/{known.name}"), []).append(one)
            if known.project is not None:
                stack = stacks.get(known.project) or Ref("stack", f"{self.node}/{known.project}")
                whose.setdefault(stack, []).append(one)
        return list(dict.fromkeys(one for ref in self._context.visible(whose.keys()) for one in whose[ref]))

    def _due(self, container_id: str, now: float) -> bool:
        known = self._known[container_id]
        since = now - known.asked_at
        if since > _stats_old_s():
            known.asks = 0
        return since >= (_SOON_S if known.asks < 2 else STATS_EVERY_S)

    async def _ask_about(self, container_id: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            known = self._known.get(container_id)
            if known is None:
                return
            known.asked_at = self._context.clock()
            known.asks += 1
            try:
                if self._memory is None:
                    self._memory = await self._engine().call(machine_memory, timeout=_STATS_TIMEOUT_S)
                found = await self._engine().call(
                    lambda client: counters(client, container_id), timeout=_STATS_TIMEOUT_S
                )
            except QuarterdeckError as error:  # the engine's own faults are told by whoever watches it
                log.debug("stats of %s on %s: %s", container_id, self.node, error)
                return
            if self._memory and found.mem_limit_bytes and found.mem_limit_bytes >= self._memory:
                found = replace(found, mem_limit_bytes=None)
            now = self._context.clock()
            seconds = now - known.before_at
            before = known.before if known.asked and seconds <= _stats_old_s() else None
            known.usage = _told(usage(before, found, seconds), known)
            known.before, known.before_at, known.at, known.asked = found, now, now, True


def _stats_old_s() -> float:
    """Figures from an engine that are older are no longer told: nobody has looked at them for so long."""
    return OLD_AFTER * STATS_EVERY_S


def _told(found: Usage, known: _Known) -> Usage:
    """Of a container in the host's own network nobody knows what of the traffic is its."""
    return replace(found, net_rx_bytes_per_s=None, net_tx_bytes_per_s=None) if known.host_network else found
