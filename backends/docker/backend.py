"""Containers, images, volumes and networks of the nodes' engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from app.backend import Backend, Context, Emit, Source
from app.inventory.model import Inventory
from backends import node_rows
from backends.docker.contract import Engines
from backends.docker.node_readings import NodeReadings
from backends.docker.presence import engine_there
from backends.docker.registry.freshness import freshness
from backends.docker.verbs.containers import ContainerActions
from backends.docker.verbs.images import ImageActions
from backends.docker.verbs.logs import ContainerLogs
from backends.docker.verbs.networks import NetworkActions
from backends.docker.verbs.volumes import VolumeActions

INTERVAL_S = 5.0
"""An engine says by itself what happens; so often it is at least heard that it is still there."""


class Docker(ContainerActions, ContainerLogs, ImageActions, VolumeActions, NetworkActions, Backend):
    """Every node that may have an engine: those logged in to and this machine, unless ``docker: false``."""

    name = "docker"
    nouns = ("container", "image", "volume", "network")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._readings: dict[str, NodeReadings] = {}

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
            if inventory.nodes[source.name].fault is None and may_have_engine(inventory, source.name)
        ]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Turn what the engine tells, and what the node's sampler reads beside it, into rows."""
        readings = self._readings.get(source.name)
        if readings is None or readings.source != source:
            await engine_there(self.context, source.name, emit, nudge)
            newer = self.context.shared(freshness).newer
            readings = self._readings[source.name] = NodeReadings(source, self.context, self.engines, newer)
        end = self.context.shared(freshness).listen(source.name, readings.look_again)
        try:
            await readings.run(emit, nudge)
        finally:
            end()

    async def close(self) -> None:
        """Let go of the engines."""
        from backends.docker.engines import engines

        await self.context.shared(engines).close()


def may_have_engine(inventory: Inventory, node: str) -> bool:
    """Whether nobody said that a node has no engine; ``docker: false`` says so."""
    said: Any = inventory.nodes[node].extra.get("docker")
    return said is not False
