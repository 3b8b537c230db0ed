"""Decks over the test backends, and doors that answer as a test says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.deck import Answer, Deck, Order, Question
from app.fleet import Ref
from app.inventory.model import Inventory
from app.registry import Part
from app.start import Start, open_deck
from app.witness import Entry

KETTLES = Part("tests.frame.kettle:KIND", "tests.frame.galley:Galley")
MUGS = Part("tests.frame.mug:KIND", "tests.frame.galley:Galley")
CAMP = Part("tests.frame.kettle:KIND", "tests.frame.galley:Camp")
BUDGET = Part("tests.frame.mug:KIND", "tests.frame.galley:Treasury", rules=True)
ALL = (KETTLES, MUGS, CAMP, BUDGET)


@dataclass
class Asked:
    """A front that gives one answer and remembers the questions."""

    answer: Answer = field(default_factory=lambda: Answer(True))
    questions: list[Question] = field(default_factory=list[Question])
    meanwhile: Callable[[], None] = lambda: None
    """Called while the question is up."""

    async def ask(self, question: Question) -> Answer:
        """Answer."""
        self.questions.append(question)
        self.meanwhile()
        return self.answer

    async def secret(self, what: str, prompt: str) -> str | None:
        """There is none."""
        return None

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """A child that ends at once."""
        return 0


@asynccontextmanager
async def opened(
    parts: Sequence[Part] = ALL,
    *,
    inventory: Inventory | None = None,
    front: Asked | None = None,
    start_without_waiting: bool = False,
    **start: Any,
) -> AsyncGenerator[Deck]:
    """A deck that watches everything and has its first readings."""
    deck = open_deck(Start(**start), parts=parts, inventory=inventory or Inventory())
    deck.front = front or Asked()
    deck.feed.configure(deck.inventory)
    try:
        if not start_without_waiting:
            await deck.feed.first(20)
        yield deck
    finally:
        await deck.close()


def order(deck: Deck, name: str, *ids: str, noun: str = "kettle", **rest: Any) -> Order:
    """An order for some resources by id."""
    verb = deck.catalog.find(noun, name)
    assert verb is not None
    return Order(verb=verb, targets=tuple(Ref(noun, one) for one in ids), **rest)


def witnessed(deck: Deck) -> list[Entry]:
    """Everything in the witness, oldest first."""
    return list(deck.witness.entries())
