"""Decks that watch engines with the backend itself: local, over SSH, or both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from app.deck import Deck
from app.fleet import Reading, ReadingKey, Ref
from app.inventory.model import Inventory, NodeEntry
from app.registry import Part
from app.start import Start, open_deck
from backends.kinds.container import Container
from backends.kinds.image import Image
from backends.kinds.network import Network
from backends.kinds.volume import Volume
from tests.servers.sshd import Sshd

DOCKER = tuple(
    Part(f"backends.kinds.{noun}:KIND", "backends.docker.backend:Docker")
    for noun in ("container", "image", "volume", "network")
)


def here(url: str, name: str = "here", **rest: Any) -> NodeEntry:
    """This machine, with its engine at a private place."""
    return NodeEntry(name=name, local=True, extra={"docker": url}, **rest)


def far(sshd: Sshd, url: str, name: str = "pi", host: str | None = None, **rest: Any) -> NodeEntry:
    """A node reached through a server, with its engine at a private place."""
    return NodeEntry(name=name, ssh=sshd.entry(host), extra={"docker": url}, **rest)


class Fleet:
    """A deck, and its rows in few words."""

    def __init__(self, deck: Deck) -> None:
        self.deck = deck

    @property
    def containers(self) -> dict[str, Container]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Container)}

    @property
    def images(self) -> dict[str, Image]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Image)}

    @property
    def volumes(self) -> dict[str, Volume]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Volume)}

    @property
    def networks(self) -> dict[str, Network]:
        """By id."""
        return {one.id: one for one in self.deck.feed.fleet.of(Network)}

    def container(self, name: str) -> Container | None:
        """A container's row by id, if there is one."""
        found = self.deck.feed.fleet.find(Ref("container", name))
        return found if isinstance(found, Container) else None

    def reading(self, node: str, topic: str = "containers") -> Reading | None:
        """What was told of a node last."""
        return self.deck.feed.fleet.readings.get(ReadingKey("docker", node, topic))


@asynccontextmanager
async def watching(
    *nodes: NodeEntry, sshd: Sshd | None = None, wait: float = 20.0, **start: Any
) -> AsyncGenerator[Fleet]:
    """A deck that watches the engines of some nodes; ``wait`` is how long for their first readings."""
    inventory = Inventory(nodes={entry.name: entry for entry in nodes})
    if sshd is not None:
        inventory = replace(inventory, ssh=sshd.defaults())
    deck = open_deck(Start(**start), parts=DOCKER, inventory=inventory)
    deck.feed.configure(deck.inventory)
    try:
        if wait:
            await deck.feed.first(wait)
        yield Fleet(deck)
    finally:
        await deck.close()
