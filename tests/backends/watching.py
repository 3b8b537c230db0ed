"""What a test of a backend needs around it: an inventory, a context, and an ear for what it says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from app.backend import Asleep, Backend, Context, Emit, Source
from app.fleet import Fleet, Reading
from app.inventory.model import Inventory, NodeEntry, SshDefaults
from app.link import Links
from backends.kinds.node import Node
from backends.sampling.links import NodeLinks


class Ear:
    """An ``Emit`` that keeps everything, in order."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.faults: list[tuple[str, bool]] = []
        self.alives = 0
        self.absents = 0

    def __call__(self, reading: Reading) -> None:
        self.readings.append(reading)

    def alive(self) -> None:
        self.alives += 1

    def absent(self) -> None:
        self.absents += 1

    def fault(self, words: str, *, ours: bool = False) -> None:
        self.faults.append((words, ours))

    @property
    def row(self) -> Node:
        """The newest row; one in no state while nothing was told."""
        if not self.readings:
            return Node(id="", name="", source="", state="")
        (row,) = self.readings[-1].items
        assert isinstance(row, Node)
        return row

    @property
    def rows(self) -> list[Node]:
        """Every row that was told."""
        return [item for reading in self.readings for item in reading.items if isinstance(item, Node)]


def inventory(*entries: NodeEntry, ssh: SshDefaults | None = None) -> Inventory:
    """An inventory of these nodes."""
    return Inventory(nodes={entry.name: entry for entry in entries}, ssh=ssh or SshDefaults())


def context(hosts: Inventory, state: Path, *, one_shot: bool = False, links: Links | None = None) -> Context:
    """A context over an inventory, with real links."""
    made = links or NodeLinks(lambda: hosts, one_shot=one_shot)
    return Context(inventory=lambda: hosts, links=made, fleet=Fleet, state=state, cache=state, one_shot=one_shot)


async def as_fed(backend: Backend, source: Source, ear: Emit, nudge: asyncio.Event) -> None:
    """Watch a source as the feed does: one that sleeps is begun anew when it is woken or nudged."""
    while True:
        try:
            return await backend.watch(source, ear, nudge)
        except Asleep as asleep:
            woken = asyncio.Event()
            end = asleep.until(woken.set)
            waiting = [asyncio.ensure_future(one.wait()) for one in (woken, nudge)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                end()
                for one in waiting:
                    one.cancel()


@contextlib.asynccontextmanager
async def watching(backend: Backend, source: Source) -> AsyncGenerator[tuple[Ear, asyncio.Event]]:
    """Watch a source until the block ends; gives what it says and its nudge."""
    ear, nudge = Ear(), asyncio.Event()
    task = asyncio.create_task(as_fed(backend, source, ear, nudge))
    try:
        yield ear, nudge
    finally:
        ended = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await backend.close()
        await backend.context.links.close()
        assert not ended, "the watch ended by itself"


def near(one: float | None, two: float, within: float) -> bool:
    """Whether two figures are the same but for a tolerance."""
    return one is not None and abs(one - two) <= within
