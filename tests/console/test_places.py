"""Where an operator can go, and what stands there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from app.inventory.model import Inventory
from app.witness import Draft, Phase
from tests.console.conftest import driven, lamp_deck
from tests.console.lamps import World
from tests.console.test_acting import pane, to_row
from widgets.leaving import Leaving
from widgets.logview import KEEP, LogPlace
from widgets.secret import SecretPrompt


async def test_describe_follows_the_fleet(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("d")
        await it.at("describe")
        assert "  7 %" in it.lines()
        world.put(replace(world.lamps["desk"], heat_percent=93.0))
        await it.until(lambda: " 93 %!" in it.lines())
        await it.press("p")
        await it.until(lambda: world.done == ["tell desk"])
        await it.press("escape")
        assert it.place_name == "lamps"


async def test_enter_describes_and_raw_turns_to_json() -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("enter")
        await it.at("describe")
        await it.press("y")
        await it.at("raw")
        assert " heat_percent: 7.0" in it.lines()
        await it.press("tab")
        assert json.loads(it.lines())["id"] == "desk"
        await it.press("escape", "escape")
        assert it.place_name == "lamps"


async def test_a_hidden_field_keeps_no_keys() -> None:
    """A pane that is still being mounted cannot take the keys from the line that led to it."""
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("colon", "escape")
        hidden = it.console.command_line.query_one(Input)
        it.console.screen.set_focus(hidden)
        await it.press("d")
        await it.at("describe")
        assert hidden.value == ""


async def test_what_is_gone_says_so(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("d")
        await it.at("describe")
        del world.lamps["desk"]
        world.changed.set()
        await it.until(
            lambda: not it.deck.feed.fleet.find(pane(it).kind.type(id="desk", name="", source="", state="").ref)
        )
        await it.press("p")
        assert it.toasts() == ["tell: no row is chosen"]


async def test_hostile_text_is_only_text() -> None:
    async with driven() as it:
        assert "[31mgone[@click=app.quit]" in it.screen()
        await to_row(it, "desk")
        await it.press("i")
        await it.at("lamp.about" if it.place_name.startswith("lamp.about") else "about")
        assert "[bold]cover[/bold]" in it.lines()
        assert "\x1b" not in it.lines()


async def test_rows_are_read_again_sorted_filtered_and_acted_on(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("t")
        await it.until(lambda: "shade" in it.screen())
        await it.until(lambda: "read 2 times" in it.lines(), "read again")
        await it.press("N", "I")
        assert it.lines().splitlines()[0].startswith("shade")
        await it.press("slash")
        await it.type("bulb")
        await it.press("enter")
        assert len(it.lines().splitlines()) == 1
        await it.press("r")
        await it.sheet()
        assert "dim 10 --lamp desk" in it.screen()
        await it.press("enter")
        await it.until(lambda: world.done == ["dim 10 desk"])
        await it.press("escape", "escape")
        assert it.place_name == "lamps"


async def test_a_slow_view_can_be_left(world: World) -> None:
    world.slow_view = True
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("t")
        await it.until(lambda: "Reading" in it.screen())
        await it.press("j", "escape")
        assert it.place_name == "lamps"


async def test_a_stream_floods_and_keys_still_answer(world: World) -> None:
    world.flood = 4 * KEEP
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("l")
        await it.until(lambda: "humming quietly" in it.screen())
        place = it.console.place
        assert isinstance(place, LogPlace)
        assert len(place.page.lines) <= KEEP + KEEP // 10
        await it.until(lambda: "older dropped" in it.screen())
        await it.press("g")
        await it.until(lambda: "held; G follows" in it.screen())
        await it.press("slash")
        await it.type("!hum [0-9]")
        await it.press("enter")
        await it.until(lambda: len(place.page.lines) == 1)
        await it.press("escape", "escape")
        assert it.place_name == "lamps"
        await it.until(lambda: world.closed_streams == 1)


async def test_a_stream_is_saved_for_its_owner_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world.flood = 3
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("l")
        await it.until(lambda: "humming quietly" in it.screen())
        await it.press("s")
        (saved,) = tmp_path.glob("lamp-hum-desk-*.log")
        assert saved.read_text().splitlines()[-1] == "humming quietly"
        assert saved.stat().st_mode & 0o777 == 0o600


async def test_jobs_go_on_elsewhere_and_are_cancelled_there(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("b")
        await it.until(lambda: "JOBS  charge desk ▇▇░░░░ 31 %" in it.screen(), it.screen())
        await it.press("ampersand")
        await it.at("jobs")
        assert "charge --lamp desk" in it.screen()
        await it.press("x")
        await it.until(lambda: world.cancelled == ["desk"])
        await it.until(lambda: "cancelled" in it.lines())
        await it.until(lambda: [e.outcome for e in it.witnessed()][-1] == "cancelled")


async def test_progress_is_measured_or_unknown() -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("s")
        await it.until(lambda: it.deck.jobs)
        await it.press("ampersand")
        await it.at("jobs")
        assert "%" not in it.lines()


async def test_quitting_with_jobs_asks_and_cancels(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("b")
        await it.until(lambda: it.deck.running_jobs)
        await it.press("q")
        await it.until(lambda: isinstance(it.console.screen, Leaving))
        assert "its host carries it on" in it.screen()
        await it.press("escape")
        assert it.console.is_running
        await it.press("q")
        await it.sheet()
        await it.press("c")
        await it.until(lambda: not it.console.is_running)
    assert world.cancelled == ["desk"]


async def test_quitting_can_wait_for_jobs(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("b")
        await it.until(lambda: it.deck.running_jobs)
        await it.press("q")
        await it.sheet()
        await it.press("w")
        await it.until(lambda: "quitting when the jobs are over" in it.toasts())
        world.go_on.set()
        await it.until(lambda: not it.console.is_running)
    assert world.done == ["charge desk"]


async def test_what_an_earlier_console_began_is_told_with_what_the_system_says_now() -> None:
    deck = lamp_deck()
    await deck.witness.begin(
        Draft(verb="lamp charge", target="lamp:shed", phase=Phase.INTENT, trace="abc", plan=("charge",))
    )
    async with driven(deck=deck) as it:
        await it.until(lambda: any("never told an end" in words for words in it.toasts()))
        await it.press("ampersand")
        await it.at("jobs")
        await it.until(lambda: "charge shed" in it.lines())
        assert "now: shed is down" in it.lines()


async def test_the_witness_shows_verifies_and_opens() -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("p")
        await it.until(lambda: it.toasts())
        await it.press("w")
        await it.at("witness")
        await it.until(lambda: "I am desk" in it.lines())
        await it.press("v")
        await it.until(lambda: "✓ 2 entries hold" in it.screen())
        await it.press("enter")
        await it.at("entry")
        assert "prev hash" in it.lines()
        await it.press("escape", "slash")
        await it.type("nothing like it")
        await it.press("enter")
        await it.until(lambda: it.lines() == "")


async def test_secrets_are_masked_and_asked_one_after_another() -> None:
    async with driven() as it:
        for name in ("desk", "hall"):
            await to_row(it, name)
            await it.press("L")
            if name == "desk":
                await it.sheet()
                await it.press("escape")
                await it.until(lambda: "failed" in it.toasts()[0])
        first = it.console.do(it.console.secret("a", "first?"))
        second = it.console.do(it.console.secret("b", "second?"))
        await it.sheet()
        assert sum(isinstance(screen, SecretPrompt) for screen in it.console.screen_stack) == 1
        for text in ("abcx", "xqz", "kwvy"):
            await it.type(text)
            assert text not in it.screen()
            assert isinstance(it.console.focused, Input)
            await it.press("enter")
        await it.until(lambda: first.done() and second.done())
        assert (first.result(), second.result()) == ("xqz", "kwvy")
        await it.until(lambda: "unlock hall: 4 characters" in it.toasts())
        assert "abcx" not in str(it.witnessed())


async def test_help_lists_every_verb_and_filters() -> None:
    async with driven() as it:
        await it.press("question_mark")
        await it.at("help")
        for verb in it.deck.catalog:
            assert verb.help in it.lines()
        await it.press("slash")
        await it.type("smash")
        assert len(it.lines().splitlines()) == 1


async def test_history_goes_back_forward_and_to_and_fro() -> None:
    async with driven() as it:
        await it.press("0", "1", "w", "ampersand")
        assert it.place_name == "jobs"
        await it.press("left_square_bracket", "left_square_bracket")
        assert it.place_name == "lamps"
        await it.press("right_square_bracket")
        assert it.place_name == "witness"
        await it.press("minus")
        assert it.place_name == "lamps"
        await it.press("tab")
        assert it.place_name == "overview"


async def test_toasts_do_not_pile_up() -> None:
    async with driven() as it:
        for number in range(10):
            it.console.tell(f"news {number}")
            it.console.tell("again", bad=True)
        await it.pilot.pause()
        assert len(it.console.toasts.toasts) == 3
        assert "again  ×10" in it.screen()


async def test_themes_change_by_key_and_word() -> None:
    async with driven() as it:
        before = it.console.theme
        await it.press("T")
        assert it.console.theme != before
        await it.press("colon")
        await it.type("theme quarterdeck-mono")
        await it.press("enter")
        assert it.console.theme == "quarterdeck-mono"


async def test_a_pane_by_word_with_a_filter() -> None:
    async with driven() as it:
        await it.press("0", "colon")
        await it.type("lamps /^desk")
        await it.press("enter")
        await it.until(lambda: [row.id for row in pane(it).table.state.order] == ["desk"])
        await it.press("escape")
        assert len(pane(it).table.state.order) == 12


async def test_what_is_typed_ahead_means_what_it_would_have_meant_slowly(world: World) -> None:
    from textual import events

    async with driven() as it:
        for char in "djky0w?&1/desk\rp:lamp tell hall\r&":
            key = {"\r": "enter"}.get(char, char)
            it.console.post_message(events.Key(key, char if char.isprintable() else None))
        await it.until(lambda: world.done == ["tell desk", "tell hall"], str(world.done))
        await it.at("jobs")


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (80, 24), (250, 70)])
async def test_every_place_stands_at_every_size(size: tuple[int, int], world: World) -> None:
    world.flood = 50
    async with driven(Inventory(), size=size) as it:
        for keys in (
            "0",
            "1d",
            "1y",
            "1t",
            "1i",
            "1l",
            "J",
            "&",
            "w",
            "?",
            "1/x\x1b",
            ":nodes\x1b",
            "1r\x1b",
            "1a\x1b",
        ):
            for char in keys:
                await it.press({"?": "question_mark", "/": "slash", ":": "colon", "\x1b": "escape"}.get(char, char))
        for resized in ((20, 5), (100, 30), (21, 6), size):
            await it.pilot.resize_terminal(*resized)
            await it.pilot.pause()
        assert it.console.is_running
