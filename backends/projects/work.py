"""One change of one project from its first step to its last: held against others, and never left looking finished."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from app.errors import Busy, QuarterdeckError
from app.plan import Report, Result, Run
from backends.projects.folder import Hold
from backends.projects.ground import Ground

log = logging.getLogger(__name__)


class Work:
    """Holds a project while steps run; a step that is cancelled lets go of it.

    With ``launches``, a definition as JSON, the registry says that its launch is under way until ``end`` is called.
    """

    def __init__(self, ground: Ground, name: str, *, launches: str | None = None) -> None:
        self.ground = ground
        self.name = name
        self._launches = launches
        self._noted = False
        self._refused = False
        self._hold = Hold(ground.link, name)

    def step(self, run: Run) -> Run:
        """A step's work, after which nothing is held when it was cancelled."""

        async def guarded(report: Report) -> Result | None:
            try:
                return await run(report)
            except asyncio.CancelledError:
                await asyncio.shield(self.end(cut=True))
                raise

        return guarded

    async def begin(self, report: Report) -> None:
        """Take hold of the project; raises Busy with who has it."""
        if self._hold.held:
            return
        try:
            guarded = await self._hold.take()
        except Busy:
            self._refused = True
            raise
        if not guarded:
            report.log("the node has no 'flock': nobody else is kept from starting or stopping it meanwhile")
        if self._launches is not None:
            self._noted = True
            await asyncio.to_thread(self.ground.registry.launching, self.ground.node, self.name, self._launches)

    @property
    def begun(self) -> bool:
        """Whether it got hold of the project."""
        return self._hold.held

    def tried(self) -> None:
        """Raise a wordless Busy where somebody else had hold of the project: for last steps, which then did nothing."""
        if self._refused:
            raise Busy("")

    async def end(self, *, cut: bool = False) -> None:
        """Let go; ``cut``: a launch was not brought to its end. Never raises; again changes nothing."""
        try:
            if self._noted:
                self._noted = False
                await asyncio.to_thread(self.ground.registry.launched, self.ground.node, self.name, cut=cut)
        except QuarterdeckError:
            log.exception("noting the end of a launch of %s", self.name)
        finally:
            with contextlib.suppress(QuarterdeckError):
                await self._hold.give_back()
