"""What a deck writes into the witness: the intent before the first step, handles, outcomes and refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from app.errors import WitnessError
from app.fleet import Ref, Resource
from app.job import Job, Outcome
from app.order import Order
from app.plan import Cost, Plan, Step
from app.witness import Draft, Phase, Witness

log = logging.getLogger(__name__)


class Ledger:
    """Turns orders, jobs and outcomes into entries of one witness."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def intent(self, order: Order, targets: Sequence[Resource], plan: Plan, outcomes: int) -> int:
        """Put the whole plan on disk, with room for its outcomes; the entry's number.

        Raises WitnessError when that cannot be done.
        """
        return await self._witness.begin(self._draft(order, Phase.INTENT, targets, plan=plan), outcomes=outcomes)

    def _draft(
        self,
        order: Order,
        phase: Phase,
        targets: Sequence[Resource] = (),
        *,
        plan: Plan | None = None,
        outcome: Outcome | None = None,
        handle: str | None = None,
        ref: Ref | None = None,
    ) -> Draft:
        named = [str(t.ref) for t in targets]
        if ref is not None:
            named = [str(ref)] if ref.id else []
        return Draft(
            verb=order.verb.title,
            target=",".join(named),
            plan=tuple(step.text for step in plan.steps) if plan else (),
            why=order.why,
            trace=order.trace,
            phase=phase,
            outcome=str(outcome.outcome) if outcome else None,
            exit_code=outcome.exit_code if outcome else None,
            message=outcome.message if outcome else "",
            handle=handle,
            cost=_cost(plan.cost) if plan and plan.cost else None,
            digest=plan.digest if plan else None,
        )

    async def handle(self, job: Job, step: Step, handle: str) -> None:
        """The outside's handle of what a step has started."""
        await self._witness.record(
            Draft(
                verb=job.verb,
                target=str(step.ref) if step.ref.id else "",
                plan=(step.text,),
                trace=job.trace,
                phase=Phase.STEP,
                handle=handle,
            )
        )

    async def outcomes(self, order: Order, job: Job, outcomes: Sequence[Outcome]) -> None:
        """Each target's outcome; asked for together, so that they share one sync of the disk."""

        async def one(outcome: Outcome) -> None:
            draft = self._draft(order, Phase.OUTCOME, outcome=outcome, ref=Ref(order.verb.noun, outcome.id))
            try:
                await self._witness.record(draft)
            except WitnessError as error:
                log.critical("outcome not witnessed: %s", error)
                job.say(f"the outcome could not be witnessed: {error}")

        await asyncio.gather(*(one(outcome) for outcome in outcomes))

    async def refusals(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        """What was not done, and why; each target's entry."""
        for outcome in outcomes:
            draft = self._draft(order, Phase.REFUSAL, outcome=outcome, ref=Ref(order.verb.noun, outcome.id))
            try:
                await self._witness.record(draft)
            except WitnessError as error:
                log.critical("refusal not witnessed: %s", error)


def _cost(cost: Cost) -> dict[str, Any]:
    return {"money": cost.money, "seconds": cost.seconds, "note": cost.note}
