"""Networks of the engines, and what is attached to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from app import column
from app.column import Column
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import Help, Text, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Resource):
    """One network of one engine; ``source`` is the node, ``id`` is ``node/name``.

    ``state``: used, unused or builtin.
    """

    NOUN: ClassVar[str] = "network"

    network_id: str = ""
    driver: str = "bridge"
    subnets: tuple[str, ...] = ()
    internal: bool = False
    """Without a way out."""
    stack: str | None = None
    """The compose project or project stack that made it."""
    used_by: tuple[str, ...] = ()
    """Names of the containers attached to it, stopped ones included."""


def mood(network: Network) -> Mood:
    """Used ones are up."""
    if network.state == STALE:
        return Mood.STALE
    return Mood.UP if network.state == "used" else Mood.MUTED


COLUMNS: tuple[Column[Network], ...] = (
    Column("NAME", lambda n: column.text(n.name), 24, priority=0, help="as the engine calls it"),
    Column("NODE", lambda n: column.text(n.source), 8, priority=1, help="whose engine holds it"),
    Column("STATE", lambda n: column.state(n.state, mood(n)), 10, priority=0, help="used, unused, or the engine's own"),
    Column("STACK", lambda n: column.text(n.stack), 14, priority=4, help="what made it"),
    Column("DRIVER", lambda n: column.text(n.driver), 8, priority=5, help="what carries it"),
    Column("SUBNETS", lambda n: column.text(" ".join(n.subnets)), 16, priority=3, help="its addresses"),
    Column("USED BY", lambda n: column.text(", ".join(n.used_by)), 18, priority=2, flex=True, help="containers"),
)


class NetworkVerbs:
    """What an operator can do to networks."""

    @verb(key="ctrl+d", risk=Risk.DESTROYS, name="remove")
    async def remove_network(self, target: Network) -> Plan:
        """Remove it; refused while a container is attached."""
        raise Unsupported

    @view(key="i", name="inspect")
    async def inspect_network(self, target: Network) -> Text:
        """Show all that the engine knows of it."""
        raise Unsupported

    @verb(risk=Risk.DESTROYS, name="prune")
    async def prune_networks(self, node: Annotated[str, Help("whose engine")]) -> Plan:
        """Remove networks that no container is attached to."""
        raise Unsupported


KIND: Kind[Network] = Kind(
    noun="network",
    plural="networks",
    type=Network,
    columns=COLUMNS,
    verbs=NetworkVerbs,
    mood=mood,
    figures={},
    under="container",
    empty=("No networks were found on any node.", "Engines with networks fill this pane."),
)

__all__ = ["COLUMNS", "KIND", "Network", "NetworkVerbs", "mood"]
