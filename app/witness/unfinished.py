"""Operations that were begun and never ended: what a console that was killed left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from app.witness.entry import Entry, Unreadable, as_json, decode
from app.witness.operations import Gathering, Operation
from app.witness.segments import opened, segments

_CACHE = "open.json"
_TEXT = rb'"(?:[^"\\]|\\.)*"'
_GLIMPSE = re.compile(
    rb'"verb":(%b),"target":%b,"phase":"(intent|step|outcome|refusal)",.*?,"trace":(%b),.*,"outcomes":(\d+)'
    % (_TEXT, _TEXT, _TEXT)
)


class _Sieve:
    """Lets fall the lines of operations that ended, by their bytes: parsing them all takes three times as long."""

    def __init__(self, begun: Iterable[Operation]) -> None:
        self._kept: dict[bytes, list[tuple[int, bytes]]] = {}
        self._missing: dict[bytes, int] = {}
        self._always = {_raw(each.first.verb) + _raw(each.first.trace) for each in begun}
        self._count = 0

    def add(self, line: bytes) -> None:
        """Take in the next line of the chain."""
        found = _GLIMPSE.search(line)
        if found is None:
            return
        key = found[1] + found[3]
        self._count += 1
        begins = found[2] == b"intent"
        if not begins and key not in self._kept and key not in self._always:
            return
        self._kept.setdefault(key, []).append((self._count, line))
        if begins:
            self._missing[key] = self._missing.get(key, 0) + max(1, int(found[4]))
        elif found[2] != b"step":
            self._missing[key] = self._missing.get(key, 0) - max(1, int(found[4]))
        if self._missing.get(key, 0) <= 0 and key not in self._always:
            self._kept.pop(key, None)
            self._missing.pop(key, None)

    def left(self) -> list[bytes]:
        """The lines that may belong to an open operation, in the order they came."""
        return [line for _, line in sorted(pair for pairs in self._kept.values() for pair in pairs)]


def _raw(text: str) -> bytes:
    return json.dumps(text).encode("ascii")


def open_operations(chain: Path) -> list[Operation]:
    """Operations of a chain without all their outcomes. Blocks.

    Beside the chain lies what was open at the last look and how far that look got, so that only what came since is
    read; where that note is missing or does not fit the chain, everything is.
    """
    begun, segment_first, offset = _noted(chain)
    sieve = _Sieve(begun)
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
                sieve.add(line)
            at = (segment.first, position)
    gathering = Gathering(begun, keep_ended=False)
    for line in sieve.left():
        with contextlib.suppress(Unreadable):
            gathering.add(decode(line))
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
