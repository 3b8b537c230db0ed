"""A deck over the stacks of real engines, by real composes, on this machine or by SSH."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from docker.errors import NotFound

from app.deck import Answer, Deck, Order, Question
from app.fleet import Ref
from app.inventory.model import Inventory, NodeEntry, SshDefaults
from app.job import Job, Outcome
from app.registry import Part
from app.start import Start, open_deck
from backends.compose.backend import Compose
from backends.compose.paths import NodePath
from backends.compose.script import Lock, Where
from backends.kinds.stack import Stack
from tests.servers.compose import Composes, Version
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd, StartSshd
from tests.waiting import eventually

NODE = "pi"
PARTS = (Part("backends.kinds.stack:KIND", "backends.compose.backend:Compose"),)

SHOP = """\
version: "3.7"
services:
  redis:
    image: bb:1
    command: sleep 100000
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    healthcheck: {test: ["CMD", "true"], interval: 200ms, retries: 3}
  api:
    image: bb:1
    command: sleep 100000
    stop_signal: SIGKILL
    environment: {WHO: "${WHO:-nobody}", API_TOKEN: "${TOKEN:-hunter2-token}"}
    depends_on: [redis]
    healthcheck: {test: ["CMD", "true"], interval: 200ms, retries: 3}
  worker:
    image: bb:1
    command: sleep 100000
    stop_signal: SIGKILL
    profiles: [hp-worker]
    healthcheck: {test: ["CMD", "true"], interval: 200ms, retries: 3}
volumes: {data: {}}
"""


@dataclass
class Front:
    """An operator who agrees and remembers the questions."""

    answer: Answer = field(default_factory=lambda: Answer(True, "because"))
    questions: list[Question] = field(default_factory=list[Question])

    async def ask(self, question: Question) -> Answer:
        """Answer."""
        self.questions.append(question)
        return self.answer

    async def secret(self, what: str, prompt: str) -> str | None:
        """Knows none."""
        return None

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """There is none."""
        raise NotImplementedError


class Berth:
    """A deck, and orders in few words."""

    def __init__(self, deck: Deck, engine: Dockerd, home: Path, server: Sshd | None) -> None:
        self.deck = deck
        self.engine = engine
        self.home = home
        """Of the login on the nodes."""
        self.server = server
        self.front = Front()
        deck.front = self.front
        self.jobs: list[Job] = []

    @property
    def backend(self) -> Compose:
        """The backend under test."""
        backend = self.deck.backends["compose"]
        assert isinstance(backend, Compose)
        return backend

    # -- what is there

    def rows(self) -> dict[str, Stack]:
        """All rows by id."""
        return {row.id: row for row in self.deck.feed.fleet.of(Stack)}

    def row(self, name: str = "shop", node: str = NODE) -> Stack | None:
        """One row as last seen."""
        return self.rows().get(f"{node}/{name}")

    async def shown(self, name: str = "shop", node: str = NODE, within: float = 20.0, **state: Any) -> Stack:
        """The row once it is there and looks as said."""

        def there() -> bool:
            row = self.row(name, node)
            return row is not None and all(getattr(row, key) == value for key, value in state.items())

        await eventually(there, within, f"{node}/{name} with {state}: {self.rows()}")
        row = self.row(name, node)
        assert row is not None
        return row

    async def ready(self, name: str = "shop", node: str = NODE) -> Stack:
        """The row once its node has told what the stack is."""
        await eventually(lambda: (row := self.row(name, node)) and (row.services or row.fault), 20, name)
        return await self.shown(name, node)

    def containers(self, project: str = "shop") -> dict[str, str]:
        """Service -> state, as the engine has it now: its list lags behind what it knows of each."""
        client = self.engine.client
        states: dict[str, str] = {}
        for one in client.containers(all=True, filters={"label": f"com.docker.compose.project={project}"}):
            with contextlib.suppress(NotFound):
                said = client.inspect_container(one["Id"])["State"]["Status"]
                states[one["Labels"]["com.docker.compose.service"]] = said
        return states

    # -- what is done

    def order(self, verb: str, ids: Sequence[str], **arguments: Any) -> Order:
        """An order for stacks by id."""
        found = self.deck.catalog.find("stack", verb)
        assert found is not None, verb
        return Order(verb=found, targets=tuple(Ref("stack", one) for one in ids), arguments=arguments)

    async def act(self, verb: str, *ids: str, mode: str = "normal", **arguments: Any) -> list[Outcome]:
        """Perform a verb on stacks (``pi/shop`` where none is named); its outcomes, failures first."""
        order = replace(self.order(verb, ids or (f"{NODE}/shop",), **arguments), mode=mode)
        return list(await self.deck.perform(order, started=self.jobs.append))

    async def one(self, verb: str, *ids: str, **arguments: Any) -> Outcome:
        """The same for one stack."""
        (outcome,) = await self.act(verb, *ids, **arguments)
        return outcome

    async def look(self, view: str, *ids: str, **arguments: Any) -> Any:
        """Read a view of one stack, or of several."""
        found = self.deck.catalog.find("stack", view)
        assert found is not None
        rows = [self.rows()[one] for one in ids or (f"{NODE}/shop",)]
        method = getattr(self.backend, found.method)
        return await method(rows if view == "logs" else rows[0], **arguments)

    def witnessed(self) -> str:
        """Everything in the witness, as it stands on disk."""
        files = (self.deck.context.state / "witness").rglob("*")
        return "".join(file.read_text(errors="replace") for file in files if file.is_file())

    # -- what lies on the nodes

    def write(self, path: str, text: str) -> Path:
        """A file below the home folder of the login."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


class OpenBerth(Protocol):
    """What the ``berth`` fixture gives."""

    def __call__(
        self,
        version: Version = "v2",
        *,
        ssh: bool = False,
        stacks: Mapping[str, Any] | None = None,
        nodes: Mapping[str, Mapping[str, Any]] | None = None,
        options: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        start: Start | None = None,
        shop: str = SHOP,
    ) -> Awaitable[Berth]:
        """``stacks`` of the node ``pi``, or of several ``nodes``; ``shop`` is the compose file in ``~/shop``."""
        ...


@asynccontextmanager
async def opened(
    engine: Dockerd,
    composes: Composes,
    sshd_at: StartSshd,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: Version,
    *,
    ssh: bool,
    stacks: Mapping[str, Any] | None = None,
    nodes: Mapping[str, Mapping[str, Any]] | None = None,
    options: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    start: Start | None = None,
    shop: str = SHOP,
) -> AsyncGenerator[Berth]:
    """See ``OpenBerth``."""
    there = tmp_path / "there"
    there.mkdir(exist_ok=True)
    server = None
    if ssh:
        server = sshd_at(options={**composes.options(version, there, without=without), **(options or {})})
    else:
        for name, value in composes.environment(version, without=without).items():
            monkeypatch.setenv(name, value)
        there = home
    hosts = nodes if nodes is not None else {NODE: stacks if stacks is not None else {"shop": {"dir": "~/shop"}}}
    entries = {
        name: NodeEntry(
            name=name,
            local=server is None,
            ssh=server.entry(f"127.0.1.{number}") if server else None,
            extra={"docker": engine.url, "stacks": dict(found)},
        )
        for number, (name, found) in enumerate(hosts.items(), 1)
    }
    inventory = Inventory(nodes=entries, ssh=server.defaults() if server else SshDefaults())
    deck = open_deck(start or Start(), parts=PARTS, inventory=inventory)
    berth = Berth(deck, engine, there, server)
    if not (there / "shop").exists():
        berth.write("shop/docker-compose.yml", shop)
    deck.feed.configure(inventory)
    try:
        yield berth
    finally:
        await deck.close()
        for project in ("shop", "named", "one", "two"):
            lock = Path(Lock(Where(node=NODE, dir=NodePath.literal("/"), socket=engine.url), project, "").path)
            for file in lock.parent.glob(f"{lock.name}.*"):
                file.unlink(missing_ok=True)


Started = Callable[[Job], None]


async def over(job: Job) -> None:
    """Wait until a job has ended."""
    while not job.ended:
        await asyncio.sleep(0.01)
