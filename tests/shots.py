"""Draws every screen of the console as PNG, on the pretend fleet: ``make shots``, or ``python -m tests.shots NAME…``.

Needs ``rsvg-convert`` and the font DejaVu Sans Mono; writes to ``shots/``, and what the README shows to ``docs/``.
``python -m tests.shots docs`` draws those alone.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from textual.pilot import Pilot

from app.console import Console
from app.deck import Deck
from app.fleet import Fleet, Reading
from app.paths import Paths
from app.start import Start, open_deck
from app.witness import Witness
from backends.demo.machines import machines, row
from backends.kinds.node import KIND
from tests.png import shrink
from tests.waiting import eventually
from widgets.board import Board
from widgets.overview_place import OverviewPlace
from widgets.summary import Summing

FOLDER = Path("shots")
DOCS = Path("docs")
IN_README = ("overview", "nodes", "confirm", "wallboard")
"""Scenes that the README shows, at 120×36."""
SIZES = ((120, 36), (80, 24))
LARGE = (200, 60)
"""Drawn of ``describe`` as well, the screen with the most to arrange."""
NODES = 24
Scene = Callable[[Console, Pilot[Any]], Awaitable[None]]

_CELL = 12.2
"""Width of a cell in Textual's drawing."""


def as_png(svg: str, path: Path) -> None:
    """Convert a screenshot, with every glyph in its own cell: the converter drops blanks and ignores lengths."""

    def placed(match: re.Match[str]) -> str:
        before, start, after = match[1], float(match[2]), match[3]
        cell = 0
        drawn: list[str] = []
        for char in html.unescape(match[4]):
            if char != "\xa0":
                drawn.append(f'<text {before}x="{start + cell * _CELL:g}"{after}>{html.escape(char)}</text>')
            cell += cell_len(char)
        return "".join(drawn)

    svg = re.sub(r' textLength="[\d.]+"', "", svg)
    svg = re.sub(r'<text ([^>]*?)x="([\d.]+)"([^>]*)>([^<]*)</text>', placed, svg)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    # This font reaches a little deeper than the one the drawing is measured for: its last line would be clipped.
    svg = re.sub(r'(clip-terminal">\s*<rect [^>]*height=")([\d.]+)', lambda m: f"{m[1]}{float(m[2]) + 3:g}", svg)
    subprocess.run(["rsvg-convert", "--output", str(path)], input=svg.encode(), check=True)


async def settle(console: Console, pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait for what the scene shows, then for the painting."""
    await eventually(condition, 15)
    await pilot.pause()


async def overview(console: Console, pilot: Pilot[Any]) -> None:
    """Pane 0, watched for a while."""
    await pilot.press("0")
    place = console.place
    assert isinstance(place, OverviewPlace)
    place.overview._summings[:] = [Summing(KIND)]  # pyright: ignore[reportPrivateUsage]
    now = time.monotonic()
    for second in range(240, 0, -2):
        items = tuple(row(machine, 600.0 - second, "demo0", now - second) for machine in machines(NODES))
        past = Reading(backend="demo", source="demo0", items=items, taken_at=now - second)
        place.overview.show(Fleet().with_reading(past), now - second)
    place.take(console.deck.feed.fleet)


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
    await pilot.press("J")
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
THEMES = ("quarterdeck-light", "quarterdeck-contrast", "quarterdeck-colorblind", "quarterdeck-mono")


def give_past(deck: Deck, minutes: int = 6) -> None:
    """Let the pretend fleet have been watched for a while, so that courses have something to draw."""
    now = deck.context.clock()
    for machine in machines(NODES):
        for second in range(minutes * 60, 0, -2):
            node = row(machine, 600.0 - second, "demo0", now - second)
            for figure, read in KIND.figures.items():
                deck.history.push(node.ref, figure, now - second, read(node))


def pretend_deck() -> Deck:
    """The pretend fleet with a past, watched by nobody in particular."""
    deck = open_deck(Start(demo=NODES))
    give_past(deck)
    deck.witness = Witness(Paths.find().state / "witness-of-shots", operator="ops", host="jump")
    return deck


async def draw_wallboard(size: tuple[int, int]) -> Path:
    """The wallboard's first page."""
    board = Board(pretend_deck(), demo_label="demo")
    board.wallboard._clock = lambda: "09:41:07"  # pyright: ignore[reportPrivateUsage]
    async with board.run_test(size=size) as pilot:
        await eventually(lambda: list(board.deck.feed.fleet.noun("node")), 15)
        await pilot.pause(0.3)
        shown = board.export_screenshot(title="quarterdeck wallboard")
    await board.deck.close()
    path = FOLDER / f"wallboard-{size[0]}x{size[1]}.png"
    as_png(shown, path)
    return path


async def draw(name: str, scene: Scene, size: tuple[int, int], theme: str | None = None) -> Path:
    """Play one scene and draw it."""
    deck = pretend_deck()
    console = Console(deck, theme=theme, demo_label="demo", clock=lambda: "09:41")
    async with console.run_test(size=size) as pilot:
        await settle(console, pilot, lambda: list(deck.feed.fleet.noun("node")))
        await pilot.pause(0.3)
        await scene(console, pilot)
        await pilot.pause(0.3)
        shown = console.export_screenshot(title="quarterdeck")
    await console.close_down()
    path = FOLDER / f"{name}-{size[0]}x{size[1]}{'-' + theme if theme else ''}.png"
    as_png(shown, path)
    return path


async def main(names: list[str]) -> None:
    """Draw the scenes named, or all of them in both sizes and the nodes in every theme; then refresh the README's."""
    FOLDER.mkdir(exist_ok=True)
    if names == ["docs"]:
        names = list(IN_README)
    for name, scene in SCENES.items():
        if names and name not in names:
            continue
        for size in (*SIZES, LARGE) if name == "describe" else SIZES:
            began = time.monotonic()
            path = await draw(name, scene, size)
            sys.stdout.write(f"{path}  {time.monotonic() - began:.1f} s\n")
    for theme in THEMES if not names or "themes" in names else ():
        sys.stdout.write(f"{await draw('nodes', nodes, SIZES[0], theme)}\n")
    for size in SIZES if not names or "wallboard" in names else ():
        sys.stdout.write(f"{await draw_wallboard(size)}\n")
    for name in IN_README:
        if not names or name in names:
            width, height = SIZES[0]
            shutil.copyfile(FOLDER / f"{name}-{width}x{height}.png", DOCS / f"{name}.png")
            shrink(DOCS / f"{name}.png")


if __name__ == "__main__":
    if shutil.which("rsvg-convert") is None:
        sys.exit("rsvg-convert is not installed: apt install librsvg2-bin fonts-dejavu-core")
    with tempfile.TemporaryDirectory() as home:
        os.environ["QUARTERDECK_HOME"] = home
        asyncio.run(main(sys.argv[1:]))
