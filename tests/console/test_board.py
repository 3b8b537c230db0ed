"""The wallboard as a program: read-only, with quit and page keys only."""

from __future__ import annotations

from tests.console.conftest import lamp_deck
from tests.console.lamps import World
from tests.waiting import eventually
from widgets.board import Board


async def test_the_wallboard_shows_turns_and_does_nothing_else(world: World) -> None:
    deck = lamp_deck()
    board = Board(deck, demo_label="demo", rotate=60)
    async with board.run_test(size=(120, 30)) as pilot:
        await eventually(lambda: list(deck.feed.fleet.noun("lamp")))
        assert deck.read_only
        for _ in range(2):
            await eventually(lambda: "DEMO" in board.wallboard.render_line(1).text, what="a pretend fleet is labelled")
            await pilot.press("right")
        await pilot.press("p", "r", "colon", "J", "ampersand", "x", "ctrl+p")
        await pilot.pause()
        assert len(board.screen_stack) == 1
        await pilot.press("right", "left", "q")
        await eventually(lambda: not board.is_running)
    assert world.done == []
    await deck.close()
