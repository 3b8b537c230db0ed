"""What an action is going to do, as data: steps with the exact text of what will run, before anything runs.

What was confirmed is what runs: the digest covers every text, target and order.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal, Protocol

from app.errors import ConfigurationError
from app.fleet import Ref, Resource


class Risk(IntEnum):
    """What an action can break; a plan's risk may rise above its verb's, never fall below it."""

    SAFE = 0
    """Runs without a question."""
    DISRUPTS = 1
    """Asks first: something stops for a while, or somebody notices."""
    DESTROYS = 2
    """Asks for the name to be typed: something is lost."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one step ended. A non-zero exit code is a failed step; data lands in the JSON outcome."""

    exit_code: int = 0
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Report(Protocol):
    """What a running step can tell and ask; handed to ``Step.run``."""

    wait: bool
    """False: start it, record its handle and return; the outside carries it on (only for carried verbs)."""

    def log(self, line: str) -> None:
        """Add one line to the job's log."""

    def output(self, stream: Literal["stdout", "stderr"], data: str) -> None:
        """Pass on a piece of output as it comes; kept per step, and in the outcome's JSON."""

    def progress(self, done: float, total: float | None, unit: str = "") -> None:
        """Say how far the step is; ``total`` is ``None`` while it is not known, never a guess."""

    async def handle(self, handle: str) -> None:
        """Write the outside's handle of what was started (a pid, a task id) into the witness before going on."""

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
        """Give the terminal to a child process and return its exit code; raises Unsupported without a terminal."""
        ...

    async def secret(self, prompt: str) -> str:
        """Ask the operator for a secret with a masked prompt; raises Denied when there is nobody to ask."""
        ...


Run = Callable[[Report], Awaitable[Result | None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to one target."""

    target: Ref | Resource
    text: str
    """The exact command line or API call; what only turns up later stands as ``<vmid>``."""
    run: Run
    name: str = ""
    """What other steps of the plan call this one in their ``after``; unique within one target's plan."""
    after: tuple[str, ...] = ()
    """Names of steps that must have succeeded first."""
    behind: tuple[str, ...] = ()
    """Names of steps that must be over first, however they ended."""
    lane: str | tuple[str, ...] | None = None
    """Steps of one lane never run side by side, in this plan or any other: a storage, a package lock.

    Of several lanes a step is in all at once.
    """
    width: int = 1
    """How many may be in its lanes side by side, where one at a time is not what is wanted."""
    undo: str = ""
    """How to take it back, in words or as a command; empty where it can't be."""

    @property
    def ref(self) -> Ref:
        """The target as a reference."""
        return self.target.ref if isinstance(self.target, Resource) else self.target


@dataclass(frozen=True, slots=True)
class Proof:
    """A check that costs something, such as reaching a host, and so is made only to falsify a plan."""

    target: Ref | Resource
    what: str
    """What must hold, in words: ``pi can be reached``."""
    look: Callable[[], Awaitable[str]]
    """The evidence; raises a QuarterdeckError where it does not hold."""

    @property
    def ref(self) -> Ref:
        """The target as a reference."""
        return self.target.ref if isinstance(self.target, Resource) else self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a plan is expected to use up; ``None`` means it is not known."""

    money: float | None = None
    """In the currency of the configured rates."""
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, init=False)
class Plan:
    """Steps, what is lost, what it costs and how risky it is."""

    steps: tuple[Step, ...]
    loses: tuple[str, ...]
    """What will be gone, one line each, for the question."""
    notes: tuple[str, ...]
    """What else the operator should know before answering."""
    cost: Cost | None
    risk: Risk | None
    """Only where it is higher than the verb's."""
    preconditions: tuple[tuple[str, bool, str], ...]
    """(what must hold, does it, the evidence); one that does not hold refuses the plan."""
    proofs: tuple[Proof, ...]
    """What only running the plan would show otherwise; made to falsify it."""

    def __init__(
        self,
        *steps: Step,
        loses: Sequence[str] = (),
        notes: Sequence[str] = (),
        cost: Cost | None = None,
        risk: Risk | None = None,
        preconditions: Sequence[tuple[str, bool, str]] = (),
        proofs: Sequence[Proof] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "steps", steps)
        put(self, "loses", tuple(loses))
        put(self, "notes", tuple(notes))
        put(self, "cost", cost)
        put(self, "risk", risk)
        put(self, "preconditions", tuple(preconditions))
        put(self, "proofs", tuple(proofs))
        _check_order(steps)

    @property
    def digest(self) -> str:
        """SHA-256 over targets, texts, order and lanes: two plans with one digest do the same."""
        import hashlib  # not at the top: help and completion come by here and hash nothing

        said: list[Any] = [
            [str(s.ref), s.text, s.name, [*s.after, "|", *s.behind] if s.behind else list(s.after), s.lane]
            for s in self.steps
        ]
        said.append([*self.loses, int(self.risk or 0)])
        return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()

    @staticmethod
    def merged(plans: Sequence[Plan]) -> Plan:
        """One plan that does what all of them do; step names stay apart, order within each is kept."""
        if len(plans) == 1:
            return plans[0]
        steps: list[Step] = []
        for number, plan in enumerate(plans):
            for step in plan.steps:
                after = tuple(f"{number}/{name}" for name in step.after)
                behind = tuple(f"{number}/{name}" for name in step.behind)
                name = f"{number}/{step.name}" if step.name else ""
                steps.append(replace(step, name=name, after=after, behind=behind))
        costs = [plan.cost for plan in plans if plan.cost is not None]
        cost = None
        if costs:
            money = [c.money for c in costs]
            seconds = [c.seconds for c in costs]
            cost = Cost(
                money=None if None in money else sum(m for m in money if m is not None),
                seconds=None if None in seconds else max(s for s in seconds if s is not None),
                note="; ".join(dict.fromkeys(c.note for c in costs if c.note)),
            )
        risks = [plan.risk for plan in plans if plan.risk is not None]
        return Plan(
            *steps,
            loses=[line for plan in plans for line in plan.loses],
            notes=list(dict.fromkeys(line for plan in plans for line in plan.notes)),
            cost=cost,
            risk=max(risks, default=None),
            preconditions=[check for plan in plans for check in plan.preconditions],
            proofs=[proof for plan in plans for proof in plan.proofs],
        )


def _check_order(steps: Sequence[Step]) -> None:
    """Refuse plans that could never finish: a name used twice, an unknown predecessor, a circle."""
    named = [s.name for s in steps if s.name]
    if len(named) != len(set(named)):
        raise ConfigurationError("two steps of a plan have one name", where=", ".join(sorted(named)))
    after = {s.name: (*s.after, *s.behind) for s in steps if s.name}
    for step in steps:
        for name in (*step.after, *step.behind):
            if name not in after:
                raise ConfigurationError(f"step waits for '{name}', which the plan does not have", where=step.text)
    done: set[str] = set()
    while len(done) < len(after):
        ready = [name for name, needs in after.items() if name not in done and done.issuperset(needs)]
        if not ready:
            raise ConfigurationError(
                "steps wait for each other in a circle", where=", ".join(sorted(set(after) - done))
            )
        done.update(ready)
