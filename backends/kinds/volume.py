"""Volumes: data that outlives containers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from app import column
from app.column import Cell, Column, Token
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import Help, Text, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Resource):
    """One volume of one engine; ``source`` is the node, ``id`` is ``node/name``. ``state``: used or unused."""

    NOUN: ClassVar[str] = "volume"

    driver: str = "local"
    mountpoint: str = ""
    """On the node."""
    stack: str | None = None
    """The compose project or project stack that made it."""
    created_s: float | None = None
    used_by: tuple[str, ...] = ()
    """Names of the containers that mount it."""


def mood(volume: Volume) -> Mood:
    """Used ones are up."""
    if volume.state == STALE:
        return Mood.STALE
    return Mood.UP if volume.state == "used" else Mood.MUTED


def _name(volume: Volume) -> Cell:
    """Of one without a name of its own, which is 64 hexadecimal digits, the beginning."""
    bare = len(volume.name) == 64 and volume.name.isalnum()
    return Cell(f"{volume.name[:12]}…", Token.MUTED) if bare else column.text(volume.name)


COLUMNS: tuple[Column[Volume], ...] = (
    Column("NAME", _name, 26, priority=0, help="as the engine calls it"),
    Column("NODE", lambda v: column.text(v.source), 8, priority=1, help="whose engine holds it"),
    Column("STATE", lambda v: column.state(v.state, mood(v)), 10, priority=0, help="used or unused"),
    Column("STACK", lambda v: column.text(v.stack), 14, priority=4, help="what made it"),
    Column("DRIVER", lambda v: column.text(v.driver), 8, priority=5, help="what keeps it"),
    Column("AGE", lambda v: column.duration(v.created_s), 5, "right", priority=3, help="since it was made"),
    Column("USED BY", lambda v: column.text(", ".join(v.used_by)), 18, priority=2, flex=True, help="containers"),
    Column("MOUNTPOINT", lambda v: column.text(v.mountpoint), 40, priority=8, wide=True, help="on the node"),
)


class VolumeVerbs:
    """What an operator can do to volumes."""

    @verb(key="ctrl+d", risk=Risk.DESTROYS, name="remove")
    async def remove_volume(self, target: Volume) -> Plan:
        """Remove it and the data in it; refused while a container mounts it."""
        raise Unsupported

    @view(key="i", name="inspect")
    async def inspect_volume(self, target: Volume) -> Text:
        """Show all that the engine knows of it."""
        raise Unsupported

    @verb(risk=Risk.DESTROYS, name="prune")
    async def prune_volumes(
        self,
        node: Annotated[str, Help("whose engine")],
        *,
        all: Annotated[bool, Help("named ones as well, not only anonymous ones")] = False,
    ) -> Plan:
        """Remove volumes that no container mounts; what goes and how large it is stands in the question."""
        raise Unsupported


KIND: Kind[Volume] = Kind(
    noun="volume",
    plural="volumes",
    type=Volume,
    columns=COLUMNS,
    verbs=VolumeVerbs,
    mood=mood,
    figures={},
    under="container",
    empty=("No volumes were found on any node.", "Engines with volumes fill this pane."),
)

__all__ = ["COLUMNS", "KIND", "Volume", "VolumeVerbs", "mood"]
