"""What a resource runs on: container, node, guest, hypervisor, and the node that is the hypervisor."""

from __future__ import annotations

from collections.abc import Iterable

from app.fleet import Fleet, Ref, Resource
from app.kind import AnyKind


def ids_above(fleet: Fleet, resource: Resource) -> tuple[str, ...]:
    """The ids of what a resource runs on, what that runs on, and so on; a loop of parents ends."""
    found: list[str] = []
    at = resource.parent
    while at is not None and at.id not in found:
        found.append(at.id)
        row = fleet.find(at)
        at = row.parent if row is not None else None
    return tuple(found)


def owner(fleet: Fleet, kinds: Iterable[AnyKind], resource: Resource) -> Resource | None:
    """What it runs on: its parent, else the resource of another kind that is the same machine; ``None`` for neither.

    A node has no parent, but a guest may say that it is that node; what the guest runs on is the next answer then.
    """
    if resource.parent is not None:
        above = fleet.find(resource.parent)
        if above is not None:
            return above
    return twin(fleet, kinds, resource.ref)


def twin(fleet: Fleet, kinds: Iterable[AnyKind], ref: Ref) -> Resource | None:
    """The resource of another kind that says it is the same machine as this one."""
    for kind in kinds:
        if kind.same is None:
            continue
        for row in fleet.noun(kind.noun):
            if kind.same(row) == ref:
                return row
    return None
