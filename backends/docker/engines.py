"""The engines of all nodes, each watched once for everybody who wants to hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.backend import Context
from app.errors import Missing
from app.inventory.model import NodeEntry
from backends.docker.contract import Deliver, Engines
from backends.docker.engine import NodeEngine
from backends.docker.watch import EngineWatch

_CLOSE_S = 8.0


def engines(context: Context) -> Engines:
    """The engines of a context's nodes; ask for them by ``context.shared(engines)``."""
    return NodeEngines(context)


class NodeEngines:
    """Makes each node's engine on first use; satisfies ``backends.docker.contract.Engines``.

    When a node's configuration changes its old engine is closed, and those who listen go on with the new one.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._engines: dict[str, NodeEngine] = {}
        self._watches: dict[str, EngineWatch] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, node: str) -> NodeEngine:
        """A node's engine, not necessarily reached.

        Raises Missing for a node nobody configured, Unsupported for one without an engine by its configuration, and
        ConfigurationError where its ``docker`` key names no place.
        """
        entry = self._context.inventory().nodes.get(node)
        if entry is None:
            raise Missing("no such node is configured", where=node)
        known = self._engines.get(node)
        if known is not None:
            if _same(known.entry, entry):
                return known
            del self._engines[node]
            self._later(known.close())
        made = self._engines[node] = NodeEngine(self._context, entry)
        return made

    def subscribe(self, node: str, deliver: Deliver) -> Callable[[], None]:
        """Hear of what a node's engine holds; see ``contract.Engines.subscribe``. Raises as ``of`` does."""
        engine = self.of(node)
        watch = self._watches.get(node)
        if watch is None:
            watch = self._watches[node] = EngineWatch(lambda: self.of(node), self._context.clock)
        ended = watch.subscribe(deliver, engine.seen)

        def end() -> None:
            ended()
            if watch.idle and self._watches.get(node) is watch:
                del self._watches[node]
                self._later(watch.close())

        return end

    def nudge(self, node: str) -> None:
        """List again now, or try to reach it now; nothing where nobody listens."""
        watch = self._watches.get(node)
        if watch is not None:
            watch.nudge()

    def _later(self, end: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(end)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Let go of all of them, within some seconds."""
        watches, self._watches = list(self._watches.values()), {}
        held, self._engines = list(self._engines.values()), {}
        for one in [*watches, *held]:
            self._later(one.close())
        if self._closing:
            await asyncio.wait(list(self._closing), timeout=_CLOSE_S)


def _same(one: NodeEntry, other: NodeEntry) -> bool:
    """Whether two entries of a node mean one engine by one way."""
    return one is other or (one.local, one.ssh, one.routes, one.fault, one.extra.get("docker")) == (
        other.local, other.ssh, other.routes, other.fault, other.extra.get("docker"),
    )  # fmt: skip
