"""Rows of storages by ``/cluster/resources``: one that all nodes share stands there once for each, and is one row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from app.fleet import Ref
from backends.kinds.storage import Storage
from backends.proxmox.backups_seen import Shelf
from backends.proxmox.lenient import flag, size, text, words
from backends.proxmox.links_to_nodes import LinksToNodes

_BEST = ("available", "inactive", "unknown")
"""What a shared storage is that nodes disagree about: where one node reaches it, it is there."""


class StorageRows:
    """The storages of one cluster; ``rows`` is replaced when something has changed, never changed."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.rows: tuple[Storage, ...] = ()
        self._nodes: dict[str, tuple[str, ...]] = {}

    def nodes_of(self, storage: Storage) -> tuple[str, ...]:
        """The nodes that reach a storage now."""
        return self._nodes.get(storage.id, ())

    def shelves(self) -> tuple[Shelf, ...]:
        """The storages that may hold backups."""
        return tuple(Shelf(one.name, one.host, self.nodes_of(one)) for one in self.rows if "backup" in one.content)

    def fold(self, listed: Iterable[Mapping[str, Any]], online: Collection[str], links: LinksToNodes) -> bool:
        """Take in a list; says whether there are new rows."""
        known = {row.id: row for row in self.rows}
        found: dict[str, Storage] = {}
        nodes: dict[str, list[str]] = {}
        for row in listed:
            name, node = text(row.get("storage")), text(row.get("node"))
            if text(row.get("type")) != "storage" or not name:
                continue
            made = self._made(name, node, row, online, links)
            if made.state == "available" and node:
                nodes.setdefault(made.id, []).append(node)
            before = found.get(made.id)
            if before is None or _BEST.index(made.state) < _BEST.index(before.state):
                found[made.id] = made
        kept = [known[key] if key in known and known[key] == made else made for key, made in sorted(found.items())]
        self._nodes = {key: tuple(sorted(names)) for key, names in nodes.items()}
        if len(kept) == len(self.rows) and all(new is old for new, old in zip(kept, self.rows, strict=True)):
            return False
        self.rows = tuple(kept)
        return True

    def _made(
        self, name: str, node: str, row: Mapping[str, Any], online: Collection[str], links: LinksToNodes
    ) -> Storage:
        shared = flag(row.get("shared")) or not node
        here = text(row.get("status")) == "available"
        hypervisor = links.hypervisor(node) if not shared else None
        return Storage(
            id=f"{self.cluster}/{name}" if shared else f"{self.cluster}/{node}/{name}",
            name=name,
            source=self.cluster,
            # Its node says nothing of a storage that it cannot use; of one whose node is away nobody says anything.
            state="available" if here else "inactive" if node in online else "unknown",
            parent=None if shared else Ref("hypervisor", f"{self.cluster}/{node}"),
            tags=links.tags_of(hypervisor),
            type=text(row.get("plugintype")),
            host=None if shared else node,
            shared=shared,
            content=tuple(sorted(words(row.get("content")))),
            used_bytes=size(row.get("disk")) if here else None,
            total_bytes=(size(row.get("maxdisk")) or None) if here else None,
        )
