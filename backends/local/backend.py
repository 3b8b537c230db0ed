"""This machine: cheap figures by psutil, costly ones by the same probes as everywhere, run by a local ``sh``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from app.backend import Backend, Context, Emit, Source
from app.errors import BadAnswer
from app.inventory.model import Inventory
from app.link import Sample
from backends import node_rows
from backends.node_verbs import LocalNodeVerbs
from backends.node_verbs.mutes import Mutes
from backends.node_watch import NodeWatch
from backends.probes.node import SLOW
from backends.sampling.sampler import FIRST_GAP_S
from backends.waking import wait

log = logging.getLogger(__name__)


class Local(LocalNodeVerbs, Backend):
    """The nodes with ``local: true``."""

    name = "local"
    nouns = ("node",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._mutes = Mutes(context.state)

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per local node; normally there is one."""
        return node_rows.sources(self.name, inventory, "local")

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Ask psutil once an interval; costly figures are added as the scripts bring them."""
        from backends.local import figures

        entry = self.context.inventory().nodes[source.name]
        watched = NodeWatch(source, entry, self.context, self._mutes, costly=len(SLOW))
        if not watched.begin(emit):
            await asyncio.Event().wait()
        answers: dict[str, Any] = {}
        faults: dict[str, str] = {}

        def deliver(sample: Sample) -> None:
            answers.update(sample.answers)
            faults.update(sample.faults)
            if sample.fault is not None:
                faults["shell"] = node_rows.words(sample.fault)

        end = self.context.links.subscribe(source.name, SLOW, deliver)
        try:
            while True:
                nudge.clear()
                try:
                    cheap = figures.read()
                except Exception as error:  # psutil names whatever the system did in many ways
                    log.exception("psutil")
                    watched.failed(BadAnswer(f"this machine cannot be read: {type(error).__name__}: {error}"))
                else:
                    now = self.context.clock()
                    watched.took(Sample(now, {**cheap, **answers}, dict(faults)), address="local")
                    answers.clear()
                    faults.clear()
                quick = self.context.one_shot and not watched.told
                await wait(nudge, FIRST_GAP_S if quick else source.interval)
        finally:
            end()

    async def close(self) -> None:
        """Close the tunnels that were opened here."""
        await self.close_tunnels()
