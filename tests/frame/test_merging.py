"""Several streams as one: order of arrival, errors, and that closing one closes all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.errors import Unreachable
from app.merging import WAITING, as_one, merged
from app.verb import Line, Stream
from tests.waiting import eventually


class Sender:
    """A stream that says what it is told, and notes when it is closed."""

    def __init__(self, *lines: str | Line, error: Exception | None = None, flood: bool = False) -> None:
        self.said: asyncio.Queue[str | Line | None] = asyncio.Queue()
        self.closed = False
        self.sent = 0
        self._error = error
        self._flood = flood
        for line in lines:
            self.said.put_nowait(line)

    def stream(self) -> Stream:
        return Stream(self._lines())

    async def _lines(self) -> AsyncGenerator[str | Line]:
        try:
            while self._flood:
                self.sent += 1
                yield f"{self.sent}"
            while not self.said.empty() or self._error is None:
                line = await self.said.get()
                if line is None:
                    return
                yield line
            raise self._error
        finally:
            self.closed = True


async def test_lines_come_as_they_are_said_with_who_said_them() -> None:
    a, b = Sender("one"), Sender()
    lines = as_one([("a", a.stream()), ("b", b.stream())])
    assert await anext(lines) == Line("one", origin="a")
    b.said.put_nowait(Line("two", at=5.0, origin="b/inner", error=True))
    assert await anext(lines) == Line("two", at=5.0, origin="b/inner", error=True)
    a.said.put_nowait("three")
    assert (await anext(lines)).text == "three"
    a.said.put_nowait(None)
    b.said.put_nowait("four")
    assert (await anext(lines)).text == "four"
    b.said.put_nowait(None)
    with pytest.raises(StopAsyncIteration):
        await anext(lines)
    assert (a.closed, b.closed) == (True, True)


async def test_closing_ends_every_sender_even_one_that_is_held_up() -> None:
    quiet, loud = Sender(), Sender(flood=True)
    lines = merged([("quiet", quiet.stream()), ("loud", loud.stream())])
    assert (await anext(lines))[0] == "loud"
    await eventually(lambda: loud.sent > WAITING)
    for _ in range(20):
        await asyncio.sleep(0)
    assert loud.sent <= WAITING + 2, "a sender whose lines nobody reads waits"
    await lines.aclose()
    assert (quiet.closed, loud.closed) == (True, True)


async def test_an_error_of_one_ends_all() -> None:
    good, bad = Sender(), Sender("last words", error=Unreachable("gone", where="b"))
    lines = merged([("a", good.stream()), ("b", bad.stream())])
    assert await anext(lines) == ("b", Line("last words"))
    with pytest.raises(Unreachable):
        await anext(lines)
    assert (good.closed, bad.closed) == (True, True)
