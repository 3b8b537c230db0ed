"""Entries put together again: one operation as a tree, and operations that were begun and never ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from app.witness.entry import Entry, Phase, Unreadable, as_json, decode
from app.witness.segments import opened, segments

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


_PHASES_OF_OPEN = (b'"phase":"intent"', b'"phase":"outcome"', b'"phase":"refusal"', b'"phase":"step"')
_CACHE = "open.json"


def open_operations(chain: Path) -> list[Operation]:
    """Operations of a chain without all their outcomes. Blocks.

    Beside the chain lies what was open at the last look and how far that look got, so that only what came since is
    read; where that note is missing or does not fit the chain, everything is.
    """
    begun, segment_first, offset = _noted(chain)
    gathering = Gathering(begun, keep_ended=False)
    at = (segment_first, offset)
    for segment in segments(chain):
        if segment.first < segment_first:
            continue
        with opened(segment) as stream:
            position = stream.seek(offset) if segment.first == segment_first else 0
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                position += len(line)
                if any(phase in line for phase in _PHASES_OF_OPEN):
                    with contextlib.suppress(Unreadable):
                        gathering.add(decode(line))
            at = (segment.first, position)
    _note(chain, gathering.open(), *at)
    return gathering.open()


def _noted(chain: Path) -> tuple[list[Operation], int, int]:
    """What the last look left: open operations, and the segment and offset it got to; nothing where it does not fit."""
    try:
        raw: object = json.loads((chain / _CACHE).read_bytes())
        values = cast("dict[str, Any]", raw)
        first, offset = int(values["segment"]), int(values["offset"])
        begun = [
            Operation(_entry(each["first"]), [_entry(entry) for entry in each["then"]], int(each["missing"]))
            for each in values["open"]
        ]
        found = next(segment for segment in segments(chain) if segment.first == first)
        with opened(found) as stream:
            if offset > 0:
                stream.seek(offset - 1)
                if stream.read(1) != b"\n":
                    return [], 0, 0
    except (OSError, ValueError, KeyError, TypeError, StopIteration, RecursionError):
        return [], 0, 0
    return begun, first, offset


def _entry(values: object) -> Entry:
    return decode(json.dumps(values).encode("ascii"))


def _note(chain: Path, operations: Sequence[Operation], segment: int, offset: int) -> None:
    """Leave a note for the next look; it is only ever a shortcut, so failing to write it is no fault."""
    values = {
        "segment": segment,
        "offset": offset,
        "open": [
            {"first": as_json(each.first), "then": [as_json(entry) for entry in each.then], "missing": each.missing}
            for each in operations
        ],
    }
    draft = chain / f"{_CACHE}.{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                json.dump(values, file)
            draft.rename(chain / _CACHE)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def as_open_intent(operation: Operation) -> Entry:
    """The intent of an open operation, with the handles of what was started and has not ended, one per line."""
    return replace(operation.first, handle="\n".join(operation.handles()) or None)
