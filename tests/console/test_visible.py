"""What those below the screen hear of what the operator sees: worked out when they ask, and no more than that."""

from __future__ import annotations

from app.backend import nothing_visible
from app.cli.targets import asked_for
from app.deck import Deck
from app.fleet import Ref
from app.inventory.model import Inventory, NodeEntry
from tests.console.conftest import driven, lamp_deck
from tests.console.lamps import World
from tests.console.test_acting import to_row
from tests.waiting import eventually
from widgets.board import Board
from widgets.kind_pane import KindPane


def seen(deck: Deck) -> frozenset[Ref]:
    """What of all rows somebody looks at."""
    return deck.context.visible([row.ref for row in deck.feed.fleet.noun("lamp")])


async def test_rows_on_the_screen_are_visible_and_what_is_described(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        place = it.console.place
        assert isinstance(place, KindPane)
        everything = {row.ref for row in it.deck.feed.fleet.noun("lamp")}
        assert seen(it.deck) == everything
        await it.pilot.resize_terminal(100, 12)
        await it.until(lambda: len(seen(it.deck)) < len(everything), "fewer rows than there are")
        top = seen(it.deck)
        assert top == {ref for ref in everything if f" {ref.id} " in it.screen()}
        await it.press("G")
        await it.until(lambda: seen(it.deck) != top, "the last rows")
        assert it.deck.context.visible([]) == frozenset()
        await to_row(it, "desk")
        await it.press("d")
        await it.at("describe")
        assert seen(it.deck) == {Ref("lamp", "desk")}
        await it.press("0")
        await it.until(lambda: it.place_name != "describe lamp/desk")
        await it.press("w")
        await it.at("witness")
        assert not seen(it.deck)


async def test_rows_on_the_page_of_the_wallboard_are_visible(world: World) -> None:
    deck = lamp_deck()
    board = Board(deck, rotate=60, panes=("lamps",))
    async with board.run_test(size=(100, 16)) as pilot:
        await eventually(lambda: seen(deck))
        first = seen(deck)
        assert 0 < len(first) < len(world.lamps)
        await pilot.press("right")
        await eventually(lambda: seen(deck) != first)
        assert not seen(deck) & first
    await deck.close()


def test_before_anything_stands_in_front_of_it_nothing_is_visible() -> None:
    assert lamp_deck().context.visible is nothing_visible
    assert nothing_visible([Ref("lamp", "desk")]) == frozenset()


def test_a_command_line_looks_at_what_it_names() -> None:
    nodes = {
        name: NodeEntry(name=name, local=True, tags=tags)
        for name, tags in (("pi", frozenset({"edge"})), ("hp", frozenset[str]()))
    }
    deck = lamp_deck(Inventory(nodes=nodes))
    kind = deck.kinds["lamp"]
    refs = [Ref("lamp", "pi/web"), Ref("lamp", "pi/db"), Ref("lamp", "hp/web"), Ref("stack", "pi/web")]

    def meant(*words: str) -> list[str]:
        return sorted(ref.id for ref in asked_for(deck, kind, words)(refs))

    assert meant() == ["hp/web", "pi/db", "pi/web"]
    assert meant("web") == ["hp/web", "pi/web"]
    assert meant("pi/*") == ["pi/db", "pi/web"]
    assert meant("w*,!hp/web") == ["pi/web"]
    assert meant("@edge") == ["pi/db", "pi/web"]
    assert meant("nothing") == []
