"""Lamps: a kind with every shape of verb and view, for tests of the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from app import column
from app.column import Cell, Column, Section
from app.errors import Unsupported
from app.fleet import Resource
from app.kind import Kind, plain_mood
from app.plan import Plan, Risk
from app.verb import Help, Rows, Stream, Text, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp(Resource):
    """One lamp."""

    NOUN: ClassVar[str] = "lamp"

    heat_percent: float | None = None


def describe(lamp: Lamp) -> Sequence[Section]:
    """Its heat, with the course of it."""
    lines = (("state", column.state(lamp.state, plain_mood(lamp))), ("heat", column.bar(lamp.heat_percent, (70, 90))))
    return (Section("lamp", lines, graph="heat", graph_max=100),)


class LampVerbs:
    """What can be done to lamps."""

    @verb(key="p", risk=Risk.SAFE)
    async def tell(self, target: Lamp) -> Plan:
        """Say its name."""
        raise Unsupported

    @verb(key="r", risk=Risk.DISRUPTS)
    async def dim(self, target: Lamp, *, level: Annotated[int, Help("percent")] = 50) -> Plan:
        """Turn it down."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DESTROYS)
    async def smash(self, target: Lamp) -> Plan:
        """Break it."""
        raise Unsupported

    @verb(key="a", risk=Risk.SAFE)
    async def add(
        self,
        name: Annotated[str, Help("what to call it", "desk")],
        *,
        watts: Annotated[int, Help("its power")] = 40,
        colour: Annotated[Literal["warm", "cold"], Help("of its light")] = "warm",
        fancy: bool = False,
        tag: Annotated[tuple[str, ...], Help("a tag; may be repeated")] = (),
        code: Annotated[str | None, Help("to unlock it", secret=True)] = None,
    ) -> Plan:
        """Hang up a lamp."""
        raise Unsupported

    @verb(key="x", risk=Risk.SAFE, name="exec")
    async def exec_(self, target: Lamp, *command: str) -> Plan:
        """Run a command in it."""
        raise Unsupported

    @verb(key="s", risk=Risk.SAFE)
    async def shell(self, target: Lamp) -> Plan:
        """Go inside."""
        raise Unsupported

    @verb(key="b", risk=Risk.SAFE, carried=True)
    async def charge(self, target: Lamp) -> Plan:
        """Charge it, for as long as it takes."""
        raise Unsupported

    @verb(key="L", risk=Risk.SAFE)
    async def unlock(self, target: Lamp) -> Plan:
        """Ask for its code."""
        raise Unsupported

    @verb(key="z", risk=Risk.SAFE)
    async def fly(self, target: Lamp) -> Plan:
        """No backend can."""
        raise Unsupported

    @view(key="t")
    async def parts(self, target: Lamp) -> Rows:
        """Show what it is made of."""
        raise Unsupported

    @view(key="i")
    async def about(self, target: Lamp) -> Text:
        """Show its leaflet."""
        raise Unsupported

    @view(key="l")
    async def hum(self, target: Lamp, *, follow: bool = False) -> Stream:
        """Listen to it."""
        raise Unsupported


KIND: Kind[Lamp] = Kind(
    noun="lamp",
    plural="lamps",
    type=Lamp,
    columns=(
        Column("NAME", lambda lamp: column.text(lamp.name), 14, priority=0),
        Column("STATE", lambda lamp: column.state(lamp.state, plain_mood(lamp)), 9, priority=0),
        Column("HEAT", lambda lamp: column.bar(lamp.heat_percent, (70, 90), 6), 13, priority=1),
        Column("", lambda lamp: Cell(""), 12, spark="heat", spark_max=100),
        Column("NOTE", lambda lamp: column.text(lamp.fault), 16, flex=True),
    ),
    verbs=LampVerbs,
    describe=describe,
    figures={"heat": lambda lamp: lamp.heat_percent},
    empty=("No lamps hang here.", "a hangs one up"),
)
