"""A deck over real engines with the rows and verbs of images, volumes and networks; local and by SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from app.deck import Answer, Deck, Order, Question
from app.errors import Missing
from app.fleet import Ref, Resource
from app.inventory.model import Inventory, NodeEntry
from app.job import Job, Outcome
from app.registry import Part
from app.start import Start, open_deck
from app.verb import View
from backends.docker.backend import Docker
from tests.docker.engines import far, near
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

R = TypeVar("R", bound=Resource)

NODE = "pi"
NOUNS = ("container", "image", "volume", "network")
PARTS = tuple(Part(f"backends.kinds.{noun}:KIND", "backends.docker.backend:Docker") for noun in NOUNS)


@dataclass
class Front:
    """An operator who agrees, remembers the questions, and knows some secrets."""

    answer: Answer = field(default_factory=lambda: Answer(True, "because"))
    secrets: list[str] = field(default_factory=list[str])
    questions: list[Question] = field(default_factory=list[Question])
    prompts: list[str] = field(default_factory=list[str])

    async def ask(self, question: Question) -> Answer:
        """Answer."""
        self.questions.append(question)
        return self.answer

    async def secret(self, what: str, prompt: str) -> str | None:
        """The next one, or none."""
        self.prompts.append(prompt)
        return self.secrets.pop(0) if self.secrets else None

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """There is none."""
        raise NotImplementedError


class Yard:
    """A deck, and orders in few words."""

    def __init__(self, deck: Deck, front: Front) -> None:
        self.deck = deck
        self.front = front
        self.jobs: list[Job] = []

    @property
    def docks(self) -> Docker:
        """The backend itself."""
        backend = self.deck.backends["docker"]
        assert isinstance(backend, Docker)
        return backend

    def row(self, kind: type[R], name: str, node: str = NODE) -> R | None:
        """A row as last seen."""
        found = self.deck.feed.fleet.find(Ref(kind.NOUN, f"{node}/{name}"))
        return found if isinstance(found, kind) else None

    async def shown(self, kind: type[R], name: str, **state: Any) -> R:
        """The row once it is there and looks as said."""

        def there() -> bool:
            row = self.row(kind, name)
            return row is not None and all(getattr(row, key) == value for key, value in state.items())

        await eventually(there, what=f"{kind.NOUN} {name} {state}: {self.row(kind, name)}")
        row = self.row(kind, name)
        assert row is not None
        return row

    def order(self, title: str, *names: str, at: str = NODE, mode: str = "normal", **arguments: Any) -> Order:
        """``image pull`` with arguments, or for rows by name."""
        noun, _, verb = title.partition(" ")
        declared = self.deck.catalog.find(noun, verb)
        assert declared is not None, title
        targets = tuple(Ref(noun, f"{at}/{name}") for name in names)
        made = Order(verb=declared, targets=targets, arguments=arguments, why="because")
        return replace(made, mode=mode)  # pyright: ignore[reportArgumentType]

    async def do(self, title: str, *names: str, **arguments: Any) -> Outcome:
        """Perform it and return its one outcome."""
        (outcome,) = await self.perform(self.order(title, *names, **arguments))
        return outcome

    async def perform(self, order: Order) -> tuple[Outcome, ...]:
        """Perform an order; its job is the last of ``jobs``."""
        async with asyncio.timeout(60):
            return await self.deck.perform(order, started=self.jobs.append)

    async def look(self, title: str, name: str, node: str = NODE) -> View:
        """Read a view of a row."""
        order = self.order(title, name, at=node)
        row = self.deck.feed.fleet.find(order.targets[0])
        if row is None:
            raise Missing("no such row", where=name)
        return await self.deck.look(order.verb, row, {})

    def log(self) -> str:
        """The last job's log."""
        return "\n".join(self.jobs[-1].log)

    def witnessed(self) -> str:
        """All that the witness holds, as it stands in its files."""
        folder = self.deck.context.state / "witness"
        return "".join(p.read_text(errors="replace") for p in sorted(folder.rglob("*")) if p.is_file())


@asynccontextmanager
async def yard(engine: Dockerd, sshd: Sshd | None = None, *more: NodeEntry, **start: Any) -> AsyncGenerator[Yard]:
    """A deck with one node, ``pi``, whose engine is ``engine``: this machine, or reached through ``sshd``."""
    entry = near(engine, NODE) if sshd is None else far(engine, sshd, NODE)
    inventory = Inventory(nodes={one.name: one for one in (entry, *more)})
    if sshd is not None:
        inventory = replace(inventory, ssh=sshd.defaults())
    front = Front()
    deck = open_deck(Start(**start), parts=PARTS, inventory=inventory)
    deck.front = front
    deck.feed.configure(deck.inventory)
    try:
        await deck.feed.first(20)
        yield Yard(deck, front)
    finally:
        await deck.close()
