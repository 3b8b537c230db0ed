"""Plans of the prune verbs: one request for each thing that was shown, never a blind "remove what is unused".

What an engine would remove by itself may be more than what stood in the question, by the time of the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from app.errors import Missing
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.docker.verbs.disk import bytes_text

Remove = Callable[[Report], Awaitable[int | None]]
"""Removes one thing; returns the bytes that this gave back as far as the engine tells them."""


@dataclass(frozen=True, slots=True)
class Going:
    """One thing that goes."""

    what: str
    """For the question: ``volume data``."""
    size: int | None
    """Bytes, ``None`` where they are not known."""
    text: str
    """The request."""
    remove: Remove
    detail: str = ""
    """For the question as well: since when, of what."""


@dataclass(slots=True)
class Tally:
    """What the steps of a prune have done so far."""

    removed: list[str] = field(default_factory=list[str])
    reclaimed: int = 0
    unknown: int = 0
    """Things whose size nobody told."""


Closing = Callable[[Tally], Awaitable[Result]]
"""What is said at the end."""


def prune_plan(
    noun: str,
    node: str,
    going: Sequence[Going],
    *,
    nothing: str,
    closing: Closing,
    closing_text: str,
    notes: Sequence[str] = (),
    shared: bool = False,
    sized: bool = True,
) -> Plan:
    """One step for each thing, one after the other, and a last one that says what it came to.

    ``shared``: their sizes count what they have in common with each of them, so that the sum is a bound; ``sized``:
    whether they have a size at all. One that fails does not stop the others.
    """
    if not going:
        return Plan(notes=[f"{node}: {nothing}", *notes])
    tally = Tally()
    nobody = Ref(noun, "")  # a prune has no target of its own, and one outcome
    steps = [
        Step(
            nobody, f"{node}: {one.text}", _removing(one, tally, number, len(going)), str(number), lane=f"prune@{node}"
        )
        for number, one in enumerate(going)
    ]

    async def close(report: Report) -> Result:
        return await closing(tally)

    last = Step(nobody, f"{node}: {closing_text}", close, "sum", behind=tuple(step.name for step in steps))
    return Plan(*steps, last, loses=_loses(node, going, shared) if sized else _plain(node, going), notes=notes)


def _removing(one: Going, tally: Tally, number: int, count: int) -> Callable[[Report], Awaitable[Result]]:
    async def run(report: Report) -> Result:
        try:
            freed = await one.remove(report)
        except Missing:
            return Result(0, f"{one.what} was gone already")
        tally.removed.append(one.what)
        if freed is None:
            tally.unknown += 1
        else:
            tally.reclaimed += freed
        return Result(0, f"{one.what} removed")

    return run


def _loses(node: str, going: Sequence[Going], shared: bool) -> list[str]:
    lines = [
        f"{one.what} on {node} ({', '.join(part for part in (bytes_text(one.size), one.detail) if part)})"
        for one in going
    ]
    known = [one.size for one in going if one.size is not None]
    said = f"{'at most ' if shared else ''}{bytes_text(sum(known))}" if known else "size not known"
    if known and len(known) < len(going):
        said += f", and {len(going) - len(known)} of unknown size"
    return [*lines, f"{len(going)} in all: {said}"]


def _plain(node: str, going: Sequence[Going]) -> list[str]:
    lines = [f"{one.what} on {node}" + (f" ({one.detail})" if one.detail else "") for one in going]
    return [*lines, f"{len(going)} in all"]


def removed_words(tally: Tally, planned: int, noun: str, plural: str) -> str:
    """``3 volumes removed``, ``2 of 3 volumes removed``."""
    done = len(tally.removed)
    if done == planned:
        return f"{done} {noun if done == 1 else plural} removed"
    return f"{done} of {planned} {noun if planned == 1 else plural} removed"
