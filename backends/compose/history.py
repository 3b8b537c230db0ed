"""Which images a stack ran when: one file of JSON lines per stack in the state folder, written before it is needed."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from app.errors import QuarterdeckError

KEEP = 100
"""Entries kept; older ones fall off when the file is written anew."""
_MOST_BYTES = 4 << 20

Result = Literal["begun", "done", "rolled back", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The image of one service."""

    image: str
    """As the compose file names it."""
    id: str
    """Of the image on its engine, with ``sha256:``."""
    digest: str = ""
    """``repository@sha256:…`` as the registry knows it; empty for images that never were in one."""


Images = Mapping[str, Ran]
"""Service -> its image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change of a stack's images."""

    number: int
    at: float
    """Seconds since the epoch."""
    verb: Literal["update", "rollback", "found"]
    """``found``: what ran before the first recorded change."""
    result: Result
    before: Images = field(default_factory=dict[str, Ran])
    after: Images = field(default_factory=dict[str, Ran])
    """What was to run, and did where the result is ``done``."""
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether its images ran and were healthy, as far as is known."""
        return self.result == "done"


class History:
    """The recorded changes of one stack. Every method blocks for a small file."""

    def __init__(self, state: Path, stack: str) -> None:
        safe = re.sub(r"[^A-Za-z0-9_.-]", lambda m: f"%{ord(m[0]):02X}", stack.replace("/", "@", 1))
        self.path = state / "stacks" / f"{safe}.jsonl"

    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first; one whose end was never written says ``begun``. Torn lines are left out."""
        try:
            with self.path.open("rb") as file:
                lines = file.read(_MOST_BYTES).splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise QuarterdeckError(
                f"the history cannot be read: {error.strerror or error}", where=str(self.path)
            ) from None
        found: dict[int, Entry] = {}
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                entry = _read(json.loads(line))
                found[entry.number] = entry
        return tuple(found[number] for number in sorted(found))

    def add(self, entry: Entry) -> None:
        """Write an entry, or another state of one with the same number; on disk when this returns."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = self.entries()
            if len(known) > KEEP and all(one.number != entry.number for one in known):
                self._rewrite(known[-KEEP:])
            torn = self._torn()
            with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:  # noqa: PTH123 - a mode is needed
                file.write((b"\n" if torn else b"") + _line(entry))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise QuarterdeckError(
                f"the history cannot be written: {error.strerror or error}",
                where=str(self.path),
                todo="nothing was changed; make room or look at the folder's permissions",
            ) from None

    def _torn(self) -> bool:
        """Whether the last line was cut off by a crash: the next must not be glued to it."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, os.SEEK_END) == 0:
                    return False
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        except FileNotFoundError:
            return False

    def _rewrite(self, entries: tuple[Entry, ...]) -> None:
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - a mode is needed
                file.writelines(_line(entry) for entry in entries)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _read(said: Any) -> Entry:
    images = {
        side: {str(name): Ran(**one) for name, one in cast("dict[str, Any]", said[side]).items()}
        for side in ("before", "after")
    }
    return Entry(
        number=int(said["number"]),
        at=float(said["at"]),
        verb=said["verb"],
        result=said["result"],
        before=images["before"],
        after=images["after"],
        why=str(said.get("why", "")),
    )
