"""What the pictures of ``tests.shots`` show: how each screen is reached by keys, on the pretend fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from app.console import Console
from tests.waiting import eventually

Scene = Callable[[Console, Pilot[Any]], Awaitable[None]]


async def settle(console: Console, pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait for what the scene shows, then for the painting."""
    await eventually(condition, 15)
    await pilot.pause()


async def overview(console: Console, pilot: Pilot[Any]) -> None:
    """Pane 0."""
    await pilot.press("0")
    await settle(console, pilot, lambda: list(console.deck.feed.fleet.noun("container")))


async def nodes(console: Console, pilot: Pilot[Any]) -> None:
    """Pane 1."""
    await pilot.press("1")


async def marks(console: Console, pilot: Pilot[Any]) -> None:
    """A filter, and marks one of which it hides."""
    await pilot.press("1", "space", "space", "j", "space", "space", "slash", *"pi", "enter")


async def confirm(console: Console, pilot: Pilot[Any]) -> None:
    """The question before a disruption, for four rows of which one is hidden."""
    await marks(console, pilot)
    await pilot.press("R")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)


async def destroy(console: Console, pilot: Pilot[Any]) -> None:
    """A question that wants the name typed; it was typed wrongly."""
    await pilot.press("1", "j", "H")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await pilot.press(*"p1", "enter")


async def form(console: Console, pilot: Pilot[Any]) -> None:
    """Typed inputs, one of them wrong."""
    await pilot.press("1", "a")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await pilot.press("tab", *"ops@pi9.local", "enter")


async def describe(console: Console, pilot: Pilot[Any]) -> None:
    """Everything about one node."""
    await pilot.press("1", "G", "d")


async def raw(console: Console, pilot: Pilot[Any]) -> None:
    """One node as YAML."""
    await pilot.press("1", "G", "y")


async def jobs(console: Console, pilot: Pilot[Any]) -> None:
    """Jobs that run, and the one chosen."""
    await pilot.press("1", "G", "p", "k", "U")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await pilot.press("enter", "k", "R")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await pilot.press("enter")
    await settle(console, pilot, lambda: len(console.deck.jobs) >= 3)
    await pilot.press("ampersand")
    await asyncio.sleep(1.5)


async def tray(console: Console, pilot: Pilot[Any]) -> None:
    """The same from a pane: the tray below."""
    await jobs(console, pilot)
    await pilot.press("1")
    await asyncio.sleep(0.5)


async def leaving(console: Console, pilot: Pilot[Any]) -> None:
    """Quitting while jobs run."""
    await jobs(console, pilot)
    await pilot.press("q")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)


async def command_output(console: Console, pilot: Pilot[Any]) -> None:
    """A command and what it said."""
    await pilot.press("1", "G", "x")
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await pilot.press(*"uname -a", "enter")
    await settle(console, pilot, lambda: len(console.screen_stack) == 2)
    await pilot.press("enter")
    await settle(console, pilot, lambda: console.deck.jobs and not console.deck.running_jobs)
    await asyncio.sleep(0.6)


async def journal(console: Console, pilot: Pilot[Any]) -> None:
    """A log that is followed."""
    await pilot.press("1", "G", "l")
    await asyncio.sleep(2)


async def services(console: Console, pilot: Pilot[Any]) -> None:
    """A table that is read, with keys on its rows."""
    await pilot.press("1", "G", "v")
    await asyncio.sleep(1)


async def top(console: Console, pilot: Pilot[Any]) -> None:
    """Processes."""
    await pilot.press("1", "G", "t")
    await asyncio.sleep(1)


async def witness(console: Console, pilot: Pilot[Any]) -> None:
    """The log of who did what."""
    await confirm(console, pilot)
    await pilot.press("escape")
    await command_output(console, pilot)
    await pilot.press("w")
    await asyncio.sleep(1)
    await pilot.press("v")
    await asyncio.sleep(0.5)


async def entry(console: Console, pilot: Pilot[Any]) -> None:
    """One entry in full."""
    await witness(console, pilot)
    await pilot.press("enter")


async def help_screen(console: Console, pilot: Pilot[Any]) -> None:
    """Every key."""
    await pilot.press("1", "question_mark")


async def palette(console: Console, pilot: Pilot[Any]) -> None:
    """What can be done, by its letters."""
    await pilot.press("1", "ctrl+p", *"re")
    await asyncio.sleep(1)


async def command(console: Console, pilot: Pilot[Any]) -> None:
    """The ``:`` line with what may come next."""
    await pilot.press("1", "colon", *"node re")


async def secret(console: Console, pilot: Pilot[Any]) -> None:
    """A masked prompt, with others waiting."""
    for host in ("pi1", "pi2"):
        console.do(console.secret(host, f"Password for ops@{host}:"))
    await settle(console, pilot, lambda: len(console.screen_stack) > 1)
    await pilot.press(*"hunter2")


async def toasts(console: Console, pilot: Pilot[Any]) -> None:
    """Good news, the same twice, and bad news."""
    await pilot.press("1")
    console.tell("ping pi1: 3 of 3 answered, 0.8 ms")
    console.tell("copied to the clipboard")
    console.tell("copied to the clipboard")
    console.tell("reboot 3 nodes: 1 of 3 not done; hp2: no answer on 192.0.2.12:22 within 10 s", bad=True)


async def faults(console: Console, pilot: Pilot[Any]) -> None:
    """Only rows in trouble."""
    await pilot.press("1", "ctrl+z")


async def nothing(console: Console, pilot: Pilot[Any]) -> None:
    """A filter that nothing passes."""
    await pilot.press("1", "slash", *"zzz", "enter")


SCENES: dict[str, Scene] = {
    "overview": overview,
    "nodes": nodes,
    "marks": marks,
    "confirm": confirm,
    "destroy": destroy,
    "form": form,
    "describe": describe,
    "raw": raw,
    "jobs": jobs,
    "tray": tray,
    "leaving": leaving,
    "exec": command_output,
    "journal": journal,
    "services": services,
    "top": top,
    "witness": witness,
    "entry": entry,
    "help": help_screen,
    "palette": palette,
    "command": command,
    "secret": secret,
    "toasts": toasts,
    "faults": faults,
    "nothing": nothing,
}
