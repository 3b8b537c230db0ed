"""The pretend fleet: every verb of every kind it fills works through the deck, and none of it touches anything."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.backend import Context
from app.deck import Answer, Deck, Order, Question
from app.fleet import Fleet, Ref
from app.inventory.model import Inventory
from app.job import Ended
from app.link import Link, Probe, Sample
from app.verb import Rows, Stream, Verb, offers
from app.witness import Witness
from backends.demo.backend import Demo
from backends.kinds.node import KIND, Node
from tests.waiting import eventually


class NoLinks:
    """The pretend fleet connects to nothing."""

    def of(self, node: str) -> Link:
        raise AssertionError(f"the pretend fleet asked for a connection to {node}")

    def subscribe(self, node: str, probes: Sequence[Probe[Any]], deliver: Any) -> Any:
        raise AssertionError("the pretend fleet asked for a sampler", Sample)

    async def close(self) -> None:
        pass


class Yes:
    """An operator who agrees to everything and remembers what was asked."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.questions.append(question)
        return Answer(True, why="a test")

    async def secret(self, what: str, prompt: str) -> str | None:
        raise AssertionError("the pretend fleet asked for a secret")

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        assert argv
        return 0


@pytest.fixture
async def deck(tmp_path: Path) -> AsyncIterator[Deck]:
    """A deck over twelve pretend machines that work quickly."""
    inventory = Inventory()
    holder: list[Deck] = []

    def fleet() -> Fleet:
        return holder[0].feed.fleet

    context = Context(inventory=lambda: inventory, links=NoLinks(), fleet=fleet, state=tmp_path, demo=12)
    demo = Demo(context)
    demo.pace = 0.001
    deck = Deck(context=context, kinds={"node": KIND}, backends=[demo], witness=Witness(tmp_path / "witness"))
    holder.append(deck)
    deck.front = Yes()
    deck.feed.configure(inventory)
    await deck.feed.first(5)
    yield deck
    await deck.close()


ARGUMENTS: dict[str, dict[str, Any]] = {
    "exec": {"command": ("uname", "-a")},
    "signal": {"pid": 137},
    "service": {"action": "stop", "unit": "nginx.service"},
    "tunnel": {"spec": "8080:localhost:80"},
    "untunnel": {"port": 8080},
    "put": {"path": Path(__file__)},
    "get": {"path": "/etc/hostname"},
    "add": {"name": "new1"},
}


def verbs() -> list[Verb]:
    """Every verb and view that a node has."""
    from app.verb import verbs_of

    return list(verbs_of("node", KIND.verbs))


def test_the_pretend_fleet_offers_every_verb() -> None:
    missing = [verb.title for verb in verbs() if not hasattr(Demo, verb.method) or not offers(_bare(), verb)]
    assert missing == []


def _bare() -> Demo:
    return Demo(Context(inventory=Inventory, links=NoLinks(), fleet=Fleet, demo=1))


@pytest.mark.parametrize("verb", [v for v in verbs() if not v.view], ids=lambda verb: verb.name)
async def test_every_verb_is_done_and_witnessed(deck: Deck, verb: Verb) -> None:
    if verb.name == "untunnel":
        await deck.perform(_order(deck, "tunnel", "pi1"))
    outcomes = await deck.perform(_order(deck, verb.name, "pi1" if verb.takes_target else ""))
    assert [o.outcome for o in outcomes] == [Ended.DONE], outcomes
    entries = [entry for entry in deck.witness.entries() if entry.verb == verb.title]
    assert [str(entry.phase) for entry in entries if entry.phase != "step"] == ["intent", "outcome"]


@pytest.mark.parametrize("verb", [v for v in verbs() if v.view], ids=lambda verb: verb.name)
async def test_every_view_shows_something(deck: Deck, verb: Verb) -> None:
    node = deck.feed.fleet.find(Ref("node", "pi1"))
    seen = await deck.look(verb, node, {"lines": 5} if verb.name == "journal" else {})
    if isinstance(seen, Stream):
        lines = [line async for line in seen.lines]
        assert len(lines) == 5
    else:
        assert isinstance(seen, Rows)
        for item in seen.items:
            assert all(column.cell(item).text for column in seen.columns)


async def test_a_machine_that_was_switched_off_stays_down(deck: Deck) -> None:
    await deck.perform(_order(deck, "shutdown", "pi1"))
    await eventually(lambda: _node(deck, "pi1").state == "down")
    assert _node(deck, "pi1").fault
    assert _node(deck, "hp1").state == "up"


async def test_its_rows_are_labelled_as_pretend(deck: Deck) -> None:
    nodes = list(deck.feed.fleet.of(Node))
    assert len(nodes) == 12
    assert all("demo" in node.tags for node in nodes)
    assert {node.state for node in nodes} == {"up", "down"}


async def test_ten_thousand_machines_are_blocks_of_a_hundred(tmp_path: Path) -> None:
    context = Context(inventory=Inventory, links=NoLinks(), fleet=Fleet, state=tmp_path, demo=10_000)
    demo = Demo(context)
    assert len(demo.sources(Inventory())) == 100
    assert len({machine.name for machine in demo.machines.values()}) == 10_000


def _node(deck: Deck, name: str) -> Node:
    node = deck.feed.fleet.find(Ref("node", name))
    assert isinstance(node, Node)
    return node


def _order(deck: Deck, name: str, target: str) -> Order:
    verb = deck.catalog.find("node", name)
    assert verb is not None
    targets = (Ref("node", target),) if target else ()
    return Order(verb=verb, targets=targets, arguments=ARGUMENTS.get(name, {}), why=f"test at {time.time():.0f}")
