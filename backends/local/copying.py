"""Copying files and folders on this machine, with progress, so that a torn copy never stands under the final name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import stat
import threading
from pathlib import Path

from app.errors import Missing, QuarterdeckError
from app.link import Progress

_PIECE = 1 << 20


class CopyFailed(QuarterdeckError):
    """A file could not be read or written."""


async def copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy a file or folder to exactly ``target``; an existing folder is merged into, file by file.

    Links are copied as links; sockets, pipes and devices are left out. Cancelling stops it and removes the part
    file. Raises Missing, or CopyFailed with the system's words.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def tell(done: int, total: int | None) -> None:
        loop.call_soon_threadsafe(progress, done, total)

    work = loop.run_in_executor(None, _copy, source, target, tell, stop)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(Exception):
            await work
        raise


def _copy(source: Path, target: Path, progress: Progress, stop: threading.Event) -> None:
    try:
        if not source.is_dir():
            total = source.stat().st_size
            _Copying(progress, total, stop).file(source, target)
            return
        files = list(_tree(source))
        if target.resolve().is_relative_to(source.resolve()):
            raise CopyFailed("a folder cannot be copied into itself", where=str(target))
        copying = _Copying(progress, sum(size for _, size in files), stop)
        target.mkdir(parents=True, exist_ok=True)
        for folder, names, _ in os.walk(source):
            for name in names:
                if not (Path(folder) / name).is_symlink():
                    (target / Path(folder).relative_to(source) / name).mkdir(exist_ok=True)
        for path, _ in files:
            copying.file(path, target / path.relative_to(source))
    except FileNotFoundError as error:
        raise Missing("no such file or folder", where=str(error.filename or source)) from None
    except OSError as error:
        raise CopyFailed(error.strerror or "cannot be copied", where=str(error.filename or source)) from None


def _tree(folder: Path) -> list[tuple[Path, int]]:
    found: list[tuple[Path, int]] = []
    for at, folders, names in os.walk(folder):
        for name in [*names, *(one for one in folders if (Path(at) / one).is_symlink())]:
            path = Path(at) / name
            mode = path.lstat()
            if stat.S_ISREG(mode.st_mode) or stat.S_ISLNK(mode.st_mode):
                found.append((path, mode.st_size if stat.S_ISREG(mode.st_mode) else 0))
    return found


class _Stopped(Exception):
    """The copy was cancelled."""


class _Copying:
    """How far one copy is, and whether it shall go on."""

    def __init__(self, progress: Progress, total: int, stop: threading.Event) -> None:
        self._progress = progress
        self._total = total
        self._stop = stop
        self._done = 0
        progress(0, total)

    def file(self, source: Path, target: Path) -> None:
        """Copy one file beside its final name, then give it that name."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
        try:
            if source.is_symlink():
                part.symlink_to(source.readlink())
            else:
                self._bytes(source, part)
                shutil.copystat(source, part)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _bytes(self, source: Path, part: Path) -> None:
        with source.open("rb") as reads, part.open("xb") as writes:
            while piece := reads.read(_PIECE):
                if self._stop.is_set():
                    raise _Stopped
                writes.write(piece)
                self._done += len(piece)
                self._progress(self._done, max(self._total, self._done))
