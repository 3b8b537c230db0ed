"""A console over the test lamps, driven by keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from textual.pilot import Pilot

from app.console import Console
from app.deck import Deck
from app.inventory.model import Inventory
from app.registry import Part
from app.start import Start, open_deck
from app.witness import Entry
from tests import pilot as pilots
from tests.console import lamps, stock
from tests.console.lamps import World
from tests.console.stock import Shelves
from tests.frame import galley
from tests.waiting import eventually
from widgets.page import plain
from widgets.place import Place

pilots.hurry()

PARTS = (Part("tests.console.lamp:KIND", "tests.console.lamps:Lamps"),)
FAMILY = (
    *PARTS,
    Part("tests.console.bulb:KIND", "tests.console.stock:Stock"),
    Part("tests.console.shade:KIND", "tests.console.stock:Stock"),
    Part("tests.frame.kettle:KIND", "tests.frame.galley:Galley"),
)
"""Lamps with bulbs and shades behind their number, and kettles with one of their own."""


@pytest.fixture(autouse=True)
def world() -> World:
    """Twelve lamps, nothing done yet."""
    return lamps.reset()


def lamp_deck(inventory: Inventory | None = None, **start: Any) -> Deck:
    """A deck over the lamps."""
    return open_deck(Start(**start), parts=PARTS, inventory=inventory or Inventory())


@pytest.fixture
def shelves() -> Shelves:
    """Three bulbs on two nodes, nothing asked yet."""
    galley.reset()
    return stock.reset()


def family_deck(inventory: Inventory | None = None, **start: Any) -> Deck:
    """A deck over lamps, bulbs, shades and kettles."""
    return open_deck(Start(**start), parts=FAMILY, inventory=inventory or Inventory())


@dataclass
class Driven:
    """A running console and the keys to drive it."""

    console: Console
    pilot: Pilot[Any]

    @property
    def deck(self) -> Deck:
        """What is behind it."""
        return self.console.deck

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until they were dealt with."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Press the keys of a text."""
        names = {" ": "space", "-": "minus", ".": "full_stop", ",": "comma", "/": "slash", "@": "at"}
        await self.press(*(names.get(char, char) for char in text))

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for something, and for its painting."""
        await eventually(condition, what=what)
        await self.pilot.pause()

    async def sheet(self) -> None:
        """Wait until something asks."""
        await self.until(lambda: len(self.console.screen_stack) > 1, "a sheet")

    async def at(self, name: str) -> Place:
        """Wait until a place whose name begins so is on the screen."""
        await self.until(lambda: self.place_name.startswith(name), f"{name}, not {self.place_name}")
        place = self.console.place
        assert isinstance(place, Place)
        return place

    @property
    def place_name(self) -> str:
        """Where the operator is."""
        return self.console.place.name_of if self.console.place is not None else ""

    @property
    def asking(self) -> bool:
        """Whether something asks."""
        return len(self.console.screen_stack) > 1

    def lines(self) -> str:
        """The lines of the place at hand."""
        place = self.console.place
        assert isinstance(place, Place)
        return "\n".join(plain(line) for line in place.page.lines)

    def screen(self) -> str:
        """The whole screen as text."""
        strips = self.console.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage]
        return "\n".join(strip.text.rstrip() for strip in strips)

    def toasts(self) -> list[str]:
        """What was said."""
        return [toast.words for toast in self.console.toasts.toasts]

    def witnessed(self) -> list[Entry]:
        """Everything in the witness, oldest first."""
        return list(self.deck.witness.entries())


@asynccontextmanager
async def driven(
    inventory: Inventory | None = None, *, size: tuple[int, int] = (100, 30), deck: Deck | None = None, **how: Any
) -> AsyncGenerator[Driven]:
    """A console that shows its lamps and waits for keys."""
    console = Console(deck or lamp_deck(inventory), clock=lambda: "09:41", **how)
    async with console.run_test(size=size) as pilot:
        it = Driven(console, pilot)
        await it.until(lambda: list(it.deck.feed.fleet.noun("lamp")), "lamps")
        await it.until(lambda: console.place is not None and console.place.is_mounted, "a place")
        if console.place is not None and console.place.name_of == "lamps":
            await it.until(lambda: console.place is not None and console.place.targets(), "a row under the cursor")
        try:
            yield it
        finally:
            lamps.WORLD.go_on.set()
    await console.close_down()
