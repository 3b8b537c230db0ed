"""The list of projects, read once for all nodes: its file is looked at while somebody watches, and who it is about
hears of a change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from app.errors import QuarterdeckError
from backends.projects.registry import Registered, Registry

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""Seconds between two looks at the registry's file: two ``stat``, for other consoles write it too."""


class Listing:
    """What the registry holds, by node, as of the last look."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._mark: tuple[object, ...] | None = None
        self._by_node: dict[str, tuple[Registered, ...]] = {}
        self.broken: str | None = None
        """Why it cannot be read."""
        self._hearers: list[tuple[str, Callable[[], None]]] = []
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def on(self, node: str) -> tuple[Registered, ...]:
        """The projects of a node, by name; none while the registry cannot be read."""
        return self._by_node.get(node, ())

    def listen(self, node: str, changed: Callable[[], None]) -> Callable[[], None]:
        """Hear when a node's projects are others; returns what ends that. The first one begins the looking."""
        one = (node, changed)
        self._hearers.append(one)
        if self._task is None:
            self._task = asyncio.create_task(self._look_on(), name="list of projects")

        def end() -> None:
            if one in self._hearers:
                self._hearers.remove(one)
            if not self._hearers and self._task is not None:
                self._task.cancel()
                self._task = None

        return end

    async def look(self) -> None:
        """Read the registry where its file is another than at the last look."""
        async with self._reading:
            mark = self._registry.mark()
            if mark == self._mark:
                return
            before, broken = self._by_node, self.broken
            try:
                self._by_node, self.broken = await asyncio.to_thread(self._registry.all), None
            except QuarterdeckError as error:
                self._by_node, self.broken = {}, str(error)
            self._mark = mark
            for node, changed in list(self._hearers):
                if self.broken != broken or self._by_node.get(node) != before.get(node):
                    changed()

    async def _look_on(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("reading the list of projects")
            await asyncio.sleep(LOOK_EVERY_S)
