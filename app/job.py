"""A running plan: bounded, ordered, one result per target, with progress, a log tail and cancel.

A job belongs to nobody's screen: it goes on while the operator looks elsewhere.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from app.errors import Busy, Denied, QuarterdeckError, Unsupported
from app.fleet import Ref
from app.lanes import Lanes
from app.plan import Plan, Result, Step

log = logging.getLogger(__name__)

KEEP_LINES = 1000
KEEP_OUTPUT = 1 << 20
"""Bytes of output kept per step and stream; what is beyond is counted and dropped."""


class Ended(StrEnum):
    """How something that was asked for ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    DECLINED = "declined"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one target."""

    id: str
    """The target's id; empty for a verb without a target."""
    verb: str
    """As on the command line: ``node exec``."""
    outcome: Ended
    exit_code: int = 0
    message: str = ""
    job: str = ""
    trace: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the verb itself tells: ``stdout``, ``stderr``, checks of a falsification."""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The outcome as one flat JSON object."""
        said: dict[str, Any] = {name: getattr(self, name) for name in ("id", "verb", "exit_code", "message")}
        said["outcome"] = str(self.outcome)
        return {**said, "job": self.job, "trace": self.trace, "seconds": round(self.seconds, 3), **self.data}


class StepState(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Running:
    """One step of a running job: where it stands and what it said."""

    step: Step
    state: StepState = StepState.WAITING
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    measured: bool = False
    """Whether the step has told of any progress; without it there is nothing to draw a bar from."""
    result: Result | None = None
    message: str = ""
    refused: bool = False
    """Somebody else was at it, so nothing was tried."""
    started_at: float | None = None
    ended_at: float | None = None
    output: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    kept: dict[str, int] = field(default_factory=dict[str, int])
    dropped: int = 0

    def text(self, stream: str) -> str:
        """What it wrote to one stream, as far as it was kept."""
        return "".join(self.output.get(stream, ()))


Handle = Callable[["Job", Step, str], Awaitable[None]]
Terminal = Callable[[Sequence[str], Mapping[str, str] | None], Awaitable[int]]
Secret = Callable[[str, str], Awaitable[str | None]]
Turn = Callable[[str, Ref, int, int], Awaitable[bool]]
"""(verb, whose step, its number, of how many) -> whether to hand the terminal over; else nothing more is begun."""
Spoken = Callable[["Job", Step, str, str], None]
"""(job, step, stream, text): output as it comes, for whoever streams it; stream ``log`` is the step's own words."""

_numbers = itertools.count(1)


class Job:
    """One plan while it runs and after; listeners hear of every change."""

    def __init__(
        self,
        *,
        verb: str,
        targets: Sequence[Ref],
        plan: Plan,
        trace: str = "",
        parallel: int = 16,
        wait: bool = True,
        lanes: Lanes | None = None,
        handle: Handle | None = None,
        terminal: Terminal | None = None,
        turn: Turn | None = None,
        secret: Secret | None = None,
        carried: bool = False,
    ) -> None:
        self.id = f"j{next(_numbers)}"
        self.verb = verb
        self.targets = tuple(targets)
        self.plan = plan
        self.trace = trace
        self.wait = wait
        self.carried = carried
        """Whether the outside goes on with it by itself."""
        self.running = [Running(step) for step in plan.steps]
        self.log: deque[str] = deque(maxlen=KEEP_LINES)
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self.outcomes: tuple[Outcome, ...] = ()
        self.listeners: list[Callable[[Job], None]] = []
        self.spoken: list[Spoken] = []
        self._lanes = lanes or Lanes()
        self._room = asyncio.Semaphore(max(1, parallel))
        self.on_handle = handle
        self.on_terminal = terminal
        self.on_turn = turn
        self.one_terminal = asyncio.Lock()
        """There is one terminal: the steps that want it have it one after another."""
        self.turns: list[Running] = []
        """The steps that have had it."""
        self.on_secret = secret
        self._task: asyncio.Task[tuple[Outcome, ...]] | None = None
        self._begun = False
        self._cancelled = False

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.ended_at is not None

    @property
    def progress(self) -> float | None:
        """Share done, 0 to 1: finished steps plus the measured part of running ones; ``None`` when unmeasurable."""
        if not self.running:
            return 1.0 if self.ended else None
        if len(self.running) == 1 and not self.ended and self.running[0].total is None:
            return None
        share = 0.0
        for one in self.running:
            if one.state in (StepState.WAITING, StepState.RUNNING):
                share += min(1.0, one.done / one.total) if one.total else 0.0
            else:
                share += 1.0
        return share / len(self.running)

    @property
    def state(self) -> str:
        """One word for the tray."""
        if not self.ended:
            return "running"
        worst = {outcome.outcome for outcome in self.outcomes}
        for ended in (Ended.FAILED, Ended.CANCELLED):
            if ended in worst:
                return str(ended)
        return "done"

    def start(self) -> asyncio.Task[tuple[Outcome, ...]]:
        """Begin; the task returns the outcomes and never raises for a step's failure."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"job {self.id} {self.verb}")
        return self._task

    def cancel(self) -> None:
        """Stop it: running steps end what they began, waiting ones never start. Again changes nothing."""
        if self._cancelled or self.ended:
            return
        self._cancelled = True
        if self._begun and self._task is not None:
            self._task.cancel()

    def changed(self) -> None:
        """Tell the listeners; one that fails is no reason for the work to."""
        for listener in tuple(self.listeners):
            try:
                listener(self)
            except Exception:
                log.exception("a listener of job %s failed", self.id)

    def say(self, line: str) -> None:
        """Add a line to the log and tell the listeners."""
        self.log.append(line)
        self.changed()

    async def _run(self) -> tuple[Outcome, ...]:
        self._begun = True
        waiting = {one.step.name: asyncio.Event() for one in self.running if one.step.name}
        named = {one.step.name: one for one in self.running if one.step.name}
        tasks = [asyncio.create_task(self._one(one, waiting, named)) for one in self.running]
        try:
            if self._cancelled:  # before the first step: a task that never ran could not say how it ended
                raise asyncio.CancelledError
            if tasks:
                await asyncio.wait(tasks)  # not gather: its cancel, and then ours, would cut cleaning up short
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in self.running:
                if one.state in (StepState.WAITING, StepState.RUNNING):
                    one.message = one.message or "cancelled before it began"
                    one.state = StepState.CANCELLED
        self.ended_at = time.monotonic()
        self.outcomes = self._outcomes()
        self.changed()
        return self.outcomes

    async def _one(self, one: Running, waiting: Mapping[str, asyncio.Event], named: Mapping[str, Running]) -> None:
        try:
            for name in (*one.step.after, *one.step.behind):
                await waiting[name].wait()
            if any(named[name].state is not StepState.DONE for name in one.step.after):
                one.state = StepState.SKIPPED
                one.message = "not started: a step before it did not succeed"
                return
            async with self._lanes.within(one.step.lane, one.step.width), self._room:
                one.state, one.started_at = StepState.RUNNING, time.monotonic()
                self.say(f"{one.step.ref.id}  {one.step.text}" if one.step.ref.id else one.step.text)
                await self._perform(one)
        finally:
            one.ended_at = time.monotonic()
            if one.step.name:
                waiting[one.step.name].set()
            self.changed()

    async def _perform(self, one: Running) -> None:
        try:
            result = await one.step.run(StepReport(self, one)) or Result()
        except asyncio.CancelledError:
            one.state, one.message = StepState.CANCELLED, "cancelled"
            raise
        except Busy as error:
            one.state, one.message, one.refused = StepState.FAILED, str(error), True
            one.result = Result(4, str(error))
        except QuarterdeckError as error:
            one.state, one.message = StepState.FAILED, str(error)
            one.result = Result(1, str(error))
        except Exception as error:
            log.exception("step failed: %s", one.step.text)
            one.state, one.message = StepState.FAILED, f"{type(error).__name__}: {error} (details are in the log file)"
            one.result = Result(1, one.message)
        else:
            one.result, one.message = result, result.message
            one.state = StepState.DONE if result.exit_code == 0 else StepState.FAILED
        if one.message:
            self.say(f"{one.step.ref.id}: {one.message}" if one.step.ref.id else one.message)

    def _outcomes(self) -> tuple[Outcome, ...]:
        """One per target, failures first."""
        by_target: dict[Ref, list[Running]] = {ref: [] for ref in self.targets}
        for one in self.running:
            by_target.setdefault(one.step.ref, []).append(one)
        found = [self._outcome(ref, steps) for ref, steps in by_target.items()]
        return tuple(sorted(found, key=lambda outcome: outcome.outcome is Ended.DONE))

    def _outcome(self, ref: Ref, steps: Sequence[Running]) -> Outcome:
        states = {one.state for one in steps}
        failed = next((one for one in steps if one.state is StepState.FAILED), None)
        last = steps[-1] if steps else None
        told = failed or last
        if failed is not None:
            ended, code = Ended.FAILED, (failed.result.exit_code if failed.result else 1) or 1
            if failed.refused and all(one.state in (StepState.FAILED, StepState.SKIPPED) for one in steps):
                ended = Ended.REFUSED  # by what somebody else is doing: nothing was done
        elif StepState.CANCELLED in states:
            ended, code = Ended.CANCELLED, 130
        elif StepState.SKIPPED in states:
            ended, code = Ended.FAILED, 1
        else:
            ended, code = Ended.DONE, 0
        data: dict[str, Any] = {}
        for one in steps:
            if one.result is not None:
                data.update(one.result.data)
        for stream in ("stdout", "stderr"):
            said = "".join(one.text(stream) for one in steps)
            if said or any(stream in one.output for one in steps):
                data.setdefault(stream, said)
        begun = [one.started_at for one in steps if one.started_at is not None]
        over = [one.ended_at for one in steps if one.ended_at is not None]
        return Outcome(
            id=ref.id,
            verb=self.verb,
            outcome=ended,
            exit_code=code,
            message=told.message if told else self._nothing(ref),
            job=self.id,
            trace=self.trace,
            data=data,
            seconds=max(over) - min(begun) if begun and over else 0.0,
        )

    def _nothing(self, ref: Ref) -> str:
        """Why there was nothing to do: what the plan notes of the target, where it has a word for it."""
        notes = (
            self.plan.notes if len(self.targets) <= 1 else [n for n in self.plan.notes if n.startswith(f"{ref.id}: ")]
        )
        words = "; ".join(note.removeprefix(f"{ref.id}: ") for note in notes)
        return f"nothing to do: {words}" if words else "nothing to do"


class StepReport:
    """The ``Report`` of one running step."""

    def __init__(self, job: Job, running: Running) -> None:
        self._job = job
        self._running = running
        self.wait = job.wait

    def log(self, line: str) -> None:
        """Add one line to the job's log, and pass it on."""
        self._pass_on("log", f"{line}\n")
        self._job.say(f"{self._running.step.ref.id}: {line}" if self._running.step.ref.id else line)

    def output(self, stream: Literal["stdout", "stderr"], data: str) -> None:
        """Keep a piece of output, bounded, and pass it on."""
        one = self._running
        kept = one.kept.get(stream, 0)
        one.output.setdefault(stream, [])
        if kept < KEEP_OUTPUT:
            one.output[stream].append(data[: KEEP_OUTPUT - kept])
            one.kept[stream] = kept + len(data)
        else:
            one.dropped += len(data)
        for line in data.splitlines():
            self._job.log.append(line)
        self._pass_on(stream, data)
        self._job.changed()

    def _pass_on(self, stream: str, data: str) -> None:
        for hear in tuple(self._job.spoken):
            try:
                hear(self._job, self._running.step, stream, data)
            except Exception:  # whoever read the output has gone; the work goes on
                log.exception("passing on output of job %s", self._job.id)
                self._job.spoken.remove(hear)

    def progress(self, done: float, total: float | None, unit: str = "") -> None:
        """Say how far the step is."""
        one = self._running
        one.done, one.total, one.unit, one.measured = done, total, unit, True
        self._job.changed()

    async def handle(self, handle: str) -> None:
        """Write the outside's handle into the witness before going on."""
        if self._job.on_handle is not None:
            await self._job.on_handle(self._job, self._running.step, handle)

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
        """Give the terminal to a child process."""
        if self._job.on_terminal is None:
            raise Unsupported("there is no terminal to hand over", todo="run it from a terminal")
        async with self._job.one_terminal:
            await self._wait_for_turn()
            return await self._job.on_terminal(argv, env)

    async def _wait_for_turn(self) -> None:
        """Tell the operator whose turn it is where there are several; where they want no more, end the job."""
        job, one = self._job, self._running
        if one in job.turns:
            return
        waiting = [two for two in job.running if two.state in (StepState.WAITING, StepState.RUNNING)]
        total = len(job.turns) + sum(two not in job.turns for two in waiting)
        number = len(job.turns) + 1
        if total > 1 and job.on_turn is not None and not await job.on_turn(job.verb, one.step.ref, number, total):
            job.cancel()
            raise asyncio.CancelledError
        job.turns.append(one)

    async def secret(self, prompt: str) -> str:
        """Ask the operator for a secret."""
        ask = self._job.on_secret
        said = await ask(self._running.step.ref.id, prompt) if ask else None
        if said is None:
            raise Denied("no answer to the prompt for a secret", where=self._running.step.ref.id)
        return said
