"""One picture per pane and main screen of guests, the pretend fleet with its clock stopped; look before accepting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from app.console import Console
from app.deck import Deck
from app.fleet import Ref
from backends.demo.guest_world import guest_world
from tests.console.conftest import Driven
from tests.console.test_engine_snapshots import MOMENTS, NOW, Play, keys, still_deck
from tests.waiting import eventually

Snap = Callable[..., bool]


def guest_deck(folder: Path) -> Deck:
    """The pretend fleet at one moment, its guests with a past."""
    deck = still_deck(folder)
    for vmid in deck.context.shared(guest_world).guests:
        for moment in range(MOMENTS):
            heat = float((vmid * 7 + moment * (vmid % 5 + 1)) % 100)
            deck.history.push(Ref("vm", f"lab/{vmid}"), "cpu", NOW - MOMENTS + moment, heat)
            deck.history.push(Ref("vm", f"lab/{vmid}"), "mem", NOW - MOMENTS + moment, (heat + 300) * (1 << 22))
    return deck


def chosen(words: str, key: str = "") -> Play:
    """The one guest that passes a filter, and what a key makes of it."""

    async def play(it: Driven) -> None:
        await keys("3")(it)
        await it.press("slash")
        await it.type(words)
        await it.press("enter", "g")
        if key:
            await it.press(key)

    return play


async def describe(it: Driven) -> None:
    """A guest with what is read while its screen is open."""
    await chosen("postgres", "d")(it)
    await it.until(lambda: "vmbr0" in it.lines(), "the rest of it")


def view(words: str, key: str, said: str) -> Play:
    """What a key shows of one guest."""

    async def play(it: Driven) -> None:
        await chosen(words, key)(it)
        await it.until(lambda: said in it.screen(), said)

    return play


def form(words: str, key: str, *typed: str) -> Play:
    """What a key asks for one guest, and what is answered."""

    async def play(it: Driven) -> None:
        await chosen(words, key)(it)
        await it.sheet()
        for one in typed:
            await (it.press(one) if one in ("tab", "enter") else it.type(one))

    return play


async def checkpoint(it: Driven) -> None:
    """One name for several guests, one of which the filter hides."""
    await chosen("postgres", "space")(it)
    await it.press("slash", "ctrl+u")
    await it.type("agent-")
    await it.press("enter", "G", "space", "k", "space", "K")
    await it.sheet()
    await it.type("before-run-8")


async def rollback(it: Driven) -> None:
    """All guests of a checkpoint back to it: what is lost stands there, and words are to be typed."""
    await keys("3")(it)
    await it.press("colon")
    await it.type("vm checkpoints")
    await it.press("enter")
    await it.until(lambda: "before-run-7" in it.screen(), "the checkpoints")
    await it.press("r")
    await it.until(lambda: "everything written since" in it.screen(), "the question")


async def destroy(it: Driven) -> None:
    """A question that wants the name typed; it was typed wrongly."""
    await chosen("agent-4", "ctrl+d")(it)
    await it.sheet()
    await it.type("agent-1")
    await it.press("enter")
    await it.until(lambda: "! type exactly" in it.screen(), "the complaint")


SCREENS: dict[str, Play] = {
    "vms": keys("3"),
    "hypervisors": keys("3", "3"),
    "storages": keys("3", "3", "3"),
    "describe": describe,
    "snapshots": view("agent-1", "h", "you are here"),
    "tasks": view("win-build", "t", "snapshot feature"),
    "backups": view("win-build", "B", "23 d"),
    "clone": form("agent-machine", "C", "web3"),
    "checkpoint": checkpoint,
    "rollback": rollback,
    "destroy": destroy,
}


SIZES = {"wide": (120, 36), "narrow": (80, 24), "broad": (160, 45)}
LARGE = ("vms", "describe")
"""Drawn in the largest size as well: the screens with the most to arrange."""
PICTURES = [(screen, size) for size in SIZES for screen in SCREENS if size != "broad" or screen in LARGE]


@pytest.mark.parametrize(("screen", "size"), PICTURES)
def test_guests(snap_compare: Snap, screen: str, size: str, tmp_path: Path) -> None:
    console = Console(guest_deck(tmp_path / "witness"), clock=lambda: "09:41", demo_label="demo")

    async def play(pilot: Pilot[Any]) -> None:
        it = Driven(console, pilot)
        nouns = ("node", "container", "vm", "hypervisor", "storage")
        await eventually(lambda: all(list(it.deck.feed.fleet.noun(noun)) for noun in nouns), 20)
        await eventually(lambda: console.place is not None, 20)
        await SCREENS[screen](it)
        await it.pilot.pause()
        await console.deck.feed.close()

    assert snap_compare(console, terminal_size=SIZES[size], run_before=play)
