"""What tests of logs share: engines by their sockets, and lines read until a condition holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.backend import Context, nobody
from app.fleet import Fleet
from app.inventory.model import Inventory, NodeEntry, SshDefaults
from app.registry import links
from app.verb import Line
from backends.docker.contract import Engines
from backends.docker.engines import engines
from backends.docker.logs import LogRequest, asked, merged
from tests.servers.dockerd import Dockerd


def local(name: str, socket: Path) -> NodeEntry:
    """A node of this machine with a private engine."""
    return NodeEntry(name=name, local=True, extra={"docker": f"unix://{socket}"})


@asynccontextmanager
async def engines_of(*entries: NodeEntry, ssh: SshDefaults | None = None) -> AsyncGenerator[Engines]:
    """The engines of these nodes, closed afterwards."""
    inventory = Inventory(nodes={entry.name: entry for entry in entries}, ssh=ssh or SshDefaults())
    network = links(lambda: inventory, nobody, one_shot=False, clock=time.monotonic)
    made = Context(inventory=lambda: inventory, links=network, fleet=Fleet).shared(engines)
    try:
        yield made
    finally:
        await made.close()
        await network.close()


def requests(engine: Dockerd, node: str, *names: str) -> list[LogRequest]:
    """Requests for containers of an engine by their names."""
    ids = [engine.client.inspect_container(name)["Id"] for name in names]
    return [LogRequest(node, found, f"{node}/{name}") for name, found in zip(names, ids, strict=True)]


async def all_lines(of: Engines, wanted: list[LogRequest], **arguments: Any) -> list[Line]:
    """Every line of logs that end."""
    async with asyncio.timeout(30):
        return [line async for line in merged(of, wanted, asked(**arguments))]


class Followed:
    """Lines of followed logs as they come."""

    def __init__(self, of: Engines, wanted: list[LogRequest], **arguments: Any) -> None:
        self.lines: list[Line] = []
        self.error: BaseException | None = None
        self._lines = merged(of, wanted, asked(follow=True, **arguments))
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for line in self._lines:
                self.lines.append(line)
        except Exception as error:
            self.error = error

    @property
    def texts(self) -> list[str]:
        """What the lines say."""
        return [line.text for line in self.lines]

    @property
    def over(self) -> bool:
        """Whether it ended."""
        return self._task.done()

    async def __aenter__(self) -> Followed:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._lines.aclose()


def ended(engine: Dockerd, *names: str) -> Callable[[], bool]:
    """Whether containers have stopped."""

    def look() -> bool:
        states: list[Mapping[str, Any]] = [engine.client.inspect_container(name)["State"] for name in names]
        return not any(state["Running"] for state in states)

    return look
