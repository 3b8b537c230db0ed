"""What a resource runs on: container, node, guest, hypervisor, and the node that is the hypervisor."""

from __future__ import annotations

from collections.abc import Iterable

from app.fleet import Fleet, Ref, Resource
from app.kind import AnyKind


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
