"""What the pictures of ``tests.shots`` show of containers, stacks, projects and what else the engines hold."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.pilot import Pilot

from app.console import Console
from tests.scenes import Scene, settle


def rows(console: Console) -> list[Any]:
    """The rows of the place at hand that pass its filter."""
    table = getattr(console.place, "table", None)
    return list(table.state.order) if table is not None else []


async def typed(pilot: Pilot[Any], text: str) -> None:
    """Press the keys of a text."""
    names = {" ": "space", "/": "slash", "-": "minus", "|": "vertical_line", "^": "circumflex_accent", ".": "full_stop"}
    await pilot.press(*(names.get(char, char) for char in text))


async def said(console: Console, pilot: Pilot[Any], words: str) -> None:
    """Type a line after ``:``."""
    await pilot.press("colon")
    await typed(pilot, words)
    await pilot.press("enter")


async def containers(console: Console, pilot: Pilot[Any]) -> None:
    """Pane 2."""
    await pilot.press("2")
    await settle(console, pilot, lambda: rows(console))


def behind(times: int) -> Scene:
    """What is found by pressing 2 once more, so often."""

    async def scene(console: Console, pilot: Pilot[Any]) -> None:
        for _ in range(times + 1):
            await pilot.press("2")
        await settle(console, pilot, lambda: rows(console))

    return scene


async def chosen(console: Console, pilot: Pilot[Any], words: str) -> None:
    """A filter in the pane of containers, and the cursor on the first that passes it."""
    await containers(console, pilot)
    await filtered(pilot, words)


async def filtered(pilot: Pilot[Any], words: str) -> None:
    """A filter in place of the one there is, and the cursor on the first that passes it."""
    await pilot.press("slash", "ctrl+u")
    await typed(pilot, words)
    await pilot.press("enter", "g")


async def marked(console: Console, pilot: Pilot[Any]) -> None:
    """Containers of several nodes marked, one of them hidden by the filter."""
    await chosen(console, pilot, "redis")
    await pilot.press("space")
    await filtered(pilot, "api")
    await pilot.press("space", "j", "space")


async def container_confirm(console: Console, pilot: Pilot[Any]) -> None:
    """The question before containers restart."""
    await marked(console, pilot)
    await pilot.press("r")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)


async def container_describe(console: Console, pilot: Pilot[Any]) -> None:
    """Everything about one container, what is read meanwhile included."""
    await chosen(console, pilot, "carbonac-api")
    await pilot.press("d")
    await asyncio.sleep(1)


async def stack_describe(console: Console, pilot: Pilot[Any]) -> None:
    """Everything about one stack."""
    await behind(1)(console, pilot)
    await pilot.press("d")
    await asyncio.sleep(1)


async def merged(console: Console, pilot: Pilot[Any]) -> None:
    """The logs of several containers as one."""
    await marked(console, pilot)
    await pilot.press("l")
    await asyncio.sleep(2)


async def merged_filter(console: Console, pilot: Pilot[Any]) -> None:
    """The same, filtered."""
    await merged(console, pilot)
    await pilot.press("slash")
    await typed(pilot, "warn|error")
    await pilot.press("enter")
    await asyncio.sleep(0.5)


async def stack_update(console: Console, pilot: Pilot[Any]) -> None:
    """The question before a stack is updated."""
    await behind(1)(console, pilot)
    await pilot.press("U")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)


async def prune(console: Console, pilot: Pilot[Any]) -> None:
    """The question before images are pruned, with their sizes."""
    await behind(3)(console, pilot)
    await said(console, pilot, "image prune hp1")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await pilot.press("enter")
    await asyncio.sleep(0.5)


async def kill(console: Console, pilot: Pilot[Any]) -> None:
    """Which signal."""
    await chosen(console, pilot, "carbonac-api")
    await pilot.press("alt+K")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)


async def rename(console: Console, pilot: Pilot[Any]) -> None:
    """Which name."""
    await chosen(console, pilot, "carbonac-api")
    await pilot.press("n")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)


async def container_help(console: Console, pilot: Pilot[Any]) -> None:
    """Every key, from the pane of containers."""
    await containers(console, pilot)
    await pilot.press("question_mark")


async def container_top(console: Console, pilot: Pilot[Any]) -> None:
    """The processes of one container."""
    await chosen(console, pilot, "carbonac-api")
    await pilot.press("t")
    await asyncio.sleep(1)


ENGINE_SCENES: dict[str, Scene] = {
    "containers": containers,
    "stacks": behind(1),
    "projects": behind(2),
    "images": behind(3),
    "volumes": behind(4),
    "networks": behind(5),
    "container-marks": marked,
    "container-confirm": container_confirm,
    "container-describe": container_describe,
    "stack-describe": stack_describe,
    "merged": merged,
    "merged-filter": merged_filter,
    "stack-update": stack_update,
    "prune": prune,
    "kill": kill,
    "rename": rename,
    "container-help": container_help,
    "container-top": container_top,
}
