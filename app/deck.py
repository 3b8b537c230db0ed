"""Everything but the screen: the one way by which anything is done, whatever door it came through.

::

    permit ─▶ plan ─▶ gather evidence, judge ─▶ ask ─▶ judge again ─▶ reserve ─▶ witness ─▶ Job ─▶ nudge the feed
       └ refuse           └ refuse / falsify ends here      └ decline / refuse        └ refuse
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.backend import Ask, Backend, Context, Intention, Refuse, Reservation, Verdict
from app.bench import Bench
from app.errors import QuarterdeckError, Refused, WitnessError
from app.feed import Feed
from app.fleet import Ref, Resource
from app.guard import Judgement, needs_why, permit, risk_of, typed_name
from app.history import History
from app.holding import Hold, Holds
from app.inventory.model import Inventory
from app.job import Ended, Job, Outcome, Spoken
from app.kind import AnyKind
from app.lanes import Lanes
from app.ledger import Ledger
from app.order import Answer, Front, NoFront, Order, Question, TakesTurns, outcome_of
from app.owner import ids_above
from app.plan import Plan
from app.planning import Planner, places_of
from app.rejoining import Loose, Rejoining
from app.verb import Catalog, Scope, Verb, View
from app.witness import Witness, new_trace

log = logging.getLogger(__name__)

KEEP_JOBS = 200
"""Ended jobs kept for the tray."""


class Deck:
    """Inventory, feed, catalog, jobs and witness in one place; ``perform`` is the only way to act."""

    def __init__(
        self,
        *,
        context: Context,
        kinds: Mapping[str, AnyKind],
        backends: Iterable[Backend],
        witness: Witness,
        history: History | None = None,
        read_only: bool = False,
        woken: Callable[[Inventory], Iterable[Backend]] = lambda inventory: (),
    ) -> None:
        """``woken`` gives the backends that a changed configuration needs and that were not worth making before."""
        self.context = context
        self._woken = woken
        self.kinds = kinds
        self.backends = {backend.name: backend for backend in backends}
        self.catalog = Catalog({noun: kind.verbs for noun, kind in kinds.items()})
        self.history = history or History()
        self.feed = Feed(self.backends.values(), kinds, self.history, context.clock)
        self.witness = witness
        self.read_only = read_only
        self.front: Front = NoFront()
        self.jobs: dict[str, Job] = {}
        self.job_listeners: list[Callable[[Job], None]] = []
        self._planner = Planner(self.backends, self.feed, self.catalog, context.inventory)
        self._bench = Bench(self.backends.values(), lambda: self.inventory.rules)
        self._ledger = Ledger(witness)
        self._lanes = Lanes()
        self._holds = Holds(context.state / "at-work" / witness.folder.name)
        self._rejoining = Rejoining(self.backends.values(), witness, self._holds)
        self._following: set[asyncio.Task[tuple[Outcome, ...]]] = set()

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def inventory(self) -> Inventory:
        """The configuration in force."""
        return self.context.inventory()

    def configure(self, inventory: Inventory) -> None:
        """Watch what a changed configuration says: only what changed is touched, backends it needs first are made."""
        for backend in self._woken(inventory):
            self.backends[backend.name] = backend
            self.feed.admit(backend)
        self.feed.configure(inventory)

    def offered(self, target: Resource) -> tuple[Verb, ...]:
        """The verbs the target's backend can do; what the guard refuses now is told by ``permitted``."""
        return self._planner.offered(target)

    def offered_by_kind(self, noun: str) -> tuple[Verb, ...]:
        """The verbs without a target that some backend can do."""
        return self._planner.offered_by_kind(noun)

    def permitted(self, verb: Verb, targets: Sequence[Resource] = ()) -> Verdict:
        """What the guard says before planning, and what the backends know that they may not do; greys keys.

        Of several targets it takes one that can be done, of a verb for the whole group all of them.
        """
        verdict = self._ruled(verb, targets)
        if isinstance(verdict, Refuse) or not targets:
            return verdict
        against = [words for target in targets if (words := self._planner.unable(verb, target))]
        if against and (verb.scope is Scope.GROUP or len(against) == len(targets)):
            return Refuse(against[0], "privilege")
        return verdict

    def _ruled(self, verb: Verb, targets: Sequence[Resource]) -> Verdict:
        rules = self.inventory.rules
        return permit(verb, self._tagged(targets), rules, read_only=self.read_only, above=self.stands_on)

    def stands_on(self, target: Resource) -> tuple[str, ...]:
        """The ids of all that a resource runs on, down to the node, and of the node that it is itself."""
        kind = self.kinds.get(target.NOUN)
        same = kind.same(target) if kind is not None and kind.same is not None else None
        above = ids_above(self.feed.fleet, target)
        return above if same is None else (*above, same.id)

    def tags(self, target: Resource) -> frozenset[str]:
        """The tags of a resource, of everything above it, and of the node or cluster it is on.

        Those of nodes and clusters come from the configuration, so that their rules hold even where nobody watches
        them, and from the moment on in which they were written.
        """
        inventory = self.inventory
        tags = self.feed.fleet.tags(target.ref) | target.tags | inventory.clusters.get(target.source, frozenset())
        for name in (target.source, *self.stands_on(target)):
            entry = inventory.nodes.get(name)
            if entry is not None:
                tags |= entry.tags
        return tags

    async def look(
        self, verb: Verb, target: Resource | Sequence[Resource] | None, arguments: Mapping[str, Any]
    ) -> View:
        """Read a view of one target, of several where its scope is GROUP, or of the kind."""
        return await self._planner.look(verb, target, arguments)

    def groups(self, targets: Sequence[Resource]) -> list[tuple[Resource, ...]]:
        """Targets by the backend that tells of them, in their order: what one call can be about."""
        return self._planner.groups(targets)

    # -- acting ---------------------------------------------------------------------------------------------------

    async def perform(
        self, order: Order, *, started: Callable[[Job], None] | None = None, spoken: Spoken | None = None
    ) -> tuple[Outcome, ...]:
        """Do it, or say why not; one outcome per target, failures first. Never raises for what an operator can cause.

        ``started`` hears of the job when it begins, ``spoken`` of its output as it comes.
        """
        if not order.trace:
            order = replace(order, trace=new_trace())
        try:
            return await self._perform(order, started, spoken)
        except Refused as refused:
            return await self._refuse(order, str(refused))
        except QuarterdeckError as error:
            return await self._all(order, Ended.FAILED, str(error), None)
        except Exception as error:
            log.exception("performing %s", order.verb.title)
            words = f"{type(error).__name__}: {error} (details are in the log file)"
            return await self._all(order, Ended.FAILED, words, None)

    async def _perform(
        self, order: Order, started: Callable[[Job], None] | None, spoken: Spoken | None
    ) -> tuple[Outcome, ...]:
        verb = order.verb
        targets, cannot = self._resolve(order)
        if verb.takes_target and not targets:
            await self._note_refusals(order, cannot)
            return tuple(cannot)
        verdict = self._ruled(verb, (*targets, *places_of(order, (), self.inventory)))
        if isinstance(verdict, Refuse):
            return await self._refuse(order, verdict.reason)
        targets, unable = self._told_apart(order, targets)
        cannot.extend(unable)
        if verb.takes_target and not targets:
            await self._note_refusals(order, cannot)
            return tuple(cannot)
        if not order.wait and not verb.carried:
            reason = "--no-wait needs an outside that carries the work on by itself, and this runs only while we do"
            return await self._refuse(order, reason)

        parts, unplanned = await self._planner.plan(order, targets)
        cannot.extend(unplanned)
        if not parts:
            await self._note_refusals(order, cannot)
            return tuple(cannot)
        able = tuple(target for part in parts for target in part.targets)
        plan = Plan.merged([part.plan for part in parts])
        if not order.wait and any(step.after for step in plan.steps):
            reason = "what follows another step is begun by us, and the outside carries on with single ones only"
            return (*cannot, *await self._refuse(order, f"{reason}; leave out --no-wait", able))
        intention = Intention(verb, tuple(t.id for t in able), plan, order.why, order.trace)

        places = places_of(order, plan.steps, self.inventory)
        judgement = await self._judge(intention, able, places)
        if order.mode == "falsify":
            return (*cannot, *await self._falsified(order, able, plan, judgement, bool(cannot)))
        if isinstance(judgement.verdict, Refuse):
            return (*cannot, *await self._refuse(order, judgement.verdict.reason, able))
        if isinstance(judgement.verdict, Ask) and plan.steps:
            answer = await self.front.ask(self._question(order, able, intention, judgement, tuple(cannot)))
            if answer.falsify:
                return (*cannot, *await self._falsified(order, able, plan, judgement, bool(cannot)))
            if not answer.yes:
                return (*cannot, *await self._decline(order, able))
            order = replace(order, why=answer.why or order.why)
            intention = Intention(verb, intention.targets, plan, order.why, order.trace)
            if needs_why(risk_of(intention), self.inventory.rules) and not order.why:
                return (*cannot, *await self._refuse(order, "a reason is required: --why TEXT", able))
            judgement = await self._judge(intention, able, places)
            if isinstance(judgement.verdict, Refuse):
                reason = f"no longer allowed: {judgement.verdict.reason}"
                return (*cannot, *await self._refuse(order, reason, able))

        held = await self._bench.reserve(intention)
        done = await self._run(order, able, plan, held, started, spoken)
        outcomes = (*cannot, *done)
        return tuple(sorted(outcomes, key=lambda outcome: outcome.outcome is Ended.DONE))

    def _resolve(self, order: Order) -> tuple[list[Resource], list[Outcome]]:
        found: list[Resource] = []
        cannot: list[Outcome] = []
        for ref in dict.fromkeys(order.targets):
            target = self.feed.fleet.find(ref)
            if target is None:
                cannot.append(outcome_of(order, ref.id, Ended.FAILED, "there is no such target any more", 1))
            else:
                found.append(target)
        # One order whatever the door: marks have none, and sources answer as they come. The plan's digest covers it.
        found.sort(key=lambda target: _counting(target.id))
        return found, cannot

    def _told_apart(self, order: Order, targets: Sequence[Resource]) -> tuple[list[Resource], list[Outcome]]:
        """Those that can be done, and of the others why not; of a verb for the whole group all of them or none."""
        against = {target.id: self._planner.unable(order.verb, target) for target in targets}
        able = [target for target in targets if not against[target.id]]
        if order.verb.scope is Scope.GROUP and len(able) < len(targets):
            left = next(f"{one}: {words}" for one, words in against.items() if words)
            against |= {target.id: f"not without the others, and of these one cannot be: {left}" for target in able}
            able = []
        return able, [outcome_of(order, one, Ended.REFUSED, words, 4) for one, words in against.items() if words]

    async def _judge(self, intention: Intention, targets: Sequence[Resource], places: Sequence[Resource]) -> Judgement:
        return await self._bench.judge(
            intention,
            self._tagged(targets),
            self.feed.fleet,
            read_only=self.read_only,
            places=self._tagged(places),
            above=self.stands_on,
        )

    def _question(
        self,
        order: Order,
        targets: tuple[Resource, ...],
        intention: Intention,
        judgement: Judgement,
        cannot: tuple[Outcome, ...],
    ) -> Question:
        verdict = judgement.verdict
        assert isinstance(verdict, Ask)
        risk = risk_of(intention)
        return Question(
            order=order,
            targets=targets,
            plan=intention.plan,
            risk=risk,
            reason=verdict.reason,
            type_name=typed_name(targets, order.verb) if verdict.type_name else None,
            needs_why=needs_why(risk, self.inventory.rules) and not order.why,
            checks=judgement.checks,
            cannot=cannot,
        )

    async def _run(
        self,
        order: Order,
        targets: tuple[Resource, ...],
        plan: Plan,
        held: Sequence[Reservation],
        started: Callable[[Job], None] | None,
        spoken: Spoken | None,
    ) -> tuple[Outcome, ...]:
        refs = tuple(t.ref for t in targets) or (Ref(order.verb.noun, ""),)
        job = Job(
            verb=order.verb.title,
            targets=refs,
            plan=plan,
            trace=order.trace,
            parallel=order.parallel,
            wait=order.wait,
            lanes=self._lanes,
            handle=self._ledger.handle,
            terminal=lambda argv, env: self.front.terminal(argv, env),
            turn=self._turn,
            secret=lambda what, prompt: self.front.secret(what, prompt),
            carried=order.verb.carried,
        )
        try:
            hold = self._holds.take(await self._ledger.intent(order, targets, plan, len(refs)))
        except WitnessError as error:
            for reservation in held:
                await reservation.release()
            words = f"refused because it cannot be witnessed: {error}"
            return tuple(outcome_of(order, ref.id, Ended.REFUSED, words, 4) for ref in refs)
        if spoken is not None:
            job.spoken.append(spoken)
        job.listeners.append(self._job_changed)
        self._keep(job)
        if started is not None:
            started(job)
        following = self._beside(self._follow(order, job, targets, held), job, hold)
        try:
            async with asyncio.timeout(order.wait_timeout):
                return await asyncio.shield(following)
        except TimeoutError:
            job.cancel()
            words = f"cancelled: not done within {order.wait_timeout:g} s"
            return tuple(
                replace(one, message=words) if one.outcome is Ended.CANCELLED else one
                for one in await asyncio.shield(following)
            )
        except asyncio.CancelledError:
            job.cancel()
            await asyncio.shield(following)
            raise

    def _beside(
        self, work: Coroutine[Any, Any, tuple[Outcome, ...]], job: Job, hold: Hold | None
    ) -> asyncio.Task[tuple[Outcome, ...]]:
        """See a job to its end as a task of its own; until then nobody else takes its operation up."""
        following = asyncio.create_task(work, name=f"follow {job.id}")
        self._following.add(following)
        following.add_done_callback(self._following.discard)
        if hold is not None:
            following.add_done_callback(lambda _: hold.release())
        return following

    async def _turn(self, verb: str, who: Ref, number: int, total: int) -> bool:
        return await self.front.turn(verb, who, number, total) if isinstance(self.front, TakesTurns) else True

    async def _follow(
        self, order: Order, job: Job, targets: Sequence[Resource], held: Sequence[Reservation]
    ) -> tuple[Outcome, ...]:
        """See a job to its end. A task of its own: whoever stops waiting, outcomes are witnessed and holds settled."""
        outcomes = await job.start()
        await self._ledger.outcomes(order, job, outcomes)
        ok = all(outcome.outcome is Ended.DONE for outcome in outcomes)
        for reservation in held:
            try:
                await reservation.settle(ok=ok, seconds=(job.ended_at or job.started_at) - job.started_at)
            except Exception:
                log.exception("settling a reservation of %s", order.verb.title)
        self._nudge(order, targets)
        return outcomes

    # -- what earlier consoles began --------------------------------------------------------------------------------

    async def loose_ends(self) -> list[Loose]:
        """Operations that were begun and never told an end, with what the outside says of them now."""
        return await self._rejoining.loose(await self.witness.open_operations())

    def take_up(self, loose: Loose) -> Job | None:
        """Follow one of them to its end, as a job; ``None`` where nobody knows it, or another console is at it."""
        made = self._rejoining.job(loose)
        if made is None:
            return None
        job, hold = made

        async def follow() -> tuple[Outcome, ...]:
            outcomes = await job.start()
            await self._rejoining.ended(loose, outcomes)
            for ref in job.targets:
                reading = self.feed.fleet.reading_of(ref)
                if reading is not None:
                    self.feed.nudge(reading.backend, reading.source)
            return outcomes

        job.listeners.append(self._job_changed)
        self._keep(job)
        self._beside(follow(), job, hold)
        return job

    # -- jobs -----------------------------------------------------------------------------------------------------

    def _keep(self, job: Job) -> None:
        self.jobs[job.id] = job
        ended = [one.id for one in self.jobs.values() if one.ended]
        for old in ended[: max(0, len(ended) - KEEP_JOBS)]:
            del self.jobs[old]

    def _job_changed(self, job: Job) -> None:
        for listener in tuple(self.job_listeners):
            listener(job)

    @property
    def running_jobs(self) -> tuple[Job, ...]:
        """Jobs that are not over."""
        return tuple(job for job in self.jobs.values() if not job.ended)

    # -- what was not done ----------------------------------------------------------------------------------------

    async def _note_refusals(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        await self._ledger.refusals(order, [o for o in outcomes if o.outcome in (Ended.REFUSED, Ended.FAILED)])

    async def _refuse(
        self, order: Order, reason: str, targets: Sequence[Resource] | None = None
    ) -> tuple[Outcome, ...]:
        return await self._all(order, Ended.REFUSED, reason, targets)

    async def _decline(self, order: Order, targets: Sequence[Resource]) -> tuple[Outcome, ...]:
        return await self._all(order, Ended.DECLINED, "declined", targets)

    async def _all(
        self, order: Order, ended: Ended, words: str, targets: Sequence[Resource] | None
    ) -> tuple[Outcome, ...]:
        ids = [t.id for t in targets] if targets is not None else [ref.id for ref in order.targets]
        code = 1 if ended is Ended.FAILED else 4
        outcomes = tuple(outcome_of(order, one, ended, words, code) for one in ids or [""])
        await self._ledger.refusals(order, outcomes)
        return outcomes

    async def _falsified(
        self, order: Order, targets: Sequence[Resource], plan: Plan, judgement: Judgement, partly: bool
    ) -> tuple[Outcome, ...]:
        """Every check with its evidence, those that only this mode makes included; nothing was changed."""
        proofs = await self._bench.prove(plan, order.parallel)
        checks = [*judgement.checks, *(check for _, check in proofs)]
        against = {ref.id: f"{check.what}: {check.evidence}" for ref, check in proofs if not check.held}
        data = {
            "mode": "falsify",
            "plan": [step.text for step in plan.steps],
            "loses": list(plan.loses),
            "notes": list(plan.notes),
            "digest": plan.digest,
            "checks": [{"check": c.what, "held": c.held, "evidence": c.evidence} for c in checks],
        }

        def outcome(target: str) -> Outcome:
            refused = judgement.verdict.reason if isinstance(judgement.verdict, Refuse) else against.get(target)
            ended, code = (Ended.DONE, 0) if refused is None else (Ended.REFUSED, 4)
            return outcome_of(order, target, ended, f"falsify: {refused or 'nothing was falsified'}", code, data=data)

        outcomes = [outcome(one) for one in [t.id for t in targets] or [""]]
        outcomes.sort(key=lambda one: one.outcome is Ended.DONE)
        await self._ledger.refusals(order, outcomes)
        return tuple(outcomes)

    # -- small parts ----------------------------------------------------------------------------------------------

    def _tagged(self, targets: Sequence[Resource]) -> list[tuple[Resource, frozenset[str]]]:
        return [(target, self.tags(target)) for target in targets]

    def _nudge(self, order: Order, targets: Sequence[Resource]) -> None:
        places = {place.name for place in places_of(order, (), self.inventory)}
        if not order.verb.takes_target:  # one that was named, as `vm trust lab` does, may answer better from now on
            places |= {value for value in order.arguments.values() if isinstance(value, str)}
        for source in self.feed.sources():
            if source.name in places and order.verb.noun in source.nouns:
                self.feed.nudge(source.backend, source.name)
        for target in targets:
            reading = self.feed.fleet.reading_of(target.ref)
            if reading is not None:
                self.feed.nudge(reading.backend, reading.source)

    async def close(self, *, leave: Iterable[Job] = ()) -> None:
        """Stop watching, cancel what runs but what is to be left to its host, checkpoint the witness; bounded."""
        left = {job.id for job in leave}
        for job in self.running_jobs:
            if job.id not in left:
                job.cancel()
        following = [task for task in self._following if task.get_name().removeprefix("follow ") not in left]
        if following:
            await asyncio.wait(following, timeout=10)
        await self.feed.close()
        for backend in self.backends.values():
            await backend.close()
        await self.witness.close()  # before the links: a copy of its last checkpoint may go over one
        await self.context.links.close()


def _counting(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts names as people count: ``n2`` before ``n10``."""
    parts = re.split(r"([0-9]+)", name)
    return [(number, int(part) if number else 0, part) for part in parts for number in [part.isdecimal()]]


__all__ = ["Answer", "Deck", "Front", "NoFront", "Order", "Question"]
