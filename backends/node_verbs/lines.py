"""A command's output as lines that come, held only up to a bound, and ended when nobody wants them any more."""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import AsyncIterator, Callable

from app.errors import QuarterdeckError
from app.link import Link

_MOST_HELD = 20_000
"""Lines kept for a reader that is late; older ones are left out, and that is said."""
_LONGEST = 16_384
"""Characters of a line; what is longer is cut into pieces."""

Keep = Callable[[str], bool]


class CommandLines(AsyncIterator[str]):
    """The output of one command, line by line; starts with the first line asked for.

    ``keep`` leaves lines out, ``last`` keeps only so many of them before the command's end. A command that fails
    raises what ``failed`` makes of (exit code, last line).
    """

    def __init__(
        self,
        link: Link,
        command: str,
        *,
        keep: Keep | None = None,
        last: int | None = None,
        failed: Callable[[int, str], QuarterdeckError | None] | None = None,
    ) -> None:
        self._link = link
        self._command = command
        self._keep = keep
        self._last = last
        self._failed = failed
        self._held: deque[str] = deque()
        self._left_out = 0
        self._partial = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._came = asyncio.Event()
        self._work: asyncio.Task[int] | None = None
        self._final = ""
        self._over = False
        """Nobody wants more; the command is being ended."""

    def __aiter__(self) -> CommandLines:
        return self

    async def __anext__(self) -> str:
        if self._work is None:
            self._work = asyncio.create_task(self._link.stream(self._command, stdout=self._take))
            self._work.add_done_callback(self._ended)
        while True:
            if self._held and (self._last is None or self._work.done()):
                if self._left_out:
                    count, self._left_out = self._left_out, 0
                    return f"… {count} lines left out: they came faster than they were read"
                return self._held.popleft()
            if self._work.done():
                self._finish(self._work)
            self._came.clear()
            try:
                await self._came.wait()
            except asyncio.CancelledError:
                self._end()  # as with an async generator: a reader that is cancelled reads no more
                raise

    def _finish(self, work: asyncio.Task[int]) -> None:
        if work.cancelled():
            raise StopAsyncIteration
        code = work.result()
        error = self._failed(code, self._final) if code and self._failed else None
        if error is not None:
            self._failed = None
            raise error
        raise StopAsyncIteration

    def _take(self, data: bytes, final: bool = False) -> None:
        text = self._partial + self._decoder.decode(data, final)
        lines = text.split("\n")
        self._partial = "" if final else lines.pop()
        if len(self._partial) > _LONGEST:
            lines.append(self._partial)
            self._partial = ""
        for line in lines:
            for at in range(0, max(1, len(line)), _LONGEST):
                self._add(line[at : at + _LONGEST].rstrip("\r"), final)
        self._came.set()

    def _add(self, line: str, final: bool) -> None:
        if final and not line:
            return
        self._final = line or self._final
        if self._keep is not None and not self._keep(line):
            return
        self._held.append(line)
        if self._last is not None and len(self._held) > self._last:
            self._held.popleft()
        elif len(self._held) > _MOST_HELD:
            self._held.popleft()
            self._left_out += 1

    def _ended(self, work: asyncio.Task[int]) -> None:
        if not work.cancelled():
            work.exception()  # told to the reader; looked at here so that nobody is warned of it
        self._take(b"", final=True)

    def _end(self) -> None:
        if self._work is not None and not self._over:
            self._over = True
            self._work.cancel()

    async def aclose(self) -> None:
        """End the command on the node and wait for that."""
        if self._work is not None:
            self._end()
            await asyncio.gather(self._work, return_exceptions=True)
        else:
            self._work = asyncio.create_task(_nothing())
            await self._work
        self._held.clear()


async def _nothing() -> int:
    return 0
