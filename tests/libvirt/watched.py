"""Decks that watch guests with the backend itself: local, over SSH, or both."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from app.deck import Answer, Deck, Order, Question
from app.fleet import Reading, ReadingKey, Ref
from app.inventory.model import Inventory, NodeEntry
from app.job import Outcome
from app.registry import Part
from app.start import Start, open_deck
from backends.kinds.vm_row import Vm
from tests.servers.sshd import Sshd

LIBVIRT = (Part("backends.kinds.vm:KIND", "backends.libvirt.backend:Libvirt"),)


def here(uri: str | None, name: str = "here", **rest: Any) -> NodeEntry:
    """This machine, with its libvirt at a private place; ``None`` does not declare one."""
    return NodeEntry(name=name, local=True, extra={} if uri is None else {"libvirt": uri}, **rest)


def far(sshd: Sshd, uri: str | None, name: str = "hp", host: str | None = None, **rest: Any) -> NodeEntry:
    """A node reached through a server."""
    return NodeEntry(name=name, ssh=sshd.entry(host), extra={} if uri is None else {"libvirt": uri}, **rest)


class Guests:
    """A deck, and its rows in few words."""

    def __init__(self, deck: Deck) -> None:
        self.deck = deck
        self.asked: list[Question] = []

    @property
    def rows(self) -> dict[str, Vm]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Vm)}

    def row(self, guest: str) -> Vm | None:
        """A guest's row by id, if there is one."""
        found = self.deck.feed.fleet.find(Ref("vm", guest))
        return found if isinstance(found, Vm) else None

    def state(self, guest: str) -> str | None:
        """What its row says."""
        found = self.row(guest)
        return found.state if found is not None else None

    def reading(self, node: str) -> Reading | None:
        """What was told of a node last."""
        return self.deck.feed.fleet.readings.get(ReadingKey("libvirt", node, ""))


@asynccontextmanager
async def watching(
    *nodes: NodeEntry, sshd: Sshd | None = None, wait: float = 30.0, **start: Any
) -> AsyncGenerator[Guests]:
    """A deck that watches the guests of some nodes; ``wait`` is how long for their first readings."""
    inventory = Inventory(nodes={entry.name: entry for entry in nodes})
    if sshd is not None:
        inventory = replace(inventory, ssh=sshd.defaults())
    deck = open_deck(Start(**start), parts=LIBVIRT, inventory=inventory)
    deck.feed.configure(deck.inventory)
    try:
        if wait:
            await deck.feed.first(wait)
        yield Guests(deck)
    finally:
        await deck.close()


__all__ = ["LIBVIRT", "Answer", "Guests", "Mapping", "Order", "Outcome", "far", "here", "watching"]
