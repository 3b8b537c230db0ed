"""One picture per pane of the engines, on the pretend fleet with its clock stopped; look before accepting a new one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from app.console import Console
from app.deck import Deck
from app.fleet import Ref
from app.history import History
from app.start import Start, open_deck
from app.witness import Witness
from backends.demo.guest_world import guest_world
from backends.demo.world import world
from tests.console.conftest import Driven
from tests.waiting import eventually

Snap = Callable[..., bool]
Play = Callable[[Driven], Awaitable[None]]
NOW = 10_000.0
NODES = 8
MOMENTS = 120
"""Seconds of a container's past."""


def still_deck(folder: Path) -> Deck:
    """The pretend fleet at one moment, which does not pass."""
    deck = open_deck(Start(demo=NODES))
    deck.context.clock = lambda: NOW
    deck.feed._clock = lambda: NOW  # pyright: ignore[reportPrivateUsage]
    deck.backends["demo"]._began = NOW  # pyright: ignore[reportAttributeAccessIssue]
    deck.context.shared(world).began = NOW
    deck.context.shared(guest_world).began = NOW
    deck.feed.history = None
    deck.history = History()
    for one in deck.context.shared(world).containers.values():
        ref = Ref("container", one.id)
        for moment in range(MOMENTS):
            heat = float((one.number * 13 + moment * (one.number % 5 + 1)) % 100)
            deck.history.push(ref, "cpu", NOW - MOMENTS + moment, heat)
            deck.history.push(ref, "mem", NOW - MOMENTS + moment, (heat + 300) * (1 << 20))
    deck.witness = Witness(folder, operator="ops", host="jump")
    return deck


def keys(*names: str) -> Play:
    """Press keys, and wait for rows where there are any."""

    async def play(it: Driven) -> None:
        await it.press(*names)
        await it.until(lambda: it.place_name == "overview" or (it.console.place and it.console.place.targets()), "rows")

    return play


async def describe(it: Driven) -> None:
    """A container with what is read while its screen is open."""
    await keys("2")(it)
    await it.press("d")
    await it.until(lambda: "com.docker.compose.project" in it.lines(), "the rest of it")
    await it.press("G")


async def marks(it: Driven) -> None:
    """Containers of two nodes that have the same name."""
    await keys("2")(it)
    await it.press("slash", *"api", "enter", "g", "space", "space", "r")
    await it.sheet()


SCREENS: dict[str, Play] = {
    "overview": keys("0"),
    "containers": keys("2"),
    "stacks": keys("2", "2"),
    "projects": keys("2", "2", "2"),
    "images": keys("2", "2", "2", "2"),
    "volumes": keys("2", "2", "2", "2", "2"),
    "networks": keys("2", "2", "2", "2", "2", "2"),
    "describe": describe,
    "marks": marks,
}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["wide", "narrow"])
def test_engines(snap_compare: Snap, screen: str, size: tuple[int, int], tmp_path: Path) -> None:
    console = Console(still_deck(tmp_path / "witness"), clock=lambda: "09:41", demo_label="demo")

    async def play(pilot: Pilot[Any]) -> None:
        it = Driven(console, pilot)
        nouns = ("node", "container", "stack", "project", "vm", "image", "volume", "network")
        await eventually(lambda: all(list(it.deck.feed.fleet.noun(noun)) for noun in nouns))
        await eventually(lambda: console.place is not None)
        await SCREENS[screen](it)
        await it.pilot.pause()
        await console.deck.feed.close()

    assert snap_compare(console, terminal_size=size, run_before=play)
