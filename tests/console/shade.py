"""Shades: the second kind behind the number of the lamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app import column
from app.column import Column
from app.errors import Unsupported
from app.fleet import Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import Sections, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade(Resource):
    """One shade."""

    NOUN: ClassVar[str] = "shade"


class ShadeVerbs:
    """What can be done to shades."""

    @verb(key="p", risk=Risk.SAFE)
    async def paint(self, target: Shade) -> Plan:
        """Paint it."""
        raise Unsupported

    @view(name="details")
    async def shade_details(self, target: Shade) -> Sections:
        """No backend can."""
        raise Unsupported


KIND: Kind[Shade] = Kind(
    noun="shade",
    plural="shades",
    type=Shade,
    columns=(Column("NAME", lambda shade: column.text(shade.name), 14, priority=0),),
    verbs=ShadeVerbs,
    figures={},
    under="lamp",
    details="details",
    empty=("No shades.", "cut one"),
)
