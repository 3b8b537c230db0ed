"""Which entries: filters, the moments operators type, and reading a chain from either end."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from app.errors import ConfigurationError
from app.witness.entry import Entry, Unreadable, decode, stamp
from app.witness.segments import Segment, backwards, opened, segments

Damage = Callable[[str], None]
"""Told of each line that is no entry, as ``FILE: what``; reading goes on behind it."""

_AGE = re.compile(r"(\d{1,9})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME_AT = b'"time":"'


def moment(text: str, *, option: str, now: datetime | None = None, end: bool = False) -> datetime:
    """What an operator typed as a moment: an age (``90s``, ``2h``, ``3d``), a date, or RFC 3339.

    Without a zone the local one is meant. A date is its first moment, or with ``end`` its last.
    Raises ConfigurationError naming the option.
    """
    now = now or datetime.now(UTC)
    try:
        if age := _AGE.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        found = datetime.fromisoformat(text.strip())
        if end and _DATE.fullmatch(text.strip()):
            found += timedelta(days=1, microseconds=-1)
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"'{text}' is no moment",
            where=option,
            todo="give an age such as 2h or 3d, a date such as 2025-11-20, or 2025-11-20T09:41:00Z",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are wanted; a field that is ``None`` asks for nothing. Patterns are globs and mind case."""

    since: datetime | None = None
    until: datetime | None = None
    verb: str | None = None
    """The whole verb or one word of it: ``node reboot``, ``reboot``, ``node``."""
    target: str | None = None
    """With or without the kind, any one of several: ``node:pi``, ``pi``, ``pi/*``."""
    operator: str | None = None
    outcome: str | None = None
    text: str | None = None
    """Stands somewhere in verb, target, plan, why, outcome, message or handle; case does not matter."""
    trace: str | None = None

    def reader(self) -> Callable[[bytes], Entry | None]:
        """A function from a stored line to its entry, or ``None`` where it is not wanted; raises Unreadable.

        Lines that cannot match are dropped by their bytes, before they are parsed: that is what makes a question
        to a million entries bearable.
        """
        needles = [_needle(p) for p in (self.verb, self.target, self.operator, self.outcome, self.trace) if p]
        wanted = [needle for needle in needles if needle]
        low = self.text.casefold() if self.text else ""
        raw_text = low.encode("ascii") if low and re.fullmatch(r"[ !#-.0-\[\]-~]+", low) else b""
        since = stamp(self.since).encode("ascii") if self.since else b""
        until = stamp(self.until).encode("ascii") if self.until else b""

        def read(line: bytes) -> Entry | None:
            for needle in wanted:
                if needle not in line:
                    return None
            if raw_text and raw_text not in line.lower():
                return None
            if since or until:
                start = line.find(_TIME_AT) + len(_TIME_AT)
                time = line[start : start + 27]
                if (since and time < since) or (until and time > until):
                    return None
            entry = decode(line)
            return entry if self.wants(entry, low) else None

        return read

    def wants(self, entry: Entry, low: str) -> bool:
        """Whether a parsed entry matches; ``low`` is the text sought, case folded."""
        words = (entry.verb, *entry.verb.split())
        each = (entry.target, *entry.target.split(","))
        names = (*each, *(name.partition(":")[2] for name in each))
        return (
            (self.verb is None or any(fnmatchcase(word, self.verb) for word in words))
            and (self.target is None or any(fnmatchcase(name, self.target) for name in names))
            and (self.operator is None or fnmatchcase(entry.operator, self.operator))
            and (self.outcome is None or fnmatchcase(entry.outcome or "", self.outcome))
            and (self.trace is None or entry.trace == self.trace)
            and (not low or low in _words(entry).casefold())
        )


def _needle(pattern: str) -> bytes:
    """The bytes every matching line must hold; none where the pattern has wildcards."""
    return b"" if re.search(r"[*?\[]", pattern) else json.dumps(pattern)[1:-1].encode("ascii")


def _words(entry: Entry) -> str:
    texts = (entry.verb, entry.target, *entry.plan, entry.why, entry.outcome, entry.message, entry.handle)
    return "\n".join(text for text in texts if text)


def read(
    chain: Path,
    wanted: Filter | None = None,
    *,
    limit: int | None = None,
    reverse: bool = False,
    damage: Damage | None = None,
) -> Iterator[Entry]:
    """The entries of one chain, oldest first or, with ``reverse``, newest first; at most ``limit``.

    Blocks while it reads. A last line that is still being written is left out. Raises WitnessError where a file
    cannot be read.
    """
    found = _matching(chain, wanted or Filter(), reverse, damage)
    return found if limit is None else islice(found, max(0, limit))


def read_all(
    chains: list[Path],
    wanted: Filter | None = None,
    *,
    limit: int | None = None,
    reverse: bool = False,
    damage: Damage | None = None,
) -> Iterator[Entry]:
    """As ``read``, over several chains merged by time."""
    if len(chains) == 1:
        return read(chains[0], wanted, limit=limit, reverse=reverse, damage=damage)
    each = [read(chain, wanted, reverse=reverse, damage=damage) for chain in chains]
    merged = heapq.merge(*each, key=lambda entry: entry.time, reverse=reverse)
    return merged if limit is None else islice(merged, max(0, limit))


def _matching(chain: Path, wanted: Filter, reverse: bool, damage: Damage | None) -> Iterator[Entry]:
    reader = wanted.reader()
    listed = segments(chain)
    for segment in reversed(listed) if reverse else listed:
        newest = segment is listed[-1]
        for line in backwards(segment) if reverse else _forwards(segment):
            if newest and not line.endswith(b"\n"):
                continue
            try:
                entry = reader(line)
            except Unreadable as error:
                if damage is not None:
                    damage(f"{segment.path}: a line {error}")
                continue
            if entry is not None:
                yield entry


def _forwards(segment: Segment) -> Iterator[bytes]:
    with opened(segment) as stream:
        yield from stream
