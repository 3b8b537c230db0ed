"""Decks that watch clusters with the backend itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from app.deck import Deck
from app.fleet import Reading, ReadingKey, Ref
from app.inventory.model import Inventory, NodeEntry, Rules
from app.registry import Part
from app.start import Start, open_deck
from app.view import View
from backends.kinds.hypervisor import Hypervisor
from backends.kinds.storage import Storage
from backends.kinds.vm import Vm
from tests.servers.fakepve import Pve

PROXMOX = tuple(
    Part(f"backends.kinds.{noun}:KIND", "backends.proxmox.backend:Proxmox") for noun in ("vm", "hypervisor", "storage")
)
QUICK_S = 0.3
"""An interval for tests that wait for several beats."""


def entry(pve: Pve, monkeypatch: Any, *, token: str | None = None, **rest: Any) -> dict[str, Any]:
    """A cluster's entry of hosts.yaml; the token goes by the environment, as an operator's would."""
    name = f"PVE_TOKEN_{pve.host.replace('.', '_')}"
    monkeypatch.setenv(name, token or pve.token)
    # So short an interval would leave too little time for connecting, and for an answer, where the machine is busy.
    monkeypatch.setattr("backends.proxmox.urls._SHORTEST_CONNECT_S", 20.0)
    monkeypatch.setattr("app.feed.STALE_AFTER", 15)
    return {"url": pve.url, "token": f"${{{name}}}", "fingerprint": pve.fingerprint, "interval": QUICK_S, **rest}


class Lists:
    """A deck, and its rows in few words."""

    def __init__(self, deck: Deck) -> None:
        self.deck = deck

    @property
    def vms(self) -> dict[str, Vm]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Vm)}

    @property
    def hypervisors(self) -> dict[str, Hypervisor]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Hypervisor)}

    @property
    def storages(self) -> dict[str, Storage]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Storage)}

    def vm(self, id: str) -> Vm:
        """A guest's row; fails where there is none."""
        found = self.deck.feed.fleet.find(Ref("vm", id))
        assert isinstance(found, Vm), id
        return found

    def reading(self, cluster: str = "lab", topic: str = "vm") -> Reading | None:
        """What was told of a cluster last."""
        return self.deck.feed.fleet.readings.get(ReadingKey("proxmox", cluster, topic))

    async def look(self, noun: str, verb: str, id: str | None = None, **arguments: Any) -> View:
        """Read a view, as pane and command line do."""
        declared = self.deck.catalog.find(noun, verb)
        assert declared is not None, verb
        target = self.deck.feed.fleet.find(Ref(noun, id)) if id is not None else None
        assert id is None or target is not None, id
        return await self.deck.look(declared, target, arguments)


def inventory_of(clusters: Mapping[str, Any], nodes: Iterable[NodeEntry] = (), rules: Rules | None = None) -> Inventory:
    """What hosts.yaml with these clusters, nodes and rules says."""
    return Inventory(
        nodes={one.name: one for one in nodes},
        rules=rules or Rules(),
        extra=MappingProxyType({"proxmox": dict(clusters)}),
        trusted=True,
    )


@asynccontextmanager
async def watching(
    clusters: Mapping[str, Any],
    *,
    nodes: Iterable[NodeEntry] = (),
    rules: Rules | None = None,
    wait: float = 60.0,
    **start: Any,
) -> AsyncGenerator[Lists]:
    """A deck that watches clusters; ``wait`` is how long for their first readings."""
    deck = open_deck(Start(**start), parts=PROXMOX, inventory=inventory_of(clusters, nodes, rules))
    deck.feed.configure(deck.inventory)
    try:
        if wait:
            await deck.feed.first(wait)
        yield Lists(deck)
    finally:
        await deck.close()
