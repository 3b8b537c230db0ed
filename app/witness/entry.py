"""One line of the witness: what an operator wanted, did, and got, and the bytes it is kept as.

A line is ASCII JSON in one fixed shape, so that whoever verifies it hashes the stored bytes and never
serialises again::

    {"prev_hash":"<64 hex>","seq":<n>,"time":"…", …every other field…,"hash":"<64 hex>"}\\n
    └───────────────────── SHA-256 of exactly these bytes ──────────┘└── TAIL bytes ───┘

Everything that is not ASCII is escaped (``\\u2028``, lone surrogates too), so a line never holds a line break
or a control character, whatever a host put into a name.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

GENESIS = "0" * 64
"""The ``prev_hash`` of the first entry of a chain."""

TAIL = len(b',"hash":""}\n') + 64
"""How many bytes at the end of a line its hash does not cover: the hash itself and what encloses it."""

SHAPE = re.compile(rb'\{"prev_hash":"([0-9a-f]{64})","seq":([1-9][0-9]{0,17}),.*,"hash":"([0-9a-f]{64})"\}\n')
"""What every line looks like from outside: previous hash, number, own hash."""

_TRACE_ALPHABET = "abcdefghjkmnpqrstuvwxyz023456789"
_ENCODE = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


class Phase(StrEnum):
    """Where in an operation an entry stands."""

    INTENT = "intent"
    """On disk before the first step runs."""
    STEP = "step"
    """A step began or ended; carries the outside's handle where there is one."""
    OUTCOME = "outcome"
    """How it ended for one target."""
    REFUSAL = "refusal"
    """The guard or the operator said no."""
    REPAIR = "repair"
    """The log itself was mended: a cut-off last line was set aside."""
    NOTE = "note"
    """Worth keeping without being an action: the console started, a secret was revealed."""


class Unreadable(ValueError):
    """A stored line is not an entry; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the caller knows of an entry; the chain adds number, time, operator, host and hashes."""

    verb: str
    """As on the command line: ``node reboot``."""
    phase: Phase
    target: str = ""
    """``node:pi``, several with commas between in an intent, or empty for a verb of the kind."""
    plan: tuple[str, ...] = ()
    """The exact text of each step."""
    why: str = ""
    trace: str = ""
    """The token all entries of one operation share."""
    outcome: str | None = None
    """``done``, ``failed``, ``refused``, ``declined`` or ``cancelled``; ``None`` while it is open."""
    exit_code: int | None = None
    message: str = ""
    handle: str | None = None
    """How the outside calls what was started: a pid, a task id."""
    cost: Mapping[str, Any] | None = None
    """Plain figures and texts; a figure that is not finite is kept as ``null``."""
    digest: str | None = None
    """The digest of the confirmed plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stored entry; the fields of the draft plus what the chain assigned."""

    seq: int
    """1, 2, 3 … without a gap, per chain."""
    time: str
    """RFC 3339 in UTC with microseconds: ``2025-11-20T09:41:03.120000Z``."""
    operator: str
    host: str
    """The machine the console ran on, not the target."""
    verb: str
    target: str
    plan: tuple[str, ...]
    why: str
    trace: str
    phase: Phase
    outcome: str | None
    exit_code: int | None
    message: str
    handle: str | None
    cost: Mapping[str, Any] | None
    digest: str | None
    prev_hash: str
    hash: str
    outcomes: int = 0
    """Of an intent: how many outcomes it announces. Of an outcome or refusal: how many it settles. Else 0."""


COLUMNS: tuple[str, ...] = (
    *("seq", "time", "operator", "host", "verb", "target", "phase", "outcome", "exit_code", "message"),
    *("why", "trace", "handle", "plan", "cost", "digest", "outcomes", "prev_hash", "hash"),
)
"""Every field of an entry in the order tables and exports show them."""


def new_trace() -> str:
    """A fresh trace token: 12 characters, 60 random bits, no letters that look like digits."""
    return "".join(secrets.choice(_TRACE_ALPHABET) for _ in range(12))


def stamp(moment: datetime | None = None) -> str:
    """A moment (now, where none is given) as entries keep it; such texts sort as the moments do."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encode(
    draft: Draft, *, seq: int, time: str, operator: str, host: str, prev_hash: str, outcomes: int = 0
) -> tuple[bytes, str]:
    """The line an entry is stored as, and its hash."""
    body = _ENCODE(
        {
            "prev_hash": prev_hash,
            "seq": seq,
            "time": time,
            "operator": operator,
            "host": host,
            "verb": draft.verb,
            "target": draft.target,
            "phase": draft.phase.value,
            "plan": list(draft.plan),
            "why": draft.why,
            "trace": draft.trace,
            "outcome": draft.outcome,
            "exit_code": draft.exit_code,
            "message": draft.message,
            "handle": draft.handle,
            "cost": None if draft.cost is None else plain(draft.cost),
            "digest": draft.digest,
            "outcomes": outcomes,
        }
    )[:-1].encode("ascii")
    digest = hashlib.sha256(body).hexdigest()
    return b'%b,"hash":"%b"}\n' % (body, digest.encode("ascii")), digest


def plain(value: object) -> Any:
    """A value as JSON can hold it; what JSON has no word for becomes text, a figure that is not finite ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in cast("Sequence[object]", value)]
    return str(value)


def decode(line: bytes) -> Entry:
    """The entry a line holds; fields of later versions are ignored. Raises Unreadable. Checks no hash."""
    try:
        raw: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise Unreadable("not a JSON object")
    values = cast("dict[str, Any]", raw)
    missing = [name for name in _REQUIRED if name not in values]
    if missing:
        raise Unreadable(f"lacks {', '.join(missing)}")
    wrong = [name for name, types in _TYPES.items() if not isinstance(values.get(name), types)]
    if wrong:
        raise Unreadable(f"has a wrong type in {', '.join(wrong)}")
    kept = {name: values[name] for name in _NAMES if name in values}
    try:
        kept["phase"] = Phase(values["phase"])
    except ValueError:
        raise Unreadable(f"has an unknown phase {values['phase']!r}") from None
    kept["plan"] = tuple(str(text) for text in values["plan"])
    return Entry(**kept)


_NAMES = tuple(f.name for f in fields(Entry))
_REQUIRED = tuple(name for name in _NAMES if name != "outcomes")
_OPTIONAL_TEXT = (str, type(None))
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("time", "operator", "host", "verb", "target", "why", "trace", "message"), str),
    **dict.fromkeys(("phase", "prev_hash", "hash"), str),
    **dict.fromkeys(("outcome", "handle", "digest"), _OPTIONAL_TEXT),
    "seq": int,
    "plan": list,
    "exit_code": (int, type(None)),
    "cost": (dict, type(None)),
}


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as the JSON object of the command line and of exports."""
    values: dict[str, Any] = {name: getattr(entry, name) for name in COLUMNS}
    values["phase"] = entry.phase.value
    values["plan"] = list(entry.plan)
    return values
