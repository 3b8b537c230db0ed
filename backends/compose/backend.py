"""Compose stacks of the nodes: declared ones, and those that run without being declared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from app.backend import Backend, Context, Emit, Source
from app.inventory.model import Inventory
from backends import node_rows
from backends.compose.node_stacks import NodeStacks
from backends.compose.verbs import ComposeVerbs
from backends.docker.presence import engine_there

INTERVAL_S = 5.0
"""An engine says by itself what happens; so often the figures are looked at."""


class Compose(ComposeVerbs, Backend):
    """Every node that may have an engine: those logged in to and this machine, unless ``docker: false``."""

    name = "compose"
    nouns = ("stack",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes: dict[str, NodeStacks] = {}

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per node that may have an engine, and per node with stacks; one with mistakes is shown as a node only."""
        possible = [*node_rows.sources(self.name, inventory, "local"), *node_rows.sources(self.name, inventory, "ssh")]
        return [
            replace(source, nouns=self.nouns, interval=max(INTERVAL_S, source.interval))
            for source in possible
            if inventory.nodes[source.name].fault is None
            and (inventory.nodes[source.name].extra.get("docker") is not False or self.declared_on(source.name))
        ]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Turn what the engine tells, and what compose on the node says of the declared stacks, into rows."""
        watched = self.nodes.get(source.name)
        if watched is None or watched.source != source:
            stacks = self.declared_on(source.name)
            if not stacks:
                await engine_there(self.context, source.name, emit, nudge)
            wheres = {one.name: self.where_declared(source.name, one) for one in stacks if one.fault is None}
            watched = NodeStacks(source, stacks, wheres, self.context, self.engines, self.programs)
            self.nodes[source.name] = watched
            watched.look_again()
        await watched.run(emit, nudge)

    async def close(self) -> None:
        """Let go of the engines."""
        await self.engines.close()
