"""Sealed segments are compressed; the plain file goes only once the archive is proven to hold every byte."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from app.witness.disk import sync_folder
from app.witness.segments import ARCHIVE, plain_segments

_LEVEL = 3
"""Half of a line is hashes, which nothing compresses; higher levels cost three times as long for a tenth less."""
_BLOCK = 1024 * 1024


def archive_sealed(chain: Path, stop: Callable[[], bool] = lambda: False) -> int:
    """Compress every sealed segment of a chain; how many were done. Blocks; belongs in a thread.

    One process at a time does this, others find nothing to do. A disk without room leaves the segment plain,
    as does ``stop`` answering true between two segments.
    """
    sealed = plain_segments(chain)[:-1]
    if not sealed:
        return 0
    done = 0
    with contextlib.suppress(OSError):
        folder = chain / ARCHIVE
        folder.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for segment in sealed:
                if stop():
                    break
                if segment.path.exists():
                    _archive(segment.path, folder / f"{segment.path.name}.gz")
                    done += 1
        finally:
            os.close(fd)
    return done


def _archive(plain: Path, target: Path) -> None:
    draft = target.with_suffix(".new")
    try:
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as raw:
            with plain.open("rb") as source, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed:
                shutil.copyfileobj(source, packed, _BLOCK)
            raw.flush()
            os.fsync(raw.fileno())
        with gzip.open(draft) as packed, plain.open("rb") as source:
            if _digest(packed) != _digest(source):
                raise OSError(f"{draft} does not hold what {plain} does")
        draft.rename(target)
        sync_folder(target.parent)
        plain.unlink()
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _digest(stream: IO[bytes] | gzip.GzipFile) -> bytes:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.digest()
