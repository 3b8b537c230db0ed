"""Mugs: a second kind, filled by the backend that fills kettles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app import column
from app.column import Column
from app.errors import Unsupported
from app.fleet import Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Mug(Resource):
    """One mug; its parent is the kettle that fills it."""

    NOUN: ClassVar[str] = "mug"


class MugVerbs:
    """What an operator can do to a mug."""

    @verb(key="r", risk=Risk.SAFE)
    async def rinse(self, target: Mug) -> Plan:
        """Rinse it."""
        raise Unsupported


KIND: Kind[Mug] = Kind(
    noun="mug",
    plural="mugs",
    type=Mug,
    columns=(Column("NAME", lambda m: column.text(m.name), 12, priority=0),),
    verbs=MugVerbs,
    figures={},
    empty=("No mugs.", "bring one"),
)
