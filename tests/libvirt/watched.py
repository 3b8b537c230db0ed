"""Decks that watch guests with the backend itself: local, over SSH, or both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from app.deck import Answer, Deck, Order, Question
from app.fleet import Reading, ReadingKey, Ref
from app.inventory.model import Inventory, NodeEntry
from app.job import Outcome
from app.registry import Part
from app.start import Start, open_deck
from backends.kinds.vm_row import Vm
from tests.servers.sshd import Sshd

LIBVIRT = tuple(Part(f"backends.kinds.{noun}:KIND", "backends.libvirt.backend:Libvirt") for noun in ("vm", "storage"))


def here(uri: str | None, name: str = "here", **rest: Any) -> NodeEntry:
    """This machine, with its libvirt at a private place; ``None`` does not declare one."""
    return NodeEntry(name=name, local=True, extra={} if uri is None else {"libvirt": uri}, **rest)


def far(sshd: Sshd, uri: str | None, name: str = "hp", host: str | None = None, **rest: Any) -> NodeEntry:
    """A node reached through a server."""
    return NodeEntry(name=name, ssh=sshd.entry(host), extra={} if uri is None else {"libvirt": uri}, **rest)


@dataclass
class Asked:
    """A front that agrees, remembers the questions, and runs what wants the terminal."""

    answer: Answer = field(default_factory=lambda: Answer(True, "because"))
    questions: list[Question] = field(default_factory=list[Question])
    terminals: list[list[str]] = field(default_factory=list[list[str]])
    child: Callable[[list[str]], Awaitable[int]] | None = None

    async def ask(self, question: Question) -> Answer:
        """Answer."""
        self.questions.append(question)
        return self.answer

    async def secret(self, what: str, prompt: str) -> str | None:
        """There is none."""
        return None

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Run it where there is something to run it."""
        self.terminals.append(list(argv))
        return 0 if self.child is None else await self.child(list(argv))


class Guests:
    """A deck, its rows and orders in few words."""

    def __init__(self, deck: Deck, front: Asked) -> None:
        self.deck = deck
        self.front = front

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

    def order(self, verb: str, *guests: str, mode: str = "normal", wait: bool = True, **arguments: Any) -> Order:
        """An order for guests by id."""
        declared = self.deck.catalog.find("vm", verb)
        assert declared is not None, verb
        targets = tuple(Ref("vm", guest) for guest in guests)
        made = Order(verb=declared, targets=targets, arguments=arguments, why="because", wait=wait)
        return replace(made, mode=mode)  # pyright: ignore[reportArgumentType]

    async def all(self, verb: str, *guests: str, **arguments: Any) -> tuple[Outcome, ...]:
        """Perform it on several; one outcome each, failures first."""
        async with asyncio.timeout(90):
            return await self.deck.perform(self.order(verb, *guests, **arguments))

    async def do(self, verb: str, *guests: str, **arguments: Any) -> Outcome:
        """Perform it on one guest (or none) and return its outcome."""
        (outcome,) = await self.all(verb, *guests, **arguments)
        return outcome

    async def read(self, verb: str, *guests: str, **arguments: Any) -> Any:
        """What a view of one guest (or of none) shows."""
        wanted = self.order(verb, *guests)
        async with asyncio.timeout(60):
            return await self.deck.look(wanted.verb, self.row(guests[0]) if guests else None, arguments)

    @property
    def asked(self) -> Question:
        """The last question that was asked."""
        return self.front.questions[-1]

    def witnessed(self) -> str:
        """All that the witness holds, as it stands in its files."""
        folder = self.deck.context.state / "witness"
        return "".join(p.read_text(errors="replace") for p in sorted(folder.rglob("*")) if p.is_file())

    def reading(self, node: str) -> Reading | None:
        """What was told of a node last."""
        return self.deck.feed.fleet.readings.get(ReadingKey("libvirt", node, ""))


@asynccontextmanager
async def watching(
    *nodes: NodeEntry, sshd: Sshd | None = None, wait: float = 60.0, **start: Any
) -> AsyncGenerator[Guests]:
    """A deck that watches the guests of some nodes; ``wait`` is how long for their first readings."""
    inventory = Inventory(nodes={entry.name: entry for entry in nodes})
    if sshd is not None:
        inventory = replace(inventory, ssh=sshd.defaults())
    deck = open_deck(Start(**start), parts=LIBVIRT, inventory=inventory)
    front = Asked()
    deck.front = front
    deck.feed.configure(deck.inventory)
    try:
        if wait:
            await deck.feed.first(wait)
        yield Guests(deck, front)
    finally:
        await deck.close()
