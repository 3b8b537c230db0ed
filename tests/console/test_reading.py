"""What is asked for while a screen is open, and views of several rows at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from textual.widgets import Input

from app.inventory.model import Inventory, NodeEntry, Rules
from tests.console.conftest import Driven, driven, family_deck
from tests.console.lamps import World
from tests.console.stock import Shelves
from widgets import details
from widgets.describe import DescribePlace
from widgets.form import Form
from widgets.kind_pane import KindPane

NODES = Inventory(
    nodes={
        "pi": NodeEntry(name="pi", local=True, tags=frozenset({"edge"})),
        "hp": NodeEntry(name="hp", local=True),
    }
)


async def bulbs(it: Driven, name: str = "e14") -> KindPane:
    """Go to the bulbs, with the cursor on one of them."""
    if it.place_name != "bulbs":
        await it.press("1", "1")
    pane = it.console.place
    assert isinstance(pane, KindPane)
    await it.until(lambda: len(pane.table.state.order) == 3)
    await it.press("g")
    for _ in range(3):
        if pane.cursor_ref is not None and pane.cursor_ref.id.endswith(name):
            return pane
        await it.press("j")
    raise AssertionError(name)


async def test_the_rest_of_a_describe_screen_is_read_and_never_waited_for(world: World, shelves: Shelves) -> None:
    shelves.hold = asyncio.Event()
    async with driven(deck=family_deck()) as it:
        await bulbs(it)
        await it.press("d")
        await it.at("describe")
        await it.until(lambda: "reading …" in it.lines())
        assert "WATTS" in it.lines()
        above = it.lines().partition("reading")[0].rstrip()
        shelves.hold.set()
        await it.until(lambda: "GLASS" in it.lines())
        assert it.lines().startswith(above)
        assert "reading" not in it.lines()
        assert "[bold]look[/bold] 1" in it.lines()
        assert "right" in it.lines()
        await it.press("ctrl+r")
        await it.until(lambda: "look[/bold] 2" in it.lines())
        assert shelves.reads == ["pi/e14"] * 2


async def test_leaving_ends_the_reading(world: World, shelves: Shelves) -> None:
    shelves.hold = asyncio.Event()
    async with driven(deck=family_deck()) as it:
        await bulbs(it)
        await it.press("d")
        await it.until(lambda: shelves.reads)
        await it.press("escape")
        assert it.place_name == "bulbs"
        await it.until(lambda: shelves.left == ["pi/e14"])


async def test_leaving_before_it_began_asks_nobody(shelves: Shelves) -> None:
    asked: list[str] = []

    async def answer() -> object:
        asked.append("asked")
        return None

    read = details.Details(
        lambda: answer,  # pyright: ignore[reportArgumentType, reportReturnType]
        lambda: None,
        name="x",
    )
    read.begin()
    read.end()
    while read.reading:
        await asyncio.sleep(0)
    assert asked == []


async def test_a_fault_stands_in_place_and_the_last_answer_stays(world: World, shelves: Shelves) -> None:
    shelves.broken = True
    async with driven(deck=family_deck()) as it:
        await bulbs(it)
        await it.press("d")
        await it.until(lambda: "! pi/e14: the box is closed" in it.lines(), it.lines())
        assert "WATTS" in it.lines()
        shelves.broken = False
        await it.press("ctrl+r")
        await it.until(lambda: "GLASS" in it.lines() and "closed" not in it.lines())
        shelves.broken = True
        await it.press("ctrl+r")
        await it.until(lambda: "closed" in it.lines())
        assert "GLASS" in it.lines()


async def test_an_answer_that_does_not_come_is_a_fault(
    world: World, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "WITHIN", 0.05)
    shelves.hold = asyncio.Event()
    async with driven(deck=family_deck()) as it:
        await bulbs(it)
        await it.press("d")
        await it.until(lambda: "! no answer within" in it.lines(), it.lines())


async def test_it_is_read_again_for_news_of_the_row_but_not_for_its_figures(
    world: World, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "EVERY", 0.0)
    async with driven(deck=family_deck()) as it:
        await bulbs(it)
        await it.press("d")
        await it.until(lambda: "GLASS" in it.lines())
        shelves.put(replace(shelves.bulbs["pi/e14"], watts=99))
        await it.until(lambda: "99" in it.lines())
        place = it.console.place
        assert isinstance(place, DescribePlace)
        place.tick()
        await it.pilot.pause()
        assert len(shelves.reads) == 1
        shelves.put(replace(shelves.bulbs["pi/e14"], watts=99, state="down"))
        await it.until(lambda: "look[/bold] 2" in it.lines())


async def test_news_are_put_off_for_some_seconds(world: World, shelves: Shelves) -> None:
    now = [100.0]
    asked: list[float] = []
    row = shelves.bulbs["pi/e14"]

    async def answer() -> object:
        asked.append(now[0])
        return None

    read = details.Details(
        lambda: answer,  # pyright: ignore[reportArgumentType, reportReturnType]
        lambda: None,
        name="x",
        clock=lambda: now[0],
    )

    async def at(moment: float, news: Callable[[], None] = lambda: None) -> None:
        now[0] = moment
        news()
        read.tick()
        while read.reading:
            await asyncio.sleep(0)

    read.begin()
    await at(100.0, lambda: read.hear(row))
    await at(101.0, lambda: read.hear(replace(row, state="down")))
    await at(102.0, lambda: read.hear(replace(row, state="up")))
    await at(103.0)
    assert asked == [100.0]
    await at(100.0 + details.EVERY)
    await at(101.0 + details.EVERY)
    assert asked == [100.0, 100.0 + details.EVERY]
    await at(130.0, read.want)
    assert asked[2:] == [130.0]


async def test_what_has_no_more_to_tell_is_not_asked(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1")
        await it.until(lambda: it.console.place is not None and it.console.place.targets())
        await it.press("d")
        await it.at("describe lamp")
        assert "reading" not in it.lines()
        await it.press("escape", "1", "1")
        await it.until(lambda: it.console.place is not None and it.console.place.targets())
        await it.press("d")
        await it.at("describe shade")
        assert "reading" not in it.lines()
    assert shelves.reads == []


async def test_sections_are_a_view_of_their_own(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await bulbs(it)
        await it.press("colon")
        await it.type("bulb details pi/e14")
        await it.press("enter")
        await it.until(lambda: "look[/bold] 1" in it.screen())
        await it.press("ctrl+r")
        await it.until(lambda: "look[/bold] 2" in it.screen())
        shelves.broken = True
        await it.press("ctrl+r")
        await it.until(lambda: "! pi/e14: the box is closed" in it.screen())
        await it.press("escape")
        assert it.place_name == "bulbs"


async def test_marked_rows_go_into_one_view_of_a_group(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await bulbs(it, "led")
        await it.press("space", "g", "space", "l")
        await it.until(lambda: "1 led hums" in it.screen() or "0 led hums" in it.screen(), it.screen())
        assert [sorted(group) for group in shelves.heard] == [["hp/led", "pi/e14"]]
        assert "2 bulbs" in it.screen()
        await it.press("escape", "escape")
        await bulbs(it, "e27")
        await it.press("l")
        await it.until(lambda: "0 e27 hums" in it.screen())
        assert shelves.heard[1:] == [("pi/e27",)]


async def test_a_view_of_one_says_so_where_several_are_marked(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await bulbs(it, "led")
        await it.press("space", "g", "space", "t")
        await it.until(lambda: "e14" in it.screen() and it.place_name.startswith("bulb.parts"), it.screen())
        assert it.place_name == "bulb.parts bulb:pi/e14"
        assert it.toasts() == ["parts reads one at a time: of 2 this is pi/e14"]


async def test_a_view_goes_on_without_those_that_are_gone(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await bulbs(it, "led")
        await it.press("l")
        await it.until(lambda: "0 led hums" in it.screen())
        await it.press("escape")
        del shelves.bulbs["hp/led"]
        shelves.changed.set()
        await it.until(lambda: len(list(it.deck.feed.fleet.noun("bulb"))) == 2)
        await it.press("right_square_bracket")
        await it.until(lambda: "nobody tells of it any more" in it.screen(), it.screen())


@pytest.mark.parametrize(("key", "field"), [("a", "to"), ("X", "node")])
async def test_the_form_of_a_verb_at_a_node_names_the_one_of_the_row(
    world: World, shelves: Shelves, key: str, field: str
) -> None:
    async with driven(deck=family_deck(NODES)) as it:
        await bulbs(it, "led")
        await it.press(key)
        await it.sheet()
        form = it.console.screen
        assert isinstance(form, Form)
        values = [one.value for one in form.query(Input)]
        assert values[-1] == "hp"
        if field == "to":
            await it.type("lamp3")
        await it.press("enter")
        if field == "node":
            await it.until(lambda: "sweep hp" in it.screen())
            await it.press("enter")
        await it.until(lambda: world.done == ["order lamp3 to hp" if field == "to" else "sweep hp"], str(world.done))


async def test_a_row_of_no_node_fills_nothing_in(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await bulbs(it)
        await it.press("X")
        await it.sheet()
        assert [one.value for one in it.console.screen.query(Input)] == [""]


async def test_rules_of_the_node_hold_for_what_another_backend_tells_of(world: World, shelves: Shelves) -> None:
    inventory = replace(NODES, rules=Rules(read_only=("@edge",)))
    async with driven(deck=family_deck(inventory)) as it:
        await bulbs(it)
        await it.press("s")
        await it.until(lambda: it.toasts() == ["shell: 'pi/e14' is read-only by the rule '@edge'"], str(it.toasts()))
        await it.press("X")
        await it.sheet()
        await it.press("enter")
        await it.until(lambda: len(it.toasts()) == 2, str(it.toasts()))
        assert "'pi' is read-only by the rule '@edge'" in it.toasts()[-1]
        await it.press("t")
        await it.until(lambda: it.place_name == "bulb.parts bulb:pi/e14")
        assert world.done == []
        assert [(entry.verb, entry.outcome) for entry in it.witnessed()] == [("bulb sweep", "refused")]
