"""Kettles: a kind that no product has, with a verb of every shape; the first of the two files of a new pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from app import column
from app.column import Column
from app.errors import Unsupported
from app.fleet import Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import Help, Rows, Stream, Text, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Kettle(Resource):
    """One kettle; its id is ``source/name``."""

    NOUN: ClassVar[str] = "kettle"

    celsius: float | None = None


COLUMNS: tuple[Column[Kettle], ...] = (
    Column("NAME", lambda k: column.text(k.name), 12, priority=0),
    Column("STATE", lambda k: column.text(k.state), 8, priority=0),
    Column("WARM", lambda k: column.number(k.celsius), 5, "right", priority=2),
    Column("WHERE", lambda k: column.text(k.source), 10, wide=True),
)

Kettles = Sequence[Kettle]


class KettleVerbs:
    """What an operator can do to a kettle."""

    @verb(key="b", risk=Risk.DISRUPTS)
    async def boil(self, target: Kettle, *, celsius: Annotated[int, Help("how hot")] = 100) -> Plan:
        """Heat the water."""
        raise Unsupported

    @verb(key="n", risk=Risk.SAFE)
    async def create(
        self,
        name: Annotated[str, Help("what to call it")],
        *,
        litres: Annotated[float, Help("how much it holds", "1.7")],
        colour: Annotated[Literal["red", "blue"], Help("which")] = "red",
        lid: Annotated[bool, Help("with a lid")] = False,
        pin: Annotated[str | None, Help("its lock", secret=True)] = None,
        label: Annotated[tuple[str, ...], Help("may be repeated")] = (),
    ) -> Plan:
        """Put a new kettle on the shelf."""
        raise Unsupported

    @verb(key="P", risk=Risk.SAFE)
    async def pour(self, targets: Kettles, cups: Annotated[int, Help("how many")]) -> Plan:
        """Pour from several kettles, one after the other."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DESTROYS)
    async def scrap(self, target: Kettle) -> Plan:
        """Throw it away."""
        raise Unsupported

    @verb(risk=Risk.SAFE, name="say")
    async def say_(self, target: Kettle, *words: str) -> Plan:
        """Have it say something."""
        raise Unsupported

    @verb(risk=Risk.SAFE, carried=True)
    async def descale(self, target: Kettle) -> Plan:
        """Start a cleaning that goes on by itself."""
        raise Unsupported

    @verb(risk=Risk.SAFE)
    async def lock(self, target: Kettle, *, pin: Annotated[str, Help("the new lock", secret=True)]) -> Plan:
        """Lock it."""
        raise Unsupported

    @view(key="i")
    async def inside(self, target: Kettle) -> Rows:
        """Show what floats in it."""
        raise Unsupported

    @view()
    async def manual(self, target: Kettle) -> Text:
        """Read its manual."""
        raise Unsupported

    @view()
    async def whistle(self, target: Kettle, *, lines: int = 3) -> Stream:
        """Listen to it."""
        raise Unsupported


KIND: Kind[Kettle] = Kind(
    noun="kettle",
    plural="kettles",
    type=Kettle,
    columns=COLUMNS,
    verbs=KettleVerbs,
    figures={"celsius": lambda k: k.celsius},
    empty=("No kettles are plugged in.", "n makes one"),
)
