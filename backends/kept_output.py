"""What a command said, kept up to a bound a stream; the rest is read and thrown away."""

from __future__ import annotations

from app.link import Completed


class KeptOutput:
    """Standard output (1) and standard error (2) of one command, at most ``limit`` bytes of each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: dict[int, list[bytes]] = {1: [], 2: []}
        self._sizes = {1: 0, 2: 0}
        self._truncated = False

    def keep(self, fd: int, data: bytes) -> None:
        """Take a piece as it comes."""
        room = self._limit - self._sizes[fd]
        if len(data) > room:
            self._truncated = True
            data = data[:room]
        if data:
            self._pieces[fd].append(data)
            self._sizes[fd] += len(data)

    def completed(self, exit_code: int) -> Completed:
        """The command, ended."""
        return Completed(exit_code, b"".join(self._pieces[1]), b"".join(self._pieces[2]), self._truncated)
