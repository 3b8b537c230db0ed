"""Guests of the nodes' own libvirt: KVM and QEMU on plain Linux hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from app.backend import Backend, Emit, Source
from app.inventory.model import Inventory
from backends import node_rows
from backends.libvirt.node_guests import NodeGuests
from backends.libvirt.verbs.cloning import CloneVerbs
from backends.libvirt.verbs.console import ConsoleVerb
from backends.libvirt.verbs.life import LifeVerbs
from backends.libvirt.verbs.looking import LookingVerbs
from backends.libvirt.verbs.pools import PoolVerbs
from backends.libvirt.verbs.removing import RemoveVerbs
from backends.libvirt.verbs.setting import SetVerbs
from backends.libvirt.verbs.snapshots import SnapshotVerbs
from backends.libvirt.verbs.viewer import ViewerVerb

INTERVAL_S = 5.0
"""libvirt tells by itself what happens; so often the figures are asked for."""


class Libvirt(
    LifeVerbs,
    SnapshotVerbs,
    CloneVerbs,
    RemoveVerbs,
    SetVerbs,
    LookingVerbs,
    ConsoleVerb,
    ViewerVerb,
    PoolVerbs,
    Backend,
):
    """Every node that may have a libvirt: those logged in to and this machine, unless ``libvirt: false``."""

    name = "libvirt"
    nouns = ("vm", "storage")

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per node that may have a libvirt; a node whose entry has mistakes is shown as a node only."""
        possible = [*node_rows.sources(self.name, inventory, "local"), *node_rows.sources(self.name, inventory, "ssh")]
        return [
            replace(source, nouns=self.nouns, interval=max(INTERVAL_S, source.interval))
            for source in possible
            if inventory.nodes[source.name].fault is None
            and inventory.nodes[source.name].extra.get("libvirt") is not False
        ]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Turn what libvirt tells into rows."""
        await NodeGuests(source, self.context).run(emit, nudge)
