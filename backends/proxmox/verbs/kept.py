"""The backups of guests, read when a verb needs to know of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import QuarterdeckError
from backends.proxmox import wire
from backends.proxmox.lenient import flag, real, rows, size, text, whole

if TYPE_CHECKING:
    from backends.proxmox.client import Client


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup on a storage."""

    volid: str
    """``backup:backup/vzdump-qemu-101-2025_11_20-14_03_00.vma.zst``."""
    vmid: int | None
    taken_at: float
    """In seconds since the epoch."""
    bytes: int | None
    protected: bool
    node: str
    """Where it can be read from."""
    container: bool
    """Of a container, by its name."""


@dataclass(frozen=True, slots=True)
class Backups:
    """What was found, newest first, and whether that is all there is."""

    found: tuple[Backup, ...]
    unread: tuple[str, ...] = ()
    """Storages that could not be read."""


async def backup_storages(client: Client, node: str) -> list[str]:
    """The storages of a node that take backups and can be used."""
    said = await client.get(wire.path("nodes", node, "storage"), content="backup", enabled=1)
    listed = rows(said)
    return [text(row.get("storage")) for row in listed if row.get("active") is None or flag(row.get("active"))]


async def backups_on(client: Client, node: str, vmid: int | None = None) -> Backups:
    """The backups that a node can read, of one guest or of all. Raises what keeps us from asking which storages."""
    names = await backup_storages(client, node)

    async def read(storage: str) -> list[Backup] | None:
        try:
            return await backups_in(client, node, storage, vmid)
        except QuarterdeckError:
            return None

    held = dict(zip(names, await asyncio.gather(*(read(name) for name in names)), strict=True))
    found = [one for several in held.values() if several is not None for one in several if one.volid]
    found.sort(key=lambda one: one.taken_at, reverse=True)
    return Backups(tuple(found), tuple(name for name, several in held.items() if several is None))


async def backups_in(client: Client, node: str, storage: str, vmid: int | None = None) -> list[Backup]:
    """The backups on one storage, of one guest or of all. Raises where it cannot be read."""
    path = wire.path("nodes", node, "storage", storage, "content")
    listed = rows(await client.get(path, content="backup", vmid=vmid))
    return [_backup(row, node) for row in listed if vmid is None or whole(row.get("vmid")) in (vmid, None)]


async def config_in(client: Client, node: str, backup: Backup) -> dict[str, str]:
    """The configuration that a backup holds; empty where it cannot be read, which takes further rights."""
    try:
        said = text(await client.get(wire.path("nodes", node, "vzdump", "extractconfig"), volume=backup.volid))
    except QuarterdeckError:
        return {}
    own = said.partition("\n[")[0]  # what follows are its snapshots
    found = (line.partition(": ") for line in own.splitlines() if not line.startswith("#"))
    return {key: value.strip() for key, colon, value in found if colon}


def _backup(said: Mapping[str, Any], node: str) -> Backup:
    volid = text(said.get("volid"))
    return Backup(
        volid,
        whole(said.get("vmid")),
        real(said.get("ctime")) or 0.0,
        size(said.get("size")),
        flag(said.get("protected")),
        node,
        container(volid),
    )


def container(volid: str) -> bool:
    """Whether a backup's name says that it is one of a container: ``vzdump-lxc-…``, ``backup/ct/…``."""
    return "vzdump-lxc-" in volid or ":backup/ct/" in volid


def newest(found: Sequence[Backup]) -> Backup | None:
    """The one made last."""
    return max(found, key=lambda one: one.taken_at, default=None)
