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
from pathlib import Path

from rich.cells import cell_len

from app.console import Console
from app.deck import Deck
from app.fleet import Resource
from app.kind import AnyKind
from app.paths import Paths
from app.start import Start, open_deck
from app.witness import Witness
from backends.demo.container_rows import container
from backends.demo.guest_rows import guest, hypervisor
from backends.demo.guest_world import guest_world
from backends.demo.machines import machines, row
from backends.demo.world import world
from backends.kinds.container import KIND as CONTAINERS_KIND
from backends.kinds.hypervisor import KIND as HYPERVISORS_KIND
from backends.kinds.node import KIND as NODES_KIND
from backends.kinds.vm import KIND as GUESTS_KIND
from tests.engine_scenes import ENGINE_SCENES
from tests.guest_scenes import GUEST_SCENES
from tests.png import shrink
from tests.scenes import SCENES as NODE_SCENES
from tests.scenes import Scene, nodes, settle
from tests.waiting import eventually
from widgets.board import Board

FOLDER = Path("shots")
DOCS = Path("docs")
IN_README = ("overview", "nodes", "containers", "guests", "confirm", "wallboard")
"""Scenes that the README shows, at 120×36."""
SIZES = ((120, 36), (80, 24))
LARGE = {
    "describe": (200, 60),
    "containers": (160, 45),
    "container-describe": (160, 45),
    "guests": (160, 45),
    "guest-describe": (160, 45),
}
"""Drawn once more, larger: the screens with the most to arrange."""
NODES = 24
SCENES: dict[str, Scene] = {**NODE_SCENES, **ENGINE_SCENES, **GUEST_SCENES}

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


THEMES = ("quarterdeck-light", "quarterdeck-contrast", "quarterdeck-colorblind", "quarterdeck-mono")


def give_past(deck: Deck, minutes: int = 6) -> None:
    """Let the pretend fleet have been watched for a while, so that courses have something to draw."""
    now = deck.context.clock()
    containers = list(deck.context.shared(world).containers.values())
    guests = deck.context.shared(guest_world)
    for second in range(minutes * 60, 0, -2):
        past: list[tuple[AnyKind, Resource]] = []
        past += [(NODES_KIND, row(machine, 600.0 - second, "demo0", now - second)) for machine in machines(NODES)]
        past += [(CONTAINERS_KIND, container(one, 600.0 - second)) for one in containers]
        past += [(GUESTS_KIND, guest(one, 600.0 - second)) for one in guests.guests.values()]
        past += [(HYPERVISORS_KIND, hypervisor(guests, host, 600.0 - second)) for host in guests.hosts]
        for kind, one in past:
            for figure, read in kind.figures.items():
                deck.history.push(one.ref, figure, now - second, read(one))


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
        for size in (*SIZES, LARGE[name]) if name in LARGE else SIZES:
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
