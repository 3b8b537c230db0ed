"""What the verbs of images, volumes and networks share: which engine is meant, and how it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.column import clean
from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.backend import Context
    from app.inventory.model import NodeEntry
    from app.link import Link
    from backends.docker.contract import Engine

QUICK_S = 30.0
"""How long a question for a plan may take; lists of large engines are long."""
ACT_S = 300.0
"""How long removing one thing may take: an image of many files on a slow disk."""
_MOST_NAMED = 12


class EngineVerbs:
    """Base of verb families that act by an engine; mixed into a ``Backend``, which brings ``context``."""

    context: Context

    def engine_at(self, node: str) -> Engine:
        """A node's engine; raises Missing or Unsupported where there is none."""
        from backends.docker.engines import engines

        return self.context.shared(engines).of(node)

    def link_at(self, node: str) -> Link:
        """A node's one connection; not necessarily open."""
        return self.context.links.of(node)

    def node_meant(self, given: str | None) -> str:
        """The node a verb of the kind is for: the given one, else this machine, else the only one with an engine.

        Raises ConfigurationError where that names none or several.
        """
        nodes = self.context.inventory().nodes
        able = [entry for entry in nodes.values() if has_engine(entry)]
        names = ", ".join(clean(entry.name) for entry in able[:_MOST_NAMED]) + (
            ", …" if len(able) > _MOST_NAMED else ""
        )
        if given:
            if given in nodes:
                return given
            what = f"there is no node '{clean(given)}'"
            raise ConfigurationError(what, todo=f"nodes with an engine: {names}" if able else "")
        local = [entry for entry in able if entry.local]
        if len(local) == 1 or len(able) == 1:
            return (local or able)[0].name
        if not able:
            raise ConfigurationError("no configured node has an engine")
        raise ConfigurationError(f"more than one node could be meant: {names}", todo="name one with --to")


def has_engine(entry: NodeEntry) -> bool:
    """Whether a node may have an engine, by its configuration alone."""
    return (entry.local or entry.ssh is not None) and entry.fault is None and entry.extra.get("docker") is not False


def in_path(name: str) -> str:
    """A name as part of a request's path, as it is sent."""
    return quote(name, safe="/:")


def listed(names: list[str]) -> str:
    """Names for a sentence, safe to draw."""
    said = ", ".join(clean(name) for name in names[:_MOST_NAMED])
    return f"{said} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else said


def container_name(one: dict[str, Any]) -> str:
    """The name of an item of ``GET /containers/json``, without the leading slash; its short id where it has none."""
    names: list[str] = one.get("Names") or []
    return names[0].lstrip("/") if names else str(one.get("Id", ""))[:12]
