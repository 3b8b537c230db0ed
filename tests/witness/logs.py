"""Logs for the tests: drafts with little typing, chains built without an event loop, lines changed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.witness.chain import Chain, Request
from app.witness.entry import Draft, Phase
from app.witness.segments import SEGMENT_BYTES, segments

OPERATOR, HOST = "ops", "hp"
NAME = "ops@hp"


def draft(phase: Phase = Phase.NOTE, /, **given: Any) -> Draft:
    """A draft of ``node reboot`` on ``node:pi`` unless told otherwise."""
    values: dict[str, Any] = {"verb": "node reboot", "target": "node:pi", "trace": "t1", "phase": phase, **given}
    return Draft(**values)


def build(folder: Path, count: int, *, segment_bytes: int = SEGMENT_BYTES, batch: int = 1) -> Path:
    """A chain folder with so many notes, ``batch`` of them between two chances to begin a new segment."""
    chain = Chain(folder / NAME, OPERATOR, HOST, segment_bytes)
    for start in range(0, count, batch):
        chain.append([Request(draft(message=f"note {n}")) for n in range(start, min(start + batch, count))])
    chain.close()
    return folder / NAME


def stored_lines(chain: Path) -> list[bytes]:
    """The lines of a chain of one segment."""
    return only_segment(chain).read_bytes().splitlines(keepends=True)


def put_lines(chain: Path, lines: list[bytes]) -> None:
    """Write other lines in place of those of a chain of one segment."""
    only_segment(chain).write_bytes(b"".join(lines))


def only_segment(chain: Path) -> Path:
    """The one segment of a chain."""
    (segment,) = segments(chain)
    return segment.path
