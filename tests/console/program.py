"""The console as a process of its own, over the test lamps; run by tests on a pseudo-terminal.

``python -m tests.console.program [flood] [shell COMMAND…]``: prints nothing itself; the lamps' world stays as it is.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from app.console import run_console
from app.start import log_to_file
from tests.console.conftest import lamp_deck
from tests.console.lamps import WORLD


async def _flicker() -> None:
    """Change every lamp 25 times a second, and count in a file how often: proof that the loop runs."""
    count = 0
    while True:
        count += 1
        for lamp in list(WORLD.lamps.values()):
            WORLD.put(replace(lamp, heat_percent=float(count % 100)))
        Path("beats").write_text(str(count))
        await asyncio.sleep(0.04)


def main(words: list[str]) -> int:
    """Run until the console ends."""
    log_to_file()
    if "shell" in words:
        at = words.index("shell")
        WORLD.shell = tuple(words[at + 1 :])
    deck = lamp_deck()
    deck.feed.history = None  # a course that still fills moves by itself, and rightly so
    if "flicker" in words:
        configure = deck.feed.configure

        def begin(*args: object, **named: object) -> None:
            configure(*args, **named)  # pyright: ignore[reportArgumentType]
            WORLD.__dict__["flicker"] = asyncio.get_running_loop().create_task(_flicker())

        deck.feed.configure = begin  # pyright: ignore[reportAttributeAccessIssue]
    return run_console(deck)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
