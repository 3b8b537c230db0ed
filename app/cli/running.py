"""One command line's event loop: signals interrupt it once in good order, and nothing keeps it from ending."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from app.cli.exits import INTERRUPTED
from app.cli.output import complain
from app.start import log_to_file

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Interrupts:
    """What a signal does at the moment."""

    task: asyncio.Task[Any] | None = None
    handed_over: bool = False
    """A child has the terminal: its interrupts are not ours."""
    seen: int = 0
    restore: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """What must be undone before leaving at once: a terminal that does not echo."""

    def __call__(self, number: signal.Signals) -> None:
        """Cancel what runs; the second time leave at once."""
        if self.handed_over and number is signal.SIGINT:
            return
        self.seen += 1
        if self.seen == 1 and self.task is not None:
            complain(f"{number.name}: cancelling; again to leave at once")
            self.task.cancel()
        elif self.seen > 1:
            for undo in self.restore:
                undo()
            os._exit(INTERRUPTED)


interrupts = Interrupts()
"""There is one terminal, so there is one of these."""


def run(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command's coroutine to its exit code; 130 where a signal ended it.

    Remaining tasks are cancelled and given five seconds; threads that hang in a system call are left behind.
    """
    gc.freeze()
    gc.enable()
    log_to_file()
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_guarded(loop, work))
    finally:
        with contextlib.suppress(Exception):
            loop.run_until_complete(_end_rest())
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _guarded(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    task = asyncio.ensure_future(work())
    interrupts.task, interrupts.seen = task, 0
    handled: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                loop.add_signal_handler(number, interrupts, number)
                handled.append(number)
    try:
        return await task
    except asyncio.CancelledError:
        if not interrupts.seen:
            raise
        return INTERRUPTED
    finally:
        interrupts.task = None
        for number in handled:
            loop.remove_signal_handler(number)


async def _end_rest() -> None:
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=5)
