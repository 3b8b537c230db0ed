"""One picture per screen of the console, at a fixed size, clock, past and operator; look before accepting a new one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from app.console import Console
from app.fleet import Ref
from app.history import History
from app.witness import Draft, Phase, Witness
from tests.console.conftest import Driven, lamp_deck
from tests.console.lamps import NAMES, WORLD
from tests.waiting import eventually
from widgets import witness_pane

Snap = Callable[..., bool]
Play = Callable[[Driven], Awaitable[None]]
NOON = "2026-01-31T12:00:00.000000Z"


def _in_utc(stamp: str, pattern: str = "") -> str:
    """The time of day as it is stored, wherever the tests run."""
    return stamp[11:19]


def fixed_console(folder: Path) -> Console:
    """A console whose world does not move: its past is drawn already, and time stands still in the witness."""
    deck = lamp_deck()
    deck.feed.history = None
    deck.history = History()
    for place, name in enumerate(NAMES[:-2]):
        for moment in range(120):
            deck.history.push(
                Ref("lamp", name), "heat", float(moment), float((place * 13 + moment * (place + 3)) % 100)
            )
    deck.witness = Witness(folder, operator="ops", host="jump", now=lambda: NOON)
    return Console(deck, clock=lambda: "09:41", demo_label="demo")


async def nothing(it: Driven) -> None:
    """Press no key."""


def keys(*names: str) -> Play:
    """Press keys."""

    async def play(it: Driven) -> None:
        await it.press(*names)

    return play


async def confirm(it: Driven) -> None:
    """A question about two rows, one of them hidden."""
    await it.press("G", "space", "g", "j", "j", "space", "slash", *"attic", "enter", "r")
    await it.sheet()


async def destroy(it: Driven) -> None:
    """A name typed wrongly."""
    await it.press("G", "ctrl+d")
    await it.sheet()
    await it.press(*"stair", "enter")


async def form(it: Driven) -> None:
    """Something required is missing."""
    await it.press("a")
    await it.sheet()
    await it.press("enter")


async def rows(it: Driven) -> None:
    """A table that is read."""
    await it.press("G", "t")
    await it.until(lambda: "shade" in it.screen())


async def stream(it: Driven) -> None:
    """A log that is followed."""
    WORLD.flood = 40
    await it.press("G", "l")
    await it.until(lambda: "humming quietly" in it.screen())


async def jobs(it: Driven) -> None:
    """Two jobs that ended, one of them badly."""
    await it.press("G", "p")
    await it.until(lambda: len(it.deck.jobs) == 1 and not it.deck.running_jobs)
    await it.press("g", "j", "j", "r")
    await it.sheet()
    await it.press("enter")
    await it.until(lambda: len(it.deck.jobs) == 2 and not it.deck.running_jobs)
    it.console.toasts.clear()
    await it.press("ampersand")
    await it.until(lambda: "the bulb is stuck" in it.screen() and "last: dim attic" in it.screen())


async def witness(it: Driven) -> None:
    """Three entries."""
    for phase, outcome in ((Phase.INTENT, None), (Phase.OUTCOME, "done"), (Phase.REFUSAL, "refused")):
        await it.deck.witness.record(
            Draft(verb="lamp dim", target="lamp:desk", phase=phase, outcome=outcome, trace="abcd", message=str(phase))
        )
    await it.press("w")
    await it.until(lambda: "refused" in it.screen())


async def command(it: Driven) -> None:
    """A half-typed line."""
    await it.press("colon", *"lamp d")


async def secret(it: Driven) -> None:
    """A masked prompt with one more waiting."""
    it.console.do(it.console.secret("desk", "Password for ops@desk:"))
    it.console.do(it.console.secret("hall", "Password for ops@hall:"))
    await it.sheet()
    await it.press(*"hunter2")


async def toasts(it: Driven) -> None:
    """Good news twice, and bad news."""
    it.console.tell("copied to the clipboard")
    it.console.tell("copied to the clipboard")
    it.console.tell(
        "dim 3 lamps: 1 of 3 not done; attic: the bulb is stuck and nobody knows why it should be", bad=True
    )


SCREENS: dict[str, Play] = {
    "pane": nothing,
    "overview": keys("0"),
    "describe": keys("G", "d"),
    "raw": keys("G", "y"),
    "help": keys("question_mark"),
    "confirm": confirm,
    "destroy": destroy,
    "form": form,
    "rows": rows,
    "stream": stream,
    "jobs": jobs,
    "witness": witness,
    "command": command,
    "secret": secret,
    "toasts": toasts,
}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["wide", "narrow"])
def test_screen(
    snap_compare: Snap, screen: str, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_pane, "local_time", _in_utc)
    console = fixed_console(tmp_path / "witness")

    async def play(pilot: Pilot[Any]) -> None:
        it = Driven(console, pilot)
        await eventually(lambda: console.place is not None and console.place.targets())
        await it.pilot.pause()
        await SCREENS[screen](it)
        await it.pilot.pause()
        await console.deck.feed.close()

    assert snap_compare(console, terminal_size=size, run_before=play)
