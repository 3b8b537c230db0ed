"""The chain as it is written: one lock, one head, lines that are whole or not there.

Everything here blocks and belongs in a thread. Number and previous hash are assigned under the file lock that also
covers write and sync, so any number of processes share one chain. Finding the head costs the tail of one file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import WitnessError
from app.paths import private_folder
from app.witness.disk import keep, put, same, sync, sync_folder, take
from app.witness.entry import GENESIS, SHAPE, Draft, Phase, encode, stamp
from app.witness.room import OUTCOME_ROOM, Room
from app.witness.segments import Segment, backwards, newest, segment_path, segments

LOCK_TIMEOUT = 10.0
"""Seconds to wait for another console that is writing."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends: its last entry, and the file and offset the next one goes to."""

    path: Path
    end: int
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Request:
    """One entry to be appended."""

    draft: Draft
    reserve: int = 0
    """Of an intent: for how many outcomes room is set aside."""
    settles: int = 0
    """Of an outcome or refusal: how many announced outcomes it stands for."""


class Chain:
    """Appends to one chain folder. One per process is enough; several, in any number of processes, work."""

    def __init__(
        self, folder: Path, operator: str, host: str, segment_bytes: int, now: Callable[[], str] = stamp
    ) -> None:
        self.folder = folder
        self.operator = operator
        self.host = host
        self._segment_bytes = segment_bytes
        self._now = now
        self._room = Room(folder / "room")
        self._owed: dict[str, int] = {}
        self._known: Head | None = None
        self._seen: tuple[int, int] = (0, 0)

    @property
    def segment(self) -> Path | None:
        """The file the last entry of this process went to; ``None`` before the first."""
        return self._known.path if self._known is not None else None

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Hold the chain's lock. Raises WitnessError when another process does not let go of it in time."""
        path = self.folder / "lock"
        deadline = time.monotonic() + LOCK_TIMEOUT
        fd = -1
        try:
            while fd < 0:
                self._prepare()
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                if not take(fd, deadline):
                    raise WitnessError(
                        f"another process has held the witness for {LOCK_TIMEOUT:.0f} s",
                        where=str(path),
                        todo=f"see which one: fuser -v '{path}'",
                    )
                if not same(fd, path):  # removed while we waited: a lock nobody else sees protects nothing
                    os.close(fd)
                    fd = -1
            yield
        except OSError as error:
            raise self._failure(error) from error
        finally:
            if fd >= 0:
                os.close(fd)

    def append(self, requests: Sequence[Request]) -> list[int | WitnessError]:
        """Write entries and sync them to disk; one number or error per request, in order.

        Each line is whole on disk or not there at all; those that failed leave no gap in the numbers.
        Raises WitnessError when nothing could be written.
        """
        with self.locked():
            start = head = self._rotated(self.head())
            answers: list[int | WitnessError] = []
            fd = os.open(head.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                for request in requests:
                    try:
                        head = self._write(fd, head, request)
                        answers.append(head.seq)
                    except OSError as error:
                        answers.append(self._failure(error))
                try:
                    sync(fd)
                    if start.end == 0:
                        sync_folder(self.folder)
                except OSError:
                    os.ftruncate(fd, start.end)
                    for request, answer in zip(requests, answers, strict=True):
                        self._room.settle(request.reserve if isinstance(answer, int) else 0)
                    raise
                self._remember(fd, head)
            finally:
                os.close(fd)
            for request, answer in zip(requests, answers, strict=True):
                self._account(request, written=isinstance(answer, int))
            return answers

    def head(self) -> Head:
        """Where the chain ends, repaired if its last line was cut off; call it under the lock."""
        segment = newest(self.folder)
        if segment is None:
            return Head(segment_path(self.folder, 1), 0, 0, GENESIS)
        known = self._known
        if known is not None and known.path == segment.path:
            facts = segment.path.stat()
            if (facts.st_ino, facts.st_size) == self._seen:
                return known
        return self._found(segment)

    def close(self) -> None:
        """Give back the room that is still set aside."""
        self._room.close()

    def _found(self, segment: Segment) -> Head:
        """Read the head from the end of the newest segment, and mend that end where it needs it."""
        torn = 0
        strange = 0
        last: tuple[int, str] | None = None
        for line in backwards(segment):
            if not line.endswith(b"\n"):
                torn = len(line)
                continue
            if match := SHAPE.fullmatch(line):
                last = int(match[2]), match[3].decode("ascii")
                break
            strange += 1
        if last is None:
            last = self._before(segment)
        if segment.archived:  # the plain end is gone; go on behind the archive
            return Head(segment_path(self.folder, last[0] + 1), 0, *last)
        size = segment.path.stat().st_size
        head = Head(segment.path, size - torn, *last)
        if torn:
            return self._mend(head, torn)
        if strange:
            return self._note_strange(head, strange)
        return head

    def _before(self, segment: Segment) -> tuple[int, str]:
        """The number and hash that should come before a segment in which no entry is left."""
        for earlier in reversed([each for each in segments(self.folder) if each.first < segment.first]):
            for line in backwards(earlier):
                if match := SHAPE.fullmatch(line):
                    return int(match[2]), match[3].decode("ascii")
        return segment.first - 1, GENESIS

    def _mend(self, head: Head, torn: int) -> Head:
        """Keep the cut-off last line aside and write the repair in its place."""
        fd = os.open(head.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            cut = os.pread(fd, torn, head.end)
            digest = hashlib.sha256(cut).hexdigest()
            kept = self.folder / "torn" / f"{head.seq + 1:012d}-{digest[:12]}"
            keep(kept, cut)
            draft = Draft(
                verb="witness repair",
                phase=Phase.REPAIR,
                message=f"the last line was cut off after {torn} bytes (SHA-256 {digest}); kept in torn/{kept.name}",
            )
            # Written over the cut line first and shortened after: at no moment is there neither line nor repair.
            head = self._line(fd, head, draft, 0, restore=cut)
            os.ftruncate(fd, head.end)
            sync(fd)
            self._remember(fd, head)
            return head
        finally:
            os.close(fd)

    def _note_strange(self, head: Head, lines: int) -> Head:
        """Whole lines that are no entries stay where they are; the chain goes on behind them and says so."""
        fd = os.open(head.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            what = f"{lines} lines after entry {head.seq} are not entries; left in place (see witness verify)"
            head = self._line(fd, head, Draft(verb="witness repair", phase=Phase.REPAIR, message=what), 0)
            sync(fd)
            self._remember(fd, head)
            return head
        finally:
            os.close(fd)

    def _rotated(self, head: Head) -> Head:
        """The head in a fresh segment where the current one is full."""
        if head.end < self._segment_bytes:
            return head
        path = segment_path(self.folder, head.seq + 1)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            sync_folder(self.folder)
        except OSError:  # no room for another file: a long segment is better than a lost outcome
            return head
        return Head(path, 0, head.seq, head.hash)

    def _write(self, fd: int, head: Head, request: Request) -> Head:
        if request.reserve:
            self._room.take(request.reserve)
        reserved = self._owed.get(request.draft.trace, 0) > 0
        try:
            if not (reserved and request.settles):
                return self._line(fd, head, request.draft, request.reserve, spend=reserved)
            return self._line(fd, head, request.draft, request.settles, spend=True, outcome=True)
        except OSError:
            if request.reserve:
                self._room.settle(request.reserve)
            raise

    def _line(
        self,
        fd: int,
        head: Head,
        draft: Draft,
        outcomes: int,
        *,
        spend: bool = False,
        outcome: bool = False,
        restore: bytes = b"",
    ) -> Head:
        """Put one line at the head; on failure what stood there before stands there again."""
        line, digest = self._encoded(head, draft, outcomes)
        while outcome and len(line) > OUTCOME_ROOM and len(draft.message) > 100:
            draft = replace(draft, message=f"{draft.message[: len(draft.message) // 2 - 20]} … [cut to fit]")
            line, digest = self._encoded(head, draft, outcomes)
        try:
            wanted = len(line)
            while True:
                try:
                    put(fd, line, head.end)
                    break
                except OSError as error:
                    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                    if not (full and spend and self._room.spend(wanted, outcome=outcome)):
                        raise
                    wanted = 0  # from now on a block at a time: some file systems need one for themselves
        except OSError:
            os.ftruncate(fd, head.end)
            if restore:
                put(fd, restore, head.end)
            raise
        return Head(head.path, head.end + len(line), head.seq + 1, digest)

    def _encoded(self, head: Head, draft: Draft, outcomes: int) -> tuple[bytes, str]:
        return encode(
            draft,
            seq=head.seq + 1,
            time=self._now(),
            operator=self.operator,
            host=self.host,
            prev_hash=head.hash,
            outcomes=outcomes,
        )

    def _account(self, request: Request, *, written: bool) -> None:
        """Keep track of how many outcomes each trace of this process is still owed."""
        trace = request.draft.trace
        if not written:
            return
        if request.reserve:
            self._owed[trace] = self._owed.get(trace, 0) + request.reserve
        settled = min(request.settles, self._owed.get(trace, 0))
        if settled:
            self._room.settle(settled)
            self._owed[trace] -= settled
            if not self._owed[trace]:
                del self._owed[trace]

    def _remember(self, fd: int, head: Head) -> None:
        facts = os.fstat(fd)
        self._known = head
        self._seen = (facts.st_ino, facts.st_size)

    def _prepare(self) -> None:
        """Make the folders, for nobody else to read."""
        if not self.folder.is_dir():
            private_folder(self.folder)
        if self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)

    def _failure(self, error: OSError) -> WitnessError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        where = str(self.folder)
        return WitnessError(
            "the disk of the witness is full; nothing was written"
            if full
            else f"the witness could not be written: {error.strerror or error}",
            where=where,
            todo=f"free some space: df -h '{where}'" if full else f"see whether it is yours to write: ls -ld '{where}'",
        )
