"""The build cache of an engine: what of it can go, and removing exactly that."""

from __future__ import annotations

import json
from collections.abc import Sequence

from app.column import clean
from app.plan import Report
from backends.docker.answers import mapping
from backends.docker.contract import Client, Engine
from backends.docker.verbs.base import ACT_S
from backends.docker.verbs.disk import CacheRecord
from backends.docker.verbs.pruning import Going

_KEPT_TYPES = frozenset({"internal", "frontend"})
"""What a builder needs for itself; goes only with everything."""


def cache_going(engine: Engine, records: Sequence[CacheRecord], *, all: bool) -> Going | None:
    """The pieces of the cache that nothing uses, as one thing that goes; ``None`` where there are none.

    Without ``all``: what ``docker builder prune`` takes, which is neither a builder's own nor shared with an image.
    """
    chosen = [one for one in records if not one.in_use and (all or not (one.shared or one.type in _KEPT_TYPES))]
    if not chosen:
        return None
    size = sum(one.size_bytes for one in chosen if not one.shared)
    ids = [one.id for one in _leaves_first(chosen)]
    text = f"POST /build/prune?all=1&filters={_filters('ID')}, once for each ID of {' '.join(ids)}"
    largest = max(chosen, key=lambda one: one.size_bytes)
    detail = f"largest: {clean(largest.description)[:80]}" if largest.description else ""

    async def remove(report: Report) -> int:
        freed = 0
        for number in ids:
            freed += await engine.call(lambda client, number=number: _prune(client, number), timeout=ACT_S)
        return freed

    count = f"{len(ids)} piece{'' if len(ids) == 1 else 's'}"
    return Going(f"{count} of the build cache", size, text, remove, detail)


def _leaves_first(records: Sequence[CacheRecord]) -> list[CacheRecord]:
    """A piece that others stand on can go only after them."""
    left = {one.id: one for one in records}
    ordered: list[CacheRecord] = []
    while left:
        bases = {parent for one in left.values() for parent in one.parents}
        leaves = [one for one in left.values() if one.id not in bases] or list(left.values())
        for one in leaves:
            del left[one.id]
        ordered += leaves
    return ordered


def _filters(number: str) -> str:
    return json.dumps({"id": {number: True}}, separators=(",", ":"))


def _prune(client: Client, number: str) -> int:
    """One request removes one piece: the filter takes one id. Returns the bytes that came free."""
    answer = client._post(client._url("/build/prune"), params={"all": "1", "filters": _filters(number)})
    freed = mapping(client._result(answer, json=True)).get("SpaceReclaimed")
    return freed if isinstance(freed, int) else 0
