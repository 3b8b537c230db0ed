"""What the driver hands to the terminal: one frame is one write, in order, and nothing when nothing was drawn."""

from __future__ import annotations

from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from textual.app import App

from widgets.terminal import ConsoleDriver


@pytest.fixture
async def queued(monkeypatch: pytest.MonkeyPatch) -> tuple[ConsoleDriver, SimpleQueue[str]]:
    """A driver whose writer is a queue that can be looked into."""
    driver = ConsoleDriver(App[None](), size=(80, 24))
    queue: SimpleQueue[str] = SimpleQueue()
    writer: Any = SimpleNamespace(_queue=queue)
    monkeypatch.setattr(driver, "_writer_thread", writer)
    return driver, queue


def taken(queue: SimpleQueue[str]) -> list[str]:
    """Everything that was handed over."""
    found: list[str] = []
    while not queue.empty():
        found.append(queue.get())
    return found


async def test_what_is_written_apart_is_handed_over_apart(queued: tuple[ConsoleDriver, SimpleQueue[str]]) -> None:
    driver, queue = queued
    driver.write("a")
    driver.write("b")
    assert taken(queue) == ["a", "b"]


async def test_a_frame_with_its_marks_is_one_write(queued: tuple[ConsoleDriver, SimpleQueue[str]]) -> None:
    driver, queue = queued
    with driver.one_write():
        for part in ("\x1b[?2026h", "the frame", "\x1b[?2026l"):
            driver.write(part)
        assert taken(queue) == []
    assert taken(queue) == ["\x1b[?2026hthe frame\x1b[?2026l"]
    driver.write("after")
    assert taken(queue) == ["after"]


async def test_an_empty_frame_is_no_write(queued: tuple[ConsoleDriver, SimpleQueue[str]]) -> None:
    driver, queue = queued
    with driver.one_write():
        pass
    assert taken(queue) == []


async def test_a_frame_that_fails_half_way_leaves_the_driver_whole(
    queued: tuple[ConsoleDriver, SimpleQueue[str]],
) -> None:
    driver, queue = queued

    def draw() -> None:
        with driver.one_write():
            driver.write("half")
            raise ValueError("a widget that cannot be drawn")

    with pytest.raises(ValueError, match="cannot be drawn"):
        draw()
    assert taken(queue) == ["half"]
    driver.write("whole")
    assert taken(queue) == ["whole"]
