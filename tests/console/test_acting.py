"""Every way from the screen to the deck: keys, forms, the ``:`` line and the palette."""

from __future__ import annotations

import pytest

from app.inventory.model import Inventory, Rules
from tests.console.conftest import Driven, driven
from tests.console.lamps import World
from widgets.confirm import Confirm
from widgets.form import Form
from widgets.kind_pane import KindPane


def pane(it: Driven) -> KindPane:
    """The pane of lamps."""
    found = it.console.stage.pane("lamp")
    assert isinstance(found, KindPane)
    return found


def dims(it: Driven) -> bool | None:
    """Whether the key of dimming is offered, and not greyed."""
    hints = pane(it)._keys.hints  # pyright: ignore[reportPrivateUsage]
    return next((hint.enabled for hint in hints if hint.label == "dim"), None)


async def to_row(it: Driven, name: str) -> None:
    """Put the cursor on a lamp."""
    await it.press("g")
    for _ in range(20):
        ref = pane(it).cursor_ref
        if ref is not None and ref.id == name:
            return
        await it.press("j")
    raise AssertionError(f"no row {name}")


async def test_a_safe_verb_runs_on_its_key(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("p")
        await it.until(lambda: it.toasts() == ["tell desk: I am desk"], str(it.toasts()))
        assert world.done == ["tell desk"]


async def test_a_disruption_asks_first_and_runs_on_enter(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("r")
        await it.sheet()
        assert "dim 50 --lamp desk" in it.screen()
        assert "turn it up again" in it.screen()
        assert "0.50" in it.screen()
        assert world.done == []
        await it.press("enter")
        await it.until(lambda: world.done == ["dim 50 desk"])
        assert not it.asking


async def test_esc_declines_and_the_witness_says_so(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("r")
        await it.sheet()
        await it.press("escape")
        await it.until(lambda: [e.outcome for e in it.witnessed()] == ["declined"])
        assert world.done == []


async def test_falsify_shows_the_checks_and_changes_nothing(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("r")
        await it.sheet()
        await it.press("f")
        await it.at("result")
        assert "would run  dim 50 --lamp desk" in it.lines()
        assert "desk is still there" in it.lines()
        assert world.done == []


async def test_destruction_wants_the_name_and_a_reason(world: World) -> None:
    async with driven() as it:
        await to_row(it, "hall")
        await it.press("ctrl+d")
        await it.sheet()
        assert "lost: hall and its bulb" in it.screen()
        await it.type("desk")
        await it.press("enter")
        assert "type exactly: hall" in it.screen()
        await it.press(*["backspace"] * 4)
        await it.type("hall")
        await it.press("enter")
        assert "a reason is required" in it.screen()
        await it.type("it flickers")
        await it.press("enter")
        await it.until(lambda: world.done == ["smash hall"])
        assert it.witnessed()[0].why == "it flickers"


async def test_marks_are_taken_by_id_and_hidden_ones_are_told(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("space")
        await to_row(it, "hall")
        await it.press("space")
        await it.press("slash")
        await it.type("^hall")
        await it.press("enter")
        assert len(pane(it).targets()) == 2
        await it.press("r")
        await it.sheet()
        assert "1 marked row is hidden by the filter" in it.screen()
        assert "Dim 2 lamps" in it.screen()
        await it.press("enter")
        await it.until(lambda: sorted(world.done) == ["dim 50 desk", "dim 50 hall"])


async def test_a_verb_without_a_target_opens_its_form(world: World) -> None:
    async with driven() as it:
        await it.press("a")
        await it.sheet()
        assert isinstance(it.console.screen, Form)
        await it.press("enter")
        assert "required" in it.screen()
        await it.type("moon")
        await it.press("tab", *["backspace"] * 2)
        await it.type("many")
        await it.press("enter")
        assert "a whole number" in it.screen()
        await it.press(*["backspace"] * 4)
        await it.type("60")
        await it.press("down", "right", "down", "space", "down")
        await it.type("a 'b c'")
        await it.press("down")
        await it.type("topsecret")
        assert "topsecret" not in it.screen()
        await it.press("enter")
        await it.until(lambda: world.done)
        expected = [("code", "topsecret"), ("colour", "cold"), ("fancy", True), ("tag", ("a", "b c")), ("watts", 60)]
        assert world.done == [f"add moon {expected}"]
        assert all("topsecret" not in str(entry) for entry in it.witnessed())


async def test_a_command_is_asked_for_and_its_output_is_shown(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("x")
        await it.sheet()
        await it.type("echo 'two words' | cat")
        await it.press("enter")
        await it.at("job")
        await it.until(lambda: "desk says echo 'two words' | cat" in it.lines())
        assert world.done == ["exec [\"echo 'two words' | cat\"] desk"]
        await it.press("escape")
        assert it.place_name == "lamps"


async def test_alt_and_the_key_opens_the_form_of_a_verb_with_defaults(world: World) -> None:
    async with driven() as it:
        await to_row(it, "desk")
        await it.press("alt+r")
        await it.sheet()
        assert isinstance(it.console.screen, Form)
        await it.press(*["backspace"] * 2)
        await it.type("7")
        await it.press("enter")
        await it.until(lambda: isinstance(it.console.screen, Confirm))
        await it.press("enter")
        await it.until(lambda: world.done == ["dim 7 desk"])


async def test_key_palette_and_command_line_leave_the_same_entries(world: World) -> None:
    async with driven() as it:
        said: list[list[object]] = []

        async def note() -> None:
            await it.until(lambda: not it.deck.running_jobs and len(it.witnessed()) >= 2 * (len(said) + 1))
            entries = it.witnessed()[-2:]
            said.append([(e.verb, e.target, e.plan, e.phase, e.outcome, e.digest) for e in entries])

        await to_row(it, "desk")
        await it.press("p")
        await note()
        await it.press("colon")
        await it.type("lamp tell desk")
        await it.press("enter")
        await note()
        await it.press("ctrl+p")
        await it.until(lambda: it.asking)
        await it.type("lamp tell desk")
        await it.until(lambda: "lamp tell desk" in it.screen())
        await it.press("enter")
        await note()
        assert said[0] == said[1] == said[2]
        assert world.done == ["tell desk"] * 3


async def test_a_failure_is_told_with_its_reason(world: World) -> None:
    async with driven() as it:
        await to_row(it, "attic")
        await it.press("r")
        await it.sheet()
        await it.press("enter")
        await it.until(lambda: it.toasts() == ["dim attic: failed: the bulb is stuck"], str(it.toasts()))


async def test_what_the_backend_does_not_offer_says_so() -> None:
    async with driven() as it:
        await it.press("z")
        assert "not offered" in it.toasts()[0]
        assert "fly" not in it.screen().splitlines()[-1]


async def test_read_only_has_no_keys_and_refuses(world: World) -> None:
    async with driven(read_only=True) as it:
        assert "READ-ONLY" in it.screen()
        last = it.screen().splitlines()[-1]
        assert "dim" not in last
        assert "parts" in last
        await it.press("p")
        assert "read-only" in it.toasts()[0]
        await it.press("colon")
        await it.type("lamp tell desk")
        await it.press("enter")
        assert world.done == []


async def test_a_rule_greys_the_key_and_says_why(world: World) -> None:
    async with driven(Inventory(rules=Rules(read_only=("desk",)))) as it:
        await to_row(it, "desk")
        await it.press("r")
        assert "read-only by the rule 'desk'" in it.toasts()[0]
        await it.until(lambda: dims(it) is False)
        await to_row(it, "hall")
        await it.until(lambda: dims(it) is True)
        assert world.done == []


async def test_a_remapped_key_replaces_the_default(world: World) -> None:
    async with driven(Inventory(keys={"lamp.tell": "f9", "console.help": "f1"})) as it:
        await to_row(it, "desk")
        await it.press("p")
        await it.press("f9")
        await it.until(lambda: world.done == ["tell desk"])
        await it.press("question_mark")
        assert it.place_name == "lamps"
        await it.press("f1")
        await it.at("help")
        assert "f9" in it.lines()


async def test_clashing_keys_are_told() -> None:
    async with driven(Inventory(keys={"lamp.tell": "q", "lamp.nothing": "f2"})) as it:
        await it.until(lambda: len(it.toasts()) == 2)
        assert any("'q' is already 'quit'" in words for words in it.toasts())


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lump", "nearest: lamp"),
        ("lamp dom desk", "nearest: dim"),
        ("lamp dim dusk", "nearest: desk"),
        ("lamp dim desk --lovel 3", "nearest: --level"),
        ("lamp dim desk --level much", "a whole number"),
        ("lamp dim 'desk", "not closed"),
        ("theme nope", "there is no theme"),
    ],
)
async def test_a_wrong_command_line_stays_and_says_what_is_meant(typed: str, said: str, world: World) -> None:
    async with driven() as it:
        it.console.command_line.open(typed)
        await it.press("enter")
        await it.until(lambda: said in it.screen())
        assert it.console.command_line.has_class("-open")
        await it.press("escape")
        await it.until(lambda: not it.console.command_line.has_class("-open"))
        assert world.done == []


async def test_a_command_line_takes_targets_options_and_a_tail(world: World) -> None:
    async with driven() as it:
        for typed in ("lamp dim desk,hall --level 9", "lamp exec @outside -- echo hi"):
            it.console.command_line.open(typed)
            await it.press("enter")
            if "dim" in typed:
                await it.sheet()
                await it.press("enter")
        await it.until(lambda: len(world.done) == 3)
        assert sorted(world.done) == ["dim 9 desk", "dim 9 hall", "exec ['echo hi'] garden"]


async def test_tab_completes_what_may_come_next() -> None:
    async with driven() as it:
        await it.press("colon")
        await it.type("lamp di")
        await it.press("tab")
        await it.type("de")
        await it.press("tab")
        await it.type("--le")
        await it.press("tab")
        assert it.console.command_line._field.value == "lamp dim desk --level "  # pyright: ignore[reportPrivateUsage]
