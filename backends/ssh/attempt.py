"""One attempt that several callers wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Attempt(Generic[T]):
    """A running piece of work shared by its callers: all get its result or its error.

    It goes on while at least one of them waits, and is cancelled with the last.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._task: asyncio.Task[T] = asyncio.create_task(work)
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._waiting = 0

    @property
    def done(self) -> bool:
        """It has ended, one way or the other."""
        return self._task.done()

    async def result(self) -> T:
        """Wait for its end."""
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if self._waiting == 0 and not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task])
