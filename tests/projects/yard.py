"""A deck with projects on real engines, and definitions of small services."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.deck import Deck, Order
from app.fleet import Ref
from app.inventory.model import Inventory, NodeEntry
from app.job import Outcome
from app.registry import Part
from app.start import Start, open_deck
from app.verb import Rows
from backends.kinds.project import Project
from backends.projects import registry
from tests.frame.decks import Asked
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

PARTS = (
    Part("backends.kinds.node:KIND", "backends.local.backend:Local"),
    Part("backends.kinds.node:KIND", "backends.ssh.backend:Ssh"),
    Part("backends.kinds.project:KIND", "backends.projects.backend:Projects"),
)

TWO = """\
services:
  db:
    image: bb:1
    command: mkdir -p /www && echo at last > /www/began && exec httpd -f -p 5432 -h /www
    ports: 5432
    volumes: {data: /data}
    secrets: [db_password]
    health: {test: wget -q -O /dev/null http://127.0.0.1:5432/began, interval: 1, timeout: 2}
    cpus: 0.5
    memory_mb: 64
    stop_timeout: 0
  web:
    image: bb:1
    command: mkdir -p /www && echo hello > /www/index.html && exec httpd -f -p 8000 -h /www
    ports: [8000]
    env:
      URL: 'http://user:${secret:db_password}@db:5432/${project}'
      PUBLIC: 'http://${host}:${port:web}'
    mounts: [{target: /project}]
    health: {test: [wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/'], interval: 1, timeout: 2}
    depends_on: [db]
    stop_timeout: 0
"""
"""Two services that are healthy after about a second."""


LOWEST = 20000 + 60 * (os.getpid() % 200)
"""Where blocks of ports begin in this process: others test on the same machine at the same time."""
CONSOLE = (
    "-c",
    f"from backends.projects import registry; registry.LOWEST = {LOWEST}; from app.cli import main; main()",
)
"""Arguments of Python that run a command line with these ports."""


def nodes(engine: Dockerd, **more: NodeEntry) -> Inventory:
    """This machine with a private engine, and what else is given."""
    here = NodeEntry(name="here", local=True, extra={"docker": engine.url})
    return Inventory(nodes={"here": here, **more})


def far(sshd: Sshd, engine: Dockerd, name: str = "far") -> NodeEntry:
    """A node reached by SSH whose engine is a private one."""
    return NodeEntry(name=name, ssh=sshd.entry(), extra={"docker": engine.url})


class Yard:
    """A deck, and short words for what tests do with it."""

    def __init__(self, deck: Deck) -> None:
        self.deck = deck

    def row(self, name: str = "shop", node: str = "here") -> Project | None:
        """A project's row as it is now."""
        return next((one for one in self.deck.feed.fleet.of(Project) if one.id == f"{node}/{name}"), None)

    async def until(self, state: str, name: str = "shop", node: str = "here", within: float = 20.0) -> Project:
        """Wait until a project is in a state."""

        def there() -> bool:
            row = self.row(name, node)
            return row is not None and row.state == state

        try:
            await eventually(there, within)
        except AssertionError:
            raise AssertionError(f"not {state} but {self.row(name, node)}") from None
        row = self.row(name, node)
        assert row is not None
        return row

    async def do(self, verb: str, target: str | None = "shop", /, node_: str = "here", **arguments: Any) -> Outcome:
        """Perform a verb of projects; the one outcome."""
        declared = self.deck.catalog.find("project", verb)
        assert declared is not None
        targets: tuple[Ref, ...] = ()
        if declared.takes_target:
            await eventually(lambda: self.row(target or "", node_), what=f"{node_}/{target} is there")
            targets = (Ref("project", f"{node_}/{target}"),)
        order = Order(verb=declared, targets=targets, arguments=arguments, why="because of a test")
        outcomes = await self.deck.perform(order)
        assert len(outcomes) == 1, outcomes
        return outcomes[0]

    async def add(self, folder: Path | str, definition: Path | None = None, name: str = "shop", **more: Any) -> Outcome:
        """Register a project."""
        given = {"name": name, "path": str(folder), **more}
        if definition is not None:
            given["definition"] = definition
        return await self.do("add", None, **given)

    async def added(self, tmp_path: Path, text: str = "") -> Path:
        """A project ``shop`` with a folder and the definition of two services, or another; returns that file."""
        file = write(tmp_path, text or TWO)
        outcome = await self.add(folder_of(tmp_path), file)
        assert outcome.outcome == "done", outcome
        return file

    async def view(self, view: str, name: str = "shop", node: str = "here", **arguments: Any) -> Any:
        """A view of one project."""
        declared = self.deck.catalog.find("project", view)
        row = self.row(name, node)
        assert declared is not None
        assert row is not None
        return await self.deck.look(declared, row, arguments)

    async def status(self, name: str = "shop", node: str = "here") -> dict[str, Any]:
        """The rows of ``status`` by service."""
        rows = await self.view("status", name, node)
        assert isinstance(rows, Rows)
        return {one.name: one for one in rows.items}


@asynccontextmanager
async def yard(inventory: Inventory) -> AsyncGenerator[Yard]:
    """A deck that watches nodes and projects, and answers every question with yes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "LOWEST", LOWEST)
        deck = open_deck(Start(), parts=PARTS, inventory=inventory)
        deck.front = Asked()
        deck.feed.configure(replace(deck.inventory))
        try:
            yield Yard(deck)
        finally:
            await deck.close()


def folder_of(tmp_path: Path) -> Path:
    """A project's folder with something in it."""
    folder = tmp_path / "my shop"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello from the folder\n")
    return folder


def write(tmp_path: Path, text: str = TWO, name: str = "two.yaml") -> Path:
    """A definition's file."""
    path = tmp_path / name
    path.write_text(text)
    return path


def said_inside(engine: Dockerd, container: str, line: str) -> str:
    """What a shell line says inside a container."""
    made = engine.client.exec_create(container, ["/bin/sh", "-c", line])
    said: bytes = engine.client.exec_start(made["Id"])
    return said.decode()
