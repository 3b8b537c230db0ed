"""Backends of kettles: one that polls and fills two kinds, one that is pushed to; the second file of a new pane.

What exists stands in ``WORLD``, which tests arrange and look at; it is the outside of these backends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app import column
from app.backend import Allow, Ask, Backend, Emit, Intention, Refuse, Reservation, Rule, Source, Verdict
from app.column import Cell, Section
from app.errors import Denied, Refused, Unreachable
from app.fleet import Fleet, Reading, Ref, Resource
from app.inventory.model import Inventory
from app.plan import Cost, Plan, Report, Result, Step
from app.verb import Line, Rows, Sections, Stream, Text, Verb
from tests.frame.kettle import Kettle, KettleVerbs
from tests.frame.mug import Mug, MugVerbs


@dataclass
class World:
    """Everything outside: which kettles there are, what was done to them, and what goes wrong."""

    galleys: dict[str, dict[str, float | None]] = field(default_factory=dict[str, dict[str, float | None]])
    """Source -> kettle -> degrees."""
    tags: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Kettle id -> tags."""
    mugs: dict[str, str] = field(default_factory=dict[str, str])
    """Mug -> id of its kettle."""
    dead: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """Sources whose watch raises this."""
    silent: set[str] = field(default_factory=set[str])
    """Sources that accept and never answer."""
    done: list[str] = field(default_factory=list[str])
    """What was done, in the order it was done."""
    running: set[str] = field(default_factory=set[str])
    together: int = 0
    """The most that ran at the same time."""
    broken: set[str] = field(default_factory=set[str])
    """Kettles on which every step fails."""
    hold: asyncio.Event | None = None
    """Steps wait for this, where it is set."""
    told: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Kettle -> the lines it says; those not listed say their own name."""
    interval: float = 2.0
    looks: int = 0
    """How often a galley was looked at."""
    forbidden: dict[str, str] = field(default_factory=dict[str, str])
    """Kettle -> why we may not boil it or pour from it."""
    watched: set[str] = field(default_factory=set[str])
    """Which sources have been contacted."""
    pushes: asyncio.Queue[Reading] | None = None


WORLD = World()


def reset() -> World:
    """A world with two galleys, three kettles and one mug."""
    WORLD.__dict__.update(vars(World()))
    WORLD.galleys = {"kitchen": {"red": 20.0, "blue": None}, "office": {"red": 90.0}}
    WORLD.mugs = {"blue-mug": "kitchen/blue"}
    return WORLD


def kettles(source: str) -> tuple[Kettle, ...]:
    """The rows of one galley as it is now."""
    return tuple(
        Kettle(
            id=f"{source}/{name}",
            name=name,
            source=source,
            state="up",
            parent=Ref("node", source),
            celsius=degrees,
            tags=WORLD.tags.get(f"{source}/{name}", frozenset()),
        )
        for name, degrees in WORLD.galleys[source].items()
    )


class Cooking(KettleVerbs):
    """The verbs, written once for every backend of kettles."""

    async def _run(self, report: Report, kettle: str, text: str) -> Result:
        if kettle in WORLD.broken:
            raise Unreachable("its plug is out", where=kettle)
        WORLD.running.add(kettle)
        WORLD.together = max(WORLD.together, len(WORLD.running))
        try:
            await asyncio.sleep(0)
            if WORLD.hold is not None:
                await WORLD.hold.wait()
        finally:
            WORLD.running.discard(kettle)
        WORLD.done.append(text)
        return Result(0, text)

    async def boil(self, target: Kettle, *, celsius: int = 100) -> Plan:
        """Heat the water."""
        text = f"boil {target.id} to {celsius}"

        async def run(report: Report) -> Result:
            await report.handle(f"heater:{target.id}")
            report.progress(0, celsius, "°C")
            result = await self._run(report, target.id, text)
            report.progress(celsius, celsius, "°C")
            return result

        return Plan(
            Step(target, text, run),
            cost=Cost(money=celsius / 100),
            preconditions=[("water boils at 100", celsius <= 100, f"{celsius} were asked for")],
        )

    async def create(
        self,
        name: str,
        *,
        litres: float,
        colour: str = "red",
        lid: bool = False,
        pin: str | None = None,
        label: tuple[str, ...] = (),
    ) -> Plan:
        """Put a new kettle on the shelf."""
        text = f"create {name} {litres:g} {colour} {lid} {','.join(label)}"

        async def run(report: Report) -> Result:
            WORLD.galleys["kitchen"][name] = None
            WORLD.done.append(text)
            return Result(0, f"{name} stands in the kitchen")

        return Plan(Step(Ref("kettle", ""), text, run))

    async def pour(self, targets: Sequence[Kettle], cups: int) -> Plan:
        """Pour from several kettles, one after the other."""

        def step(number: int, target: Kettle) -> Step:
            text = f"pour {cups} from {target.id}"
            after = (f"pour {number - 1}",) if number else ()
            return Step(target, text, lambda report: self._run(report, target.id, text), f"pour {number}", after)

        return Plan(*(step(number, target) for number, target in enumerate(targets)))

    async def scrap(self, target: Kettle) -> Plan:
        """Throw it away."""
        text = f"scrap {target.id}"
        return Plan(
            Step(target, text, lambda report: self._run(report, target.id, text)), loses=[f"{target.id} and its water"]
        )

    async def say_(self, target: Kettle, *words: str) -> Plan:
        """Have it say something."""

        async def run(report: Report) -> Result:
            for line in WORLD.told.get(target.id, [" ".join(words)]):
                report.output("stderr" if line.startswith("!") else "stdout", f"{line}\n")
            code = 3 if target.id in WORLD.broken else 0
            return Result(code, "it leaks" if code else "")

        return Plan(Step(target, f"say {' '.join(words)}", run))

    async def descale(self, target: Kettle) -> Plan:
        """Start a cleaning that goes on by itself."""

        async def run(report: Report) -> Result:
            await report.handle(f"cleaning:{target.id}")
            if report.wait:
                return await self._run(report, target.id, "descaled")
            return Result(0, "started")

        return Plan(Step(target, f"descale {target.id}", run, lane="the one brush"))

    async def lock(self, target: Kettle, *, pin: str) -> Plan:
        """Lock it."""
        return Plan(
            Step(
                target,
                f"lock {target.id}",
                lambda report: self._run(report, target.id, f"locked with {len(pin)} digits"),
            )
        )

    async def inside(self, target: Kettle) -> Rows:
        """Show what floats in it."""
        if target.id in WORLD.broken:
            raise Denied("the lid is locked", where=target.id)
        return Rows(
            (column.Column("WHAT", lambda found: column.text(found.what), 10),), (Found("leaf"), Found("\x1b[31mbug"))
        )

    async def manual(self, target: Kettle) -> Text:
        """Read its manual."""
        return Text("Fill.\n\x1b]0;title\x07Boil.")

    async def whistle(self, target: Kettle, *, lines: int = 3) -> Stream:
        """Listen to it."""

        async def sing() -> AsyncIterator[str]:
            for number in range(lines):
                yield f"{target.name} {number}"

        return Stream(sing())


@dataclass(frozen=True)
class Found:
    """One thing in a kettle."""

    what: str


class Galley(Cooking, MugVerbs, Backend):
    """Polls its galleys; each tells of kettles and of mugs."""

    name: ClassVar[str] = "galley"
    nouns: ClassVar[tuple[str, ...]] = ("kettle", "mug")

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per galley."""
        return [Source(self.name, name, WORLD.interval, self.nouns) for name in WORLD.galleys]

    def unable(self, verb: Verb, target: Resource) -> str | None:
        """As the world says."""
        return WORLD.forbidden.get(target.id) if verb.name in ("boil", "pour") else None

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Look once an interval; an unchanged galley is only alive."""
        WORLD.watched.add(source.name)
        if source.name in WORLD.silent:
            await asyncio.Event().wait()
        last: tuple[Any, ...] | None = None
        while True:
            nudge.clear()
            WORLD.looks += 1
            if source.name in WORLD.dead:
                raise WORLD.dead[source.name]
            rows = kettles(source.name)
            mugs = tuple(
                Mug(id=f"{source.name}/{mug}", name=mug, source=source.name, state="up", parent=Ref("kettle", kettle))
                for mug, kettle in WORLD.mugs.items()
                if kettle.startswith(f"{source.name}/")
            )
            if (rows, mugs) == last:
                emit.alive()
            else:
                last = (rows, mugs)
                now = self.context.clock()
                emit(Reading(backend=self.name, source=source.name, items=rows, taken_at=now, interval=source.interval))
                emit(
                    Reading(
                        backend=self.name,
                        source=source.name,
                        topic="mugs",
                        items=mugs,
                        taken_at=now,
                        interval=source.interval,
                    )
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), source.interval)

    async def buy(self, name: str, *, to: str | None = None) -> Plan:
        """For the office, unless told."""
        where = to or "office"

        async def run(report: Report) -> None:
            WORLD.done.append(f"bought {name} for {where}")

        return Plan(Step(Ref("mug", f"{where}/{name}"), f"buy {name}", run))

    async def sweep(self, node: str) -> Plan:
        """One galley, whatever is in it."""

        async def run(report: Report) -> None:
            WORLD.done.append(f"swept {node}")

        return Plan(Step(Ref("node", node), f"sweep {node}", run))

    async def clink(self, targets: Sequence[Mug]) -> Stream:
        """One line of each, its moment and its side."""
        WORLD.done.append(f"clink {[target.id for target in targets]}")

        async def lines() -> AsyncIterator[Line]:
            for number, target in enumerate(targets):
                yield Line(f"clink {target.name}", at=1000.0 + number, origin=target.id, error=number == 1)

        return Stream(lines())

    async def details(self, target: Mug) -> Sections:
        """What is in it."""
        if target.id in WORLD.broken:
            raise Denied("the lid is locked", where=target.id)
        cells = (Cell("left"), Cell("\x1b[1mtea"))
        return Sections((Section("Inside", (("of", Cell("clay")),), ("SIDE", "WHAT"), (cells,)),))

    async def rinse(self, target: Mug) -> Plan:
        """Rinse it."""
        return Plan(
            Step(target, f"rinse {target.id}", lambda report: self._run(report, target.id, f"rinsed {target.id}"))
        )


class Camp(Cooking, Backend):
    """Is pushed to: whatever is put into ``WORLD.pushes`` is told at once."""

    name: ClassVar[str] = "camp"
    nouns: ClassVar[tuple[str, ...]] = ("kettle",)

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """The one bus."""
        return [Source(self.name, "bus", 30.0, self.nouns)] if WORLD.pushes is not None else []

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Pass on what comes."""
        assert WORLD.pushes is not None
        while True:
            emit(await WORLD.pushes.get())


@dataclass
class Purse:
    """The budget, as the outside keeps it."""

    left: float = 10.0
    held: float = 0.0
    settled: list[tuple[bool, float]] = field(default_factory=list[tuple[bool, float]])
    released: int = 0
    gather_fails: Exception | None = None
    drained: bool = False
    """Somebody else takes the money between judging and reserving."""


PURSE = Purse()


class Held:
    """Some money, put aside for one job."""

    def __init__(self, money: float) -> None:
        self._money = money
        PURSE.held += money

    async def settle(self, *, ok: bool, seconds: float) -> None:
        """Spend it where the job went well."""
        PURSE.held -= self._money
        PURSE.settled.append((ok, self._money))

    async def release(self) -> None:
        """Give it back."""
        PURSE.held -= self._money
        PURSE.released += 1


class BudgetRule:
    """Refuses what costs more than is left, asks for what costs more than half of it."""

    name = "budget"

    async def gather(self, intention: Intention, fleet: Fleet) -> float:
        """What is left now."""
        if PURSE.gather_fails is not None:
            raise PURSE.gather_fails
        return PURSE.left

    def judge(self, intention: Intention, fleet: Fleet, evidence: Any) -> Verdict:
        """Weigh the estimate against what is left."""
        cost = intention.plan.cost.money if intention.plan.cost else None
        if cost is None:
            return Allow()
        if cost > evidence:
            return Refuse(f"it costs {cost:g}, and {evidence:g} are left", "budget.day")
        return Ask(f"it takes {cost:g} of {evidence:g}") if cost > evidence / 2 else Allow()

    async def reserve(self, intention: Intention) -> Reservation | None:
        """Put the money aside."""
        cost = intention.plan.cost.money if intention.plan.cost else None
        if cost is None:
            return None
        if PURSE.drained:
            raise Refused("the money is gone meanwhile")
        return Held(cost)


class Treasury(Backend):
    """A backend without a pane of its own here: it only has a say in the guard."""

    name: ClassVar[str] = "treasury"

    def rules(self) -> Sequence[Rule]:
        """The budget."""
        return [BudgetRule()]
