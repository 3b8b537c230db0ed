"""One node's projects as a reading: the engine's news and the registry's file, turned into rows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache

from app.backend import Context, Emit, Source
from app.errors import ConfigurationError, Missing, QuarterdeckError
from app.fleet import Reading
from backends.docker.contract import Engines
from backends.docker.summary import Seen
from backends.kinds.project import Project
from backends.node_rows import words
from backends.projects import rows
from backends.projects.definition import Definition
from backends.projects.listing import Listing
from backends.projects.registry import being_launched
from backends.standing import ours
from backends.waking import wait

BEAT_S = 2.0
"""Seconds between two looks at whether a process that was launching something has gone without a word."""
NAMES_WITHIN_S = 2.0
"""How long a command that acts waits for the names that only the engine knows."""
_NOTHING = Seen(taken_at=0.0)


@lru_cache(maxsize=256)
def read(text: str) -> Definition | None:
    """The definition in a JSON text; ``None`` where it cannot be read, as one of a later version may not."""
    from backends.projects.reading import from_json

    try:
        return from_json(text)
    except ConfigurationError:
        return None


class NodeProjects:
    """What is known of one node's projects, and who is told."""

    def __init__(self, source: Source, context: Context, engines: Engines, listing: Listing) -> None:
        self._source = source
        self._context = context
        self._engines = engines
        self._listing = listing
        self._seen: Seen | None = None
        self._error: QuarterdeckError | None = None
        self._heard = False
        self._registered = listing.on(source.name)
        self._broken = listing.broken
        self._rows: tuple[Project, ...] = ()
        self._launching: set[str] = set()
        self._emit: Emit
        self._news = asyncio.Event()

    async def run(self, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell what is seen until cancelled."""
        self._emit, self._news = emit, nudge
        await self._listing.look()
        self._read_listing()
        if not self._context.rows_only:
            self._tell()
        end = self._engines.subscribe(self._source.name, self._hear)
        try:
            if self._context.rows_only:  # labels may tell of more than the registry knows: worth a moment
                await wait(nudge, NAMES_WITHIN_S)
                self._heard = False
                self._tell()
            while True:
                asked = await wait(nudge, BEAT_S)
                nudge.clear()
                if asked:
                    await self._listing.look()
                changed = self._read_listing()
                heard, self._heard = self._heard, False
                if asked and not heard and not changed:
                    self._engines.nudge(self._source.name)
                if heard or changed or self._launch_ended():
                    self._tell()
        finally:
            end()

    def _hear(self, said: Seen | QuarterdeckError | None) -> None:
        if said is None and self._error is None:
            self._emit.alive()
            return
        if isinstance(said, Missing):  # nobody said that there is an engine: then nothing runs
            self._seen, self._error = _NOTHING, said if self._registered else None
        elif isinstance(said, QuarterdeckError):
            self._error = said
        else:
            self._seen, self._error = said or self._seen, None
        self._heard = True
        self._news.set()

    def _launch_ended(self) -> bool:
        """Whether a process that was launching something has gone without a word since the rows were made."""
        launching = {one.name for one in self._registered if being_launched(one)}
        ended, self._launching = self._launching - launching, launching
        return bool(ended)

    def _read_listing(self) -> bool:
        """Take what the registry holds; says whether that is another now."""
        before = self._registered, self._broken
        self._registered, self._broken = self._listing.on(self._source.name), self._listing.broken
        return before != (self._registered, self._broken)

    def _tell(self) -> None:
        error = self._error
        if error is not None and not isinstance(error, Missing) and self._seen is not None:
            self._emit.fault(words(error), ours=ours(error))
            return
        seen = None if error is not None else self._seen
        made = rows.projects(self._source.name, self._registered, seen, read)
        fault, whose = self._broken, self._broken is not None
        if error is not None:
            fault, whose = words(error), ours(error)
            made = tuple(replace(row, fault=fault) for row in made)
        reading = Reading(
            backend=self._source.backend,
            source=self._source.name,
            items=self._kept(made),
            taken_at=self._context.clock(),
            interval=self._source.interval,
            fault=fault,
            ours=whose,
        )
        self._emit(reading)
        if seen is not None and fault is None and not made:
            self._emit.alive()  # an empty reading alone looks like one that is still to come

    def _kept(self, made: tuple[Project, ...]) -> tuple[Project, ...]:
        """The same rows as objects that are known already where nothing of them changed."""
        old = {row.id: row for row in self._rows}
        self._rows = tuple(old[row.id] if old.get(row.id) == row else row for row in made)
        return self._rows
