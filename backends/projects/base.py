"""What the verbs of projects share: the node of a target, and what defines it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import ConfigurationError, Missing
from backends.docker.contract import Engines
from backends.kinds.project import Project, ProjectVerbs
from backends.projects import names
from backends.projects.definition import Definition
from backends.projects.ground import Ground, Left
from backends.projects.registry import Registered, Registry
from backends.projects.rows import first_port

if TYPE_CHECKING:
    from app.backend import Context

DEFAULT = "default"
"""What ``defined_by`` says of the built-in definition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A project as it is now: by the registry, or where it is not there by its labels."""

    ground: Ground
    left: Left
    name: str
    path: str
    first_port: int
    defined_by: str
    definition: Definition
    registered: Registered | None
    notes: tuple[str, ...] = ()


class OnProjects(ProjectVerbs):
    """Base of the verb families; mixed into a ``Backend``, which brings ``context``."""

    context: Context
    registry: Registry

    @property
    def engines(self) -> Engines:
        """The engines of all nodes."""
        raise NotImplementedError

    def ground(self, node: str) -> Ground:
        """A node's engine and link; raises Missing or Unsupported where there is none."""
        entry = self.context.inventory().nodes.get(node)
        if entry is None:
            raise Missing("no such node is configured", where=node)
        return Ground(
            entry=entry,
            engine=self.engines.of(node),
            engines=self.engines,
            link=self.context.links.of(node),
            registry=self.registry,
        )

    async def known(self, target: Project, *, anew: bool = False) -> Known:
        """A project as it is now; ``anew`` reads its definition's file again instead of what was kept of it.

        Raises ConfigurationError where nothing that can be read defines it, Missing where nothing does.
        """
        ground = self.ground(target.source)
        registered = await asyncio.to_thread(self.registry.get, target.source, target.name)
        left = await ground.left(target.name)
        if registered is not None:
            definition, notes = await self._definition(registered, anew)
            return Known(
                ground=ground,
                left=left,
                name=target.name,
                path=registered.path,
                first_port=registered.first_port,
                defined_by=registered.defined_by,
                definition=definition,
                registered=registered,
                notes=notes,
            )
        labels = left.labels
        first = first_port(labels)
        if names.DEFINITION not in labels or names.PATH not in labels or first is None:
            raise Missing(
                "nothing tells how it is defined: it is not registered, and its labels do not say",
                where=target.id,
                todo=f"quarterdeck project add {target.name} PATH",
            )
        return Known(
            ground=ground,
            left=left,
            name=target.name,
            path=labels[names.PATH],
            first_port=first,
            defined_by=labels.get(names.DEFINED_BY, DEFAULT),
            definition=read(labels[names.DEFINITION], f"the labels of {target.name}"),
            registered=None,
            notes=("it is not registered here: its labels say how it is defined",),
        )

    async def _definition(self, registered: Registered, anew: bool) -> tuple[Definition, tuple[str, ...]]:
        """What defines it, and what is to be said of that."""
        kept = f"the kept definition of {registered.name}"
        if registered.defined_by == DEFAULT or not anew:
            return read(registered.definition, kept), ()
        path = Path(registered.defined_by)
        if not await asyncio.to_thread(path.exists):
            note = f"{path} is gone: what it said when it was last read still holds"
            return read(registered.definition, kept), (note,)
        definition = await asyncio.to_thread(from_file, path)
        changed = definition.as_json() != registered.definition
        return definition, ((f"{path.name} has changed since it was last read",) if changed else ())


def read(text: str, where: str) -> Definition:
    """The definition in a JSON text; raises ConfigurationError."""
    from backends.projects.reading import from_json

    return from_json(text, where)


def from_file(path: Path) -> Definition:
    """The definition in a file: Python where it ends in ``.py``, else YAML; blocks.

    Raises ConfigurationError, for YAML with every mistake and its place.
    """
    if path.suffix == ".py":
        from backends.projects.code_definition import from_code

        return from_code(path)
    from backends.projects.reading import from_file as read_file

    return read_file(path)


def chosen(definition: Definition, services: tuple[str, ...]) -> tuple[str, ...]:
    """The services that were named, each once; raises ConfigurationError for one that is not defined."""
    from app.inventory.pattern import nearest

    for name in services:
        if name not in definition.services:
            near = nearest(name, definition.services)
            raise ConfigurationError(
                f"there is no service '{name}'",
                where="--service",
                todo=f"did you mean {near}?" if near else f"there are: {', '.join(definition.services)}",
            )
    return tuple(dict.fromkeys(services))
