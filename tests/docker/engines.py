"""What a test of engines needs around it: a node, its context, and an ear for what its engine says."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from app.backend import Context
from app.errors import QuarterdeckError
from app.fleet import Fleet
from app.inventory.model import Inventory, NodeEntry, SshDefaults
from backends.docker.contract import Engines
from backends.docker.engines import engines
from backends.docker.summary import ContainerSummary, Seen
from backends.sampling.links import NodeLinks
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually


def near(engine: Dockerd, name: str = "here") -> NodeEntry:
    """This machine, with that engine."""
    return NodeEntry(name=name, local=True, extra={"docker": engine.url})


def far(engine: Dockerd, server: Sshd, name: str = "pi", host: str | None = None) -> NodeEntry:
    """A node reached by SSH, with that engine."""
    return NodeEntry(name=name, ssh=server.entry(host), extra={"docker": engine.url})


def context(*entries: NodeEntry, ssh: SshDefaults | None = None) -> Context:
    """A context over nodes, with real links."""
    hosts = Inventory(nodes={entry.name: entry for entry in entries}, ssh=ssh or SshDefaults())
    return Context(inventory=lambda: hosts, links=NodeLinks(lambda: hosts), fleet=Fleet)


class Hearing:
    """Keeps what an engine says, in order, with the moment it was heard."""

    def __init__(self) -> None:
        self.news: list[Seen | QuarterdeckError | None] = []
        self.moments: list[float] = []

    def __call__(self, news: Seen | QuarterdeckError | None) -> None:
        self.news.append(news)
        self.moments.append(time.monotonic())

    @property
    def last(self) -> Seen | QuarterdeckError | None:
        """The last of what was said, signs of life left out."""
        return next((one for one in reversed(self.news) if one is not None), None)

    @property
    def seen(self) -> Seen | None:
        """What was seen last, if nothing went wrong since."""
        return self.last if isinstance(self.last, Seen) else None

    @property
    def error(self) -> QuarterdeckError | None:
        """What is wrong now."""
        return self.last if isinstance(self.last, QuarterdeckError) else None

    def container(self, name: str) -> ContainerSummary | None:
        """A container as it was seen last."""
        return next((one for one in self.seen.containers if one.name == name), None) if self.seen else None

    def state(self, name: str) -> str | None:
        """The state of a container as it was seen last."""
        found = self.container(name)
        return found.state if found else None


def threads() -> list[str]:
    """The threads that engines run."""
    return [one.name for one in threading.enumerate() if one.name.startswith("docker ")]


@contextlib.asynccontextmanager
async def opened(around: Context) -> AsyncGenerator[Engines]:
    """The engines of a context; closed at the end, after which none of their threads is left."""
    held = around.shared(engines)
    try:
        yield held
    finally:
        await held.close()
        await around.links.close()
        await eventually(lambda: not threads(), what=f"threads are left: {threads()}")


@contextlib.asynccontextmanager
async def hearing(around: Context, node: str) -> AsyncGenerator[Hearing]:
    """Hear of one engine until the block ends, from the first time it was seen or failed."""
    async with opened(around) as held:
        ear = Hearing()
        end = held.subscribe(node, ear)
        await eventually(lambda: ear.last, 20, "nothing was heard")
        yield ear
        end()
        await asyncio.sleep(0)


__all__ = ["Hearing", "Path", "context", "far", "hearing", "near", "opened", "threads"]
