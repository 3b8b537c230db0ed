"""Project stacks: registered here, launched on a node's engine, found again by their labels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.backend import Backend, Context, Emit, Source
from app.inventory.model import Inventory
from backends import node_rows
from backends.docker.contract import Engines
from backends.docker.presence import engine_there
from backends.projects.adding import AddVerb
from backends.projects.lifecycle import LifeVerbs
from backends.projects.listing import Listing
from backends.projects.registry import Registry
from backends.projects.views import ProjectViews

INTERVAL_S = 5.0
"""An engine says by itself what happens; so often it is at least heard that it is still there."""


class Projects(AddVerb, LifeVerbs, ProjectViews, Backend):
    """Every node that may have an engine: those logged in to and this machine, unless ``docker: false``."""

    name = "projects"
    nouns = ("project",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.registry = Registry(context.state)
        self.listing = Listing(self.registry)

    @property
    def engines(self) -> Engines:
        """The engines of all nodes, shared with whoever else speaks to them."""
        from backends.docker.engines import engines

        return self.context.shared(engines)

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per node that may have an engine; a node whose entry has mistakes is shown as a node only."""
        possible = [*node_rows.sources(self.name, inventory, "local"), *node_rows.sources(self.name, inventory, "ssh")]
        return [
            replace(source, nouns=self.nouns, interval=max(INTERVAL_S, source.interval))
            for source in possible
            if inventory.nodes[source.name].fault is None
            and inventory.nodes[source.name].extra.get("docker") is not False
        ]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Turn what the engine tells and the registry holds into rows."""
        from backends.projects.watching import NodeProjects

        listing, node = self.listing, source.name
        await listing.look()
        if not listing.on(node) and listing.broken is None:
            await engine_there(self.context, node, emit, nudge, also=lambda wake: listing.listen(node, wake))
        end = listing.listen(node, nudge.set)
        try:
            await NodeProjects(source, self.context, self.engines, listing).run(emit, nudge)
        finally:
            end()

    def settings(self) -> Mapping[str, str]:
        """Where the list of projects is."""
        return {"projects": str(self.registry.path)}

    async def close(self) -> None:
        """Let go of the engines."""
        await self.engines.close()
