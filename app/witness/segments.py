"""Where a chain lies on disk, and how its lines are read from either end.

::

    FOLDER/                             0700
    └── ops@hp/                         one chain per Unix user and host
        ├── lock                        held while appending
        ├── 000000004096.jsonl          the open segment, named by its first number
        ├── archive/000000000001.jsonl.gz   sealed segments, byte for byte the same lines
        ├── checkpoints.jsonl  checkpoint.key  checkpoint.pub
        ├── torn/                       cut-off last lines, as they were found
        └── room/                       disk space set aside for outcomes

A sealed segment's head is the ``prev_hash`` of the next segment's first entry.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from app.errors import WitnessError

SEGMENT_BYTES = 16 * 1024 * 1024
"""A segment is sealed once it is this large: some 30,000 entries, 4 MB when archived."""

ARCHIVE = "archive"
_NAME = re.compile(r"(\d{12,18})\.jsonl(\.gz)?")
_BLOCK = 64 * 1024

DAMAGE = (OSError, EOFError, zlib.error)
"""What reading a segment can raise: the system's errors, and an archive that is cut short or not one."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of a chain."""

    first: int
    """The number of its first entry."""
    path: Path
    """Where it was when the folder was listed; archiving may move it meanwhile."""

    @property
    def archived(self) -> bool:
        """Whether it is sealed and compressed."""
        return self.path.suffix == ".gz"


def chain_name(operator: str, host: str) -> str:
    """The folder name of the chain of one Unix user on one host."""
    return re.sub(r"[^A-Za-z0-9._@-]", "_", f"{operator}@{host}").lstrip(".") or "_"


def chains(folder: Path) -> list[Path]:
    """The chain folders below a witness folder, or the folder itself where it is one; empty where none exists.

    A machine that was renamed, and homes shared by several machines, leave several.
    """
    with _reading(folder):
        if not folder.exists():
            return []
        if segments(folder) or (folder / "checkpoints.jsonl").exists():
            return [folder]
        return sorted(
            each for each in folder.iterdir() if each.is_dir() and (segments(each) or (each / "lock").exists())
        )


def segments(chain: Path) -> list[Segment]:
    """All segments of a chain in order; where one lies both plain and archived, the plain one."""
    with _reading(chain):
        # Plain ones first: what is archived between the two looks is then seen twice, the other way round never.
        plain = _listed(chain)
        archived = _listed(chain / ARCHIVE)
    found = {segment.first: segment for segment in (*archived, *plain)}
    return [found[first] for first in sorted(found)]


def newest(chain: Path) -> Segment | None:
    """The last segment, which is the one that is written to; archived only where its plain file is gone."""
    with _reading(chain):
        found = _listed(chain) + _listed(chain / ARCHIVE)
    return max(found, key=lambda segment: (segment.first, not segment.archived), default=None)


def plain_segments(chain: Path) -> list[Segment]:
    """The segments that are not archived, in order; all but the last are sealed."""
    with _reading(chain):
        return sorted(_listed(chain))


def segment_path(chain: Path, first: int) -> Path:
    """Where the open segment that begins with this number lies."""
    return chain / f"{first:012d}.jsonl"


def _listed(folder: Path) -> list[Segment]:
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return []
    matches = ((path, _NAME.fullmatch(path.name)) for path in paths)
    return [Segment(int(match[1]), path) for path, match in matches if match]


@contextlib.contextmanager
def _reading(path: Path) -> Generator[None]:
    """Turn what the system says about a folder into the tool's own error."""
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> WitnessError:
    """The error for a file or folder of the witness that cannot be read."""
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return WitnessError(
        f"the witness cannot be read: {reason}", where=str(path), todo=f"see who owns it: ls -ld '{path}'"
    )


@contextlib.contextmanager
def opened(segment: Segment) -> Generator[IO[bytes]]:
    """A segment's lines as a binary stream, wherever it has moved to since it was listed.

    Raises WitnessError where it cannot be read, and while reading an archive that is damaged.
    """
    try:
        with stream_of(segment) as stream:
            yield stream
    except DAMAGE as error:
        raise unreadable(segment.path, error) from error


def stream_of(segment: Segment) -> IO[bytes]:
    """A segment opened for reading; the plain errors of the system and of a damaged archive pass (``DAMAGE``)."""
    if not segment.archived:
        try:
            return segment.path.open("rb")
        except FileNotFoundError:
            archived = segment.path.parent / ARCHIVE / f"{segment.path.name}.gz"
            return cast("IO[bytes]", gzip.open(archived))
    return cast("IO[bytes]", gzip.open(segment.path))


def backwards(segment: Segment) -> Iterator[bytes]:
    """The lines of a segment, last first, each with its line break; an unfinished last line lacks it.

    A plain segment is read in blocks from its end: the cost is what is taken, not what is there.
    """
    with opened(segment) as stream:
        if isinstance(stream, gzip.GzipFile):
            yield from reversed(stream.readlines())
            return
        at = stream.seek(0, os.SEEK_END)
        rest = b""
        while at > 0:
            size = min(_BLOCK, at)
            at -= size
            stream.seek(at)
            rest = stream.read(size) + rest
            lines = _lines(rest)
            if len(lines) == 1 and at > 0:
                continue  # one line longer than what was read so far
            rest = lines[0] if at > 0 else b""
            yield from reversed(lines[1:] if at > 0 else lines)


def _lines(data: bytes) -> list[bytes]:
    """Split at line feeds only (a damaged line may hold other breaks), keeping them."""
    *whole, last = data.split(b"\n")
    lines = [line + b"\n" for line in whole]
    return [*lines, last] if last else lines
