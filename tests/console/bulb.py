"""Bulbs: a kind without a number of its own, with details, a view of several at once and verbs of a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from app import column
from app.column import Column
from app.errors import Unsupported
from app.fleet import Ref, Resource
from app.kind import Kind, plain_mood
from app.plan import Plan, Risk
from app.verb import Help, Rows, Sections, Stream, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulb(Resource):
    """One bulb; its id is ``node/name``."""

    NOUN: ClassVar[str] = "bulb"

    watts: int | None = None


class BulbVerbs:
    """What can be done to bulbs."""

    @verb(key="a", risk=Risk.SAFE)
    async def order(
        self, name: Annotated[str, Help("what to buy")], *, to: Annotated[str | None, Help("which node")] = None
    ) -> Plan:
        """Have one sent."""
        raise Unsupported

    @verb(key="X", risk=Risk.DISRUPTS)
    async def sweep(self, node: Annotated[str, Help("where")]) -> Plan:
        """Sweep up the broken ones."""
        raise Unsupported

    @verb(key="s", risk=Risk.SAFE)
    async def shell(self, target: Bulb) -> Plan:
        """Go inside."""
        raise Unsupported

    @view(key="l")
    async def hum(self, targets: Sequence[Bulb], *, follow: bool = False) -> Stream:
        """Listen to all of them at once."""
        raise Unsupported

    @view(key="t")
    async def parts(self, target: Bulb) -> Rows:
        """Show what it is made of."""
        raise Unsupported

    @view(key="o")
    async def orders(
        self,
        bulb: Annotated[str | None, Help("of which; of all without", row="id")] = None,
        *,
        paid: bool | None = None,
    ) -> Rows:
        """Show what was ordered."""
        raise Unsupported

    @view()
    async def details(self, target: Bulb) -> Sections:
        """Show what has to be asked for."""
        raise Unsupported


KIND: Kind[Bulb] = Kind(
    noun="bulb",
    plural="bulbs",
    type=Bulb,
    columns=(
        Column("NAME", lambda bulb: column.text(bulb.name), 14, priority=0),
        Column("STATE", lambda bulb: column.state(bulb.state, plain_mood(bulb)), 9, priority=0),
        Column("WATTS", lambda bulb: column.number(bulb.watts), 6, "right"),
    ),
    verbs=BulbVerbs,
    figures={},
    under="lamp",
    details="details",
    same=lambda bulb: Ref("lamp", "desk") if bulb.name == "led" else None,
    empty=("No bulbs are in stock.", "a orders one"),
)
