"""Entries, operations and verdicts as lines of plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

from app.column import UNKNOWN_TEXT, clean
from app.witness.entry import Entry, Phase, as_json
from app.witness.operations import Operation, elapsed
from app.witness.verify import LIMITS, Verdict

_TITLES = ("SEQ", "TIME", "OPERATOR", "VERB", "TARGET", "PHASE", "OUTCOME", "TEXT")
_SAMPLE = 200
"""So many entries decide how wide the columns are; the rest follows them, so that a long list can stream."""


def table(entries: Iterable[Entry]) -> Iterator[str]:
    """A heading and one line per entry."""
    rows = (_row(entry) for entry in entries)
    first = list(islice(rows, _SAMPLE))
    if not first:
        return
    widths = [min(40, max(len(row[i]) for row in (_TITLES, *first))) for i in range(len(_TITLES) - 1)]
    for row in chain([_TITLES], first, rows):
        yield "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def _row(entry: Entry) -> tuple[str, ...]:
    said = [entry.message, f"why: {entry.why}" if entry.why else "", f"handle: {entry.handle}" if entry.handle else ""]
    return (
        str(entry.seq),
        local_time(entry.time),
        clean(f"{entry.operator}@{entry.host}"),
        clean(entry.verb),
        clean(entry.target) or UNKNOWN_TEXT,
        entry.phase.value,
        _ended(entry) or UNKNOWN_TEXT,
        clean("; ".join(text for text in said if text)),
    )


def _ended(entry: Entry) -> str:
    code = f" ({entry.exit_code})" if entry.exit_code is not None else ""
    return clean(entry.outcome or "") + (code if entry.outcome else "")


def local_time(text: str) -> str:
    """A stored moment in the operator's own time zone, to the second."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return clean(text)


def seconds(value: float | None) -> str:
    """A duration: ``31 ms``, ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``; a dash where it is not known."""
    if value is None:
        return UNKNOWN_TEXT
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def tree(token: str, operations: Sequence[Operation]) -> Iterator[str]:
    """The operations of one trace: what was wanted, below it what was done to each target and how long that took."""
    count = sum(1 + len(operation.then) for operation in operations)
    yield f"trace {clean(token)} · {_many(len(operations), 'operation')} · {_many(count, 'entry', 'entries')}"
    for number, operation in enumerate(operations, 1):
        yield from _branch(operation, last=number == len(operations))


def _branch(operation: Operation, *, last: bool) -> Iterator[str]:
    first = operation.first
    ended = f"open, {operation.missing} to come" if operation.missing else seconds(operation.seconds)
    if first.phase is not Phase.INTENT:
        ended = _ended(first)
    facts = [first.phase.value, clean(first.target), f"{clean(first.operator)}@{clean(first.host)}"]
    facts += [local_time(first.time), ended, f"why: {clean(first.why)}" if first.why else "", clean(first.message)]
    yield f"{'└─' if last else '├─'} {clean(first.verb)}  {' · '.join(fact for fact in facts if fact)}"
    bar = "   " if last else "│  "
    by_target: dict[str, list[Entry]] = {}
    for entry in operation.then:
        by_target.setdefault(entry.target, []).append(entry)
    blocks = [*(("plan", clean(step)) for step in first.plan)]
    for number, (_, step) in enumerate(blocks, 1):
        end = number == len(blocks) and not by_target
        yield f"{bar}{'└─' if end else '├─'} plan: {step}"
    for number, (target, entries) in enumerate(by_target.items(), 1):
        end = number == len(by_target)
        took = seconds(elapsed(first, entries[-1]))
        yield f"{bar}{'└─' if end else '├─'} {clean(target) or first.verb}  {_ended(entries[-1]) or 'open'} · {took}"
        inner = bar + ("   " if end else "│  ")
        before = first
        for at, entry in enumerate(entries, 1):
            words = [entry.phase.value, _ended(entry), f"handle {clean(entry.handle)}" if entry.handle else ""]
            words += [clean(entry.message), f"+{seconds(elapsed(before, entry))}"]
            yield f"{inner}{'└─' if at == len(entries) else '├─'} {' · '.join(word for word in words if word)}"
            before = entry


def tree_json(operation: Operation) -> dict[str, Any]:
    """An operation as JSON: the intent's fields, ``duration_s``, ``missing_outcomes``, and ``entries`` in order."""
    before = operation.first
    entries: list[dict[str, Any]] = []
    for entry in operation.then:
        since = {"since_begin_s": elapsed(operation.first, entry), "duration_s": elapsed(before, entry)}
        entries.append({**as_json(entry), **since})
        before = entry
    facts = {"duration_s": operation.seconds, "missing_outcomes": operation.missing, "entries": entries}
    return {**as_json(operation.first), **facts}


def verdict(found: Verdict) -> Iterator[str]:
    """What verifying a chain found, in words."""
    entries = _many(found.entries, "entry", "entries")
    signed = f"{_many(found.checkpoints, 'checkpoint')} covering {found.covered}"
    if found.first_break is None:
        yield f"{clean(found.chain)}: whole · {entries} · {signed}"
    else:
        broken = found.first_break
        yield f"{clean(found.chain)}: BROKEN at entry {broken.seq} ({broken.kind.value}): {clean(broken.what)}"
        yield f"  {clean(broken.where)}"
        yield f"  {entries} before it good · {signed}"
    if found.repairs:
        yield f"  {_many(found.repairs, 'repair')} in it: witness query --verb 'witness repair'"
    yield from (f"  {clean(note)}" for note in found.notes)


def verdict_json(found: Verdict) -> dict[str, Any]:
    """What verifying a chain found, as JSON."""
    broken = found.first_break
    return {
        "id": found.chain,
        "state": "broken" if broken else "whole",
        "entries": found.entries,
        "head": found.head,
        "checkpoints": found.checkpoints,
        "covered_entries": found.covered,
        "repairs": found.repairs,
        "break": broken and {"seq": broken.seq, "kind": broken.kind.value, "what": broken.what, "where": broken.where},
        "notes": [*found.notes],
        "limits": LIMITS,
    }


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"
