"""Everything but the screen: the one way by which anything is done, whatever door it came through.

::

    permit ─▶ plan ─▶ gather evidence, judge ─▶ ask ─▶ judge again ─▶ reserve ─▶ witness ─▶ Job ─▶ nudge the feed
       └ refuse           └ refuse / falsify ends here      └ decline / refuse        └ refuse
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from app.backend import Ask, Backend, Context, Intention, Refuse, Reservation, Rule, Verdict
from app.errors import ConfigurationError, Missing, QuarterdeckError, Refused, Unsupported, WitnessError
from app.feed import Feed
from app.fleet import Fleet, Ref, Resource
from app.guard import Check, Judgement, judge, needs_why, permit, risk_of, typed_name
from app.history import History
from app.inventory.model import Inventory
from app.job import Ended, Job, Lanes, Outcome, Spoken
from app.kind import AnyKind
from app.plan import Cost, Plan, Proof, Risk, Step
from app.verb import Catalog, Scope, Shape, Verb, View, offers
from app.witness import Draft, Phase, Witness, new_trace

log = logging.getLogger(__name__)

KEEP_JOBS = 200
"""Ended jobs kept for the tray."""
GATHER_TIMEOUT = 30.0
"""Seconds a rule of a backend has to gather its evidence."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an operator wants, from whatever door."""

    verb: Verb
    targets: tuple[Ref, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """By parameter name; the parameter for what follows ``--`` takes a sequence of words."""
    why: str = ""
    trace: str = ""
    """A token to join; made when empty."""
    mode: Literal["normal", "falsify"] = "normal"
    parallel: int = 16
    wait: bool = True
    wait_timeout: float | None = None
    hidden: int = 0
    """How many of the targets the operator cannot see at the moment; told in the question."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked before a plan runs."""

    order: Order
    targets: tuple[Resource, ...]
    plan: Plan
    risk: Risk
    reason: str
    type_name: str | None
    """What must be typed to go on; ``None`` where a plain yes will do."""
    needs_why: bool
    checks: tuple[Check, ...] = ()
    cannot: tuple[Outcome, ...] = ()
    """Targets left out, and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator said."""

    yes: bool
    why: str = ""
    falsify: bool = False
    """Leave, but show every check with its evidence first."""


class Front(Protocol):
    """The door an operator stands at: a screen, or a command line."""

    async def ask(self, question: Question) -> Answer:
        """Show the plan and wait for the answer."""
        ...

    async def secret(self, what: str, prompt: str) -> str | None:
        """Ask with a masked prompt; ``None`` when declined or nobody is there."""
        ...

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Let a child process have the terminal; its exit code."""
        ...


class NoFront:
    """Nobody is there: every question is declined."""

    async def ask(self, question: Question) -> Answer:
        """Decline."""
        return Answer(False)

    async def secret(self, what: str, prompt: str) -> str | None:
        """No answer."""
        return None

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """There is no terminal."""
        raise Unsupported("there is no terminal to hand over")


@dataclass(frozen=True, slots=True)
class _Part:
    """One target's share of an order after planning."""

    targets: tuple[Resource, ...]
    plan: Plan


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
    ) -> None:
        self.context = context
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
        self._lanes = Lanes()
        self._following: set[asyncio.Task[tuple[Outcome, ...]]] = set()

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def inventory(self) -> Inventory:
        """The configuration in force."""
        return self.context.inventory()

    def offered(self, target: Resource) -> tuple[Verb, ...]:
        """The verbs the target's backend can do; what the guard refuses now is told by ``permitted``."""
        backend = self._backend_of(target.ref)
        if backend is None:
            return ()
        return tuple(v for v in self.catalog.on(target.NOUN) if v.takes_target and offers(backend, v))

    def offered_by_kind(self, noun: str) -> tuple[Verb, ...]:
        """The verbs without a target that some backend can do."""
        return tuple(
            v for v in self.catalog.on(noun) if not v.takes_target and any(offers(b, v) for b in self.backends.values())
        )

    def permitted(self, verb: Verb, targets: Sequence[Resource] = ()) -> Verdict:
        """What the guard says before planning; greys keys."""
        return permit(verb, self._tagged(targets), self.inventory.rules, read_only=self.read_only)

    def tags(self, target: Resource) -> frozenset[str]:
        """The tags of a resource, of everything above it, and of the node it is on.

        The node's come from the configuration, so that its rules hold even where nobody watches the node itself.
        """
        tags = self.feed.fleet.tags(target.ref) | target.tags
        parent = target.parent.id if target.parent is not None and target.parent.kind == "node" else ""
        for name in (target.source, parent):
            entry = self.inventory.nodes.get(name)
            if entry is not None:
                tags |= entry.tags
        return tags

    async def look(self, verb: Verb, target: Resource | None, arguments: Mapping[str, Any]) -> View:
        """Read a view of one target (or of the kind)."""
        backend = self._backend_for(verb, target, arguments)
        bound = _bind(getattr(backend, verb.method), verb, target, arguments)
        return await bound

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
        verdict = self.permitted(verb, targets)
        if isinstance(verdict, Refuse):
            return await self._refuse(order, verdict.reason)
        if not order.wait and not verb.carried:
            reason = "--no-wait needs an outside that carries the work on by itself, and this runs only while we do"
            return await self._refuse(order, reason)

        parts, unplanned = await self._plan(order, targets)
        cannot.extend(unplanned)
        if not parts:
            await self._note_refusals(order, cannot)
            return tuple(cannot)
        able = tuple(target for part in parts for target in part.targets)
        plan = Plan.merged([part.plan for part in parts])
        intention = Intention(verb, tuple(t.id for t in able), plan, order.why, order.trace)

        judgement, _ = await self._judge(intention, able)
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
            judgement, _ = await self._judge(intention, able)
            if isinstance(judgement.verdict, Refuse):
                reason = f"no longer allowed: {judgement.verdict.reason}"
                return (*cannot, *await self._refuse(order, reason, able))

        held = await self._reserve(intention)
        done = await self._run(order, able, plan, held, started, spoken)
        outcomes = (*cannot, *done)
        return tuple(sorted(outcomes, key=lambda outcome: outcome.outcome is Ended.DONE))

    def _resolve(self, order: Order) -> tuple[list[Resource], list[Outcome]]:
        found: list[Resource] = []
        cannot: list[Outcome] = []
        for ref in dict.fromkeys(order.targets):
            target = self.feed.fleet.find(ref)
            if target is None:
                cannot.append(_outcome(order, ref.id, Ended.FAILED, "there is no such target any more", 1))
            else:
                found.append(target)
        # One order whatever the door: marks have none, and sources answer as they come. The plan's digest covers it.
        found.sort(key=lambda target: _counting(target.id))
        return found, cannot

    async def _plan(self, order: Order, targets: Sequence[Resource]) -> tuple[list[_Part], list[Outcome]]:
        """Ask the backends what they would do; a target whose plan fails does not stop the others."""
        verb = order.verb
        if verb.scope is Scope.KIND:
            groups: list[tuple[Resource, ...]] = [()]
        elif verb.scope is Scope.EACH:
            groups = [(target,) for target in targets]
        else:
            by_backend: dict[str, list[Resource]] = {}
            for target in targets:
                reading = self.feed.fleet.reading_of(target.ref)
                by_backend.setdefault(reading.backend if reading else "", []).append(target)
            groups = [tuple(group) for group in by_backend.values()]
        room = asyncio.Semaphore(max(1, order.parallel))

        async def one(group: tuple[Resource, ...]) -> _Part | list[Outcome]:
            async with room:
                try:
                    backend = self._backend_for(verb, group[0] if group else None, order.arguments)
                    method = getattr(backend, verb.method)
                    subject = group if verb.scope is Scope.GROUP else (group[0] if group else None)
                    plan: Plan = await _bind(method, verb, subject, order.arguments)
                    return _Part(group, plan)
                except Unsupported as error:
                    ended, words, code = Ended.REFUSED, str(error), 4
                except Refused as error:
                    ended, words, code = Ended.REFUSED, str(error), 4
                except ConfigurationError as error:  # what was asked cannot be meant: nothing was tried
                    ended, words, code = Ended.FAILED, str(error), 2
                except QuarterdeckError as error:
                    ended, words, code = Ended.FAILED, str(error), 1
                except Exception as error:
                    log.exception("planning %s", verb.title)
                    ended, code = Ended.FAILED, 1
                    words = f"{type(error).__name__}: {error} (details are in the log file)"
                return [_outcome(order, t.id, ended, words, code) for t in group] or [
                    _outcome(order, "", ended, words, code)
                ]

        made = await asyncio.gather(*(one(group) for group in groups))
        parts = [part for part in made if isinstance(part, _Part)]
        return parts, [outcome for part in made if not isinstance(part, _Part) for outcome in part]

    def _rules(self) -> list[Rule]:
        return [rule for backend in self.backends.values() for rule in backend.rules()]

    async def _judge(self, intention: Intention, targets: Sequence[Resource]) -> tuple[Judgement, tuple[Any, ...]]:
        fleet = self.feed.fleet
        rules = self._rules()
        found = await asyncio.gather(*(self._gather(rule, intention, fleet) for rule in rules))
        judgement = judge(
            intention,
            self._tagged(targets),
            fleet,
            self.inventory.rules,
            read_only=self.read_only,
            evidence=list(zip(rules, found, strict=True)),
        )
        return judgement, tuple(found)

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

    async def _reserve(self, intention: Intention) -> list[Reservation]:
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
            handle=self._record_handle,
            terminal=lambda argv, env: self.front.terminal(argv, env),
            secret=lambda what, prompt: self.front.secret(what, prompt),
            carried=order.verb.carried,
        )
        try:
            await self.witness.begin(self._draft(order, Phase.INTENT, targets, plan=plan), outcomes=len(refs))
        except WitnessError as error:
            for reservation in held:
                await reservation.release()
            words = f"refused because it cannot be witnessed: {error}"
            return tuple(_outcome(order, ref.id, Ended.REFUSED, words, 4) for ref in refs)
        if spoken is not None:
            job.spoken.append(spoken)
        job.listeners.append(self._job_changed)
        self._keep(job)
        if started is not None:
            started(job)
        following = asyncio.create_task(self._follow(order, job, targets, held), name=f"follow {job.id}")
        self._following.add(following)
        following.add_done_callback(self._following.discard)
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

    async def _follow(
        self, order: Order, job: Job, targets: Sequence[Resource], held: Sequence[Reservation]
    ) -> tuple[Outcome, ...]:
        """See a job to its end. A task of its own: whoever stops waiting, outcomes are witnessed and holds settled."""
        outcomes = await job.start()
        await self._record_outcomes(order, job, outcomes)
        ok = all(outcome.outcome is Ended.DONE for outcome in outcomes)
        for reservation in held:
            try:
                await reservation.settle(ok=ok, seconds=(job.ended_at or job.started_at) - job.started_at)
            except Exception:
                log.exception("settling a reservation of %s", order.verb.title)
        self._nudge(targets)
        return outcomes

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

    # -- witness --------------------------------------------------------------------------------------------------

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

    async def _record_handle(self, job: Job, step: Step, handle: str) -> None:
        await self.witness.record(
            Draft(
                verb=job.verb,
                target=str(step.ref) if step.ref.id else "",
                plan=(step.text,),
                trace=job.trace,
                phase=Phase.STEP,
                handle=handle,
            )
        )

    async def _record_outcomes(self, order: Order, job: Job, outcomes: Sequence[Outcome]) -> None:
        """Each target's outcome; asked for together, so that they share one sync of the disk."""

        async def one(outcome: Outcome) -> None:
            draft = self._draft(order, Phase.OUTCOME, outcome=outcome, ref=Ref(order.verb.noun, outcome.id))
            try:
                await self.witness.record(draft)
            except WitnessError as error:
                log.critical("outcome not witnessed: %s", error)
                job.say(f"the outcome could not be witnessed: {error}")

        await asyncio.gather(*(one(outcome) for outcome in outcomes))

    async def _note(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            draft = self._draft(order, Phase.REFUSAL, outcome=outcome, ref=Ref(order.verb.noun, outcome.id))
            try:
                await self.witness.record(draft)
            except WitnessError as error:
                log.critical("refusal not witnessed: %s", error)

    async def _note_refusals(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        await self._note(order, [o for o in outcomes if o.outcome in (Ended.REFUSED, Ended.FAILED)])

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
        outcomes = tuple(_outcome(order, one, ended, words, code) for one in ids or [""])
        await self._note(order, outcomes)
        return outcomes

    async def _falsified(
        self, order: Order, targets: Sequence[Resource], plan: Plan, judgement: Judgement, partly: bool
    ) -> tuple[Outcome, ...]:
        """Every check with its evidence, those that only this mode makes included; nothing was changed."""
        proofs = await self._prove(plan, order.parallel)
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
            return _outcome(order, target, ended, f"falsify: {refused or 'nothing was falsified'}", code, data=data)

        outcomes = [outcome(one) for one in [t.id for t in targets] or [""]]
        outcomes.sort(key=lambda one: one.outcome is Ended.DONE)
        await self._note(order, outcomes)
        return tuple(outcomes)

    async def _prove(self, plan: Plan, parallel: int) -> list[tuple[Ref, Check]]:
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

    # -- small parts ----------------------------------------------------------------------------------------------

    def _tagged(self, targets: Sequence[Resource]) -> list[tuple[Resource, frozenset[str]]]:
        return [(target, self.tags(target)) for target in targets]

    def _backend_of(self, ref: Ref) -> Backend | None:
        reading = self.feed.fleet.reading_of(ref)
        return self.backends.get(reading.backend) if reading else None

    def _backend_for(self, verb: Verb, target: Resource | None, arguments: Mapping[str, Any]) -> Backend:
        if target is not None:
            backend = self._backend_of(target.ref)
            if backend is None:
                raise Missing("nobody tells of it any more", where=target.id)
            if not offers(backend, verb):
                raise Unsupported(f"'{verb.title}' is not offered for this one", where=target.id)
            return backend
        able = [backend for backend in self.backends.values() if offers(backend, verb)]
        if len(able) > 1 and arguments.get("to"):
            sources = {b.name: {s.name for s in b.sources(self.inventory)} for b in able}
            able = [b for b in able if arguments["to"] in sources[b.name]] or able
        if not able:
            raise Unsupported(f"no backend here can do '{verb.title}'")
        return able[0]

    def _nudge(self, targets: Sequence[Resource]) -> None:
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


def _outcome(
    order: Order,
    target: str,
    ended: Ended,
    message: str,
    code: int,
    job: str = "",
    data: Mapping[str, Any] | None = None,
) -> Outcome:
    return Outcome(
        id=target,
        verb=order.verb.title,
        outcome=ended,
        exit_code=code,
        message=message,
        job=job,
        trace=order.trace,
        data=data or {},
    )


def _counting(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts names as people count: ``n2`` before ``n10``."""
    parts = re.split(r"([0-9]+)", name)
    return [(number, int(part) if number else 0, part) for part in parts for number in [part.isdecimal()]]


def _cost(cost: Cost) -> dict[str, Any]:
    return {"money": cost.money, "seconds": cost.seconds, "note": cost.note}


def _bind(method: Callable[..., Any], verb: Verb, subject: Any, arguments: Mapping[str, Any]) -> Any:
    """Call a verb's method with its target, its arguments and options, and what follows ``--``."""
    positional: list[Any] = [] if not verb.takes_target else [subject]
    named: dict[str, Any] = {}
    tail: Sequence[str] = ()
    for param in verb.params:
        if param.name not in arguments:
            if param.required:
                raise Missing(f"'{param.name}' is required", where=verb.title)
            if param.shape is Shape.ARGUMENT:
                positional.append(param.default)  # what follows must not slip into its place
            continue
        value = arguments[param.name]
        if param.shape is Shape.COMMAND:
            tail = value
        elif param.shape is Shape.ARGUMENT:
            positional.append(value)
        else:
            named[param.name] = value
    return method(*positional, *tail, **named)


__all__ = ["Answer", "Deck", "Front", "NoFront", "Order", "Question"]
