"""The bytes of a container's log stream made into lines.

Without a terminal the engine multiplexes standard output and error (Engine API, "Attach to a container": a header of
eight bytes, the first is the stream, the last four the length); with one it sends bytes as they were written. With
``timestamps=1`` every message begins with its moment. A message is a line, or a piece of one: the engine cuts at
16 KiB, and the pieces share a moment. A frame, and the transport, may tear a line or a character anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

from app.errors import BadAnswer
from backends.docker.log_times import Stamp, stamp

LONGEST = 64 * 1024
"""Bytes kept of one line; what is longer is cut there and its end left out."""
PIECE = 16 * 1024
"""Bytes after which the engine cuts a line into pieces."""
_LONGEST_FRAME = 4 * 1024 * 1024
_ERR = 2
_SYSTEM = 3


class Said(NamedTuple):
    """One line as a container wrote it, its end taken off."""

    text: str
    at: Stamp | None
    error: bool
    """It came by standard error."""


class Pieces:
    """One stream's lines out of bytes that may be torn anywhere; ``feed`` gives those that are whole."""

    def __init__(self, *, error: bool = False, tty: bool = False) -> None:
        self._error = error
        self._tty = tty
        self._rest = b""

    def feed(self, data: bytes) -> list[Said]:
        """Bytes as they came; a piece cut off by the engine has no end of line and waits for the others."""
        lines = data.split(b"\n")
        if self._rest:
            lines[0] = self._rest + lines[0]
        self._rest = lines.pop()
        said = [self._said(line) for line in lines]
        if len(self._rest) > 2 * LONGEST:
            # A line without end: keep its beginning, forget what follows.
            self._rest = self._rest[:LONGEST]
        return said

    def message(self, data: bytes) -> list[Said]:
        """One message of the engine: a piece of the line under way where it has the same moment, else another line.

        The end of line that tells pieces apart is left out by some log drivers (``local``) behind the last of them.
        """
        if not self._rest:
            if data.find(b"\n") == len(data) - 1:  # by far the most: one whole line
                return [self._said(data[:-1])]
            return self.feed(data)
        moment, _, body = data.partition(b" ")
        if self._rest.startswith(moment + b" "):
            return self.feed(body)
        if stamp(moment) is not None:
            return [*self.end(), *self.feed(data)]
        return self.feed(data)

    def end(self) -> list[Said]:
        """The stream ended: what has no end of line is a line as well."""
        rest, self._rest = self._rest, b""
        return [self._said(rest)] if rest else []

    def _said(self, line: bytes) -> Said:
        moment, blank, body = line.partition(b" ")
        at = stamp(moment)
        if at is None:
            body = line
        elif not blank:
            body = b""
        if self._tty and at is not None and len(body) > PIECE:
            body = _joined(moment + b" ", body)
        if body.endswith(b"\r"):
            body = body[:-1]
        return Said(body[:LONGEST].decode("utf-8", "replace"), at, self._error)


def _joined(mark: bytes, body: bytes) -> bytes:
    """A long line without the moments that its pieces begin with.

    A piece may be longer than it was: some log drivers write what the cut left of a character as a replacement.
    """
    pieces: list[bytes] = []
    at = 0
    while (end := body.find(mark, at + PIECE)) >= 0:
        pieces.append(body[at:end])
        at = end + len(mark)
    return b"".join([*pieces, body[at:]])


class Frames:
    """Lines out of a log stream, multiplexed or not, in the order they came."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._buffer = b""
        self._out = Pieces(tty=tty)
        self._err = Pieces(error=True)

    def feed(self, data: bytes) -> list[Said]:
        """Bytes as they came. Raises BadAnswer for what cannot be a multiplexed log."""
        if self._tty:
            return self._out.feed(data)
        data = self._buffer + data if self._buffer else data
        said: list[Said] = []
        at, size = 0, len(data)
        while size - at >= 8:
            kind = data[at]
            length = int.from_bytes(data[at + 4 : at + 8], "big")
            if kind > _SYSTEM or data[at + 1 : at + 4] != b"\0\0\0" or length > _LONGEST_FRAME:
                raise BadAnswer(f"its log is not framed as logs are: {data[at : at + 12].hex(' ')}")
            if size - at - 8 < length:
                break
            body = data[at + 8 : at + 8 + length]
            said += (self._err if kind >= _ERR else self._out).message(body)
            at += 8 + length
        self._buffer = data[at:]
        return said

    def end(self) -> list[Said]:
        """The stream ended."""
        return [*self._out.end(), *self._err.end()]


__all__ = ["Frames", "Pieces", "Said"]
