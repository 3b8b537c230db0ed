"""Nodes reached over SSH: one connection and one sampler each, nothing installed there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.backend import Backend, Context, Emit, Source
from app.errors import QuarterdeckError
from app.inventory.model import Inventory
from app.link import Link, Sample
from backends import node_rows
from backends.node_verbs import LinkedNodeVerbs
from backends.node_verbs.mutes import Mutes
from backends.node_watch import NodeWatch
from backends.probes.node import NODE_PROBES, SLOW
from backends.sampling.links import Nudges


class Ssh(LinkedNodeVerbs, Backend):
    """The nodes with ``ssh``."""

    name = "ssh"
    nouns = ("node",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._mutes = Mutes(context.state)
        self._watched: dict[str, NodeWatch] = {}

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per node with ``ssh``; one whose entry has mistakes is shown with them and never contacted."""
        return node_rows.sources(self.name, inventory, "ssh")

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Turn the sampler's answers into the node's row; the sampler reconnects by itself."""
        entry = self.context.inventory().nodes[source.name]
        watched = self._watched.get(source.name)
        if watched is None or watched.source != source:
            watched = NodeWatch(source, entry, self.context, self._mutes, costly=len(SLOW))
            self._watched[source.name] = watched
        if not watched.begin(emit):
            await asyncio.Event().wait()
        broken: list[Exception] = []

        def deliver(sample: Sample) -> None:
            try:
                if sample.fault is not None:
                    watched.failed(sample.fault)
                else:
                    watched.took(sample, self._link(source.name))
            except Exception as error:  # a defect here: the feed shows it and begins anew
                broken.append(error)
                nudge.set()

        links = self.context.links
        end = links.subscribe(source.name, NODE_PROBES, deliver)
        try:
            while True:
                await nudge.wait()
                nudge.clear()
                if broken:
                    raise broken[0]
                if isinstance(links, Nudges):
                    links.nudge(source.name)
        finally:
            end()

    def _link(self, node: str) -> Link | None:
        try:
            return self.context.links.of(node)
        except QuarterdeckError:
            return None

    async def close(self) -> None:
        """Close the tunnels that were opened here."""
        await self.close_tunnels()
