"""Notices that hosts.yaml or a file it imports has changed, by looking: it works on every file system."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError
from app.inventory import load
from app.inventory.find import distrusted
from app.inventory.model import InvalidInventory, Inventory, Mistake

Stamp = tuple[int, int, int, int, int] | None
"""What a look at a file costs nothing to compare: mode, device, inode, size, time of change; ``None``: no file.

The mode counts for itself: a secret may stand only in a file that nobody else may read.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What a changed file says now."""

    inventory: Inventory | None
    """``None`` where it is invalid: the old inventory stays in use."""
    mistakes: tuple[Mistake, ...] = ()
    fault: str = ""
    """Why there is no inventory, in words."""


async def changes(inventory: Inventory, tell: Callable[[Change], None], *, every: float = 1.0) -> None:
    """Call ``tell`` each time the files of an inventory say something else; runs until cancelled.

    A file is read when it has looked the same twice, so that a half-written one is left alone. Nothing is told where
    every value is as it was. ``every`` is in seconds. Disks are never waited for on the event loop.
    """
    current: Inventory | None = inventory
    path, watched, trusted, told = inventory.path, inventory.watched, inventory.trusted, inventory.digests
    stamps: tuple[Stamp, ...] = ()
    modes: tuple[int, ...] = ()
    settled = False
    while True:
        now = await asyncio.to_thread(_stamps, watched)
        if now != stamps:
            stamps, settled = now, False
        elif not settled:
            settled = True
            content = await asyncio.to_thread(_content, watched)
            known, modes = modes, tuple(one[0] if one else 0 for one in stamps)
            if content != told or (modes != known and (known or inventory.private)):
                change, told = await asyncio.to_thread(_read, path, trusted), content
                if change.inventory is not None:
                    found = change.inventory
                    path, watched, trusted, told = found.path, found.watched, trusted or found.trusted, found.digests
                    settled = False
                if change.inventory is None or change.inventory != current:
                    current = change.inventory
                    tell(change)
        await asyncio.sleep(every)


def _read(path: Path | None, trusted: bool) -> Change:
    """Read again; a file that was the operator's own and is somebody else's now is not used."""
    if path is not None and trusted and path.exists() and (reason := distrusted(path)):
        return Change(None, (), f"{path}: {reason}")
    try:
        found = load(path)
    except InvalidInventory as error:
        return Change(None, error.mistakes, str(error))
    except ConfigurationError as error:
        return Change(None, (), str(error))
    return Change(found, found.mistakes)


def _stamps(watched: tuple[Path, ...]) -> tuple[Stamp, ...]:
    return tuple(_stamp(path) for path in watched)


def _stamp(path: Path) -> Stamp:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mode, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


def _content(watched: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(_digest(path) for path in watched)


def _digest(path: Path) -> str:
    from app.inventory import document

    try:
        return document.digest(document.read_bytes(path))
    except OSError:
        return ""
