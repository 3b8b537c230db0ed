"""What must not run side by side: lanes by name, each as wide as the steps that use it say."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager


class Lanes:
    """The lanes of all jobs. Who comes first goes first, and a lane that nobody is in or waits for is forgotten."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def within(self, lanes: str | Sequence[str] | None, width: int = 1) -> AsyncGenerator[None]:
        """Be in one lane, or in several at once, together with no more than ``width - 1`` others in each.

        Several are entered in one order, whoever asks, so that no two can wait for each other.
        """
        names = (lanes,) if isinstance(lanes, str) else lanes or ()
        async with AsyncExitStack() as entered:
            for name in sorted(set(names)):
                await entered.enter_async_context(self._in(name, max(1, width)))
            yield

    @asynccontextmanager
    async def _in(self, name: str, width: int) -> AsyncGenerator[None]:
        lane = self._lanes.setdefault(name, _Lane())
        await lane.enter(width)
        try:
            yield
        finally:
            lane.leave()
            if lane.empty and self._lanes.get(name) is lane:
                del self._lanes[name]


class _Lane:
    """One lane: how many are in it, and who waits for how much room."""

    def __init__(self) -> None:
        self._inside = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def empty(self) -> bool:
        return not self._inside and not self._waiting

    async def enter(self, width: int) -> None:
        if not self._waiting and self._inside < width:
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        place = (width, turn)
        self._waiting.append(place)
        try:
            await turn
        except asyncio.CancelledError:
            if place in self._waiting:
                self._waiting.remove(place)
                self._let_in()
            else:  # its turn came in the very moment in which it was cancelled
                self.leave()
            raise

    def leave(self) -> None:
        self._inside -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._inside < self._waiting[0][0]:
            _, turn = self._waiting.popleft()
            self._inside += 1
            if not turn.done():
                turn.set_result(None)
