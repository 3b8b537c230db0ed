"""What the rest of the program may ask of a node's container engine, whoever speaks to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from app.errors import QuarterdeckError
from backends.docker.summary import Seen

T = TypeVar("T")

Client = Any
"""docker-py's low-level ``APIClient``; its types are too partial to be checked strictly."""

Deliver = Callable[[Seen | QuarterdeckError | None], None]
"""Hears of what an engine holds: ``Seen`` when something changed, ``None`` when it answered and nothing did, an error
when it did not answer. ``Missing`` means that the node has no engine and nobody said that it should."""


class Engine(Protocol):
    """One node's engine. Every method raises Unreachable (or a subclass) when it cannot be reached."""

    node: str

    @property
    def seen(self) -> Seen | None:
        """What it held when last looked at; ``None`` before that."""
        ...

    async def call(self, work: Callable[[Client], T], *, timeout: float = 30.0) -> T:
        """Run blocking work with a client in a thread of this engine.

        The engine's refusals come back as errors in words: Missing for 404, Refused for 409, Denied for 401 and 403,
        BadAnswer for the rest; the engine's own message is in them. Raises TimedOut after ``timeout`` seconds.
        """
        ...

    def stream(self, begin: Callable[[Client], Iterator[T]]) -> AsyncGenerator[T]:
        """The items of a blocking iterator, which has a client of its own; a slow reader makes the engine wait.

        Closing the generator ends the request at once, also while nothing comes.
        """
        ...

    async def socket(self) -> Path:
        """A Unix socket of this machine that the engine answers on, for child programs; open while the console is."""
        ...


class Engines(Protocol):
    """The engines of all nodes, shared by every backend that needs one."""

    def of(self, node: str) -> Engine:
        """A node's engine; not necessarily reached. Raises Missing for a node nobody configured, Unsupported for one
        whose engine is switched off (``docker: false``)."""
        ...

    def subscribe(self, node: str, deliver: Deliver) -> Callable[[], None]:
        """Hear of what a node's engine holds, from now on; returns what ends that.

        The first subscription starts the watching (one events stream, one list after each connect), the end of the
        last one stops it. What is known already is delivered at once.
        """
        ...

    def nudge(self, node: str) -> None:
        """List again now, or try to reach it now."""

    async def close(self) -> None:
        """Let go of all of them, bounded in time."""
