"""Disk space set aside for outcomes, so that a disk which fills up after the intent still takes what came of it.

Each process keeps one file of really allocated blocks. While the disk has room that file is left alone; when a
write finds the disk full, as much as the line needs is given back and the line is written at once, under the
chain's lock. File systems that copy on write or compress may still be unable to keep the promise; the write then
fails with an error like any other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

OUTCOME_ROOM = 16 * 1024
"""Bytes kept for one outcome; longer ones have their message cut to fit."""
STEP_ROOM = 16 * 1024
"""Bytes kept beside it for the steps on the way, whose handles are needed to find what was started."""
_BLOCK = 4096


class Room:
    """The reserve of one process in one chain; every call is made under the chain's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._fd = -1
        self._size = 0
        self._owed = 0

    @property
    def owed(self) -> int:
        """How many outcomes there is still room for."""
        return self._owed

    def take(self, outcomes: int) -> None:
        """Set room aside for more outcomes. Raises OSError, changing nothing, when the disk has none."""
        if self._fd < 0:
            self._open()
        wanted = self._size + outcomes * (OUTCOME_ROOM + STEP_ROOM)
        try:
            _allocate(self._fd, self._size, wanted - self._size)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size = wanted
        self._owed += outcomes

    def spend(self, size: int, *, outcome: bool) -> bool:
        """Give back the blocks for ``size`` bytes, no more: others would take them. Not enough? Ask for one more.

        ``False`` where that would eat the room of other outcomes.
        """
        kept = self._owed - 1 if outcome else self._owed
        left = self._size - (size // _BLOCK + 1) * _BLOCK
        if self._fd < 0 or kept < 0 or left < kept * OUTCOME_ROOM:
            return False
        self._shrink(left)
        return True

    def settle(self, outcomes: int) -> None:
        """So many outcomes are written, or will never come: their room is free again."""
        self._owed = max(0, self._owed - outcomes)
        self._shrink(min(self._size, self._owed * (OUTCOME_ROOM + STEP_ROOM)))

    def close(self) -> None:
        """Give everything back."""
        if self._fd < 0:
            return
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd, self._path, self._size, self._owed = -1, None, 0, 0

    def _shrink(self, size: int) -> None:
        if self._fd >= 0 and size < self._size:
            os.ftruncate(self._fd, size)
            self._size = size

    def _open(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._sweep()
        path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Held as long as the process lives: whoever can take the lock knows that the owner is gone.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._fd, self._path = fd, path

    def _sweep(self) -> None:
        """Free what processes that are gone had set aside."""
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(fd)


def _allocate(fd: int, start: int, size: int) -> None:
    """Really allocate blocks; a system without the call gets them by being written."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, start, size)
        return
    zeros = bytes(_BLOCK)
    for at in range(start, start + size, _BLOCK):
        os.pwrite(fd, zeros, at)
