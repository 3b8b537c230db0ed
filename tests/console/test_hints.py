"""What the console says of itself: keys as remapped, where everything is, and why a row is in trouble."""

from __future__ import annotations

from textual import events

from app.inventory.model import Inventory
from tests.console.conftest import Driven, driven
from tests.console.lamps import World
from tests.console.test_acting import pane, to_row
from widgets.search import Palette

REMAPPED = {
    "console.mark": "insert",
    "console.describe": "f4",
    "console.filter": "f3",
    "console.help": "f1",
    "console.overview": "f10",
    "console.copy": "f6",
}


def last_line(it: Driven) -> str:
    """The line of keys."""
    return it.screen().splitlines()[-1]


async def test_remapped_keys_stand_in_every_line_of_keys() -> None:
    async with driven(Inventory(keys=REMAPPED), size=(220, 30)) as it:
        said = last_line(it)
        for words in ("insert mark", "F4 describe", "F3 filter", "F10 overview", "F1 help"):
            assert words in said
        assert "space" not in said
        assert "f10 overview" in it.screen().splitlines()[0]
        await it.press("f1")
        await it.at("help")
        assert "F3 filter" in last_line(it)
        assert "F6 copy" in last_line(it)


async def test_where_the_keys_do_not_fit_the_last_one_leads_to_all_of_them() -> None:
    async with driven(Inventory(keys=REMAPPED), size=(60, 24)) as it:
        assert last_line(it).rstrip().endswith("F1 all keys")


async def test_the_header_says_the_way_to_every_pane() -> None:
    async with driven() as it:
        assert "0 overview   1 lamps 12" in it.screen().splitlines()[0]


async def test_the_row_at_hand_says_its_whole_trouble() -> None:
    async with driven() as it:
        await to_row(it, "shed")
        assert "─ shed  no answer for 3 m ─" in it.screen()
        await to_row(it, "desk")
        assert "desk  " not in it.screen().splitlines()[-2]


async def test_the_palette_has_a_line_each_with_key_and_help(world: World) -> None:
    async with driven(Inventory(keys={"lamp.tell": "f9"})) as it:
        await to_row(it, "desk")
        await it.press("ctrl+p")
        await it.sheet()
        await it.type("tell")
        lines = [line.split() for line in it.screen().splitlines()]
        assert ["▌", "lamp", "tell", "desk", "f9", "Say", "its", "name."] in lines
        assert isinstance(it.console.screen, Palette)
        await it.press("escape")
        await it.until(lambda: not it.asking)
        assert world.done == []
        await it.press("ctrl+p")
        await it.sheet()
        await it.type("dim desk")
        await it.press("down", "enter")
        await it.sheet()
        assert "lamp dim" in it.screen(), "the second line was the one with its options"


async def test_nothing_found_says_so() -> None:
    async with driven() as it:
        await it.press("ctrl+p")
        await it.sheet()
        await it.type("qqqq")
        await it.until(lambda: "Nothing has these letters." in it.screen())
        await it.press("enter")
        assert it.asking


async def test_the_end_of_a_long_text_is_seen_while_it_is_typed() -> None:
    async with driven(size=(60, 24)) as it:
        for opened in ("slash", "colon"):
            await it.press(opened)
            field = it.console.focused
            assert field is not None
            field.post_message(events.Paste("x" * 200 + "the end"))
            await it.until(lambda: "the end" in last_line(it), it.screen())
            await it.press("escape")


async def test_a_filter_begun_while_a_place_comes_keeps_what_is_typed() -> None:
    async with driven() as it:
        for char in "w\x1bd\x1b/desk\r":
            key = {"\r": "enter", "\x1b": "escape", "/": "slash"}.get(char, char)
            it.console.post_message(events.Key(key, char if char.isprintable() else None))
        await it.until(lambda: [row.id for row in pane(it).table.state.order] == ["desk"], it.screen())


async def test_toasts_leave_the_rule_and_the_keys_alone() -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("p")
        await it.until(lambda: "last: tell desk" in it.screen() and "tell desk: I am desk" in it.screen())
        *_, above, rule, keys, tray = it.screen().splitlines()
        assert "I am desk" in above
        assert set(rule) == {"─"}
        assert keys.startswith(" p tell")
        assert "JOBS" in tray
