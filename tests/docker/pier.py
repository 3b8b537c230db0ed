"""A backend with the verbs of containers and rows from one list of the engine; and decks over it, local and by SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from app.backend import Backend, Emit, Source
from app.deck import Answer, Deck, Order, Question
from app.errors import Missing
from app.fleet import Reading, Ref
from app.inventory.model import Inventory, NodeEntry
from app.job import Outcome
from app.registry import Part
from app.start import Start, open_deck
from backends.docker.engines import engines
from backends.docker.verbs.containers import ContainerActions
from backends.kinds.container import Container
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

NODE = "pi"
PIER = Part("backends.kinds.container:KIND", "tests.docker.pier:Pier")


class Pier(ContainerActions, Backend):
    """The verbs under test; rows come from a list at the start and whenever it is nudged."""

    name = "docker"
    nouns = ("container",)

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per node."""
        return [Source(self.name, name, nouns=self.nouns) for name in inventory.nodes]

    async def close(self) -> None:
        """Let go of the engines."""
        await self.context.shared(engines).close()

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """List, and list again when asked to."""
        while True:
            nudge.clear()
            found: list[dict[str, Any]] = await self.engine_at(source.name).call(lambda c: c.containers(all=True))
            items = tuple(row(source.name, one) for one in found)
            emit(Reading(backend=self.name, source=source.name, items=items, taken_at=self.context.clock()))
            await nudge.wait()


def row(node: str, one: Mapping[str, Any]) -> Container:
    """A row of one item of the engine's list."""
    name = one["Names"][0].lstrip("/")
    return Container(
        id=f"{node}/{name}",
        name=name,
        source=node,
        state=one["State"],
        parent=Ref("node", node),
        container_id=one["Id"],
        image=one["Image"],
    )


@dataclass
class Asked:
    """A front that agrees, remembers the questions, and runs what wants the terminal without one."""

    answer: Answer = field(default_factory=lambda: Answer(True, "because"))
    questions: list[Question] = field(default_factory=list[Question])
    terminals: list[list[str]] = field(default_factory=list[list[str]])
    child: Callable[[list[str]], Awaitable[int]] | None = None
    """Runs what wants the terminal; without one it ends with 0 at once."""

    async def ask(self, question: Question) -> Answer:
        """Answer."""
        self.questions.append(question)
        return self.answer

    async def secret(self, what: str, prompt: str) -> str | None:
        """There is none."""
        return None

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Keep what was to run."""
        self.terminals.append(list(argv))
        return 0 if self.child is None else await self.child(list(argv))


class Harbour:
    """A deck over one engine, and orders in few words."""

    def __init__(self, deck: Deck, front: Asked, node: str) -> None:
        self.deck = deck
        self.front = front
        self.node = node

    @property
    def verbs(self) -> Pier:
        """The backend itself."""
        backend = self.deck.backends["docker"]
        assert isinstance(backend, Pier)
        return backend

    def row(self, name: str) -> Container:
        """A container's row as last seen."""
        found = self.deck.feed.fleet.find(Ref("container", f"{self.node}/{name}"))
        if not isinstance(found, Container):
            raise Missing("no such row", where=name)
        return found

    async def sees(self, name: str) -> Container:
        """Wait until a container that was made meanwhile has a row."""
        ref = Ref("container", f"{self.node}/{name}")
        self.deck.feed.nudge("docker", self.node)
        await eventually(lambda: self.deck.feed.fleet.find(ref), what=f"a row of {name}")
        return self.row(name)

    def order(self, verb: str, *names: str, mode: str = "normal", **arguments: Any) -> Order:
        """An order for containers by name."""
        declared = self.deck.catalog.find("container", verb)
        assert declared is not None, verb
        targets = tuple(Ref("container", f"{self.node}/{name}") for name in names)
        made = Order(verb=declared, targets=targets, arguments=arguments, why="because")
        return replace(made, mode=mode)  # pyright: ignore[reportArgumentType]

    async def do(self, verb: str, *names: str, **arguments: Any) -> Outcome:
        """Perform it on one container (or none) and return its outcome."""
        (outcome,) = await self.all(verb, *names, **arguments)
        return outcome

    async def all(self, verb: str, *names: str, **arguments: Any) -> tuple[Outcome, ...]:
        """Perform it on several; one outcome each, failures first."""
        async with asyncio.timeout(60):
            return await self.deck.perform(self.order(verb, *names, **arguments))

    def witnessed(self) -> str:
        """All that the witness holds, as it stands in its files."""
        folder = self.deck.context.state / "witness"
        return "".join(p.read_text(errors="replace") for p in sorted(folder.rglob("*")) if p.is_file())


@asynccontextmanager
async def harbour(engine: Dockerd, sshd: Sshd | None = None, **start: Any) -> AsyncGenerator[Harbour]:
    """A deck with one node whose engine is ``engine``: this machine, or reached through ``sshd``."""
    entry = NodeEntry(name=NODE, extra={"docker": engine.url})
    if sshd is None:
        inventory = Inventory(nodes={NODE: replace(entry, local=True)})
    else:
        remote = replace(entry, ssh=sshd.entry())
        inventory = replace(Inventory(nodes={NODE: remote}), ssh=sshd.defaults())
    front = Asked()
    deck = open_deck(Start(**start), parts=(PIER,), inventory=inventory)
    deck.front = front
    deck.feed.configure(deck.inventory)
    try:
        await deck.feed.first(20)
        yield Harbour(deck, front, NODE)
    finally:
        await deck.close()
