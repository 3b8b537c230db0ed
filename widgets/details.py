"""The rest of a describe screen: what has to be asked for, read beside the screen while it is open."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields

from app.column import Section, Token, clean
from app.errors import QuarterdeckError
from app.fleet import Resource
from app.verb import Sections, View
from widgets.page import Line, wrapped

log = logging.getLogger(__name__)

WITHIN = 30.0
"""Seconds an answer may take."""
EVERY = 4.0
"""Seconds between two readings at the least, where news of the row make another one worth while."""

Ask = Callable[[], Awaitable[View]]
"""Asks for the sections."""


class Details:
    """Reads the sections; ``changed`` is called whenever there is something else to draw."""

    def __init__(
        self,
        find: Callable[[], Ask | None],
        changed: Callable[[], None],
        *,
        name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``find`` says how to ask now; ``None`` where there is nobody to ask."""
        self.sections: tuple[Section, ...] = ()
        self.fault = ""
        self._find = find
        self._changed = changed
        self._name = name
        self._clock = clock
        self._reading: asyncio.Task[None] | None = None
        self._begun_at = 0.0
        self._told: tuple[object, ...] | None = None
        self._due = False

    @property
    def reading(self) -> bool:
        """Whether an answer is being waited for."""
        return self._reading is not None and not self._reading.done()

    def begin(self) -> None:
        """Read now, unless that is under way."""
        if self.reading:
            return
        ask = self._find()
        if ask is None:
            return
        self._due = False
        self._begun_at = self._clock()
        self._reading = asyncio.create_task(self._read(ask), name=f"details {self._name}")

    def hear(self, row: Resource | None) -> None:
        """The row as it is now: more than a figure of it changed is a reason to read again, before long."""
        if row is None:
            return
        told = _without_figures(row)
        if self._told is not None and told != self._told:
            self._due = True
        self._told = told

    def want(self) -> None:
        """Something was done: read again before long."""
        self._due = True

    def tick(self) -> None:
        """Time passes: read again where that is due."""
        if self._due and self._clock() - self._begun_at >= EVERY:
            self.begin()

    def end(self) -> None:
        """Nobody waits for it any more."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, ask: Ask) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                found = await ask()
        except QuarterdeckError as error:
            self.fault = str(error)
        except TimeoutError:
            self.fault = f"no answer within {WITHIN:.0f} s"
        except Exception as error:
            log.exception("details of %s", self._name)
            self.fault = f"{type(error).__name__}: {error} (details are in the log file)"
        else:
            self.fault = ""
            self.sections = found.sections if isinstance(found, Sections) else ()
        self._reading = None
        self._changed()

    def lines(self, width: int) -> list[Line]:
        """What stands in place of sections: that they are being read, or why they cannot be."""
        if self.fault:
            found = wrapped(((f"! {clean(self.fault)}", Token.WARN),), max(10, width - 2))
            return [((" ", Token.WARN), *line) for line in found]
        if self.reading and not self.sections:
            return [((" reading …", Token.MUTED),)]
        return []


def _without_figures(row: Resource) -> tuple[object, ...]:
    """A row less its numbers: they change all the time, and the screen shows them anyway."""
    values = [getattr(row, field.name) for field in fields(row)]
    return tuple(value for value in values if isinstance(value, bool) or not isinstance(value, int | float))


__all__ = ["EVERY", "Ask", "Details"]
