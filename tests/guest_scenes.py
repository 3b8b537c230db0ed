"""What the pictures of ``tests.shots`` show of guests, and of the hypervisors and storages behind them."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from textual.pilot import Pilot

from app.console import Console
from app.errors import Unreachable
from backends.demo.guest_world import guest_world
from tests.engine_scenes import filtered, rows, said, typed
from tests.scenes import Scene, settle


async def guests(console: Console, pilot: Pilot[Any]) -> None:
    """Pane 3."""
    await pilot.press("3")
    await settle(console, pilot, lambda: rows(console))


def behind(times: int) -> Scene:
    """What is found by pressing 3 once more, so often."""

    async def scene(console: Console, pilot: Pilot[Any]) -> None:
        for _ in range(times + 1):
            await pilot.press("3")
        await settle(console, pilot, lambda: rows(console))

    return scene


async def chosen(console: Console, pilot: Pilot[Any], words: str) -> None:
    """A filter in the pane of guests, and the cursor on the first that passes it."""
    await guests(console, pilot)
    await filtered(pilot, words)


def opened(words: str, key: str) -> Scene:
    """What a key shows of the first guest that passes a filter."""

    async def scene(console: Console, pilot: Pilot[Any]) -> None:
        await chosen(console, pilot, words)
        await pilot.press(key)
        await asyncio.sleep(1)

    return scene


def asked(words: str, key: str, *then: str) -> Scene:
    """The sheet that a key brings up for the first guest that passes a filter, and what is typed into it."""

    async def scene(console: Console, pilot: Pilot[Any]) -> None:
        await chosen(console, pilot, words)
        await pilot.press(key)
        await settle(console, pilot, lambda: len(console.screen_stack) > 1)
        for one in then:
            await (pilot.press(one) if one in ("tab", "enter") else typed(pilot, one))
        await asyncio.sleep(0.5)

    return scene


async def marked(console: Console, pilot: Pilot[Any]) -> None:
    """Agents marked, one of them hidden by the filter."""
    await chosen(console, pilot, "postgres")
    await pilot.press("space")
    await filtered(pilot, "^agent-[0-9]")
    await pilot.press("space", "j", "space", "j", "space")


async def checkpoint(console: Console, pilot: Pilot[Any]) -> None:
    """The question before several guests are snapshotted under one name."""
    await marked(console, pilot)
    await pilot.press("K")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await typed(pilot, "before-run-8")


async def checkpoints(console: Console, pilot: Pilot[Any]) -> None:
    """Names under which several guests can go back."""
    await guests(console, pilot)
    await said(console, pilot, "vm checkpoints")
    await asyncio.sleep(1)


async def spawning(console: Console, pilot: Pilot[Any]) -> None:
    """Several clones at work, as jobs."""
    await chosen(console, pilot, "agent-machine")
    await pilot.press("n")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await typed(pilot, "10")
    await pilot.press("tab")
    await typed(pilot, "worker")
    await pilot.press("enter")
    await asyncio.sleep(1.5)
    if len(console.screen_stack) > 1:
        await pilot.press("enter")
    await pilot.press("ampersand")
    await asyncio.sleep(4)


async def help_screen(console: Console, pilot: Pilot[Any]) -> None:
    """Every key, from the pane of guests."""
    await guests(console, pilot)
    await pilot.press("question_mark")


async def empty(console: Console, pilot: Pilot[Any]) -> None:
    """No cluster, no guest."""
    console.deck.context.shared(guest_world).guests.clear()
    await pilot.press("3")
    await settle(console, pilot, lambda: not list(console.deck.feed.fleet.noun("vm")))
    await asyncio.sleep(1)


async def fault(console: Console, pilot: Pilot[Any]) -> None:
    """A cluster that could be read, and now cannot."""
    await guests(console, pilot)

    def unreadable(noun: str, at: float) -> NoReturn:
        raise Unreachable("its token is not accepted (401)", where="https://10.0.1.10:8006", todo="see 'config show'")

    backend = console.deck.backends["demo-guests"]
    backend._rows = unreadable  # pyright: ignore[reportAttributeAccessIssue]
    await settle(console, pilot, lambda: console.deck.feed.silent() or console.deck.feed.faults())
    await asyncio.sleep(7)


GUEST_SCENES: dict[str, Scene] = {
    "guests": guests,
    "hypervisors": behind(1),
    "storages": behind(2),
    "guest-describe": opened("^postgres", "d"),
    "guest-describe-stopped": opened("agent-4", "d"),
    "guest-snapshots": opened("^agent-1", "h"),
    "guest-tasks": opened("win-build", "t"),
    "guest-backups": opened("win-build", "B"),
    "guest-firewall": opened("win-build", "f"),
    "guest-inspect": opened("win-build", "i"),
    "guest-marks": marked,
    "guest-checkpoint": checkpoint,
    "guest-checkpoints": checkpoints,
    "guest-clone": asked("agent-machine", "C", "web3"),
    "guest-spawn": asked("agent-machine", "n", "10", "tab", "worker", "enter"),
    "guest-spawning": spawning,
    "guest-rollback": asked("^agent-1", "U", "before-run-7", "enter"),
    "guest-destroy": asked("agent-4", "ctrl+d", "agent-x", "enter"),
    "guest-help": help_screen,
    "guests-empty": empty,
    "guests-fault": fault,
}
