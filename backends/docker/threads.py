"""Blocking work in threads that nobody waits for longer than wanted."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

MOST_ITEMS = 256
MOST_BYTES = 1 << 20
"""What a stream keeps for a reader that is late; then the other side waits."""


def in_thread(name: str, work: Callable[[], T]) -> asyncio.Future[T]:
    """Run blocking work in a thread of its own, which does not keep the program from ending.

    Cancelling the future does not end the work: whoever cancels shuts what it waits for.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # pyright: ignore[reportArgumentType]

    def run() -> None:
        result: T | None = None
        failed: BaseException | None = None
        try:
            result = work()
        except StopIteration as error:  # a future takes everything but this
            failed = RuntimeError(f"{error!r}")
        except BaseException as error:
            failed = error
        tell(loop, settle, result, failed)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def tell(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *args: Any) -> None:
    """Call something in the loop, from a thread; nothing when the loop is no more."""
    try:
        loop.call_soon_threadsafe(what, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


class Flow(Generic[T]):
    """Items on their way from a thread to the loop, bounded in number and bytes.

    The thread calls ``pour``, the loop awaits ``take`` until it returns nothing.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Condition()
        self._held: deque[T] = deque()
        self._bytes = 0
        self._over = False
        self._closed = False
        self._error: BaseException | None = None
        self._came = asyncio.Event()

    # -- in the thread

    def pour(self, begin: Callable[[], Iterator[T]]) -> None:
        """Hand over every item of what ``begin`` makes; returns when there are no more or nobody wants them."""
        items: Iterator[T] | None = None
        error: BaseException | None = None
        try:
            items = begin()
            for item in items:
                if not self._put(item):
                    break
        except BaseException as raised:
            error = raised
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                try:
                    close()
                except BaseException as raised:  # it was shut under its hands
                    error = error or raised
        with self._lock:
            self._over, self._error = True, error
        tell(self._loop, self._came.set)

    def _put(self, item: T) -> bool:
        size = _size(item)
        with self._lock:
            while not self._closed and (len(self._held) >= MOST_ITEMS or self._bytes >= MOST_BYTES):
                self._lock.wait()
            if self._closed:
                return False
            first = not self._held
            self._held.append(item)
            self._bytes += size
        if first:
            tell(self._loop, self._came.set)
        return True

    # -- in the loop

    async def take(self) -> list[T]:
        """Everything that has come since the last call, at least one item; none at the end. Raises what ended it."""
        while True:
            self._came.clear()
            with self._lock:
                if self._held:
                    taken = list(self._held)
                    self._held.clear()
                    self._bytes = 0
                    self._lock.notify()
                    return taken
                if self._over:
                    if self._error is not None:
                        raise self._error
                    return []
            await self._came.wait()

    def fail(self, done: asyncio.Future[None]) -> None:
        """The thread ended, perhaps before it could pour."""
        error = None if done.cancelled() else done.exception()
        with self._lock:
            self._over, self._error = True, self._error or error
        self._came.set()

    def close(self) -> None:
        """Nothing more is wanted."""
        with self._lock:
            self._closed = True
            self._held.clear()
            self._lock.notify()


def _size(item: object) -> int:
    if isinstance(item, (bytes, str)):
        return len(item)
    if isinstance(item, tuple):
        return sum(_size(part) for part in item)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return 64
