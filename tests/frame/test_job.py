"""Jobs: order, lanes, bounds, one result per target, progress that is measured or unknown, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from app.errors import Denied, Unreachable, Unsupported
from app.fleet import Ref
from app.job import KEEP_OUTPUT, Ended, Job, Lanes, StepState
from app.plan import Plan, Report, Result, Step
from tests.waiting import eventually

Work = Callable[[Report], Awaitable[Result | None]]


def ref(name: str) -> Ref:
    return Ref("kettle", name)


def job(*steps: Step, parallel: int = 16, lanes: Lanes | None = None) -> Job:
    targets = tuple(dict.fromkeys(step.ref for step in steps))
    return Job(verb="kettle boil", targets=targets, plan=Plan(*steps), parallel=parallel, lanes=lanes)


class Bench:
    """Steps that note when they run side by side, and wait until they are let go."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.running: set[str] = set()
        self.most = 0
        self.go = asyncio.Event()

    def step(self, name: str, *, target: str = "", hold: bool = False, fails: bool = False) -> Work:
        async def run(report: Report) -> Result:
            self.running.add(name)
            self.most = max(self.most, len(self.running))
            self.order.append(name)
            try:
                if hold:
                    await self.go.wait()
                else:
                    await asyncio.sleep(0)
                if fails:
                    raise Unreachable("gone", where=name)
            finally:
                self.running.discard(name)
            return Result()

        return run


async def test_steps_wait_for_those_before_them_and_are_skipped_when_those_fail() -> None:
    work = Bench()
    running = job(
        Step(ref("a"), "third", work.step("third"), "third", after=("second",)),
        Step(ref("a"), "second", work.step("second"), "second", after=("first",)),
        Step(ref("a"), "first", work.step("first"), "first"),
        Step(ref("b"), "bad", work.step("bad", fails=True), "bad"),
        Step(ref("b"), "never", work.step("never"), after=("bad",)),
    )
    outcomes = {outcome.id: outcome for outcome in await running.start()}
    assert [name for name in work.order if name != "bad"] == ["first", "second", "third"]
    assert "never" not in work.order
    assert outcomes["a"].outcome is Ended.DONE
    assert outcomes["b"].outcome is Ended.FAILED
    assert outcomes["b"].message == "bad: gone"
    assert [one.state for one in running.running][-1] is StepState.SKIPPED


async def test_a_step_behind_others_begins_when_they_are_over_however_they_ended() -> None:
    work = Bench()
    running = job(
        Step(ref("c"), "last", work.step("last"), "last", behind=("fails", "skipped", "good")),
        Step(ref("a"), "fails", work.step("fails", fails=True), "fails"),
        Step(ref("a"), "skipped", work.step("skipped"), "skipped", after=("fails",)),
        Step(ref("b"), "good", work.step("good", hold=True), "good"),
    )
    ended = running.start()
    await eventually(lambda: [one.state for one in running.running[1:3]] == [StepState.FAILED, StepState.SKIPPED])
    assert running.running[0].state is StepState.WAITING
    work.go.set()
    outcomes = await ended
    assert work.order[-1] == "last"
    assert {outcome.id: outcome.outcome for outcome in outcomes} == {
        "a": Ended.FAILED,
        "b": Ended.DONE,
        "c": Ended.DONE,
    }


async def test_a_step_both_after_and_behind_wants_success_of_the_one_and_the_end_of_the_other() -> None:
    work = Bench()
    outcomes = await job(
        Step(ref("a"), "first", work.step("first"), "first"),
        Step(ref("b"), "other", work.step("other", fails=True), "other"),
        Step(ref("c"), "both", work.step("both"), after=("first",), behind=("other",)),
        Step(ref("d"), "never", work.step("never"), after=("other",), behind=("first",)),
    ).start()
    assert "never" not in work.order
    assert {outcome.id: outcome.outcome for outcome in outcomes} == {
        "a": Ended.DONE,
        "b": Ended.FAILED,
        "c": Ended.DONE,
        "d": Ended.FAILED,
    }


async def test_cancel_never_starts_what_stands_behind_what_was_cancelled() -> None:
    work = Bench()
    running = job(
        Step(ref("a"), "held", work.step("held", hold=True), "held"),
        Step(ref("b"), "behind", work.step("behind"), behind=("held",)),
    )
    ended = running.start()
    await eventually(lambda: work.running == {"held"})
    running.cancel()
    outcomes = await ended
    assert work.order == ["held"]
    assert {outcome.id: outcome.outcome for outcome in outcomes} == {"a": Ended.CANCELLED, "b": Ended.CANCELLED}


async def test_no_more_than_parallel_run_and_a_lane_never_runs_side_by_side_even_across_jobs() -> None:
    work, lanes = Bench(), Lanes()
    free = [Step(ref(f"k{n}"), f"k{n}", work.step(f"k{n}", hold=True)) for n in range(5)]
    running = job(*free, parallel=2)
    task = running.start()
    await eventually(lambda: len(work.running) == 2)
    work.go.set()
    await task
    assert work.most == 2

    brush = Bench()
    one = job(*(Step(ref(f"a{n}"), "x", brush.step(f"a{n}"), lane="brush") for n in range(3)), lanes=lanes)
    two = job(*(Step(ref(f"b{n}"), "x", brush.step(f"b{n}"), lane="brush") for n in range(3)), lanes=lanes)
    await asyncio.gather(one.start(), two.start())
    assert brush.most == 1
    assert len(brush.order) == 6


async def test_failures_come_first_and_keep_their_exit_codes() -> None:
    async def three(report: Report) -> Result:
        report.output("stdout", "half a line")
        report.output("stderr", "and a complaint\n")
        return Result(3, "it leaks", {"leaks": 2})

    work = Bench()
    outcomes = await job(Step(ref("good"), "g", work.step("g")), Step(ref("bad"), "b", three)).start()
    assert [(o.id, o.outcome, o.exit_code) for o in outcomes] == [("bad", Ended.FAILED, 3), ("good", Ended.DONE, 0)]
    assert outcomes[0].as_json() == {
        "id": "bad",
        "verb": "kettle boil",
        "exit_code": 3,
        "message": "it leaks",
        "outcome": "failed",
        "job": outcomes[0].job,
        "trace": "",
        "seconds": outcomes[0].as_json()["seconds"],
        "leaks": 2,
        "stdout": "half a line",
        "stderr": "and a complaint\n",
    }


async def test_progress_is_measured_or_unknown_never_invented() -> None:
    told = asyncio.Event()
    go = asyncio.Event()

    async def copy(report: Report) -> Result:
        await told.wait()
        report.progress(25, 100, "bytes")
        await go.wait()
        return Result()

    running = job(Step(ref("a"), "copy", copy))
    task = running.start()
    await eventually(lambda: running.running[0].state is StepState.RUNNING)
    assert running.progress is None
    told.set()
    await eventually(lambda: running.progress == 0.25)
    go.set()
    await task
    assert running.progress == 1.0


async def test_cancel_ends_what_runs_never_starts_what_waits_and_may_come_again() -> None:
    work = Bench()
    cleaned: list[str] = []

    async def slow(report: Report) -> Result:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.append("ended on the host")
        return Result()

    running = job(Step(ref("a"), "slow", slow), Step(ref("b"), "waits", work.step("waits")), parallel=1)
    task = running.start()
    await eventually(lambda: running.running[0].state is StepState.RUNNING)
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    outcomes = await task
    assert cleaned == ["ended on the host"]
    assert work.order == []
    assert {(o.id, o.outcome, o.exit_code) for o in outcomes} == {
        ("a", Ended.CANCELLED, 130),
        ("b", Ended.CANCELLED, 130),
    }
    assert running.state == "cancelled"


async def test_a_job_cancelled_before_its_first_step_still_has_outcomes() -> None:
    work = Bench()
    running = job(Step(ref("a"), "x", work.step("x")))
    task = running.start()
    running.cancel()
    assert [o.outcome for o in await task] == [Ended.CANCELLED]
    assert work.order == []


async def test_a_defect_in_a_step_is_a_failed_outcome() -> None:
    async def broken(report: Report) -> Result:
        raise ZeroDivisionError("oops")

    outcomes = await job(Step(ref("a"), "x", broken)).start()
    assert outcomes[0].outcome is Ended.FAILED
    assert "ZeroDivisionError" in outcomes[0].message


async def test_output_is_passed_on_as_it_comes_and_kept_within_bounds() -> None:
    async def talk(report: Report) -> None:
        for _ in range(3):
            report.output("stdout", "x" * (KEEP_OUTPUT // 2))

    running = job(Step(ref("a"), "talk", talk))
    heard: list[tuple[str, int]] = []
    running.spoken.append(lambda _, step, stream, text: heard.append((stream, len(text))))
    outcomes = await running.start()
    assert heard == [("stdout", KEEP_OUTPUT // 2)] * 3
    assert len(outcomes[0].data["stdout"]) == KEEP_OUTPUT
    assert running.running[0].dropped == KEEP_OUTPUT // 2


async def test_without_a_front_secrets_are_denied_and_there_is_no_terminal() -> None:
    async def ask(report: Report) -> None:
        with pytest.raises(Denied):
            await report.secret("password")
        with pytest.raises(Unsupported):
            await report.terminal(["true"])

    assert [o.outcome for o in await job(Step(ref("a"), "ask", ask)).start()] == [Ended.DONE]


class Sitting:
    """An operator at the one terminal."""

    def __init__(self, patience: int = 99) -> None:
        self.patience = patience
        self.told: list[str] = []
        self.sat: list[str] = []
        self.now = 0

    async def turn(self, verb: str, who: Ref, number: int, total: int) -> bool:
        self.told.append(f"{number} of {total}: {verb} {who.id}")
        return number <= self.patience

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        self.now += 1
        assert self.now == 1, "two have the terminal at once"
        for _ in range(5):
            await asyncio.sleep(0)
        self.sat.append(argv[0])
        self.now -= 1
        return 0

    def job(self, *names: str) -> Job:
        def step(name: str) -> Step:
            async def run(report: Report) -> Result:
                return Result(await report.terminal((name,)))

            return Step(ref(name), f"enter {name}", run)

        plan = Plan(*(step(name) for name in names))
        targets = [ref(name) for name in names]
        return Job(verb="kettle enter", targets=targets, plan=plan, terminal=self.terminal, turn=self.turn)


async def test_steps_have_the_terminal_one_after_another_and_each_turn_is_told() -> None:
    sitting = Sitting()
    outcomes = await sitting.job("a", "b", "c").start()
    assert sitting.told == ["1 of 3: kettle enter a", "2 of 3: kettle enter b", "3 of 3: kettle enter c"]
    assert sitting.sat == ["a", "b", "c"]
    assert {outcome.outcome for outcome in outcomes} == {Ended.DONE}
    alone = Sitting()
    await alone.job("a").start()
    assert (alone.told, alone.sat) == ([], ["a"])


async def test_an_operator_who_stops_between_turns_cancels_what_is_left() -> None:
    sitting = Sitting(patience=1)
    outcomes = await sitting.job("a", "b", "c").start()
    assert sitting.told == ["1 of 3: kettle enter a", "2 of 3: kettle enter b"]
    assert sitting.sat == ["a"]
    assert {outcome.id: outcome.outcome for outcome in outcomes} == {
        "a": Ended.DONE,
        "b": Ended.CANCELLED,
        "c": Ended.CANCELLED,
    }


async def test_a_listener_that_fails_does_not_stop_the_work() -> None:
    work = Bench()
    running = job(Step(ref("a"), "x", work.step("x")))

    def broken(job: Job) -> None:
        raise BrokenPipeError

    running.listeners.append(broken)
    assert [o.outcome for o in await running.start()] == [Ended.DONE]
