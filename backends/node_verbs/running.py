"""Running one command line as a step: output as it comes, a bounded copy for the result, a clean end."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from app.errors import QuarterdeckError
from app.link import Link
from app.plan import Report, Result
from backends.node_verbs.base import tail

KEPT = 1 << 20
"""Characters of each output kept for the result."""
TIMED_OUT = 124
"""The exit code of a command that was ended because its time was up, as ``timeout(1)`` gives it."""

End = Callable[[str], Awaitable[None]]
"""Ends what a handle stands for, with the rights it takes."""
Filter = Callable[[str], str]
"""Sees each piece of standard output, and returns what of it is to be shown."""


class Output:
    """One output of a command: decoded as it comes, passed on, and kept up to a bound."""

    def __init__(self, stream: Literal["stdout", "stderr"], report: Report, through: Filter | None = None) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stream: Literal["stdout", "stderr"] = stream
        self._report = report
        self._through = through
        self._kept: list[str] = []
        self._room = KEPT
        self.truncated = False

    def __call__(self, data: bytes, final: bool = False) -> None:
        """Take the next piece; bytes that are no UTF-8 become U+FFFD."""
        text = self._decoder.decode(data, final)
        if self._through is not None:
            text = self._through(text)
        if not text:
            return
        self._report.output(self._stream, text)
        if self._room:
            self._kept.append(text[: self._room])
        self.truncated = self.truncated or len(text) > self._room
        self._room -= min(self._room, len(text))

    @property
    def text(self) -> str:
        """What was kept."""
        return "".join(self._kept)


async def perform(
    link: Link,
    line: str,
    report: Report,
    *,
    input: bytes | None = None,
    timeout: float | None = None,
    end: End | None = None,
    through: Filter | None = None,
) -> Result:
    """Run a command line to its end and tell how it went.

    The result's data: ``stdout``, ``stderr`` (bounded) and ``truncated``. ``end`` is called with the handle before
    the link ends the command by itself, when time is up or the step is cancelled: another user's processes take
    another user's rights. The time counts from the command's start, not from the begin of connecting.
    """
    out, err = Output("stdout", report, through), Output("stderr", report)
    handles: list[str] = []

    begun = asyncio.Event()

    async def started(handle: str) -> None:
        handles.append(handle)
        await report.handle(handle)
        begun.set()

    work = asyncio.create_task(link.stream(line, stdout=out, stderr=err, input=input, started=started))
    timed_out = False
    starting = asyncio.ensure_future(begun.wait())
    try:
        await asyncio.wait({work, starting}, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait({work}, timeout=timeout)
        timed_out = not done
    finally:
        starting.cancel()
        if not work.done():
            await _end(work, handles, end)
    out(b"", final=True)
    err(b"", final=True)
    data: dict[str, Any] = {"stdout": out.text, "stderr": err.text, "truncated": out.truncated or err.truncated}
    if timed_out:
        return Result(TIMED_OUT, f"not finished within {timeout:g} s; it was ended there", data)
    code = work.result()
    return Result(code, tail(err.text) if code else "", data)


async def _end(work: asyncio.Task[int], handles: list[str], end: End | None) -> None:
    if end is not None and handles:
        with contextlib.suppress(QuarterdeckError):  # the link's own end comes next either way
            await end(handles[0])
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
