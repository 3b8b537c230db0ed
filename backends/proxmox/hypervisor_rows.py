"""Rows of hypervisors: the nodes of a cluster, by ``/cluster/resources``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backends.kinds.hypervisor import Hypervisor
from backends.kinds.vm_row import Vm
from backends.proxmox import steady
from backends.proxmox.lenient import real, size, text, whole
from backends.proxmox.links_to_nodes import LinksToNodes


def node_in(row: Mapping[str, Any]) -> str:
    """The name of a node in a list; read off its id where the key is not there."""
    return text(row.get("node")) or text(row.get("id")).removeprefix("node/")


def online_nodes(listed: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The nodes of a list that answer their cluster; where a list does not say, they count as answering."""
    return tuple(
        node_in(row) for row in listed if text(row.get("type")) == "node" and text(row.get("status")) != "offline"
    )


class HypervisorRows:
    """The hypervisors of one cluster; ``rows`` is replaced when something has changed, never changed."""

    def __init__(self, cluster: str, versions: Mapping[str, str]) -> None:
        """``versions`` are those of nodes that were asked; they may come later."""
        self.cluster = cluster
        self.rows: tuple[Hypervisor, ...] = ()
        self._versions = versions

    def fold(
        self, listed: Iterable[Mapping[str, Any]], guests: Iterable[Vm], links: LinksToNodes, quorate: bool | None
    ) -> bool:
        """Take in a list; says whether there are new rows."""
        count: dict[str, list[int]] = {}
        for guest in guests:
            if guest.host is not None and not guest.template:
                here = count.setdefault(guest.host, [0, 0])
                here[0] += 1
                here[1] += guest.state == "running"
        known = {row.name: row for row in self.rows}
        kept: dict[str, Hypervisor] = {}
        for row in listed:
            name = node_in(row)
            if text(row.get("type")) != "node" or not name or name in kept:
                continue
            old = known.get(name)
            made = self._made(name, row, old, count.get(name, [0, 0]), links, quorate)
            kept[name] = old if old is not None and old == made else made
        rows = tuple(kept[name] for name in sorted(kept))
        if len(rows) == len(self.rows) and all(new is old for new, old in zip(rows, self.rows, strict=True)):
            return False
        self.rows = rows
        return True

    def _made(
        self,
        name: str,
        row: Mapping[str, Any],
        old: Hypervisor | None,
        count: list[int],
        links: LinksToNodes,
        quorate: bool | None,
    ) -> Hypervisor:
        status = text(row.get("status"))
        online = status == "online"
        node = links.hypervisor(name)
        cpu = real(row.get("cpu")) if online else None
        return Hypervisor(
            id=f"{self.cluster}/{name}",
            name=name,
            source=self.cluster,
            state=status if status in ("online", "offline") else "unknown",
            parent=node,
            tags=links.tags_of(node),
            cpu_percent=None if cpu is None or cpu < 0 else round(100 * cpu, 1),
            cores=whole(row.get("maxcpu")) or None,
            mem_used_bytes=(size(row.get("mem")) or None) if online else None,
            mem_total_bytes=size(row.get("maxmem")) or None,
            disk_used_bytes=(size(row.get("disk")) or None) if online else None,
            disk_total_bytes=size(row.get("maxdisk")) or None,
            uptime_s=steady.age(old.uptime_s if old else None, (real(row.get("uptime")) or None) if online else None),
            guests=count[0],
            running=count[1],
            version=self._versions.get(name),
            quorate=quorate,
        )
