"""Following one engine for everybody who listens, over and over: what it holds, that it is alive, or why not."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from app.errors import BadAnswer, Missing, QuarterdeckError
from backends.docker.contract import Deliver
from backends.docker.engine import NodeEngine
from backends.docker.following import Following
from backends.docker.summary import Seen
from backends.docker.told import Told
from backends.waking import wait

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 32.0
ABSENT_WAIT_S = 60.0
"""Seconds between two looks for an engine that nobody said there should be."""


class EngineWatch:
    """Follows one engine and tells everybody who listens; begins with the first of them."""

    def __init__(self, engine: Callable[[], NodeEngine], clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._listeners: list[Deliver] = []
        self._nudge = asyncio.Event()
        self._error: QuarterdeckError | None = None
        self._told = Told()
        self._followed: NodeEngine | None = None
        self._following: Following | None = None
        self._task: asyncio.Task[None] | None = None

    # -- who listens

    @property
    def idle(self) -> bool:
        """Nobody listens."""
        return not self._listeners

    def subscribe(self, deliver: Deliver, seen: Seen | None) -> Callable[[], None]:
        """Tell ``deliver`` from now on, and at once what is known already; returns what ends that."""
        heard = _Ear(deliver)
        self._listeners.append(heard)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="engine watch")
        elif self._error is not None:
            heard(self._error)
        elif seen is not None:
            heard(seen)

        def end() -> None:
            if heard in self._listeners:
                self._listeners.remove(heard)

        return end

    def nudge(self) -> None:
        """List again now, or try to reach it now."""
        if self._following is not None:
            self._following.nudge()
        else:
            self._nudge.set()

    def _tell(self, news: Seen | QuarterdeckError | None) -> None:
        self._error = news if isinstance(news, QuarterdeckError) else None
        for deliver in list(self._listeners):
            try:
                deliver(news)
            except Exception:
                log.exception("hearing of an engine")

    async def close(self) -> None:
        """Stop following it; bounded in time."""
        self._listeners.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=7)

    # -- connecting, over and over

    async def _run(self) -> None:
        failures = 0
        while True:
            self._nudge.clear()
            if self._followed is not None:
                await self._followed.reach.again()
            pause = ABSENT_WAIT_S
            try:
                engine = self._engine()
                if engine is not self._followed:
                    self._followed, self._told = engine, Told()
                following = self._following = Following(engine, self._told, self._tell, self._clock)
                try:
                    await following.run()
                finally:
                    self._following = None
                    failures = 0 if following.listed else failures
            except Missing as error:
                self._tell(error)
            except QuarterdeckError as error:
                self._tell(error)
                pause = min(2.0**failures, LONGEST_WAIT_S)
                failures += 1
            except Exception as error:
                log.exception("following an engine")
                self._tell(BadAnswer(f"a defect while reading the engine: {type(error).__name__}"))
                pause, failures = LONGEST_WAIT_S, failures + 1
            await wait(self._nudge, pause * random.uniform(0.8, 1.2))


class _Ear:
    """One subscription; two of the same function are two."""

    __slots__ = ("_deliver",)

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def __call__(self, news: Seen | QuarterdeckError | None) -> None:
        self._deliver(news)
