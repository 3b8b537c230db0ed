"""Several kinds behind one number: how they are gone to, named and counted."""

from __future__ import annotations

from app.kind import families
from tests.console.conftest import Driven, driven, family_deck
from tests.console.lamps import World
from tests.console.stock import Shelves
from widgets.kind_pane import KindPane
from widgets.overview_place import OverviewPlace
from widgets.wallboard import Wallboard


def pane(it: Driven) -> KindPane:
    """The pane on the screen."""
    assert isinstance(it.console.place, KindPane)
    return it.console.place


def context(it: Driven) -> str:
    """The line above the table, without the header of the console."""
    return it.screen().splitlines()[1]


async def test_the_number_goes_through_the_kinds_of_its_family(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        assert it.place_name == "overview"
        for name in ("lamps", "bulbs", "shades", "lamps"):
            await it.press("1")
            assert it.place_name == name
        await it.press("1", "2")
        assert it.place_name == "kettles"
        await it.press("2")
        assert it.place_name == "kettles"
        await it.press("1")
        assert it.place_name == "lamps"


async def test_history_and_tab_pass_as_they_would_without_families(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1", "1", "1", "left_square_bracket")
        assert it.place_name == "bulbs"
        await it.press("escape")
        assert it.place_name == "bulbs"
        await it.until(lambda: pane(it).targets())
        await it.press("d")
        await it.at("describe")
        await it.press("escape")
        assert it.place_name == "bulbs"
        await it.press("tab")
        assert it.place_name == "kettles"
        await it.press("tab", "tab")
        assert it.place_name == "lamps"


async def test_a_pane_keeps_filter_marks_and_cursor_while_others_are_shown(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1", "1")
        await it.until(lambda: len(pane(it).table.state.order) == 3)
        await it.press("space", "j", "slash")
        await it.type("^e")
        await it.press("enter")
        before = pane(it).table.state
        assert (before.marks, before.filter.typed, len(before.order)) == ({"pi/e14"}, "^e", 2)
        cursor = before.cursor_id
        await it.press("1", "1", "1")
        after = pane(it).table.state
        assert it.place_name == "bulbs"
        assert (after.marks, after.filter.typed, after.cursor_id) == ({"pi/e14"}, "^e", cursor)


async def test_the_line_above_names_the_family_where_there_is_room(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1", "1")
        await it.until(lambda: " lamps  BULBS  shades    3  ● 3" in context(it), context(it))
        await it.press("2")
        await it.until(lambda: context(it).startswith(" KETTLES  3"), context(it))
        await it.pilot.resize_terminal(24, 20)
        await it.press("1")
        await it.until(lambda: context(it).startswith(" LAMPS  12"), context(it))
        assert "bulbs" not in context(it)


async def test_only_numbered_kinds_have_tiles_and_count(world: World, shelves: Shelves) -> None:
    from dataclasses import replace

    shelves.bulbs["pi/e14"] = replace(shelves.bulbs["pi/e14"], state="down")
    async with driven(deck=family_deck(), size=(140, 30)) as it:
        await it.until(lambda: len(list(it.deck.feed.fleet.noun("bulb"))) == 3)
        await it.until(lambda: "0 overview   1 lamps 12   2 kettles 3   ! 2" in it.screen(), it.screen())
        assert isinstance(it.console.place, OverviewPlace)
        assert "1 LAMPS" in it.screen()
        assert "2 KETTLES" in it.screen()
        assert "BULBS" not in it.screen()
        await it.press("enter")
        assert it.place_name == "lamps"


async def test_words_palette_and_help_know_every_kind(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck(), size=(120, 60)) as it:
        await it.press("colon")
        await it.type("sha")
        assert "shades" in it.screen()
        await it.press("tab", "enter")
        assert it.place_name == "shades"
        await it.press("colon")
        await it.type("bulb /led")
        await it.press("enter")
        await it.until(lambda: it.place_name == "bulbs" and len(pane(it).table.state.order) == 1)
        offers = {offer.line: offer for offer in it.console.offers()}
        assert [offers[name].key for name in ("lamps", "bulbs", "shades", "kettles")] == ["1", "1×2", "1×3", "2"]
        assert "bulb order" in offers
        offers["shades"].run()
        await it.until(lambda: it.place_name == "shades")
        await it.press("question_mark")
        await it.at("help")
        assert "lamps; again: bulbs, shades" in it.lines()
        assert " BULB\n" in it.lines()


async def test_verbs_have_their_keys_in_each_pane_of_the_family(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.press("1", "1", "1")
        await it.until(lambda: pane(it).targets())
        await it.press("p")
        await it.until(lambda: world.done == ["paint hp/silk"] or world.done == ["paint pi/silk"], str(world.done))


async def test_a_kind_whose_first_is_not_there_has_a_number_of_its_own(world: World, shelves: Shelves) -> None:
    kinds = family_deck().kinds
    assert [[kind.noun for kind in family] for family in families(kinds.values())] == [
        ["lamp", "bulb", "shade"],
        ["kettle"],
    ]
    alone = {noun: kind for noun, kind in kinds.items() if noun != "lamp"}
    assert [[kind.noun for kind in family] for family in families(alone.values())] == [["bulb"], ["shade"], ["kettle"]]


def test_the_wallboard_shows_the_others_only_when_asked() -> None:
    from app.history import History

    kinds = list(family_deck().kinds.values())

    def pages(*asked: str) -> list[str]:
        board = Wallboard(kinds, History(), pages=asked)
        found: list[str] = []
        while board.page not in found:
            found.append(board.page)
            board.action_turn(1)
        return found

    assert pages() == ["overview", "lamp", "kettle"]
    assert pages("bulbs", "overview") == ["bulb", "overview"]


async def test_a_pane_that_is_new_shows_what_is_known_without_waiting_for_news(world: World, shelves: Shelves) -> None:
    async with driven(deck=family_deck()) as it:
        await it.until(lambda: len(list(it.deck.feed.fleet.noun("bulb"))) == 3)
        await it.deck.feed.close()
        await it.press("1", "1")
        await it.until(lambda: len(pane(it).table.state.order) == 3, it.screen())
        assert "d describe" in it.screen().splitlines()[-1]
