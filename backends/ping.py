"""Devices without a shell: a row that says whether something answers, by ICMP echo or by a TCP connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from app.backend import Backend, Context, Emit, Source
from app.errors import QuarterdeckError
from app.inventory.model import Inventory, PingEntry
from app.link import Sample
from backends import node_rows
from backends.echo import echo, knock
from backends.node_verbs import PingNodeVerbs
from backends.node_verbs.mutes import Mutes
from backends.node_watch import NodeWatch
from backends.waking import wait

TIMEOUT_S = 5.0
"""How long one check may take."""


class Ping(PingNodeVerbs, Backend):
    """The nodes with ``ping`` and no ``ssh``."""

    name = "ping"
    nouns = ("node",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._mutes = Mutes(context.state)

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per node that is only checked."""
        return node_rows.sources(self.name, inventory, "ping")

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Check once an interval; two checks never run side by side."""
        entry = self.context.inventory().nodes[source.name]
        watched = NodeWatch(source, entry, self.context, self._mutes)
        if not watched.begin(emit):
            await asyncio.Event().wait()
        target = entry.ping or PingEntry()
        host = target.host or entry.name
        clock = self.context.clock
        while True:
            nudge.clear()
            begun = clock()
            try:
                latency_ms = await check(target, host)
            except QuarterdeckError as error:
                watched.failed(error, address(target, host))
            else:
                watched.took(Sample(clock(), latency_ms=latency_ms), address=address(target, host))
            await wait(nudge, max(source.interval - (clock() - begun), source.interval / 4))


def address(target: PingEntry, host: str) -> str:
    """What is checked, as the row shows it."""
    return f"{host}:{target.port or 80}" if target.method == "tcp" else host


async def check(target: PingEntry, host: str, timeout: float = TIMEOUT_S) -> float:
    """One check; returns the round trip in milliseconds.

    Raises Unreachable when nothing is there, TimedOut when nothing answers, ConfigurationError where this machine
    cannot send an ICMP echo.
    """
    begun = time.perf_counter()
    if target.method == "tcp":
        await knock(host, target.port or 80, timeout)
        return 1000 * (time.perf_counter() - begun)
    return await echo(host, timeout)
