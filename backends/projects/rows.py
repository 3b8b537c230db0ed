"""Rows of projects, from what the registry says and what labels on the engine tell: either alone is enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app.fleet import Ref
from backends.docker.summary import ContainerSummary, Seen
from backends.kinds.project import Part, Project
from backends.projects import names
from backends.projects.definition import Definition, Service
from backends.projects.registry import Registered, being_launched, cut_short

Read = Callable[[str], Definition | None]
"""The definition in a JSON text; ``None`` where it cannot be read."""

_RUNS = frozenset({"up", "healthy", "unhealthy", "starting", "paused", "restarting"})


def part_state(container: ContainerSummary | None) -> str:
    """The state of a service by its container: healthy, unhealthy, starting, up, exited, created, absent …"""
    if container is None:
        return "absent"
    if container.state == "running":
        return container.health or "up"
    if container.state in ("dead", "removing"):
        return "exited"
    return container.state


def project_state(parts: Sequence[Part], *, launching: bool, cut: bool) -> str:
    """The state of a project by its services.

    ``launching``: a console of this machine is at it; ``cut``: one was, and did not come to its end.
    """
    required = [part for part in parts if part.required] or list(parts)
    if required and all(part.state in ("up", "healthy") for part in required):
        return "running"
    if launching:
        return "starting"
    any_runs = any(part.state in _RUNS for part in parts)
    whole = all(part.state in _RUNS for part in required)
    if (cut and not whole) or (not any_runs and any(part.state == "created" for part in parts)):
        return "unfinished"
    if not any_runs:
        return "stopped"
    if any(part.state in ("unhealthy", "restarting") for part in required):
        return "unhealthy"
    if not whole:
        return "partial"
    return "starting" if any(part.state == "starting" for part in required) else "partial"


def projects(node: str, registered: Sequence[Registered], seen: Seen | None, read: Read) -> tuple[Project, ...]:
    """Every project of a node by name: registered ones, and those of which the engine holds something."""
    labelled: Mapping[str, Found] = found(seen) if seen is not None else {}
    known = {one.name: one for one in registered}
    return tuple(
        _row(node, name, known.get(name), labelled.get(name), read, waiting=seen is None)
        for name in sorted({*known, *labelled})
    )


class Found:
    """What labels tell of one project."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.containers: dict[str, ContainerSummary] = {}
        """By service."""


def found(seen: Seen) -> Mapping[str, Found]:
    """What labels tell, by project."""
    said: dict[str, Found] = {}

    def one(labels: Mapping[str, str]) -> Found | None:
        name = labels.get(names.PROJECT)
        if not name or not names.valid(name):
            return None
        known = said.setdefault(name, Found())
        known.labels.update(labels)
        return known

    for volume in seen.volumes:
        one(volume.labels)
    for network in seen.networks:
        one(network.labels)
    for container in seen.containers:
        known = one(container.labels)
        service = container.labels.get(names.SERVICE)
        if known is not None and service:
            known.containers[service] = container
    return said


def first_port(labels: Mapping[str, str]) -> int | None:
    """The lowest port of a project's block, as its labels have it."""
    said = labels.get(names.FIRST_PORT, "")
    return int(said) if said.isdecimal() and said.isascii() and 0 < int(said) < 65536 else None


def _row(node: str, name: str, known: Registered | None, there: Found | None, read: Read, *, waiting: bool) -> Project:
    labels = there.labels if there is not None else {}
    containers = there.containers if there is not None else {}
    text = known.definition if known is not None else labels.get(names.DEFINITION, "")
    definition = read(text) if text else None
    first = known.first_port if known is not None else first_port(labels)
    parts = _parts(definition, containers, first)
    state = "unknown"
    note = None if known is not None else "found by its labels: project add takes it over"
    if not waiting:
        launching = known is not None and being_launched(known)
        state = project_state(parts, launching=launching, cut=known is not None and cut_short(known))
        if state == "unfinished":
            note = "a launch was cut short: start finishes it, stop cleans up"
    return Project(
        id=f"{node}/{name}",
        name=name,
        source=node,
        state=state,
        parent=Ref("node", node),
        path=known.path if known is not None else labels.get(names.PATH, ""),
        definition=known.defined_by if known is not None else labels.get(names.DEFINED_BY, "default"),
        first_port=first,
        parts=parts,
        registered=known is not None,
        note=note,
    )


def _parts(
    definition: Definition | None, containers: Mapping[str, ContainerSummary], first: int | None
) -> tuple[Part, ...]:
    parts: list[Part] = []
    defined: Mapping[str, Service] = definition.services if definition is not None else {}
    offsets = definition.offsets() if definition is not None else {}
    for name, service in defined.items():
        at = offsets[name]
        container = containers.get(name)
        port = first + at[0] if at and first is not None else None
        parts.append(
            Part(name=name, image=service.image, state=part_state(container), port=port, required=service.required)
        )
    for name, container in sorted(containers.items()):
        if name not in defined:
            public = next((one.public for one in container.ports if one.public is not None), None)
            required = definition is None and container.labels.get(names.REQUIRED) != "no"
            parts.append(
                Part(name=name, image=container.image, state=part_state(container), port=public, required=required)
            )
    return tuple(parts)
