"""Mugs: a second kind behind the number of kettles, filled by the backend that fills those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from app import column
from app.column import Column
from app.errors import Unsupported
from app.fleet import Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import Help, Sections, Stream, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Mug(Resource):
    """One mug; its parent is the kettle that fills it."""

    NOUN: ClassVar[str] = "mug"


Mugs = Sequence[Mug]


class MugVerbs:
    """What an operator can do to a mug."""

    @verb(key="r", risk=Risk.SAFE)
    async def rinse(self, target: Mug) -> Plan:
        """Rinse it."""
        raise Unsupported

    @verb(risk=Risk.SAFE)
    async def fill(self, target: Mug) -> Plan:
        """No backend can."""
        raise Unsupported

    @verb(risk=Risk.SAFE)
    async def buy(self, name: str, *, to: Annotated[str | None, Help("which galley")] = None) -> Plan:
        """Buy one for a galley."""
        raise Unsupported

    @verb(risk=Risk.DISRUPTS)
    async def sweep(self, node: Annotated[str, Help("where")]) -> Plan:
        """Sweep up the broken ones."""
        raise Unsupported

    @view()
    async def clink(self, targets: Mugs) -> Stream:
        """Listen to all of them at once."""
        raise Unsupported

    @view()
    async def details(self, target: Mug) -> Sections:
        """Look inside."""
        raise Unsupported


KIND: Kind[Mug] = Kind(
    noun="mug",
    plural="mugs",
    type=Mug,
    columns=(Column("NAME", lambda m: column.text(m.name), 12, priority=0),),
    verbs=MugVerbs,
    figures={},
    under="kettle",
    details="details",
    empty=("No mugs.", "bring one"),
)
