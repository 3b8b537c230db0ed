"""Proof that a chain is whole: every stored byte is hashed again, every link followed, every signature checked.

What it cannot prove, and says: whoever may write the log as its owner can write all of it anew and sign it with the
key that lies beside it. Only a checkpoint kept elsewhere shows that.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import IO

from app.errors import WitnessError
from app.witness.checkpoint import FILE, PUBLIC, Checkpoint, is_signed, latest, public_key, stored
from app.witness.entry import GENESIS, SHAPE, TAIL
from app.witness.segments import DAMAGE, Segment, segments, stream_of, unreadable

LIMITS = (
    "This does not prove that nobody rewrote the whole log and signed it anew with the key beside it; "
    "compare with a checkpoint that is kept elsewhere (--against FILE)."
)


class Fault(StrEnum):
    """In which way a chain is broken."""

    CONTENT = "content"
    """An entry's bytes are not those that were written."""
    LINK = "link"
    """An entry is whole but does not continue the one before."""
    GAP = "gap"
    """An entry is whole but another number was due."""
    SIGNATURE = "signature"
    """A checkpoint's signature is wrong, or the log does not say what was signed."""
    TRUNCATED = "truncated"
    """A checkpoint covers more entries than there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first place where a chain does not hold."""

    seq: int
    """The number of the entry that is wrong or missing."""
    kind: Fault
    what: str
    where: str
    """``FILE:LINE`` or the file of the checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying one chain found."""

    chain: str
    """``operator@host``: the name of its folder."""
    entries: int
    """How many were found good, counted from the first."""
    head: str
    checkpoints: int
    covered: int
    """How many entries the last good checkpoint covers."""
    repairs: int
    first_break: Break | None
    notes: tuple[str, ...]
    """What is no break and worth knowing."""


def verify(chain: Path, against: Sequence[Checkpoint] = ()) -> Verdict:
    """Check one chain from its first entry to its last, with its own checkpoints and copies of them kept elsewhere.

    Stops at the first break. Blocks; belongs in a thread or a command. Raises WitnessError where files are unreadable.
    """
    signatures = _Signatures(chain, against)
    walk = _Walk(chain, signatures.sizes())
    walk.run()
    broken = walk.broken
    wrong = signatures.first_wrong(walk.signed_heads, walk.seq, ended=broken is None)
    if wrong is not None and (broken is None or wrong.seq < broken.seq):
        broken = wrong
    last = latest([each for each in signatures.good if each.size <= walk.seq])
    notes = list(walk.notes)
    if walk.seq and last is None:
        notes.append("no checkpoint covers this chain yet: entries cut off its end would not be missed")
    elif last is not None and last.size < walk.seq:
        notes.append(f"the last {walk.seq - last.size} entries came after the last checkpoint")
    return Verdict(
        chain=chain.name,
        entries=min(walk.seq, broken.seq - 1) if broken else walk.seq,
        head=walk.head,
        checkpoints=len(signatures.good),
        covered=last.size if last else 0,
        repairs=walk.repairs,
        first_break=broken,
        notes=tuple(notes),
    )


class _Damaged(Exception):
    """An archive cannot be unpacked."""

    def __init__(self, segment: Segment, reason: str) -> None:
        super().__init__(reason)
        self.segment = segment
        self.reason = reason


class _Walk:
    """One pass over all lines; the hot loop compares bytes and parses nothing."""

    def __init__(self, chain: Path, sizes: set[int]) -> None:
        self.seq = 0
        self.head = GENESIS
        self.repairs = 0
        self.broken: Break | None = None
        self.notes: list[str] = []
        self.signed_heads: dict[int, str] = {}
        self._sizes = sizes
        self._segments = segments(chain)

    def run(self) -> None:
        """Follow the chain to its end or its first break."""
        try:
            with closing(_loaded(self._segments)) as loaded:
                for segment, stream in loaded:
                    with stream:
                        self._follow(segment, stream, last=segment is self._segments[-1])
                    if self.broken is not None:
                        return
        except _Damaged as error:
            what = f"the archive is damaged: {error.reason}"
            self.broken = Break(seq=self.seq + 1, kind=Fault.CONTENT, what=what, where=str(error.segment.path))

    def _follow(self, segment: Segment, stream: IO[bytes], *, last: bool) -> None:
        sha256 = hashlib.sha256
        sizes = self._sizes
        seq = self.seq
        head = self.head.encode("ascii")
        for number, line in enumerate(stream, 1):
            body = line[:-TAIL]
            digest = sha256(body).hexdigest().encode("ascii")
            if not body.startswith(b'{"prev_hash":"%b","seq":%d,' % (head, seq + 1)) or (
                line[-TAIL:] != b',"hash":"%b"}\n' % digest
            ):
                self._keep(seq, head)
                self._diagnose(segment, line, number, last=last)
                return
            seq += 1
            head = digest
            if seq in sizes:
                self.signed_heads[seq] = digest.decode("ascii")
            if b'"phase":"repair"' in line:
                self.repairs += 1
        self._keep(seq, head)

    def _keep(self, seq: int, head: bytes) -> None:
        self.seq, self.head = seq, head.decode("ascii")

    def _diagnose(self, segment: Segment, line: bytes, number: int, *, last: bool) -> None:
        """Say in which way this line does not hold."""
        due = self.seq + 1
        if last and not line.endswith(b"\n"):
            self.notes.append(f"the last line is unfinished ({len(line)} bytes); the next write sets it aside")
            return
        shape = SHAPE.fullmatch(line)
        if shape is None:
            kind, what = Fault.CONTENT, "this line is not an entry"
        elif hashlib.sha256(line[:-TAIL]).hexdigest().encode("ascii") != shape[3]:
            kind, what = Fault.CONTENT, "the entry does not have the hash it was written with"
        elif int(shape[2]) != due:
            kind, what = Fault.GAP, f"entry {int(shape[2])} stands where {due} was due"
        else:
            kind, what = Fault.LINK, "the entry does not continue the one before it"
        self.broken = Break(seq=due, kind=kind, what=what, where=f"{segment.path}:{number}")


def _loaded(listed: Sequence[Segment]) -> Generator[tuple[Segment, IO[bytes]]]:
    """The segments as streams; archives are unpacked one ahead in a second thread, which both cores share well."""
    with ThreadPoolExecutor(1, thread_name_prefix="unpack") as pool:
        ahead: list[tuple[Segment, Future[IO[bytes]]]] = []
        try:
            for segment in listed:
                ahead.append((segment, pool.submit(_load, segment)))
                if len(ahead) > 1:
                    ready, future = ahead.pop(0)
                    yield ready, future.result()
            while ahead:
                ready, future = ahead.pop(0)
                yield ready, future.result()
        finally:
            for _, future in ahead:  # loaded in vain: the chain broke before
                if future.exception() is None:
                    future.result().close()


def _load(segment: Segment) -> IO[bytes]:
    try:
        stream = stream_of(segment)
        if not isinstance(stream, gzip.GzipFile):
            return stream
        with stream:
            return BytesIO(stream.read())
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(segment.path, error) from error
        raise _Damaged(segment, str(error)) from error


class _Signatures:
    """The checkpoints of a chain and the copies to compare with."""

    def __init__(self, chain: Path, against: Sequence[Checkpoint]) -> None:
        self._path = chain / FILE
        own, self._bad = stored(self._path)
        self._all = [(each, str(self._path)) for each in own] + [(each, "the copy kept elsewhere") for each in against]
        self.good: list[Checkpoint] = []
        self._wrong: list[Break] = []
        key = public_key(chain / PUBLIC) if self._all else None
        for each, where in self._all:
            if key is not None and is_signed(each, key):
                self.good.append(each)
            else:
                what = "the signature is not that of this chain's key" if key else f"{PUBLIC} is missing or no key"
                self._wrong.append(Break(seq=each.size, kind=Fault.SIGNATURE, what=what, where=where))
        self._where = dict(self._all)

    def sizes(self) -> set[int]:
        """After which entries somebody signed."""
        return {each.size for each in self.good}

    def first_wrong(self, heads: dict[int, str], entries: int, *, ended: bool) -> Break | None:
        """The first checkpoint that does not hold against the chain that was walked; ``entries`` long."""
        wrong = list(self._wrong)
        wrong += [
            Break(seq=entries + 1, kind=Fault.SIGNATURE, what=f"line {line}: {what}", where=str(self._path))
            for line, what in self._bad
        ]
        for each in self.good:
            if each.size > entries:
                if ended:
                    what = f"{each.size} entries were signed on {each.time}, {entries} are here"
                    wrong.append(Break(seq=entries + 1, kind=Fault.TRUNCATED, what=what, where=self._where[each]))
            elif heads.get(each.size) != each.head:
                what = f"not the entry that was signed on {each.time}: the log was rewritten up to here"
                wrong.append(Break(seq=each.size, kind=Fault.SIGNATURE, what=what, where=self._where[each]))
        return min(wrong, key=lambda each: each.seq, default=None)


def copies(path: Path) -> list[Checkpoint]:
    """Checkpoints from a copy kept elsewhere: one JSON line each, as they were handed out.

    Raises WitnessError where the file is missing or holds anything else.
    """
    if not path.exists():
        raise WitnessError("there is no such file", where=str(path))
    data = path.read_bytes()
    good, bad = stored(path)
    if bad or not good or not data.endswith(b"\n"):
        reason = bad[0][1] if bad else "no whole line in it is a checkpoint"
        raise WitnessError(f"not a copy of checkpoints: {reason}", where=str(path), todo=f"give lines of {FILE}")
    return good
