"""Who is at work on an operation: a lock for each that goes away with its process, however that ends.

An operation without its outcome is either still at work elsewhere or was cut off; only one that nobody holds may be
taken up again, and only by one who holds it then.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from app.paths import private_folder


class Hold:
    """One operation that this process is at work on; ``release`` ends that."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd: int | None = fd

    def release(self) -> None:
        """Let go of it; again changes nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            self._path.unlink(missing_ok=True)  # first, while it is still ours
            os.close(fd)


class Holds:
    """The operations of one chain of the witness that somebody on this machine is at work on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, number: int) -> Hold | None:
        """Hold the operation whose intent has this number; ``None`` where somebody holds it, or nobody can tell."""
        path = self._folder / str(number)
        try:
            private_folder(self._folder)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before has removed the file: a lock on one that nobody else finds is worth nothing.
            there = path.stat()
            mine = os.fstat(fd)
            if (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev):
                return Hold(path, fd)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            os.close(fd)
        return None
