"""What the containers of one node use, kept up to date: from its sampler, or from the engine where that cannot see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.backend import Context
from app.errors import QuarterdeckError
from app.link import Sample
from backends.docker.contract import Engine
from backends.docker.one_shot_stats import counters, machine_memory
from backends.docker.summary import ContainerSummary
from backends.docker.usage import EVERY_S, Counters, Look, Usage, probes, usage
from backends.rates import SHORTEST_S
from backends.sampling.links import Nudges

log = logging.getLogger(__name__)

OLD_AFTER = 3.2
"""Figures older than so many looks are no longer told."""
STATS_EVERY_S = 10.0
"""Between two rounds of asking an engine."""
STATS_AT_ONCE = 16
"""Containers an engine is asked about in one round; who waited longest comes first."""
_SOON_S = 0.5
"""Between the first rounds: rates need two."""
_HURRY_S = 0.3
_HURRIES = 3
"""Looks that are asked for before their time: the tick that begins the second, and those that read the two."""
_STATS_SIDE_BY_SIDE = 2
_STATS_TIMEOUT_S = 10.0


@dataclass(slots=True)
class _Known:
    """One container that has processes."""

    since: float
    """When it was first heard of."""
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
    asked_at: float = 0.0


class NodeUsage:
    """Usage by container id.

    ``changed`` is called when there are new figures, from the event loop: with true when something has its first.

    Nothing runs while no container does. An engine is asked (``GET /containers/ID/stats?one-shot=1``) only about
    containers whose control groups the sampler cannot find or read: engines in a virtual machine or without root, a
    host without ``awk``. Which rows are on a screen is nobody's business here, so it is asked about a few containers
    at a time, two side by side, every ``STATS_EVERY_S``.
    """

    def __init__(
        self, node: str, context: Context, engine: Callable[[], Engine], changed: Callable[[bool], None]
    ) -> None:
        self.node = node
        self.settled = False
        """There was a look with rates, or there will be none."""
        self._context = context
        self._engine = engine
        self._changed = changed
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
            known[one.id] = old if old is not None else _Known(now, "host" in one.networks)
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

    def now(self) -> dict[str, Usage]:
        """What is known and not too old, by container id."""
        oldest = self._context.clock() - self._old_s
        return {
            one: known.usage
            for one, known in self._known.items()
            if known.usage is not None and (known.at >= oldest or known.asked)
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
        rounds = 0
        while unseen := self._unseen(self._context.clock()):
            unseen.sort(key=lambda one: self._known[one].asked_at)
            gate = asyncio.Semaphore(_STATS_SIDE_BY_SIDE)
            await asyncio.gather(*(self._ask_about(one, gate) for one in unseen[:STATS_AT_ONCE]))
            rounds += 1
            first, self.settled = rounds <= 2, self.settled or rounds >= 2
            self._changed(first)
            await asyncio.sleep(_SOON_S if first else STATS_EVERY_S)
        self._asking = None

    async def _ask_about(self, container_id: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            known = self._known.get(container_id)
            if known is None:
                return
            known.asked_at = self._context.clock()
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
            known.usage = _told(usage(known.before if known.asked else None, found, now - known.before_at), known)
            known.before, known.before_at, known.at, known.asked = found, now, now, True


def _told(found: Usage, known: _Known) -> Usage:
    """Of a container in the host's own network nobody knows what of the traffic is its."""
    return replace(found, net_rx_bytes_per_s=None, net_tx_bytes_per_s=None) if known.host_network else found
