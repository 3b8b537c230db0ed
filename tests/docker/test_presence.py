"""Engines nobody declared: a node without one costs nothing, and one that is started is found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.deck import Deck
from app.fleet import Ref
from app.inventory.model import Inventory, NodeEntry
from app.registry import Part
from app.start import Start, open_deck
from backends import found
from backends.compose import script
from backends.docker import reach
from backends.docker.contract import Engines
from backends.docker.engines import engines
from backends.projects.registry import Registered, Registry
from tests.docker.watched import DOCKER
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd")]

PARTS = (
    *DOCKER,
    Part("backends.kinds.stack:KIND", "backends.compose.backend:Compose"),
    Part("backends.kinds.project:KIND", "backends.projects.backend:Projects"),
)
WITHIN_S = 60.0


@pytest.fixture
def hidden(engine: Dockerd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where the engine's socket is while it is not at the place where engines are looked for, which is its own."""
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(reach, "DEFAULT_SOCKET", str(engine.socket))
    monkeypatch.setattr(script, "DEFAULT_SOCKET", engine.url)
    tests = {**found.LOOKED_FOR, found.DOCKER: f"[ -S '{engine.socket}' ]"}
    monkeypatch.setattr(found, "PROBE", found.looking(tests, 1.0))
    away = engine.socket.with_name("hidden")
    engine.socket.rename(away)
    yield away
    if away.exists():
        away.rename(engine.socket)


def deck_of(server: Sshd) -> Deck:
    hosts = Inventory(nodes={"pi": NodeEntry(name="pi", ssh=server.entry(), interval=0.2)})
    return open_deck(Start(), parts=PARTS, inventory=replace(hosts, ssh=server.defaults()))


def at_work() -> list[str]:
    """Tasks that belong to sources or engines."""
    names = [task.get_name() for task in asyncio.all_tasks()]
    return sorted(name for name in names if name.startswith(("watch ", "engine")))


async def test_an_engine_that_is_started_is_found_by_all_and_by_nothing_of_their_own(
    engine: Dockerd, sshd: Sshd, hidden: Path
) -> None:
    deck = deck_of(sshd)
    deck.feed.configure(deck.inventory)
    try:
        held: Engines = deck.context.shared(engines)
        finder = deck.context.shared(found.found)
        await eventually(lambda: finder.of("pi") is not None and not at_work(), WITHIN_S)
        assert await deck.feed.first(1) == ()
        assert deck.feed.fleet.readings == {}
        assert not deck.feed.silent()
        cost = deck.context.links.of("pi").cost
        assert (cost.connects, cost.commands) == (1, 0), "the sampler's channel is all there is"
        hidden.rename(engine.socket)
        engine.run("web", labels={"com.docker.compose.project": "shop"})
        await eventually(lambda: deck.feed.fleet.find(Ref("container", "pi/web")), WITHIN_S)
        await eventually(lambda: deck.feed.fleet.find(Ref("stack", "pi/shop")), WITHIN_S)
        assert held.of("pi").seen is not None
    finally:
        await deck.close()


async def test_projects_of_a_node_are_shown_although_it_has_no_engine(
    engine: Dockerd, sshd: Sshd, hidden: Path
) -> None:
    deck = deck_of(sshd)
    deck.feed.configure(deck.inventory)
    try:
        finder = deck.context.shared(found.found)
        await eventually(lambda: finder.of("pi") is not None and not at_work(), WITHIN_S)
        other = Registry(deck.context.state)
        wanted = Registered(node="pi", name="shop", path="/src/shop", definition="{}", first_port=0)
        await asyncio.to_thread(other.add, wanted, (), lambda first: None)
        await eventually(lambda: deck.feed.fleet.find(Ref("project", "pi/shop")), WITHIN_S, "another console added it")
        await eventually(lambda: at_work() == ["engine watch", "watch projects/pi"], WITHIN_S, str(at_work()))
    finally:
        await deck.close()
