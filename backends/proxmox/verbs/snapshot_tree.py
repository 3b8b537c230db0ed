"""The snapshots of one guest: their names, their order and what stands in the way of going back to one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.column import clean
from app.errors import ConfigurationError, Missing, QuarterdeckError, Refused
from backends.proxmox.lenient import flag, mapping, real, rows, text
from backends.proxmox.on_cluster import FreshGuest

if TYPE_CHECKING:
    from backends.proxmox.client import Client

LONGEST = 40
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,39}")
_RESERVED = ("current", "pending")
_NEWEST_ONLY = ("zfspool", "zfs")
"""Drivers of storages that go back to their newest snapshot only."""


def check_snapshot_name(name: str) -> str:
    """A snapshot's name as Proxmox takes it (``pve-configid``, 40 characters at most).

    Raises ConfigurationError for any other, and for the two that mean something else.
    """
    if name.lower() in _RESERVED:
        raise ConfigurationError(f"'{clean(name)}' is a name of Proxmox's own", where="--name", todo="take another")
    if not _NAME.fullmatch(name):
        todo = f"a letter, then letters, digits, - and _: 2 to {LONGEST} characters"
        raise ConfigurationError(f"'{clean(name)}' is no name for a snapshot", where="--name", todo=todo)
    return name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of a guest."""

    name: str
    parent: str
    """Empty where it has none."""
    taken_at: float
    """In seconds since the epoch; 0 where nobody says."""
    memory: bool
    """With the guest's memory: going back starts it where it was."""
    unfinished: str
    """``prepare`` or ``delete`` while it is half made or half gone."""
    description: str


@dataclass(frozen=True, slots=True)
class SnapshotTree:
    """All snapshots of one guest, and which it stands on."""

    snapshots: Mapping[str, Snapshot]
    current: str
    """The snapshot that the guest as it is now comes after; empty where there is none."""

    @classmethod
    def of(cls, listed: Iterable[Mapping[str, Any]]) -> SnapshotTree:
        """Of the rows of ``GET …/snapshot``, in whatever order they come."""
        found: dict[str, Snapshot] = {}
        current = ""
        for row in listed:
            name, parent = text(row.get("name")), text(row.get("parent"))
            if name == "current":
                current = parent
            elif name:
                found[name] = Snapshot(
                    name,
                    parent,
                    real(row.get("snaptime")) or 0.0,
                    flag(row.get("vmstate")),
                    text(row.get("snapstate")),
                    text(row.get("description")).strip(),
                )
        return cls(found, current if current in found else "")

    def newer(self, name: str) -> tuple[Snapshot, ...]:
        """Those taken after one, the newest first: what a storage that goes back step by step loses first."""
        chain: list[str] = []
        at = self.current
        while at and at != name and at in self.snapshots and at not in chain:
            chain.append(at)
            at = self.snapshots[at].parent
        above = chain if at == name else []
        then = self.snapshots[name].taken_at
        others = [one for one in self.snapshots.values() if one.name not in (name, *above) and one.taken_at > then]
        others.sort(key=lambda one: one.taken_at, reverse=True)
        merged = [self.snapshots[one] for one in above]
        return (*merged, *others)

    def wanted(self, name: str, guest: FreshGuest) -> Snapshot:
        """One that has to be there and whole; raises Missing, which names those that are, and Refused."""
        found = self.snapshots.get(name)
        if found is None:
            there = ", ".join(clean(one) for one in sorted(self.snapshots)) or "none"
            raise Missing(f"it has no snapshot '{clean(name)}'", where=guest.id, todo=f"it has: {there}")
        if found.unfinished:
            what = f"its snapshot '{clean(name)}' is unfinished ({clean(found.unfinished)})"
            todo = f"remove it: quarterdeck vm delete-snapshot {guest.id} --name {name}"
            raise Refused(what, where=guest.id, todo=todo)
        return found


def moment(taken_at: float) -> str:
    """When a snapshot or backup was made, by the clock of this machine: ``2025-11-20 14:03``."""
    if taken_at <= 0:
        return "nobody knows when"
    try:
        return datetime.fromtimestamp(taken_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return "nobody knows when"


async def snapshots_of(client: Client, path: str) -> SnapshotTree:
    """The snapshots of the guest at a path, as they are now."""
    return SnapshotTree.of(rows(await client.get(f"{path}/snapshot")))


async def can(client: Client, path: str, feature: str, *, snapshot: str | None = None) -> bool | None:
    """Whether a guest's disks can do something: ``snapshot``, ``clone`` or ``copy``; ``None`` where nobody says."""
    try:
        said = await client.get(f"{path}/feature", feature=feature, snapname=snapshot)
    except QuarterdeckError:
        return None
    return flag(mapping(said).get("hasFeature"))


def newest_only(kinds: Mapping[str, str]) -> tuple[str, ...]:
    """Of storages, name -> driver, those that go back to their newest snapshot only."""
    return tuple(sorted(name for name, kind in kinds.items() if kind in _NEWEST_ONLY))
