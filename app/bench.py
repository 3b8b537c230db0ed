"""The guard's evidence: gathered from every backend's rules, weighed, and held once the plan is to run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from app.backend import Backend, Intention, Reservation, Rule
from app.errors import QuarterdeckError, Refused
from app.fleet import Fleet, Ref
from app.guard import Above, Check, Judgement, Tagged, judge, parent_alone
from app.inventory.model import Rules
from app.plan import Plan, Proof

log = logging.getLogger(__name__)

GATHER_TIMEOUT = 30.0
"""Seconds a rule of a backend has to gather its evidence."""


class Bench:
    """Where plans are judged: the configuration's rules and those of every backend."""

    def __init__(self, backends: Iterable[Backend], rules: Callable[[], Rules]) -> None:
        self._backends = tuple(backends)
        self._configured = rules

    def _rules(self) -> list[Rule]:
        return [rule for backend in self._backends for rule in backend.rules()]

    async def judge(
        self,
        intention: Intention,
        targets: Sequence[Tagged],
        fleet: Fleet,
        *,
        read_only: bool,
        places: Sequence[Tagged] = (),
        above: Above = parent_alone,
    ) -> Judgement:
        """Gather what every rule wants to know and weigh the plan; raises Refused where a rule cannot look."""
        rules = self._rules()
        found = await asyncio.gather(*(self._gather(rule, intention, fleet) for rule in rules))
        return judge(
            intention,
            targets,
            fleet,
            self._configured(),
            read_only=read_only,
            evidence=list(zip(rules, found, strict=True)),
            places=places,
            above=above,
        )

    async def _gather(self, rule: Rule, intention: Intention, fleet: Fleet) -> Any:
        """The evidence of one rule; a rule that cannot look refuses, because nobody knows what it would have said."""
        try:
            async with asyncio.timeout(GATHER_TIMEOUT):
                return await rule.gather(intention, fleet)
        except TimeoutError:
            words = f"no evidence within {GATHER_TIMEOUT:g} s"
        except QuarterdeckError as error:
            words = str(error)
        except Exception as error:
            log.exception("gathering evidence for %s", rule.name)
            words = f"{type(error).__name__}: {error} (details are in the log file)"
        raise Refused(f"the rule '{rule.name}' cannot judge this: {words}")

    async def reserve(self, intention: Intention) -> list[Reservation]:
        """Hold what the plan will use, of every rule or of none; raises Refused when something is gone."""
        held: list[Reservation] = []
        try:
            for rule in self._rules():
                reservation = await rule.reserve(intention)
                if reservation is not None:
                    held.append(reservation)
        except BaseException:
            for reservation in held:
                await reservation.release()
            raise
        return held

    async def prove(self, plan: Plan, parallel: int) -> list[tuple[Ref, Check]]:
        """Make the checks that a plan keeps for this; one that gives no answer in time does not hold."""
        room = asyncio.Semaphore(max(1, parallel))

        async def one(proof: Proof) -> tuple[Ref, Check]:
            async with room:
                try:
                    async with asyncio.timeout(GATHER_TIMEOUT):
                        return proof.ref, Check(proof.what, True, await proof.look())
                except TimeoutError:
                    words = f"no evidence within {GATHER_TIMEOUT:g} s"
                except QuarterdeckError as error:
                    words = str(error)
                return proof.ref, Check(proof.what, False, words)

        return await asyncio.gather(*(one(proof) for proof in plan.proofs))
