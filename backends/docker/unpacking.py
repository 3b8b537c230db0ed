"""A tar stream from a container onto this machine: under a name of its own until it is whole, and nowhere else.

Nothing in the stream is trusted: a name that leaves the folder ends it, a link that does is left out, links are made
last so that no later member is written through one, and what is no file, folder or link is left out.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import secrets
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from app.column import clean
from app.errors import BadAnswer, QuarterdeckError, Refused
from backends.docker.archives import Stopped

_PIECE = 1 << 18
_DEEPEST = 100
_MOST_MEMBERS = 2_000_000

Progress = Callable[[int], None]
"""Called with the bytes written so far."""


class Unpacking:
    """One tar stream into one final path; ``whole`` puts what came in its place, ``tidy`` removes what is left over."""

    def __init__(self, final: Path, progress: Progress, stopped: Callable[[], bool]) -> None:
        self._final = final
        self._part = final.with_name(f".{final.name[:200]}.{secrets.token_hex(4)}.part")
        self._progress = progress
        self._stopped = stopped
        self._done = 0
        self._links: list[tuple[Path, str]] = []
        self._folders: list[tuple[Path, int]] = []
        self.left_out: list[str] = []

    @property
    def done(self) -> int:
        """Bytes written."""
        return self._done

    def take(self, stream: IO[bytes]) -> None:
        """Read the stream to its end; raises BadAnswer for what is no tar or names what lies elsewhere."""
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                top: str | None = None
                for number, member in enumerate(tar):
                    if number > _MOST_MEMBERS:
                        raise BadAnswer("the archive has no end", where=str(self._final))
                    parts = _parts(member.name)
                    if top is None:
                        top = parts[0]
                    if parts[0] != top:
                        raise BadAnswer(f"the archive holds more than was asked for: {clean(member.name)[:200]}")
                    self._member(tar, member, self._part.joinpath(*parts[1:]), parts)
                    # It would remember every one of them.
                    tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        except tarfile.TarError as error:
            raise BadAnswer(f"what the engine sends is no whole archive: {error}", where=str(self._final)) from None
        if not os.path.lexists(self._part):
            raise BadAnswer("the engine sent an empty archive", where=str(self._final))
        for path, target in self._links:
            with contextlib.suppress(FileExistsError):
                path.symlink_to(target)
        for path, mode in reversed(self._folders):
            path.chmod(mode)

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, parts: list[str]) -> None:
        if member.isdir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folders.append((path, member.mode & 0o777 | 0o700))
        elif member.isreg():
            self._file(tar, member, path)
        elif member.issym():
            inside = posixpath.normpath(posixpath.join(*parts[1:-1], member.linkname)) if len(parts) > 1 else ".."
            if member.linkname.startswith("/") or inside == ".." or inside.startswith("../"):
                self.left_out.append(f"{member.name} (a link out of the folder)")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._links.append((path, member.linkname))
        elif member.islnk():
            source = self._part.joinpath(*_parts(member.linkname)[1:])
            if source.is_symlink() or not source.is_file():
                self.left_out.append(f"{member.name} (a link to what is not there)")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, path, follow_symlinks=False)
        else:
            self.left_out.append(f"{member.name} (no file)")

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        reads = tar.extractfile(member)
        if reads is None:
            raise BadAnswer(f"the archive's {clean(member.name)[:200]} cannot be read")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a name that comes twice: the later one counts
        with path.open("xb") as writes:
            while piece := reads.read(_PIECE):
                if self._stopped():
                    raise Stopped
                writes.write(piece)
                self._done += len(piece)
                self._progress(self._done)
        path.chmod(member.mode & 0o777)
        os.utime(path, (member.mtime, member.mtime))

    def whole(self, overwrite: bool) -> None:
        """Give it its final name; a folder is merged into one of that name, file by file."""
        if os.path.lexists(self._final) and not overwrite:
            raise Refused("something stands there by now, and was not to be overwritten", where=str(self._final))
        if self._part.is_dir() and self._final.is_dir():
            _merge(self._part, self._final)
        else:
            self._part.replace(self._final)

    def tidy(self) -> None:
        """Remove what is left of the part."""
        if self._part.is_dir() and not self._part.is_symlink():
            shutil.rmtree(self._part, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)


def _merge(source: Path, target: Path) -> None:
    """Move everything below one folder into another; each file takes its place at once."""
    for at, folders, names in os.walk(source):
        into = target / Path(at).relative_to(source)
        for name in list(folders):
            if (Path(at) / name).is_symlink():
                names.append(name)
                folders.remove(name)
            elif not (into / name).is_dir():
                (into / name).mkdir()
        for name in names:
            if (into / name).is_dir() and not (into / name).is_symlink():
                raise Refused("a folder stands where a file would go", where=str(into / name))
            (Path(at) / name).replace(into / name)


def _parts(name: str) -> list[str]:
    """The components of a member's name; raises BadAnswer for one that could lie elsewhere."""
    parts = [one for one in name.split("/") if one not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or len(parts) > _DEEPEST or "\0" in name:
        raise BadAnswer(f"the archive names what lies elsewhere: {clean(name)[:200]}")
    return parts


def unpacked(
    stream: Any, final: Path, *, overwrite: bool, progress: Progress, stopped: Callable[[], bool]
) -> Unpacking:
    """Unpack a stream at a path of this machine, whole or not at all. Blocking; errors of the system in words."""
    unpacking = Unpacking(final, progress, stopped)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        unpacking.take(stream)
        unpacking.whole(overwrite)
    except (ConnectionError, TimeoutError):  # the engine's side, told by whoever opened the stream
        raise
    except OSError as error:
        if stopped():
            raise Stopped from None
        raise QuarterdeckError(error.strerror or "cannot be written", where=str(error.filename or final)) from None
    finally:
        unpacking.tidy()
    return unpacking
