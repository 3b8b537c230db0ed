"""Taking up what an earlier console began and never saw the end of, where the outside still knows it by its handle.

::

    witness: intent without outcome ─▶ nobody holds it ─▶ its backend knows the handle ─▶ Job that follows ─▶ outcome
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from app.backend import Backend, Standing
from app.errors import QuarterdeckError, WitnessError
from app.fleet import Ref
from app.holding import Hold, Holds
from app.job import Ended, Job, Outcome
from app.plan import Plan, Report, Result, Step
from app.witness import Draft, Operation, Phase, Witness

log = logging.getLogger(__name__)

STANDING_S = 15.0
"""Seconds a backend has to say how something stands."""
_MOST_NAMED = 3
_ENDS = (Phase.OUTCOME, Phase.REFUSAL)


@dataclass(frozen=True, slots=True)
class Loose:
    """An operation without all its outcomes, and what its handles stand for now."""

    operation: Operation
    standing: Mapping[str, tuple[Backend, Standing]] = field(default_factory=dict[str, "tuple[Backend, Standing]"])
    """Handle -> who knows it, and how it stands."""

    @property
    def known(self) -> bool:
        """Whether somebody can follow any of it."""
        return bool(self.standing)

    @property
    def words(self) -> str:
        """What the outside says now: ``qmclone 101 runs, 40 %``; empty where nobody knows anything."""
        return "; ".join(standing.words for _, standing in self.standing.values())


class Rejoining:
    """Looks at loose ends and follows them."""

    def __init__(self, backends: Collection[Backend], witness: Witness, holds: Holds) -> None:
        self._backends = backends
        self._witness = witness
        self._holds = holds

    async def loose(self, operations: Sequence[Operation]) -> list[Loose]:
        """How each stands. Asks the outside, bounded in time; never raises for what it answers."""
        return list(await asyncio.gather(*(self._looked(operation) for operation in operations)))

    async def _looked(self, operation: Operation) -> Loose:
        known: dict[str, tuple[Backend, Standing]] = {}
        for ref, _, handle in _handles(operation):
            for backend in tuple(self._backends):
                standing = await self._standing(backend, handle, ref)
                if standing is not None:
                    known[handle] = (backend, standing)
                    break
        return Loose(operation, known)

    async def _standing(self, backend: Backend, handle: str, ref: Ref) -> Standing | None:
        try:
            async with asyncio.timeout(STANDING_S):
                return await backend.standing(handle, ref)
        except (TimeoutError, QuarterdeckError) as error:
            log.info("how %s stands: %s", handle, error)
        except Exception:
            log.exception("asking how %s stands", handle)
        return None

    def job(self, loose: Loose) -> tuple[Job, Hold] | None:
        """A job that follows it to its end; ``None`` where nobody knows it, or somebody is at work on it."""
        if not loose.known:
            return None
        hold = self._holds.take(loose.operation.first.seq)
        if hold is None:
            return None
        first = loose.operation.first
        steps = [self._step(loose, ref) for ref in _open_targets(loose.operation)]
        job = Job(
            verb=first.verb,
            targets=[step.ref for step in steps],
            plan=Plan(*steps),
            trace=first.trace,
            carried=True,
        )
        return job, hold

    def _step(self, loose: Loose, ref: Ref) -> Step:
        begun = [(text, handle) for at, text, handle in _handles(loose.operation) if at == ref]
        handles = [handle for _, handle in begun]

        async def run(report: Report) -> Result:
            if not handles:
                return Result(1, "was never begun, as far as was written down")
            by_step: dict[str, Result] = {}  # of several tries at one step the last counts
            for step, handle in begun:
                known = loose.standing.get(handle)
                if known is None:
                    by_step[step] = Result(1, f"nobody knows how {handle} ended")
                else:
                    by_step[step] = await known[0].rejoin(handle, ref, report)
            last = next((one for one in by_step.values() if one.exit_code), list(by_step.values())[-1])
            if last.exit_code:
                return Result(last.exit_code, f"taken up again: {last.message}", last.data)
            left = _not_begun(loose.operation, ref)
            if left:
                said = _told(left)
                return Result(1, f"taken up again: what was begun ended well, but this was not done: {said}", last.data)
            return Result(0, f"taken up again: {last.message or 'ended well'}", last.data)

        text = ", ".join(f"follow {handle}" for handle in handles) or "nothing to follow: no handle was written down"
        return Step(ref, text, run)

    async def ended(self, loose: Loose, outcomes: Sequence[Outcome]) -> None:
        """Write down how it ended, so that it is no longer open; a cancelled one stays so."""
        first = loose.operation.first
        for outcome in outcomes:
            if outcome.outcome is Ended.CANCELLED:
                continue
            noun = first.verb.partition(" ")[0]
            draft = Draft(
                verb=first.verb,
                target=f"{noun}:{outcome.id}" if outcome.id else "",
                trace=first.trace,
                phase=Phase.OUTCOME,
                outcome=str(outcome.outcome),
                exit_code=outcome.exit_code,
                message=outcome.message,
            )
            try:
                await self._witness.record(draft)
            except WitnessError as error:
                log.critical("outcome not witnessed: %s", error)


def _targets(operation: Operation) -> list[Ref]:
    """Those of the intent, in its order; the kind itself where it had none."""
    noun = operation.first.verb.partition(" ")[0]
    parts = [part.partition(":") for part in operation.first.target.split(",") if ":" in part]
    return [Ref(kind, ident) for kind, _, ident in parts] or [Ref(noun, "")]


def _open_targets(operation: Operation) -> list[Ref]:
    ended = {entry.target for entry in operation.then if entry.phase in _ENDS}
    return [ref for ref in _targets(operation) if (str(ref) if ref.id else "") not in ended]


def _handles(operation: Operation) -> list[tuple[Ref, str, str]]:
    """(target, step, handle) of what was begun for targets whose end was not told, in the order it began."""
    still = {str(ref) if ref.id else "": ref for ref in _open_targets(operation)}
    return [
        (still[entry.target], entry.plan[0] if entry.plan else "", entry.handle)
        for entry in operation.then
        if entry.phase is Phase.STEP and entry.handle and entry.target in still
    ]


def _told(left: Sequence[str]) -> str:
    """The first of what was not done; what reads alike is told once, with how often, after what tells more."""
    counts = sorted(Counter(left).items(), key=lambda one: one[1])
    named = counts[:_MOST_NAMED]
    more = len(left) - sum(often for _, often in named)
    said = "; ".join(text if often == 1 else f"{often} × {text}" for text, often in named)
    return f"{said} and {more} more" if more else said


def _not_begun(operation: Operation, ref: Ref) -> list[str]:
    """The steps of one target of which nobody wrote down that they began.

    The plan of several targets is told as one list, in their order; where it cannot be parted evenly, what is left of
    it is told for each of them.
    """
    plan, targets = operation.first.plan, _targets(operation)
    mine: Sequence[str] = plan
    if len(plan) % len(targets) == 0 and ref in targets:
        each = len(plan) // len(targets)
        at = targets.index(ref) * each
        mine = plan[at : at + each]
    begun = Counter(entry.plan[0] for entry in operation.then if entry.phase is Phase.STEP and entry.plan)
    return list((Counter(mine) - begun).elements())
