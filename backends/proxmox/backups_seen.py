"""When each guest of a cluster was last backed up, gathered from its storages one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.proxmox.lenient import real, whole


@dataclass(frozen=True, slots=True)
class Shelf:
    """A storage that takes backups, and where it is asked: one that is shared by any of its nodes."""

    storage: str
    node: str | None
    """Whose it is; ``None`` where all nodes share it."""
    ask: tuple[str, ...] = field(default=(), compare=False)
    """Nodes that answer for it."""


class BackupsSeen:
    """What the storages of one cluster were seen to hold.

    A guest without a backup is certain only where every storage that can hold one of it was read, and where the login
    would have been shown it: Proxmox leaves out what it may not read.
    """

    def __init__(self, sees: Callable[[str, int], bool]) -> None:
        self._sees = sees
        """Whether the login is shown the backups of a guest on a storage."""
        self._shelves: tuple[Shelf, ...] = ()
        self._held: dict[Shelf, Mapping[int, float]] = {}
        """Storage -> vmid -> the moment of its newest backup, in seconds since the epoch."""
        self._tried: dict[Shelf, float] = {}

    def shelves(self, found: Iterable[Shelf]) -> None:
        """These storages take backups by now; what others held is forgotten."""
        self._shelves = tuple(dict.fromkeys(found))
        self._held = {shelf: held for shelf, held in self._held.items() if shelf in self._shelves}

    def due(self, now: float, every: float) -> tuple[Shelf, ...]:
        """Those to be read (again), the longest unread first; one that nobody answers for is left out."""
        old = [one for one in self._shelves if one.ask and now - self._tried.get(one, float("-inf")) >= every]
        return tuple(sorted(old, key=lambda one: self._tried.get(one, float("-inf"))))

    def tried(self, shelf: Shelf, now: float) -> None:
        """It is being read; whether that works or not, its turn is over."""
        self._tried[shelf] = now

    def again(self) -> None:
        """A backup was made or removed by us: all are to be read again."""
        self._tried.clear()

    def read(self, shelf: Shelf, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in a storage's ``content?content=backup``."""
        newest: dict[int, float] = {}
        for row in rows:
            vmid, at = whole(row.get("vmid")), real(row.get("ctime"))
            if vmid is not None and at is not None and at > newest.get(vmid, 0.0):
                newest[vmid] = at
        self._held[shelf] = newest

    def failed(self, shelf: Shelf) -> None:
        """It could not be read: what it held is not known any more."""
        self._held.pop(shelf, None)

    def of(self, vmid: int, node: str | None) -> tuple[float | None, bool]:
        """(the moment of its newest backup, whether none is certain) of a guest on a node."""
        moments = [newest[vmid] for newest in self._held.values() if vmid in newest]
        if moments:
            return max(moments), True
        mine = [one for one in self._shelves if one.node is None or one.node == node]
        sure = bool(mine) and all(one in self._held and self._sees(one.storage, vmid) for one in mine)
        return None, sure
