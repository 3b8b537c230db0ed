"""What a backend knows that it may not do: greyed, refused before planning, each target for itself."""

from __future__ import annotations

from app.backend import Allow, Refuse
from app.deck import Deck
from app.fleet import Ref, Resource
from app.job import Outcome
from tests.frame.decks import opened, order, witnessed
from tests.frame.galley import World

WHY = "needs Kettle.Boil on /kettles/red"


def _row(deck: Deck, ident: str) -> Resource:
    found = deck.feed.fleet.find(Ref("kettle", ident))
    assert found is not None
    return found


def _said(outcomes: tuple[Outcome, ...]) -> dict[str, tuple[str, int, str]]:
    return {one.id: (str(one.outcome), one.exit_code, one.message) for one in outcomes}


async def test_it_is_refused_with_the_reason_and_witnessed_before_anything_is_asked(world: World) -> None:
    world.forbidden = {"kitchen/red": WHY}
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
        entries = witnessed(deck)
    assert _said(outcomes) == {"kitchen/red": ("refused", 4, WHY)}
    assert world.done == []
    assert [(entry.phase, entry.message) for entry in entries] == [("refusal", WHY)]


async def test_of_several_targets_only_that_one_is_left_out(world: World) -> None:
    world.forbidden = {"kitchen/red": WHY}
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red", "office/red"))
    assert {one.id: str(one.outcome) for one in outcomes} == {"kitchen/red": "refused", "office/red": "done"}
    assert world.done == ["boil office/red to 100"]


async def test_a_verb_for_the_whole_group_is_done_to_all_or_none(world: World) -> None:
    world.forbidden = {"kitchen/red": WHY}
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "pour", "kitchen/red", "kitchen/blue", arguments={"cups": 2}))
    said = _said(outcomes)
    assert said["kitchen/red"] == ("refused", 4, WHY)
    assert said["kitchen/blue"][0] == "refused"
    assert f"kitchen/red: {WHY}" in said["kitchen/blue"][2]
    assert world.done == []


async def test_keys_are_greyed_where_none_of_the_rows_can_be_done(world: World) -> None:
    world.forbidden = {"kitchen/red": WHY}
    async with opened() as deck:
        verbs = {verb.name: verb for verb in deck.catalog.on("kettle")}
        red, blue = _row(deck, "kitchen/red"), _row(deck, "kitchen/blue")
        assert deck.permitted(verbs["boil"], [red]) == Refuse(WHY, "privilege")
        assert deck.permitted(verbs["boil"], [red, blue]) == Allow()
        assert deck.permitted(verbs["pour"], [red, blue]) == Refuse(WHY, "privilege")
        assert deck.permitted(verbs["scrap"], [red]) == Allow()
