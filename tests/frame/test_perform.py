"""The one way by which anything is done: permit, plan, judge, ask, judge again, reserve, witness, run."""

from __future__ import annotations

import asyncio
import shutil
from types import MappingProxyType
from typing import Any

import pytest

from app.deck import Answer, NoFront
from app.errors import Missing, Unreachable
from app.fleet import Reading
from app.inventory.model import Inventory, NodeEntry, Rules
from app.job import Ended, Job, Outcome
from app.verb import Stream
from app.witness import Phase
from tests.frame.decks import Asked, opened, order, witnessed
from tests.frame.galley import PURSE, World
from tests.frame.kettle import Kettle
from tests.waiting import eventually


def ended(outcomes: tuple[Outcome, ...]) -> dict[str, str]:
    return {outcome.id: str(outcome.outcome) for outcome in outcomes}


def rules(**said: Any) -> Inventory:
    node = NodeEntry(name="kitchen", tags=frozenset({"prod"}))
    return Inventory(rules=Rules(**said), nodes=MappingProxyType({"kitchen": node}))


async def test_a_confirmed_action_runs_and_every_phase_is_witnessed(world: World) -> None:
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red", why="tea", trace="t-1"))
        entries = witnessed(deck)
    assert ended(outcomes) == {"kitchen/red": "done"}
    assert world.done == ["boil kitchen/red to 100"]
    assert [entry.phase for entry in entries] == [Phase.INTENT, Phase.STEP, Phase.OUTCOME]
    assert {entry.trace for entry in entries} == {"t-1"}
    assert {entry.verb for entry in entries} == {"kettle boil"}
    assert {entry.target for entry in entries} == {"kettle:kitchen/red"}
    assert entries[0].plan == ("boil kitchen/red to 100",)
    assert entries[0].why == "tea"
    assert entries[1].handle == "heater:kitchen/red"
    assert (entries[2].outcome, entries[2].exit_code) == ("done", 0)


async def test_the_question_holds_plan_risk_and_what_to_type() -> None:
    front = Asked()
    async with opened(front=front) as deck:
        await deck.perform(order(deck, "scrap", "office/red", why="old"))
        await deck.perform(order(deck, "scrap", "kitchen/red", "kitchen/blue", why="old"))
    one, two = front.questions
    assert one.type_name == "red"
    assert one.plan.loses == ("office/red and its water",)
    assert two.type_name == "scrap 2"


async def test_a_no_runs_nothing_and_is_witnessed(world: World) -> None:
    async with opened(front=Asked(Answer(False))) as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
        entries = witnessed(deck)
    assert ended(outcomes) == {"kitchen/red": "declined"}
    assert world.done == []
    assert [(entry.phase, entry.outcome) for entry in entries] == [(Phase.REFUSAL, "declined")]


async def test_without_a_front_everything_that_asks_is_declined(world: World) -> None:
    async with opened() as deck:
        deck.front = NoFront()
        assert ended(await deck.perform(order(deck, "boil", "kitchen/red"))) == {"kitchen/red": "declined"}
        assert ended(await deck.perform(order(deck, "pour", "kitchen/red", arguments={"cups": 1}))) == {
            "kitchen/red": "done"
        }
    assert world.done == ["pour 1 from kitchen/red"]


@pytest.mark.parametrize(
    ("said", "read_only"), [({}, True), ({"read_only": ("@prod",)}, False), ({"read_only": ("kitchen",)}, False)]
)
async def test_read_only_refuses_before_anything_is_planned(
    world: World, said: dict[str, Any], read_only: bool
) -> None:
    front = Asked()
    async with opened(front=front, inventory=rules(**said), read_only=read_only) as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
        entries = witnessed(deck)
    assert ended(outcomes) == {"kitchen/red": "refused"}
    assert outcomes[0].exit_code == 4
    assert front.questions == []
    assert world.done == []
    assert [entry.phase for entry in entries] == [Phase.REFUSAL]


async def test_a_rule_can_widen_what_asks_for_the_name_and_for_a_reason(world: World) -> None:
    front = Asked()
    async with opened(front=front, inventory=rules(type_name=("@prod",), require_why="disrupts")) as deck:
        refused = await deck.perform(order(deck, "boil", "kitchen/red"))
        assert front.questions[0].type_name == "red"
        assert front.questions[0].needs_why
        front.answer = Answer(True, "guests")
        done = await deck.perform(order(deck, "boil", "kitchen/red"))
        assert front.questions[1].type_name == "red"
        reasons = [entry.why for entry in witnessed(deck) if entry.phase is Phase.INTENT]
    assert "a reason is required" in refused[0].message
    assert ended(done) == {"kitchen/red": "done"}
    assert reasons == ["guests"]


async def test_a_precondition_that_does_not_hold_refuses(world: World) -> None:
    front = Asked()
    async with opened(front=front) as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red", arguments={"celsius": 101}))
    assert ended(outcomes) == {"kitchen/red": "refused"}
    assert "water boils at 100: 101 were asked for" in outcomes[0].message
    assert front.questions == []


async def test_falsify_tells_plan_and_checks_and_changes_nothing(world: World) -> None:
    front = Asked()
    async with opened(front=front) as deck:
        good = await deck.perform(order(deck, "boil", "kitchen/red", mode="falsify"))
        bad = await deck.perform(order(deck, "boil", "kitchen/red", mode="falsify", arguments={"celsius": 101}))
        phases = {entry.phase for entry in witnessed(deck)}
    assert ended(good) == {"kitchen/red": "done"}
    assert good[0].data["plan"] == ["boil kitchen/red to 100"]
    checks = {check["check"]: check for check in bad[0].data["checks"]}
    assert checks["water boils at 100"] == {
        "check": "water boils at 100",
        "held": False,
        "evidence": "101 were asked for",
    }
    assert checks["budget"]["held"]
    assert ended(bad) == {"kitchen/red": "refused"}
    assert (front.questions, world.done, phases) == ([], [], {Phase.REFUSAL})


async def test_an_answer_can_turn_into_a_falsification(world: World) -> None:
    async with opened(front=Asked(Answer(False, falsify=True))) as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
    assert outcomes[0].data["mode"] == "falsify"
    assert world.done == []


async def test_the_world_may_move_while_the_question_is_up(world: World) -> None:
    def spend() -> None:
        PURSE.left = 0.5

    async with opened(front=Asked(meanwhile=spend)) as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
    assert ended(outcomes) == {"kitchen/red": "refused"}
    assert outcomes[0].message == "no longer allowed: it costs 1, and 0.5 are left"
    assert world.done == []


async def test_a_budget_of_another_backend_refuses_by_the_estimate_of_all_targets(world: World) -> None:
    PURSE.left = 2.5
    async with opened() as deck:
        two = await deck.perform(order(deck, "boil", "kitchen/red", "kitchen/blue"))
        three = await deck.perform(order(deck, "boil", "kitchen/red", "kitchen/blue", "office/red"))
    assert set(ended(two).values()) == {"done"}
    assert set(ended(three).values()) == {"refused"}
    assert three[0].message == "it costs 3, and 2.5 are left"
    assert PURSE.settled == [(True, 2.0)]
    assert PURSE.held == 0


async def test_a_budget_may_ask_where_the_verb_alone_would_not() -> None:
    front = Asked(Answer(False))
    PURSE.left = 1.5
    async with opened(front=front) as deck:
        await deck.perform(order(deck, "boil", "kitchen/red"))
    assert "it takes 1 of 1.5" in front.questions[0].reason


async def test_money_that_is_gone_at_the_last_moment_refuses(world: World) -> None:
    PURSE.drained = True
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
    assert ended(outcomes) == {"kitchen/red": "refused"}
    assert "gone meanwhile" in outcomes[0].message
    assert world.done == []


@pytest.mark.parametrize("error", [Unreachable("the bank is closed"), ValueError("a defect")])
async def test_a_rule_that_cannot_look_refuses(world: World, error: Exception) -> None:
    PURSE.gather_fails = error
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
    assert ended(outcomes) == {"kitchen/red": "refused"}
    assert "'budget' cannot judge this" in outcomes[0].message
    assert world.done == []


async def test_a_failed_job_settles_its_reservation_as_failed(world: World) -> None:
    world.broken.add("kitchen/red")
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red", "kitchen/blue"))
        entries = [entry for entry in witnessed(deck) if entry.phase is Phase.OUTCOME]
    assert [outcome.outcome for outcome in outcomes] == [Ended.FAILED, Ended.DONE]
    assert outcomes[0].message == "kitchen/red: its plug is out"
    assert PURSE.settled == [(False, 2.0)]
    assert {entry.target: entry.outcome for entry in entries} == {
        "kettle:kitchen/red": "failed",
        "kettle:kitchen/blue": "done",
    }


async def test_what_cannot_be_witnessed_is_not_done(world: World) -> None:
    async with opened() as deck:
        folder = deck.witness.folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("a file stands where the chain should be")
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red"))
    assert ended(outcomes) == {"kitchen/red": "refused"}
    assert "cannot be witnessed" in outcomes[0].message
    assert world.done == []
    assert (PURSE.released, PURSE.held) == (1, 0)


async def test_a_target_that_went_away_fails_and_stops_no_other(world: World) -> None:
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "pour", "kitchen/gone", "kitchen/red", arguments={"cups": 2}))
    assert ended(outcomes) == {"kitchen/gone": "failed", "kitchen/red": "done"}
    assert outcomes[0].id == "kitchen/gone"


async def test_a_verb_the_backend_does_not_define_is_not_offered_and_refused() -> None:
    async with opened() as deck:
        mug = deck.feed.fleet.find(order(deck, "rinse", "kitchen/blue-mug", noun="mug").targets[0])
        assert mug is not None
        assert [verb.id for verb in deck.offered(mug)] == ["mug.rinse", "mug.clink", "mug.details"]
        assert "kettle.create" in [verb.id for verb in deck.offered_by_kind("kettle")]
        assert [verb.id for verb in deck.offered_by_kind("mug")] == ["mug.buy", "mug.sweep"]
        outcomes = await deck.perform(order(deck, "fill", "kitchen/blue-mug", noun="mug"))
        assert [(one.outcome, one.exit_code) for one in outcomes] == [(Ended.REFUSED, 4)]
        assert "'mug fill' is not offered for this one" in outcomes[0].message


async def test_a_verb_of_the_kind_needs_no_target(world: World) -> None:
    async with opened() as deck:
        arguments = {"name": "green", "litres": 1.7, "lid": True, "label": ("a", "b")}
        outcomes = await deck.perform(order(deck, "create", arguments=arguments))
        entries = witnessed(deck)
    assert ended(outcomes) == {"": "done"}
    assert outcomes[0].message == "green stands in the kitchen"
    assert world.done == ["create green 1.7 red True a,b"]
    assert {entry.target for entry in entries} == {""}


async def test_no_wait_is_refused_where_nobody_carries_the_work_on(world: World) -> None:
    async with opened() as deck:
        refused = await deck.perform(order(deck, "boil", "kitchen/red", wait=False))
        carried = await deck.perform(order(deck, "descale", "kitchen/red", wait=False))
        handles = [entry.handle for entry in witnessed(deck) if entry.phase is Phase.STEP]
    assert ended(refused) == {"kitchen/red": "refused"}
    assert "--no-wait" in refused[0].message
    assert [outcome.message for outcome in carried] == ["started"]
    assert handles == ["cleaning:kitchen/red"]


async def test_what_is_not_done_in_time_is_cancelled_and_says_so(world: World) -> None:
    world.hold = asyncio.Event()
    async with opened() as deck:
        outcomes = await deck.perform(order(deck, "boil", "kitchen/red", wait_timeout=0.05))
        entries = [entry for entry in witnessed(deck) if entry.phase is Phase.OUTCOME]
    assert ended(outcomes) == {"kitchen/red": "cancelled"}
    assert "not done within 0.05 s" in outcomes[0].message
    assert world.running == set()
    assert [entry.outcome for entry in entries] == ["cancelled"]
    assert PURSE.settled == [(False, 1.0)]


async def test_an_interrupted_wait_ends_the_job_and_witnesses_it_even_when_interrupted_twice(world: World) -> None:
    world.hold = asyncio.Event()
    jobs: list[Job] = []
    async with opened() as deck:
        performing = asyncio.create_task(deck.perform(order(deck, "boil", "kitchen/red"), started=jobs.append))
        await eventually(lambda: world.running)
        performing.cancel()
        await asyncio.sleep(0)
        performing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await performing
        await eventually(lambda: PURSE.settled)
        outcomes = [entry.outcome for entry in witnessed(deck) if entry.phase is Phase.OUTCOME]
    assert outcomes == ["cancelled"]
    assert jobs[0].state == "cancelled"
    assert world.running == set()


async def test_closing_the_deck_cancels_what_runs(world: World) -> None:
    world.hold = asyncio.Event()
    async with opened() as deck:
        performing = asyncio.create_task(deck.perform(order(deck, "boil", "kitchen/red")))
        await eventually(lambda: world.running)
        assert len(deck.running_jobs) == 1
    assert ended(await performing) == {"kitchen/red": "cancelled"}


async def test_the_source_is_asked_to_look_again_after_an_action(world: World) -> None:
    world.interval = 600.0
    async with opened() as deck:
        before = world.looks
        await deck.perform(order(deck, "pour", "kitchen/red", arguments={"cups": 1}))
        await eventually(lambda: world.looks > before)


async def test_tags_of_the_node_reach_what_stands_on_it_even_where_no_node_is_watched() -> None:
    async with opened(inventory=rules()) as deck:
        kettle = deck.feed.fleet.find(order(deck, "boil", "kitchen/red").targets[0])
        assert kettle is not None
        assert "prod" in deck.tags(kettle)


async def test_a_view_of_several_is_one_call_and_only_of_one_backend(world: World) -> None:
    world.mugs = {"a": "kitchen/red", "b": "office/red"}
    async with opened() as deck:
        clink, inside = deck.catalog.find("mug", "clink"), deck.catalog.find("kettle", "inside")
        assert clink is not None
        assert inside is not None
        mugs = list(deck.feed.fleet.noun("mug"))
        assert deck.groups(mugs) == [tuple(mugs)]
        seen = await deck.look(clink, mugs, {})
        assert isinstance(seen, Stream)
        assert world.done == ["clink ['kitchen/a', 'office/b']"]
        assert isinstance(await deck.look(clink, mugs[0], {}), Stream)
        with pytest.raises(Missing):
            await deck.look(clink, [], {})
        with pytest.raises(Missing):
            await deck.look(inside, None, {})


async def test_what_two_backends_tell_of_is_two_groups(world: World) -> None:
    world.pushes = asyncio.Queue()
    tent = Kettle(id="bus/tent", name="tent", source="bus", state="up")
    world.pushes.put_nowait(Reading(backend="camp", source="bus", items=(tent,), taken_at=0.0))
    async with opened() as deck:
        rows = sorted(deck.feed.fleet.noun("kettle"), key=lambda row: row.id)
        assert [[row.id for row in group] for group in deck.groups(rows)] == [
            ["bus/tent"],
            ["kitchen/blue", "kitchen/red", "office/red"],
        ]


async def test_what_is_done_at_a_node_asks_its_source_to_look_again(world: World) -> None:
    inventory = Inventory(nodes={"office": NodeEntry(name="office", local=True)})
    world.interval = 60.0
    async with opened(inventory=inventory) as deck:
        looks = world.looks
        await deck.perform(order(deck, "sweep", noun="mug", arguments={"node": "office"}))
        await eventually(lambda: world.looks == looks + 1)
        assert world.done == ["swept office"]


async def test_a_rule_of_the_node_can_want_a_name_typed_for_what_is_done_there() -> None:
    inventory = Inventory(
        nodes={"office": NodeEntry(name="office", local=True, tags=frozenset({"prod"}))},
        rules=Rules(type_name=("@prod",)),
    )
    front = Asked()
    async with opened(inventory=inventory, front=front) as deck:
        await deck.perform(order(deck, "sweep", noun="mug", arguments={"node": "office"}))
        assert front.questions[0].type_name == "sweep"
        await deck.perform(order(deck, "sweep", noun="mug", arguments={"node": "kitchen"}))
        assert front.questions[1].type_name is None
