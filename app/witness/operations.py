"""Entries put together again into the operations they tell of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.witness.entry import Entry, Phase

_ENDS = (Phase.OUTCOME, Phase.REFUSAL)


@dataclass(slots=True, eq=False)
class Operation:
    """An intent (or a refusal or note standing alone) and what came of it, in the order it came."""

    first: Entry
    then: list[Entry] = field(default_factory=list[Entry])
    missing: int = 0
    """How many announced outcomes have not come."""

    @property
    def seconds(self) -> float | None:
        """From the intent to the last outcome; ``None`` while it is open, or where a clock was set back between."""
        if self.missing or not self.then:
            return None
        return elapsed(self.first, self.then[-1])

    def add(self, entry: Entry) -> None:
        """Take in what came next."""
        self.then.append(entry)
        if entry.phase in _ENDS:
            self.missing = max(0, self.missing - max(1, entry.outcomes))

    def handles(self) -> list[str]:
        """What the outside calls what was started and has not been told the end of."""
        ended = {entry.target for entry in self.then if entry.phase in _ENDS}
        return [e.handle for e in self.then if e.phase is Phase.STEP and e.handle and e.target not in ended]


def elapsed(start: Entry, end: Entry) -> float | None:
    """Seconds between two entries; ``None`` where that would be less than nothing."""
    try:
        seconds = (datetime.fromisoformat(end.time) - datetime.fromisoformat(start.time)).total_seconds()
    except (ValueError, TypeError):
        return None
    return seconds if seconds >= 0 else None


class Gathering:
    """Sorts entries, fed in order, into operations: by trace and verb, first to the intent that named the target."""

    def __init__(self, begun: Iterable[Operation] = (), *, keep_ended: bool = True) -> None:
        self.operations: list[Operation] = list(begun)
        self._keep_ended = keep_ended
        self._open: dict[tuple[str, str, str], list[Operation]] = {}
        for operation in self.operations:
            self._open.setdefault(_key(operation.first), []).append(operation)

    def add(self, entry: Entry) -> None:
        """Take in the next entry of the chain."""
        if entry.phase is Phase.INTENT:
            operation = Operation(entry, missing=max(1, entry.outcomes))
            self.operations.append(operation)
            self._open.setdefault(_key(entry), []).append(operation)
            return
        waiting = self._open.get(_key(entry), [])
        named = (each for each in waiting if entry.target and entry.target in each.first.target.split(","))
        operation = next(named, waiting[0] if waiting else None)
        if operation is None:
            if self._keep_ended:
                self.operations.append(Operation(entry))
            return
        operation.add(entry)
        if not operation.missing:
            waiting.remove(operation)
            if not self._keep_ended:
                self.operations.remove(operation)

    def open(self) -> list[Operation]:
        """Those whose outcomes have not all come, in the order they began."""
        return [operation for operation in self.operations if operation.missing]


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.trace, entry.verb, entry.operator + "@" + entry.host


def gather(entries: Iterable[Entry]) -> list[Operation]:
    """All operations of some entries, in the order they began."""
    gathering = Gathering()
    for entry in entries:
        gathering.add(entry)
    return gathering.operations
