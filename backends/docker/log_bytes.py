"""One request for a container's log, read in a thread: lines by the batch, those that do not pass left out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from app.errors import BadAnswer
from backends.docker.contract import Client
from backends.docker.log_frames import Frames, Said
from backends.docker.log_times import Stamp, said_to_engine

_AT_ONCE = 16 * 1024
"""Bytes taken in one go: the interpreter is held for as long as it takes to make lines of them."""
_SMALL = 4096
_LULL_S = 0.01
"""Seconds that a trickle is left to gather: the engine sends every line by itself."""
_OVERLAP_NS = 2_000_000
"""What is read again after an interruption: lines of the two streams may be written down out of order."""
_REMEMBERED = 1000
_AHEAD = 8
"""Batches that may wait for whoever reads them; then the engine waits."""


class Seam:
    """Where the reading of a log broke off, so that it goes on without a line lost or doubled."""

    def __init__(self) -> None:
        self._last: deque[Said] = deque(maxlen=_REMEMBERED)
        self._known: set[Said] = set()
        self._until: Stamp = (0, 0)
        self.gap = False
        """Whether the reading that goes on found no line known already: some may be missing."""

    @property
    def empty(self) -> bool:
        """Whether nothing was read yet."""
        return not self._last

    def begin(self) -> str | None:
        """Since when to read on, as the engine takes it; ``None`` where nothing was read."""
        moments = [said.at for said in self._last if said.at is not None]
        if not moments:
            return None
        self._until = seconds, nanos = max(moments)
        self._known = set(self._last)
        self.gap = False
        total = seconds * 1_000_000_000 + nanos - _OVERLAP_NS
        return said_to_engine(divmod(total, 1_000_000_000))

    def join(self, batch: list[Said]) -> list[Said]:
        """The lines that were not read before; remembers them."""
        if self._known and batch:
            fresh = [said for said in batch if said not in self._known]
            if len(fresh) == len(batch):
                self.gap = True
            if batch[-1].at is None or batch[-1].at > self._until or len(fresh) == len(batch):
                self._known = set()
            batch = fresh
        self._last.extend(batch)
        return batch


class LogBytes:
    """One request; ``begin`` runs in a thread of the engine, as do the parsing and the search."""

    def __init__(
        self,
        container: str,
        *,
        tty: bool,
        seam: Seam,
        passes: Callable[[Said], bool] | None = None,
        **params: Any,
    ) -> None:
        self._container = container
        self._tty = tty
        self._seam = seam
        self._passes = passes
        self._params = {"stdout": 1, "stderr": 1, "timestamps": 1, **params}
        self.answered = False
        self.engine_time: float | None = None
        """Seconds since the epoch by the engine's clock when it answered; whole seconds."""
        self._room = threading.Semaphore(_AHEAD)
        self._over = False

    def taken(self) -> None:
        """A batch that is not empty was read; another may come."""
        self._room.release()

    def close(self) -> None:
        """Nothing more is wanted."""
        self._over = True
        self._room.release()

    def begin(self, client: Client) -> Iterator[list[Said]]:
        """The lines of each piece that came; the first is empty and says that the engine answered."""
        url = client._url("/containers/{0}/logs", self._container)
        follow = bool(self._params.get("follow"))
        response = client.get(url, params=self._params, stream=True, timeout=(10, None if follow else 60))
        try:
            client._raise_for_status(response)
            try:
                self.engine_time = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
            except (TypeError, ValueError):
                self.engine_time = None
            self.answered = True
            yield []
            frames = Frames(tty=self._tty)
            for data in _pieces(response.raw):
                batch = self._of(frames.feed(data))
                if batch:
                    self._room.acquire()
                    if self._over:
                        return
                    yield batch
            yield self._of(frames.end())
        finally:
            response.close()

    def _of(self, batch: list[Said]) -> list[Said]:
        batch = self._seam.join(batch)
        return batch if self._passes is None else [said for said in batch if self._passes(said)]


def _pieces(raw: Any) -> Iterator[bytes]:
    """The body as it comes, many lines at once where they come fast."""
    answer = raw._fp
    if getattr(answer, "chunked", False) and hasattr(answer.fp, "read1"):
        source: Iterator[bytes] = _chunks(answer.fp)
    else:
        source = raw.stream(_AT_ONCE)
    before = 0.0
    for data in source:
        yield data
        now = time.monotonic()
        if len(data) < _SMALL and now - before < 2 * _LULL_S:
            time.sleep(_LULL_S)
        before = now


def _chunks(file: Any) -> Iterator[bytes]:
    """The contents of a chunked body (RFC 9112, 7.1), of all chunks at once that are there.

    The engine makes a chunk of every line; reading them one by one costs more than everything else.
    """
    rest = b""
    left = 0
    while True:
        data = file.read1(_AT_ONCE)
        if not data:
            raise ConnectionError("the engine's answer broke off")
        data = rest + data if rest else data
        rest = b""
        whole: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            if left > 2:  # inside a chunk; 2 for the line end behind it
                piece = data[at : at + left - 2]
                whole.append(piece)
                at += len(piece)
                left -= len(piece)
            elif left:
                skipped = min(left, size - at)
                at += skipped
                left -= skipped
            else:
                end = data.find(b"\r\n", at)
                if end < 0:
                    if size - at > 1000:
                        raise BadAnswer("its log is not cut into chunks as it says")
                    rest = data[at:]
                    break
                try:
                    length = int(data[at:end].partition(b";")[0], 16)
                except ValueError:
                    raise BadAnswer("its log is not cut into chunks as it says") from None
                at = end + 2
                if length == 0:
                    if whole:
                        yield b"".join(whole)
                    return
                left = length + 2
        if whole:
            yield b"".join(whole)


__all__ = ["LogBytes", "Seam"]
