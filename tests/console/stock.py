"""The backend of bulbs and shades: what lies in stock, by node."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from app.backend import Backend, Emit, Source
from app.column import Cell, Column, Section, text
from app.errors import Unreachable
from app.fleet import Reading, Ref
from app.inventory.model import Inventory
from app.plan import Plan, Report, Result, Step
from app.verb import Rows, Sections, Stream
from tests.console.bulb import Bulb, BulbVerbs
from tests.console.lamps import WORLD
from tests.console.shade import Shade, ShadeVerbs


@dataclass
class Shelves:
    """What there is, and what was asked."""

    bulbs: dict[str, Bulb] = field(default_factory=dict[str, Bulb])
    reads: list[str] = field(default_factory=list[str])
    """Bulbs whose details were asked for."""
    left: list[str] = field(default_factory=list[str])
    """Bulbs whose details were asked for in vain: whoever wanted them has gone."""
    hold: asyncio.Event | None = None
    """Details wait for this, where it is set."""
    broken: bool = False
    """Details cannot be read."""
    heard: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    """The groups that were listened to."""
    watched: set[str] = field(default_factory=set[str])
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, bulb: Bulb) -> None:
        """Change one and have it told."""
        self.bulbs[bulb.id] = bulb
        self.changed.set()


SHELVES = Shelves()


def reset() -> Shelves:
    """Three bulbs on two nodes."""
    SHELVES.__dict__.update(vars(Shelves()))
    for ident in ("pi/e14", "pi/e27", "hp/led"):
        node, _, name = ident.partition("/")
        SHELVES.bulbs[ident] = Bulb(
            id=ident, name=name, source=node, state="up", parent=Ref("node", node), watts=len(SHELVES.bulbs)
        )
    return SHELVES


@dataclass(frozen=True)
class Asked:
    """How the orders were asked for."""

    name: str


class Stock(Backend, BulbVerbs, ShadeVerbs):
    """Tells of bulbs and shades."""

    name: ClassVar[str] = "stock"
    nouns: ClassVar[tuple[str, ...]] = ("bulb", "shade")

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per node."""
        return [Source(self.name, node, 1.0, self.nouns) for node in ("pi", "hp")]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Say what there is when it changed."""
        SHELVES.watched.add(source.name)
        told: object = None
        while True:
            items = tuple(one for one in SHELVES.bulbs.values() if one.source == source.name)
            if items != told:
                told, now = items, self.context.clock()
                shade = Shade(id=f"{source.name}/silk", name="silk", source=source.name, state="up")
                emit(Reading(backend=self.name, source=source.name, items=items, taken_at=now))
                emit(Reading(backend=self.name, source=source.name, topic="shades", items=(shade,), taken_at=now))
            else:
                emit.alive()
            SHELVES.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(SHELVES.changed.wait(), 0.1)

    async def orders(self, bulb: str | None = None, *, paid: bool | None = None) -> Rows:
        """What was asked for is what is shown."""
        return Rows((Column("ASKED", lambda one: text(str(one.name)), 40),), (Asked(f"{bulb} {paid}"),))

    async def order(self, name: str, *, to: str | None = None) -> Plan:
        """Where it goes stands in the step."""

        async def run(report: Report) -> None:
            WORLD.done.append(f"order {name} to {to}")

        return Plan(Step(Ref("bulb", f"{to}/{name}"), f"order {name}", run))

    async def sweep(self, node: str) -> Plan:
        """One node."""

        async def run(report: Report) -> None:
            WORLD.done.append(f"sweep {node}")

        return Plan(Step(Ref("node", node), f"sweep {node}", run))

    async def shell(self, target: Bulb) -> Plan:
        """Hands the terminal over."""

        async def run(report: Report) -> Result:
            WORLD.done.append(f"shell {target.id}")
            return Result(await report.terminal(WORLD.shell))

        return Plan(Step(target, f"enter {target.id}", run))

    async def paint(self, target: Shade) -> Plan:
        """It is painted."""

        async def run(report: Report) -> None:
            WORLD.done.append(f"paint {target.id}")

        return Plan(Step(target, f"paint {target.id}", run))

    async def hum(self, targets: Sequence[Bulb], *, follow: bool = False) -> Stream:
        """One line of each."""
        SHELVES.heard.append(tuple(target.id for target in targets))

        async def lines() -> AsyncGenerator[str]:
            for number, target in enumerate(targets):
                yield f"{number} {target.name} hums"

        return Stream(lines(), title=f"{len(targets)} bulbs")

    async def parts(self, target: Bulb) -> Rows:
        """Itself."""
        return Rows((Column("PART", lambda bulb: text(bulb.name), 10),), (target,))

    async def details(self, target: Bulb) -> Sections:
        """How often that was asked, among other things."""
        SHELVES.reads.append(target.id)
        try:
            if SHELVES.hold is not None:
                await SHELVES.hold.wait()
        except asyncio.CancelledError:
            SHELVES.left.append(target.id)
            raise
        if SHELVES.broken:
            raise Unreachable("the box is closed", where=target.id, todo="open it")
        said = f"[bold]look[/bold] {SHELVES.reads.count(target.id)}"
        return Sections(
            (
                Section("Glass", (("made of", Cell(said)),)),
                Section("Wires", header=("WIRE", "OHM"), rows=((Cell("left"), Cell("3")), (Cell("right"), Cell("4")))),
            )
        )
