"""From a row to what it runs on, and views of a kind that begin at the row under the cursor."""

from __future__ import annotations

from dataclasses import replace

from app.fleet import Fleet, Reading, Ref
from app.owner import owner, twin
from tests.console import bulb, lamp
from tests.console.bulb import Bulb
from tests.console.conftest import Driven, driven, family_deck
from tests.console.lamp import Lamp
from tests.console.lamps import World
from tests.console.stock import Shelves
from widgets.kind_pane import KindPane

KINDS = (lamp.KIND, bulb.KIND)
DESK = Lamp(id="desk", name="desk", source="house", state="up", parent=Ref("house", "home"))
LED = Bulb(id="hp/led", name="led", source="hp", state="up", parent=Ref("lamp", "desk"))


def fleet(*items: Lamp | Bulb) -> Fleet:
    """A fleet in which each is told of by itself."""
    return Fleet().with_readings(
        [Reading(backend="b", source=item.source, topic=item.id, items=(item,), taken_at=0.0) for item in items]
    )


def test_the_parent_is_what_a_resource_runs_on() -> None:
    assert owner(fleet(DESK, LED), KINDS, LED) == DESK


def test_without_a_parent_that_is_known_it_is_the_other_side_of_the_same_machine() -> None:
    assert owner(fleet(DESK, LED), KINDS, DESK) == LED
    assert twin(fleet(DESK, LED), KINDS, LED.ref) is None


def test_who_is_alone_runs_on_nothing_known() -> None:
    orphan = replace(LED, id="hp/e27", name="e27", parent=Ref("lamp", "gone"))
    assert owner(fleet(orphan), KINDS, orphan) is None
    assert owner(fleet(DESK), KINDS, DESK) is None


def pane(it: Driven) -> KindPane:
    """The pane on the screen."""
    assert isinstance(it.console.place, KindPane)
    return it.console.place


async def test_jump_goes_to_the_row_even_where_a_filter_hides_it(world: World, shelves: Shelves) -> None:
    shelves.put(replace(shelves.bulbs["pi/e14"], parent=Ref("lamp", "porch")))
    async with driven(deck=family_deck()) as it:
        await it.press("1", "slash")
        await it.type("attic")
        await it.press("enter", "1")
        await it.until(lambda: len(pane(it).table.state.order) == 3)
        assert pane(it).table.go_to(Ref("bulb", "pi/e14"))
        await it.press("J")
        await it.until(lambda: it.place_name == "lamps" and pane(it).cursor_ref == Ref("lamp", "porch"))
        await it.press("left_square_bracket")
        await it.until(lambda: it.place_name == "bulbs")


async def test_jump_from_a_describe_screen_and_over_the_same_machine(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1")
        await it.until(lambda: pane(it).targets() and it.deck.feed.fleet.find(Ref("bulb", "hp/led")))
        assert pane(it).table.go_to(Ref("lamp", "desk"))
        await it.press("d")
        await it.at("describe")
        await it.press("J")
        await it.until(lambda: it.place_name == "bulbs" and pane(it).cursor_ref == Ref("bulb", "hp/led"))


async def test_jump_says_when_there_is_nowhere_to_go(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1")
        await it.until(lambda: pane(it).targets())
        await it.press("J")
        assert it.place_name == "lamps"
        assert any("nothing is known of what" in words for words in it.toasts())


async def test_a_view_of_the_kind_begins_at_the_row(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1", "1")
        await it.until(lambda: len(pane(it).table.state.order) == 3)
        assert pane(it).table.go_to(Ref("bulb", "pi/e27"))
        await it.press("o")
        await it.at("bulb.orders")
        await it.until(lambda: "pi/e27 None" in it.screen(), "the orders of the row")


async def test_a_flag_left_alone_is_neither_yes_nor_no(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1", "1")
        await it.until(lambda: len(pane(it).table.state.order) == 3)
        assert pane(it).table.go_to(Ref("bulb", "pi/e27"))
        await it.press("alt+o")
        await it.sheet()
        await it.press("tab", "right", "enter")
        await it.at("bulb.orders")
        await it.until(lambda: "pi/e27 False" in it.screen(), "the flag said no")
