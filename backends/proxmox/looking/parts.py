"""What all views share: parts that are asked for side by side, and a part that could not be had saying so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app import column
from app.column import Cell, Section, Token, clean
from app.errors import QuarterdeckError
from backends.proxmox import wire
from backends.proxmox.backups_seen import Shelf
from backends.proxmox.cluster import cluster_of
from backends.proxmox.failures import MissingPrivilege
from backends.proxmox.guest_rows import TYPES, vmid_in
from backends.proxmox.hypervisor_rows import node_in, online_nodes
from backends.proxmox.lenient import rows, text
from backends.proxmox.links_to_nodes import LinksToNodes
from backends.proxmox.on_cluster import OnCluster
from backends.proxmox.storage_rows import StorageRows

T = TypeVar("T")
U = TypeVar("U")

WITHIN_S = 12.0
"""How long one part of a view may take."""
AT_ONCE = 4
"""Requests of one view that are under way at a time."""
MOST_NAMED = 4

Row = tuple[Cell, ...]


async def tried(work: Awaitable[T]) -> T | QuarterdeckError:
    """What was asked for, or why it could not be had."""
    try:
        return await work
    except QuarterdeckError as error:
        return error


async def each(
    ask: Callable[[U], Awaitable[T]], items: Iterable[U], at_once: int = AT_ONCE
) -> list[T | QuarterdeckError]:
    """The same question about several things, a few at a time, answers in their order."""
    room = asyncio.Semaphore(at_once)

    async def one(item: U) -> T | QuarterdeckError:
        async with room:
            return await tried(ask(item))

    return await asyncio.gather(*(one(item) for item in items))


def why(error: QuarterdeckError) -> str:
    """Why a part is missing, in a few words: the privilege that would be needed, else what Proxmox said."""
    if isinstance(error, MissingPrivilege) and error.privileges:
        return f"needs {' or '.join(error.privileges)} on {clean(error.path)}"
    return clean(error.what)


def unavailable(title: str, error: QuarterdeckError) -> Section:
    """In place of a block that could not be had."""
    return Section(title, (("not known", Cell(why(error), Token.WARN)),))


def lines(title: str, said: Iterable[tuple[str, Cell]]) -> Section:
    """A block of labelled lines; what is not known is left out."""
    known = tuple((label, cell) for label, cell in said if cell.text not in ("", column.UNKNOWN_TEXT))
    return Section(title, known)


def shown(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Blocks that hold something."""
    return tuple(one for one in sections if one.lines or one.rows)


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Names for a sentence: the first ones, and how many more there are."""
    said = ", ".join(clean(one) for one in names[:most])
    return f"{said} and {len(names) - most} more" if len(names) > most else said


def notes(*said: str) -> str:
    """What is to be said of a list, one thing after the other."""
    return "; ".join(one for one in said if one)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a cluster consists of at one moment, as far as views need it."""

    cluster: str
    online: tuple[str, ...]
    offline: tuple[str, ...]
    guests: dict[int, tuple[str, str, str]]
    """vmid -> (name, ``qemu`` or ``lxc``, node); templates as well."""
    storages: StorageRows

    @property
    def shelves(self) -> tuple[Shelf, ...]:
        """The storages that take backups."""
        return self.storages.shelves()

    def path(self, vmid: int, *rest: str | int) -> str:
        """Where the API has a guest."""
        _, kind, node = self.guests[vmid]
        return wire.path("nodes", node, kind, vmid, *rest)


class Laid(OnCluster):
    """Base of views that are about whole clusters."""

    async def layout(self, cluster: str) -> Layout:
        """One request."""
        found = rows(await self.client(cluster).get("/cluster/resources", within=WITHIN_S))
        inventory = self.context.inventory()
        storages = StorageRows(cluster)
        online = online_nodes(found)
        storages.fold(found, online, LinksToNodes(cluster_of(inventory, cluster), inventory))
        guests: dict[int, tuple[str, str, str]] = {}
        for row in found:
            vmid, kind, node = vmid_in(row), text(row.get("type")), text(row.get("node"))
            if kind in TYPES and vmid is not None and node:
                guests[vmid] = (text(row.get("name")), kind, node)
        nodes = [node_in(row) for row in found if text(row.get("type")) == "node"]
        return Layout(cluster, online, tuple(one for one in nodes if one not in online), guests, storages)

    def clusters_meant(self, given: str | None = None) -> tuple[str, ...]:
        """The clusters a view of the kind is about; raises Missing for one that is not configured."""
        from backends.proxmox.clusters import clusters

        if given:
            return (cluster_of(self.context.inventory(), given).name,)
        return tuple(one.name for one in self.context.shared(clusters).configured() if one.fault is None)


def values(answers: Iterable[Any | QuarterdeckError]) -> list[Any]:
    """Those that came."""
    return [one for one in answers if not isinstance(one, QuarterdeckError)]


def failures(answers: Iterable[Any | QuarterdeckError]) -> list[QuarterdeckError]:
    """Why others did not."""
    return [one for one in answers if isinstance(one, QuarterdeckError)]
