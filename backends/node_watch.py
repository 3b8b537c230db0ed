"""What every backend of nodes does with what it hears: fold it into the row, and say so or say that nothing changed."""

from __future__ import annotations

import time

from app.backend import Context, Emit, Source
from app.errors import QuarterdeckError
from app.inventory.model import NodeEntry
from app.link import Link, Sample
from backends.node_rows import NodeRow, words
from backends.node_verbs.mutes import Mutes
from backends.sampling.sampler import Paused
from backends.standing import Standing, ours

SETTLE_S = 1.5
"""How long a one-shot look waits for costly figures after the first cheap ones."""


class NodeWatch:
    """One source's row, how it stands, and who is told.

    In a one-shot look nothing is told before there are rates and the costly figures have come, or ``SETTLE_S`` have
    gone by: the first reading is the one that is shown.
    """

    def __init__(self, source: Source, entry: NodeEntry, context: Context, mutes: Mutes, costly: int = 0) -> None:
        self.source = source
        self.entry = entry
        self.row = NodeRow(entry)
        self.standing = Standing(entry.interval, context.clock)
        self.row_at = context.clock()
        """When its figures were taken."""
        self.emit: Emit
        self._context = context
        self._mutes = mutes
        self._costly = costly
        self._held_since: float | None = None
        self.told = not context.one_shot
        """Something that was seen has been told."""
        self._faulty = False

    def begin(self, emit: Emit) -> bool:
        """Put the row up at once; says whether the node is to be contacted at all."""
        self.emit = emit
        faulty = self.entry.fault is not None
        if not self.standing.answered:
            reading = self.row.reading(self.source.backend, self._context.clock(), self.entry.fault, ours=faulty)
            emit(reading)
        return not faulty and not self._context.rows_only

    def took(self, sample: Sample, link: Link | None = None, address: str | None = None) -> None:
        """An answer came, by a link or from ``address``."""
        self.standing.works()
        self.row_at = sample.taken_at
        changed = self.row.fold(
            sample,
            address=link.address if link is not None else address,
            note=getattr(link, "note", None),
            cost=link.cost if link is not None else None,
            muted=self._mutes.get(self.entry.name, time.time()),
        )
        if not self.told and not self._ready(sample.taken_at):
            return
        if changed or self._faulty or not self.told:
            self.told, self._faulty = True, False
            self.emit(self.row.reading(self.source.backend, sample.taken_at))
        else:
            self.emit.alive()

    def _ready(self, now: float) -> bool:
        if self._held_since is None:
            self._held_since = now
        if not self._costly:
            return True
        return self.row.rated and (self.row.heard >= self._costly or now - self._held_since >= SETTLE_S)

    def failed(self, error: QuarterdeckError, address: str | None = None) -> None:
        """No answer came: keep the row, or say that it is down or unknown, or that it has to wait."""
        fault = words(error)
        if isinstance(error, Paused):
            self._faulty = True
            if self.row.waits(fault):
                self.emit(self.row.reading(self.source.backend, self.row_at))
            self.emit.fault(fault)
            return
        state = self.standing.fails(error)
        self._faulty = self.told = True
        if state is None:
            self.emit.fault(fault, ours=ours(error))
        elif self.row.becomes(state, fault, address):
            at = self._context.clock()
            self.emit(self.row.reading(self.source.backend, at, fault, ours=ours(error)))
        else:
            self.emit.fault(fault, ours=ours(error))
