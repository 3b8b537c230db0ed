"""What the witness asks of the disk: locks that end, writes that are whole, syncs that reach it."""

from __future__ import annotations

import fcntl
import os
import random
import time
from pathlib import Path


def take(fd: int, deadline: float) -> bool:
    """Take the file's lock; ``False`` when that was not possible by ``deadline`` (``time.monotonic()``)."""
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(random.uniform(0.001, 0.01))  # spreads out those who wait
        else:
            return True


def same(fd: int, path: Path) -> bool:
    """Whether the open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def put(fd: int, data: bytes, at: int) -> None:
    """Write all of it at an offset; a disk that fills up half way raises OSError."""
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, at)
        at += done
        view = view[done:]


def keep(path: Path, data: bytes) -> None:
    """Put bytes into a private file of their own, synced with its folder; on failure nothing stays. Raises OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        put(fd, data, 0)
        sync(fd)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    sync_folder(path.parent)


def sync(fd: int) -> None:
    """To the disk itself; data and size are enough."""
    getattr(os, "fdatasync", os.fsync)(fd)


def sync_folder(folder: Path) -> None:
    """The names in a folder to the disk itself."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
