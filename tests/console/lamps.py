"""The backend of the test lamps, and the world they hang in, which tests arrange and look at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from app.backend import Backend, Emit, Source
from app.column import Column, text
from app.fleet import Reading, Ref
from app.inventory.model import Inventory
from app.plan import Cost, Plan, Report, Result, Step
from app.verb import RowAction, Rows, Stream, Text
from tests.console.lamp import Lamp, LampVerbs

NAMES = ("hall", "desk", "stairs", "attic", "porch", "cellar", "lamp1", "lamp2", "lamp10", "garden", "shed", "roof")


def lamps() -> dict[str, Lamp]:
    """Twelve lamps: two of them down, one with a name that means harm."""
    made = {
        name: Lamp(id=name, name=name, source="house", state="up", heat_percent=float(7 * place % 97))
        for place, name in enumerate(NAMES)
    }
    made["shed"] = replace(made["shed"], state="down", fault="no answer for 3 m", heat_percent=None)
    made["roof"] = replace(made["roof"], state="down", fault="\x1b[31mgone[@click=app.quit]", heat_percent=None)
    made["garden"] = replace(made["garden"], tags=frozenset({"outside"}))
    return made


@dataclass
class World:
    """What there is, what was done, and what is held up."""

    lamps: dict[str, Lamp] = field(default_factory=lamps)
    done: list[str] = field(default_factory=list[str])
    cancelled: list[str] = field(default_factory=list[str])
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Charging ends when it is set."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    flood: int = 0
    """Lines that humming says at once."""
    closed_streams: int = 0
    shell: tuple[str, ...] = ("true",)
    reads: int = 0
    """How often the parts were read."""
    slow_view: bool = False

    def put(self, lamp: Lamp) -> None:
        """Change one lamp and have it told."""
        self.lamps[lamp.id] = lamp
        self.changed.set()


WORLD = World()


def reset() -> World:
    """A new world."""
    WORLD.__dict__.update(vars(World()))
    return WORLD


@dataclass(frozen=True)
class Part:
    """One part of a lamp."""

    name: str
    level: int


class Lamps(Backend, LampVerbs):
    """Tells of the lamps, and does what is wanted of them."""

    name: ClassVar[str] = "lamps"
    nouns: ClassVar[tuple[str, ...]] = ("lamp",)

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One house."""
        return [Source(self.name, "house", 1.0, self.nouns)]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Say what there is when it changed, and that the house stands four times a second."""
        told: tuple[Lamp, ...] | None = None
        while True:
            items = tuple(WORLD.lamps.values())
            if items != told:
                told = items
                emit(
                    Reading(backend=self.name, source="house", items=items, taken_at=self.context.clock(), interval=1.0)
                )
            else:
                emit.alive()
            nudge.clear()
            WORLD.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(WORLD.changed.wait(), 0.25)

    def _step(self, target: Lamp, words: str, result: Result | None = None, **more: Any) -> Step:
        async def run(report: Report) -> Result | None:
            WORLD.done.append(f"{words} {target.id}")
            return result

        return Step(target, f"{words} --lamp {target.id}", run, **more)

    async def tell(self, target: Lamp) -> Plan:
        """Its name is the message."""
        return Plan(self._step(target, "tell", Result(message=f"I am {target.name}")))

    async def dim(self, target: Lamp, *, level: int = 50) -> Plan:
        """At a cost, and with a way back."""
        result = Result(1, "the bulb is stuck") if target.id == "attic" else None
        return Plan(
            self._step(target, f"dim {level}", result, undo="turn it up again"),
            notes=(f"{target.name} lights a room",),
            cost=Cost(money=0.5, seconds=90),
        )

    async def smash(self, target: Lamp) -> Plan:
        """It is gone."""
        return Plan(self._step(target, "smash"), loses=(f"{target.name} and its bulb",))

    async def add(self, name: str, **how: Any) -> Plan:
        """A new lamp."""

        async def run(report: Report) -> None:
            WORLD.done.append(f"add {name} {sorted(how.items())}")
            WORLD.put(Lamp(id=name, name=name, source="house", state="up"))

        return Plan(Step(Ref("lamp", name), f"hang {name}", run))

    async def exec_(self, target: Lamp, *command: str) -> Plan:
        """Says what it was told."""

        async def run(report: Report) -> Result:
            WORLD.done.append(f"exec {list(command)} {target.id}")
            report.output("stdout", f"{target.name} says {' '.join(command)}\n")
            return Result()

        return Plan(Step(target, " ".join(command), run))

    async def shell(self, target: Lamp) -> Plan:
        """Hands the terminal over."""

        async def run(report: Report) -> Result:
            return Result(await report.terminal(WORLD.shell))

        return Plan(Step(target, " ".join(WORLD.shell), run))

    async def charge(self, target: Lamp) -> Plan:
        """Measured, until it is allowed to end."""

        async def run(report: Report) -> None:
            try:
                report.log("charging")
                report.progress(31, 100)
                await WORLD.go_on.wait()
            except asyncio.CancelledError:
                WORLD.cancelled.append(target.id)
                raise
            WORLD.done.append(f"charge {target.id}")

        return Plan(Step(target, f"charge --lamp {target.id}", run))

    async def unlock(self, target: Lamp) -> Plan:
        """Wants a secret."""

        async def run(report: Report) -> Result:
            code = await report.secret(f"code of {target.name}:")
            return Result(message=f"{len(code)} characters")

        return Plan(Step(target, "unlock", run))

    async def parts(self, target: Lamp) -> Rows:
        """Three parts; ``r`` on one dims the lamp to its level."""
        WORLD.reads += 1
        if WORLD.slow_view:
            await WORLD.go_on.wait()
        return Rows(
            columns=(
                Column("PART", lambda part: text(part.name), 20),
                Column("LEVEL", lambda part: text(str(part.level)), 8, "right"),
            ),
            items=(Part("bulb", 10), Part("shade", 20), Part(f"read {WORLD.reads} times", 30)),
            actions=(RowAction(key="r", verb="dim", label="dim to it", take={"level": "level"}),),
            every=1.0,
        )

    async def about(self, target: Lamp) -> Text:
        """A leaflet with what no terminal should see."""
        return Text("Keep dry.\n\x1b[2JDo not [bold]cover[/bold].\n")

    async def hum(self, target: Lamp, *, follow: bool = False) -> Stream:
        """Lines, many at once where the world says so."""

        async def lines() -> AsyncGenerator[str]:
            try:
                for number in range(WORLD.flood):
                    yield f"hum {number}"
                yield "\x1b[31mhumming\x1b[0m quietly"
                if follow:
                    await WORLD.go_on.wait()
            finally:
                WORLD.closed_streams += 1

        return Stream(lines(), title=target.name)
