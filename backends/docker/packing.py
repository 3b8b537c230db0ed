"""Files and folders of this machine as a tar stream for a container, so that no torn file has its final name there.

An engine unpacks while it reads, and a stream that breaks leaves a torn file. So each file is sent under a name of its
own; behind its last byte comes a hard link from that to the final name, which the engine makes only then, in place of
what stood there. The next file takes the same name of its own (the engine removes what stands there first), and at
the end an empty file does, for an archive can remove nothing.
"""

from __future__ import annotations

import os
import secrets
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import QuarterdeckError
from backends.docker.archives import Stopped

_PIECE = 1 << 18
_BLOCK = 512

Progress = Callable[[int, int], None]
"""Called with (bytes sent, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the files become in the container."""

    uid: int = 0
    gid: int = 0


@dataclass(slots=True)
class Packed:
    """What one stream carries."""

    total: int = 0
    files: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    """Path here, name in the archive; folders before what is in them."""
    left_out: list[str] = field(default_factory=list[str])


def listed(source: Path, name: str) -> Packed:
    """What lies under a path; what is no file, folder or link is left out. Blocking."""
    found = Packed()
    try:
        if not source.is_dir():
            found.files.append((source, name))
            found.total = source.stat().st_size
            return found
        for at, folders, names in os.walk(source):
            folders.sort()
            inside = Path(at).relative_to(source).as_posix()
            prefix = name if inside == "." else f"{name}/{inside}"
            found.files.append((Path(at), prefix))
            links = [one for one in folders if (Path(at) / one).is_symlink()]
            for one in sorted([*names, *links]):
                path = Path(at) / one
                mode = path.lstat()
                if stat.S_ISREG(mode.st_mode) or stat.S_ISLNK(mode.st_mode):
                    found.files.append((path, f"{prefix}/{one}"))
                    found.total += mode.st_size if stat.S_ISREG(mode.st_mode) else 0
                else:
                    found.left_out.append(f"{prefix}/{one} (no file)")
    except OSError as error:
        raise QuarterdeckError(error.strerror or "cannot be read", where=str(error.filename or source)) from None
    return found


class Packing:
    """The stream of what was listed, in pieces; ``part`` is the name that everything goes through."""

    def __init__(
        self, packed: Packed, owner: Owner, progress: Progress, stopped: Callable[[], bool], *, linked: bool = True
    ) -> None:
        self._packed = packed
        self._owner = owner
        self._progress = progress
        self._stopped = stopped
        self._linked = linked
        self._done = 0
        self.part = f".quarterdeck-{secrets.token_hex(6)}.part"
        self.used = False
        """Something was sent under that name."""

    def __iter__(self) -> Iterator[bytes]:
        for path, name in self._packed.files:
            yield from self._one(path, name)
        if self.used:
            yield self._header(tarfile.TarInfo(self.part))
        yield bytes(2 * _BLOCK)

    def _one(self, path: Path, name: str) -> Iterator[bytes]:
        try:
            found = path.stat() if path == self._packed.files[0][0] else path.lstat()
        except OSError as error:
            raise QuarterdeckError(error.strerror or "cannot be read", where=str(path)) from None
        info = tarfile.TarInfo(name)
        info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
        if stat.S_ISDIR(found.st_mode):
            info.type = tarfile.DIRTYPE
            yield self._header(info)
        elif stat.S_ISLNK(found.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
            yield self._header(info)
        else:
            info.size = found.st_size
            if not self._linked:
                yield from self._bytes(path, info)
                return
            self.used = True
            info.name = self.part
            yield from self._bytes(path, info)
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.LNKTYPE, self.part
            link.mode, link.mtime = info.mode, info.mtime
            yield self._header(link)

    def _header(self, info: tarfile.TarInfo) -> bytes:
        info.uid, info.gid = self._owner.uid, self._owner.gid
        return info.tobuf(tarfile.PAX_FORMAT)

    def _bytes(self, path: Path, info: tarfile.TarInfo) -> Iterator[bytes]:
        yield self._header(info)
        left = info.size
        try:
            with path.open("rb") as reads:
                while left:
                    if self._stopped():
                        raise Stopped
                    piece = reads.read(min(_PIECE, left))
                    if not piece:
                        raise QuarterdeckError("it became shorter while it was read", where=str(path))
                    left -= len(piece)
                    self._done += len(piece)
                    yield piece
                    self._progress(self._done, self._packed.total)
        except OSError as error:
            if isinstance(error, (ConnectionError, TimeoutError)):
                raise
            raise QuarterdeckError(error.strerror or "cannot be read", where=str(path)) from None
        if info.size % _BLOCK:
            yield bytes(_BLOCK - info.size % _BLOCK)
