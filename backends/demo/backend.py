"""The backend of the pretend fleet: one labelled source per block of machines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import ClassVar

from app.backend import Backend, Context, Emit, Source
from app.fleet import Reading
from app.inventory.model import Inventory
from backends.demo.machines import Machine, machines, row
from backends.demo.node_verbs import DemoNodeVerbs
from backends.kinds.node import Node

BLOCK = 100
"""Machines per source."""
LIVELY = 200
"""Up to so many machines all figures move at each tick; beyond, one row in twenty does."""


class Demo(Backend, DemoNodeVerbs):
    """A pretend fleet of ``context.demo`` machines."""

    name: ClassVar[str] = "demo"
    nouns: ClassVar[tuple[str, ...]] = ("node",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._began = context.clock()
        self.machines: dict[str, Machine] = {machine.name: machine for machine in machines(context.demo)}
        self._blocks: dict[int, list[Machine]] = {}
        self._sorted = -1

    def clock(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Seconds since the pretend fleet began, plus ten minutes so that it has a past."""
        return self.context.clock() - self._began + 600

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One source per hundred machines."""
        blocks = max(1, -(-self.context.demo // BLOCK)) if self.context.demo else 0
        interval = 1.0
        return [Source(self.name, f"demo{block}", interval, self.nouns) for block in range(blocks)]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell of the machines of one block, for ever."""
        block = int(source.name.removeprefix("demo"))
        rows: dict[str, Node] = {}
        tick = 0
        while True:
            fleet = self._block(block)
            at, now = self.clock(), self.context.clock()
            share = 1 if self.context.demo <= LIVELY else 20
            if nudge.is_set():
                share = 1
            for machine in fleet:
                if (machine.number + tick) % share == 0 or machine.name not in rows:
                    rows[machine.name] = row(machine, at, source.name, now)
            if len(rows) != len(fleet):
                kept = {machine.name for machine in fleet}
                rows = {name: one for name, one in rows.items() if name in kept}
            nudge.clear()
            emit(
                Reading(
                    backend=self.name,
                    source=source.name,
                    items=tuple(rows.values()),
                    taken_at=now,
                    interval=source.interval,
                )
            )
            tick += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), source.interval)

    def _block(self, block: int) -> list[Machine]:
        """The machines of a block; sorted into blocks anew only after one came or went."""
        if self.changes != self._sorted:
            last = max(0, -(-self.context.demo // BLOCK) - 1)
            self._blocks.clear()
            for machine in self.machines.values():
                self._blocks.setdefault(min(machine.number // BLOCK, last), []).append(machine)
            self._sorted = self.changes
        return self._blocks.get(block, [])
