"""What a sampler says, taken apart: bytes in, whole answers out; anything else is one ``BadAnswer``.

The stream is made of records ``#NONCE`` + letter + rest of the line:

====  ====================================================================================================
``h``  hello, with the separator of files (the boot id), empty where files are separated by ``m`` records
``c``  the list of files is told anew     ``n``  one file's name
``t``  a tick's answer begins             ``e``  it ends        ``m``  a file of it ends
``~``  a piece of a script's answer begins, up to ``|``         ``.``  that script has ended
====  ====================================================================================================

Bytes before the hello are a login banner's and are thrown away. The nonce is new in each session and known to nobody
but the two ends, so a file's contents cannot pretend to be a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import BadAnswer

LARGEST = 4 << 20
"""Bytes one answer may have; more is a fault while it is still coming."""
_LONGEST_LINE = 8192
_LONGEST_MARK = 64


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick's whole answer: the contents of each file that was there."""

    number: int
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """A script's whole answer."""

    slot: int
    data: bytes


class Decoder:
    """Turns a sampler's bytes into ticks and answers.

    ``feed`` raises BadAnswer when the stream cannot be what the program prints; nothing can be read after that and
    the session has to be begun anew.
    """

    def __init__(self, nonce: str, largest: int = LARGEST) -> None:
        self._head = b"#" + nonce.encode()
        self._largest = largest
        self._left = bytearray()
        self._scanned = 0
        self._mark = b""
        self._greeted = False
        self._names: list[str] = []
        self._tick: int | None = None
        self._sections: list[bytes] = []
        self._pieces: list[bytes] = []
        self._size = 0
        self._slot: int | None = None
        self._answers: dict[int, list[bytes]] = {}
        self._answered: dict[int, int] = {}
        self._noise = 0

    @property
    def greeted(self) -> bool:
        """The program has said hello: the host has a shell and runs it."""
        return self._greeted

    def feed(self, data: bytes) -> list[Tick | Answer]:
        """Take bytes as they come; returns what became whole."""
        became: list[Tick | Answer] = []
        left = self._left
        left += data
        head, length = self._head, len(self._head)
        at = 0
        while True:
            found = left.find(head, max(at, self._scanned))
            if found < 0:
                # Keep what may be the beginning of a record; pass the rest on, so that nothing is scanned twice.
                keep = max(at, len(left) - length + 1)
                self._take(left, at, keep)
                at = self._scanned = keep
                break
            end = left.find(b"\n", found + length, found + length + _LONGEST_LINE)
            if end < 0:
                if len(left) - found > _LONGEST_LINE:
                    raise BadAnswer("a line of the sampler's answer has no end")
                self._take(left, at, found)
                at = self._scanned = found
                break
            self._take(left, at, found)
            kind = left[found + length : found + length + 1]
            rest = bytes(left[found + length + 1 : end])
            at = self._scanned = end + 1
            whole = self._record(kind, rest)
            if whole is not None:
                became.append(whole)
        del left[:at]
        self._scanned -= at
        return became

    def _take(self, data: bytearray, start: int, end: int) -> None:
        """Bytes between two records: a script's, a tick's, or noise."""
        if end <= start:
            return
        size = end - start
        if self._slot is not None:
            self._answered[self._slot] += size
            if self._answered[self._slot] > self._largest:
                raise BadAnswer(f"the answer of a probe is longer than {self._largest >> 10} KiB")
            self._answers[self._slot].append(bytes(data[start:end]))
        elif self._tick is not None:
            self._size += size
            if self._size > self._largest:
                raise BadAnswer(f"the sampler's answer is longer than {self._largest >> 10} KiB")
            self._pieces.append(bytes(data[start:end]))
        else:
            self._noise += size
            if self._noise > self._largest:
                raise BadAnswer("the host talks without end and the sampler does not answer")

    def _record(self, kind: bytes | bytearray, rest: bytes) -> Tick | Answer | None:
        if not self._greeted and kind != b"h":
            raise BadAnswer("the sampler's answer does not begin at its beginning")
        if self._slot is not None and kind != b"|":
            raise BadAnswer("the sampler's answer is torn")
        if kind == b"~":
            self._slot = self._number(rest)
            self._answers.setdefault(self._slot, [])
            self._answered.setdefault(self._slot, 0)
        elif kind == b"|":
            self._slot = None
        elif kind == b".":
            slot = self._number(rest)
            self._answered.pop(slot, None)
            return Answer(slot, b"".join(self._answers.pop(slot, [])))
        elif kind == b"e":
            return self._end(self._number(rest))
        elif kind == b"m" and self._tick is not None:
            self._sections.append(b"".join(self._pieces))
            self._pieces.clear()
        elif self._tick is not None:
            raise BadAnswer("the sampler's answer is torn")
        else:
            self._between(kind, rest)
        return None

    def _between(self, kind: bytes | bytearray, rest: bytes) -> None:
        """A record that stands between ticks."""
        if kind == b"t":
            self._tick = self._number(rest)
            self._pieces, self._sections, self._size = [], [], 0
        elif kind == b"c":
            self._names = []
        elif kind == b"n":
            self._names.append(rest.decode("utf-8", "surrogateescape"))
        elif kind == b"h" and not self._greeted:
            if len(rest) > _LONGEST_MARK or (rest and len(rest) < 32):
                raise BadAnswer("the host's boot id is none")
            self._greeted = True
            self._mark = rest + b"\n" if rest else b""
        else:
            raise BadAnswer("the sampler's answer holds a record that it cannot hold")

    def _end(self, number: int) -> Tick:
        if number != self._tick:
            raise BadAnswer("the sampler's answer ends with another tick's end")
        self._tick = None
        # Nothing of it is kept until the next one: that would be some KiB for each of many hosts.
        sections, self._sections = self._sections, []
        last = b"".join(self._pieces)
        self._pieces.clear()
        if self._mark:
            sections = last.split(self._mark)
            last = sections.pop()
        if last or len(sections) != len(self._names):
            raise BadAnswer(f"the sampler told of {len(sections)} files instead of {len(self._names)}")
        return Tick(number, {name: part for name, part in zip(self._names, sections, strict=True) if part})

    @staticmethod
    def _number(rest: bytes) -> int:
        if not rest.isdigit() or len(rest) > 18:
            raise BadAnswer("the sampler's answer holds a record without a number")
        return int(rest)


def packed(files: Mapping[str, bytes]) -> bytes:
    """Several files as one answer, for probes that name more than one file; ``unpacked`` takes it apart."""
    return b"".join(
        b"%s\0%d\0%s" % (name.encode("utf-8", "surrogateescape"), len(data), data) for name, data in files.items()
    )


def unpacked(answer: bytes) -> dict[str, bytes]:
    """Name and contents of each file of a packed answer. Raises BadAnswer when it is none."""
    files: dict[str, bytes] = {}
    at = 0
    while at < len(answer):
        name_end = answer.find(b"\0", at)
        size_end = answer.find(b"\0", name_end + 1)
        size = answer[name_end + 1 : size_end]
        if name_end < 0 or size_end < 0 or not size.isdigit():
            raise BadAnswer("files are not packed as they should be")
        end = size_end + 1 + int(size)
        if end > len(answer):
            raise BadAnswer("files are cut short")
        files[answer[at:name_end].decode("utf-8", "surrogateescape")] = answer[size_end + 1 : end]
        at = end
    return files
