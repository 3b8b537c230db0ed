"""Lanes: how many do the same thing side by side, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from app.fleet import Ref
from app.job import Job
from app.lanes import Lanes
from app.plan import Plan, Report, Result, Step
from tests.waiting import eventually


class Yard:
    """Counts who is in it."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.been: list[str] = []
        self.most = 0
        self.go = asyncio.Event()

    async def visit(self, lanes: Lanes, who: str, *names: str, width: int = 1) -> None:
        async with lanes.within(names, width):
            self.inside.append(who)
            self.been.append(who)
            self.most = max(self.most, len(self.inside))
            try:
                await self.go.wait()
            finally:
                self.inside.remove(who)


async def _told(yard: Yard, count: int) -> None:
    await eventually(lambda: len(yard.inside) == count)


async def test_a_lane_is_as_wide_as_its_steps_say_and_first_come_goes_first() -> None:
    lanes, yard = Lanes(), Yard()
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(yard.visit(lanes, str(number), "disk", width=2))
        await _told(yard, 2)
        assert yard.inside == ["0", "1"]
        yard.go.set()
    assert yard.most == 2
    assert yard.been == ["0", "1", "2", "3", "4"]


async def test_a_narrower_one_waits_until_it_is_alone_and_is_not_overtaken() -> None:
    lanes, yard = Lanes(), Yard()
    async with asyncio.TaskGroup() as group:
        for who in ("a", "b"):
            group.create_task(yard.visit(lanes, who, "disk", width=3))
        await _told(yard, 2)
        group.create_task(yard.visit(lanes, "alone", "disk", width=1))
        await asyncio.sleep(0)
        late = group.create_task(yard.visit(lanes, "late", "disk", width=3))
        await asyncio.sleep(0)
        assert yard.inside == ["a", "b"]
        yard.go.set()
        await late
    assert yard.been == ["a", "b", "alone", "late"]


async def test_two_that_want_the_same_two_lanes_never_wait_for_each_other() -> None:
    lanes, yard = Lanes(), Yard()
    yard.go.set()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(yard.visit(lanes, str(number), *(("a", "b") if number % 2 else ("b", "a"))))
    assert yard.most == 1
    assert len(yard.been) == 10


async def test_who_is_cancelled_while_waiting_leaves_its_place_to_the_next() -> None:
    lanes, yard = Lanes(), Yard()
    first = asyncio.create_task(yard.visit(lanes, "first", "disk"))
    await _told(yard, 1)
    second = asyncio.create_task(yard.visit(lanes, "second", "disk"))
    third = asyncio.create_task(yard.visit(lanes, "third", "disk"))
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await eventually(lambda: yard.inside == ["third"])
    yard.go.set()
    await asyncio.gather(first, second, third, return_exceptions=True)
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        await stack.enter_async_context(lanes.within("disk"))


async def test_one_whose_turn_comes_as_it_is_cancelled_does_not_keep_its_place() -> None:
    lanes, yard = Lanes(), Yard()
    first = asyncio.create_task(yard.visit(lanes, "first", "disk"))
    await _told(yard, 1)
    second = asyncio.create_task(yard.visit(lanes, "second", "disk"))
    await asyncio.sleep(0)
    yard.go.set()
    while not first.done():
        await asyncio.sleep(0)
    second.cancel()  # its turn may have come by now, without it having run
    await asyncio.gather(second, return_exceptions=True)
    async with asyncio.timeout(20), lanes.within("disk"):
        pass


async def test_steps_of_a_plan_use_the_width_and_all_of_their_lanes() -> None:
    running = most = 0

    async def work(report: Report) -> Result:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return Result()

    plan = Plan(*(Step(Ref("vm", f"{n}"), "x", work, lane=("a", f"own{n}"), width=3) for n in range(8)))
    async with asyncio.timeout(20):
        await Job(verb="vm snapshot", targets=[], plan=plan).start()
    assert most == 3
