"""The feed: what a source says is handed out soon, what it stops saying grows old, and nobody waits for a dead one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from app.backend import Asleep, Backend, Emit, Source
from app.errors import ConfigurationError, Unreachable
from app.feed import Feed
from app.fleet import Fleet, Reading, Ref
from app.history import History
from app.inventory.model import Inventory
from app.kind import AnyKind
from tests.frame import kettle, mug
from tests.frame.decks import CAMP, KETTLES, MUGS, opened
from tests.frame.galley import World
from tests.frame.kettle import Kettle
from tests.waiting import eventually

KINDS: dict[str, AnyKind] = {"kettle": kettle.KIND, "mug": mug.KIND}


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Script(Backend):
    """A backend whose sources do what a test hands in."""

    name = "script"
    nouns = ("kettle",)

    def __init__(self, *sources: Source) -> None:
        self.listed: Sequence[Source] = sources
        self.emits: dict[str, Emit] = {}
        self.begun: list[str] = []
        self.nudged: list[bool] = []
        self.fails: Exception | None = None

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        return self.listed

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        self.begun.append(source.name)
        self.emits[source.name] = emit
        self.nudged.append(nudge.is_set())
        if self.fails is not None:
            raise self.fails
        await asyncio.Event().wait()


def row(name: str, celsius: float | None = 1.0, state: str = "up") -> Kettle:
    return Kettle(id=f"s/{name}", name=name, source="s", state=state, celsius=celsius)


def reading(*rows: Kettle, at: float, source: str = "s") -> Reading:
    return Reading(backend="script", source=source, items=rows, taken_at=at, interval=2.0)


@asynccontextmanager
async def feeding(script: Script, clock: Callable[[], float] = time.monotonic) -> AsyncGenerator[Feed]:
    feed = Feed([script], KINDS, clock=clock)
    feed.configure(Inventory())
    try:
        await eventually(lambda: len(script.emits) == len(script.listed) or script.fails)
        yield feed
    finally:
        await feed.close()


def found(feed: Feed, ident: str) -> Kettle:
    item = feed.fleet.find(Ref("kettle", ident))
    assert isinstance(item, Kettle)
    return item


async def test_a_silent_source_is_stale_after_three_intervals_and_back_by_itself() -> None:
    clock, script = Clock(), Script(Source("script", "s", 2.0), Source("script", "hasty", 1.9))
    async with feeding(script, clock) as feed:
        script.emits["s"](reading(row("a"), row("b", state="down"), at=clock()))
        hasty = Kettle(id="hasty/a", name="a", source="hasty", state="up")
        script.emits["hasty"](reading(hasty, at=clock(), source="hasty"))
        clock.now += 5.9
        await eventually(lambda: feed.fleet.find(Ref("kettle", "hasty/a")))
        await eventually(lambda: found(feed, "hasty/a").state == "stale")
        assert found(feed, "s/a").state == "up"
        clock.now += 0.2
        await eventually(lambda: found(feed, "s/a").state == "stale")
        assert found(feed, "s/a").fault == "no answer for 6 s"
        assert found(feed, "s/b").state == "down"
        clock.now += 5
        script.emits["s"].alive()
        clock.now += 0.3
        await eventually(lambda: found(feed, "s/a").state == "up")
        assert found(feed, "s/a").fault is None
        told = feed.fleet.reading_of(Ref("kettle", "s/a"))
        assert told is not None
        assert told.taken_at == 1011.1


async def test_a_fault_keeps_the_last_items_and_their_age_and_ends_with_the_next_answer() -> None:
    clock, script = Clock(), Script(Source("script", "s", 2.0))
    async with feeding(script, clock) as feed:
        script.emits["s"](reading(row("a"), at=clock()))
        clock.now += 1
        script.emits["s"].fault("the line is dead", ours=True)
        clock.now += 1
        await eventually(lambda: [r.fault for r in feed.fleet.readings.values()] == ["the line is dead"])
        told = feed.fleet.reading_of(Ref("kettle", "s/a"))
        assert told is not None
        assert (told.taken_at, found(feed, "s/a").state) == (1000.0, "up")
        assert [one.source.name for one in feed.faults()] == ["s"]
        script.emits["s"].alive()
        clock.now += 1
        await eventually(lambda: [r.fault for r in feed.fleet.readings.values()] == [None])
        assert feed.faults() == ()


async def test_a_source_that_never_answered_has_its_fault_shown_until_it_does() -> None:
    script = Script(Source("script", "s", 2.0))
    async with feeding(script) as feed:
        script.emits["s"].fault("nobody is there")
        assert await feed.first(5) == ()
        assert [r.fault for r in feed.fleet.readings.values()] == ["nobody is there"]
        script.emits["s"](replace(reading(row("a"), at=1.0), topic="rows"))
        await eventually(lambda: feed.fleet.find(Ref("kettle", "s/a")))
        assert {r.fault for r in feed.fleet.readings.values()} == {None}


async def test_a_watch_that_fails_begins_again_with_growing_waits_and_a_nudge_ends_the_wait() -> None:
    script = Script(Source("script", "s", 2.0))
    script.fails = Unreachable("no route")
    async with feeding(script) as feed:
        await eventually(lambda: len(script.begun) == 2)
        begun = time.monotonic()
        for expected in (3, 4, 5):
            feed.nudge("script", "s")
            await eventually(lambda expected=expected: len(script.begun) >= expected)
        assert time.monotonic() - begun < 9, "alone the three waits are 10.5 s at the least"
        assert not feed.faults()


async def test_what_is_absent_is_forgotten_neither_ages_nor_is_waited_for_and_comes_back() -> None:
    clock, script = Clock(), Script(Source("script", "s", 2.0), Source("script", "none", 2.0))
    async with feeding(script, clock) as feed:
        history = feed.history = History()
        script.emits["s"](reading(row("a"), at=clock()))
        script.emits["none"].absent()
        assert await feed.first(5) == ()
        assert history.series(Ref("kettle", "s/a"), "celsius", 1)
        script.emits["s"].absent()
        clock.now += 100
        await eventually(lambda: not feed.fleet.readings)
        assert feed.fleet.find(Ref("kettle", "s/a")) is None
        assert not history.series(Ref("kettle", "s/a"), "celsius", 1)
        heard: list[Fleet] = []
        feed.listen(heard.append)
        for _ in range(3):
            script.emits["none"].absent()
        script.emits["s"].fault("the line is dead")
        clock.now += 1
        await eventually(lambda: [r.fault for r in feed.fleet.readings.values()] == ["the line is dead"])
        assert len(heard) == 1, "who says again that there is nothing says no news"
        script.emits["s"].absent()
        clock.now += 1
        await eventually(lambda: not feed.fleet.readings)
        assert not feed.silent()
        script.emits["s"](reading(row("a"), at=clock()))
        clock.now += 1
        await eventually(lambda: feed.fleet.find(Ref("kettle", "s/a")))
        clock.now += 7
        await eventually(lambda: found(feed, "s/a").state == "stale")


async def test_a_source_that_sleeps_has_no_task_until_it_is_woken_nudged_or_dropped() -> None:
    script = Script(Source("script", "s", 2.0))
    wakes: list[Callable[[], None]] = []
    ended: list[int] = []

    def until(wake: Callable[[], None]) -> Callable[[], None]:
        wakes.append(wake)
        number = len(wakes)
        return lambda: ended.append(number)

    def tasks() -> int:
        return sum(task.get_name() == "watch script/s" for task in asyncio.all_tasks())

    script.fails = Asleep(until)
    async with feeding(script) as feed:
        await eventually(lambda: len(wakes) == 1 and not tasks())
        wakes[0]()
        wakes[0]()
        await eventually(lambda: len(wakes) == 2 and not tasks())
        feed.nudge_all()
        await eventually(lambda: len(wakes) == 3 and not tasks())
        assert (ended, script.nudged) == ([1, 2], [False, False, True])
        assert not feed.silent()
        assert not feed.faults()
        script.listed = [Source("script", "s", 3.0)]
        feed.configure(Inventory())
        await eventually(lambda: len(wakes) == 4)
        wakes[2]()
        await eventually(lambda: ended == [1, 2, 3] and not tasks())
        assert len(wakes) == 4, "who was dropped is woken by nobody"
    assert ended == [1, 2, 3, 4]


class OtherScript(Script):
    """A second backend."""

    name = "other"


async def test_the_sources_of_one_host_begin_together() -> None:
    script = Script(Source("script", "h0"), Source("script", "h1"))
    other = OtherScript(Source("other", "h1"), Source("other", "h0"))
    feed = Feed([script, other], KINDS)
    feed.configure(Inventory(), stagger=3600.0)
    try:
        await eventually(lambda: script.begun and other.begun)
        assert script.begun == other.begun == ["h0"]
    finally:
        await feed.close()


async def test_a_fault_is_told_over_what_a_watch_before_a_reload_had_told() -> None:
    script = Script(Source("script", "s", 2.0))
    async with feeding(script) as feed:
        script.emits["s"](reading(row("a"), at=time.monotonic()))
        await eventually(lambda: feed.fleet.find(Ref("kettle", "s/a")))
        script.listed = [Source("script", "s", 3.0)]
        script.emits.clear()
        feed.configure(Inventory())
        await eventually(lambda: script.emits)
        script.emits["s"].fault("the line is dead")
        await eventually(lambda: [r.fault for r in feed.fleet.readings.values()] == ["the line is dead"])
        assert found(feed, "s/a")


async def test_a_fault_of_ours_is_told_apart() -> None:
    script = Script(Source("script", "s", 2.0))
    script.fails = ConfigurationError("the entry is wrong")
    async with feeding(script) as feed:
        await feed.first(5)
        assert [one.fault for one in feed.faults()] == ["the entry is wrong"]


async def test_one_dead_source_delays_no_other(world: World) -> None:
    world.galleys["attic"] = {}
    world.galleys["cellar"] = {}
    world.dead["attic"] = Unreachable("no stairs")
    world.silent.add("cellar")
    async with opened([KETTLES, MUGS], start_without_waiting=True) as deck:
        await eventually(lambda: deck.feed.silent() and len(list(deck.feed.fleet.of(Kettle))) == 3)
        late = await deck.feed.first(0.1)
        assert [one.source.name for one in late] == ["cellar"]


async def test_at_most_four_fleets_a_second_and_the_first_at_once() -> None:
    script = Script(Source("script", "s", 2.0))
    async with feeding(script) as feed:
        fleets: list[tuple[float, Fleet]] = []
        feed.listen(lambda fleet: fleets.append((time.monotonic(), fleet)))
        said = said_before_the_first = 0
        while len(fleets) < 4:
            script.emits["s"](reading(row("a", time.monotonic()), at=time.monotonic()))
            said += 1
            await asyncio.sleep(0.005)
            said_before_the_first += not fleets
        assert said_before_the_first <= 1
        assert said > len(fleets)
        gaps = [after[0] - before[0] for before, after in itertools.pairwise(fleets)]
        assert min(gaps) > 0.24


async def test_a_listener_that_fails_stops_no_other() -> None:
    script = Script(Source("script", "s", 2.0))
    async with feeding(script) as feed:
        heard: list[Fleet] = []

        def broken(fleet: Fleet) -> None:
            raise ValueError("a defect")

        feed.listen(broken)
        feed.listen(heard.append)
        script.emits["s"](reading(row("a"), at=1.0))
        await eventually(lambda: heard)


async def test_a_reload_touches_only_what_changed() -> None:
    one, two = Source("script", "one", fingerprint="1"), Source("script", "two", fingerprint="1")
    script = Script(one, two)
    async with feeding(script) as feed:
        old = script.emits["two"]
        for name in ("one", "two"):
            item = Kettle(id=f"{name}/a", name="a", source=name, state="up")
            script.emits[name](reading(item, at=1.0, source=name))
        await eventually(lambda: len(list(feed.fleet.of(Kettle))) == 2)
        script.listed = [one, replace(two, fingerprint="2"), Source("script", "three")]
        feed.configure(Inventory())
        await eventually(lambda: sorted(script.begun) == ["one", "three", "two", "two"])
        assert len(list(feed.fleet.of(Kettle))) == 2
        old(reading(Kettle(id="two/ghost", name="ghost", source="two", state="up"), at=2.0, source="two"))
        script.listed = [one]
        feed.configure(Inventory())
        await eventually(lambda: [k.id for k in feed.fleet.of(Kettle)] == ["one/a"])
        assert [source.name for source in feed.sources()] == ["one"]


async def test_a_watch_that_swallows_its_cancel_is_ended_all_the_same() -> None:
    class Stubborn(Script):
        async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
            self.emits[source.name] = emit
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()

    begun = time.monotonic()
    async with feeding(Stubborn(Source("script", "s"))):
        pass
    assert time.monotonic() - begun < 4.5, "closing waits for no more than five seconds"


async def test_one_backend_fills_two_kinds_and_one_kind_has_polled_and_pushed_sources(world: World) -> None:
    world.pushes = asyncio.Queue()
    world.pushes.put_nowait(
        Reading(
            backend="camp",
            source="bus",
            items=(Kettle(id="bus/tin", name="tin", source="bus", state="up"),),
            taken_at=time.monotonic(),
            interval=30.0,
        )
    )
    async with opened([KETTLES, MUGS, CAMP]) as deck:
        assert sorted(k.id for k in deck.feed.fleet.of(Kettle)) == [
            "bus/tin",
            "kitchen/blue",
            "kitchen/red",
            "office/red",
        ]
        assert [m.id for m in deck.feed.fleet.noun("mug")] == ["kitchen/blue-mug"]
        looks = world.looks
        world.galleys["kitchen"]["blue"] = 55.0
        deck.feed.nudge("galley", "kitchen")
        await eventually(lambda: found(deck.feed, "kitchen/blue").celsius == 55.0)
        assert world.looks == looks + 1


async def test_a_thousand_sources_and_ten_thousand_rows(world: World) -> None:
    world.galleys = {f"g{number}": {f"k{one}": float(one) for one in range(10)} for number in range(1000)}
    world.mugs = {}
    world.interval = 600.0
    async with opened([KETTLES, MUGS], start_without_waiting=True) as deck:
        assert await deck.feed.first(60) == ()
        assert len(list(deck.feed.fleet.of(Kettle))) == 10_000
        assert found(deck.feed, "g999/k9").celsius == 9.0
        before = found(deck.feed, "g1/k1")
        world.galleys["g0"]["k0"] = 99.0
        deck.feed.nudge("galley", "g0")
        await eventually(lambda: found(deck.feed, "g0/k0").celsius == 99.0)
        assert found(deck.feed, "g1/k1") is before


async def test_history_gets_the_figures_of_each_reading(world: World) -> None:
    async with opened([KETTLES, MUGS]) as deck:
        assert deck.history.series(Ref("kettle", "office/red"), "celsius", 1) == [90.0]


async def test_history_forgets_what_is_gone(world: World) -> None:
    async with opened([KETTLES, MUGS]) as deck:
        assert deck.history.series(Ref("kettle", "office/red"), "celsius", 1) == [90.0]
        known = len(deck.history)
        del world.galleys["office"]["red"]
        deck.feed.nudge("galley", "office")
        await eventually(lambda: deck.feed.fleet.find(Ref("kettle", "office/red")) is None)
        assert deck.history.series(Ref("kettle", "office/red"), "celsius", 1) == []
        assert len(deck.history) == known - 1
