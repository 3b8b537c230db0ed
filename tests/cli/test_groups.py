"""Views of several at once, details of one, verbs at a node, and who is contacted for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import registry
from app.backend import Backend, Context
from app.errors import Clash
from app.fleet import Fleet
from app.inventory.model import Inventory
from app.registry import Part
from tests.cli.conftest import Quarterdeck
from tests.cli.test_process import loaded
from tests.cli.test_reference import completed
from tests.contract.test_backends import Unreached
from tests.frame.decks import ALL, BUDGET, CAMP, KETTLES, MUGS
from tests.frame.galley import World


@pytest.fixture
def mugs(world: World) -> World:
    """Three mugs in two galleys."""
    world.mugs = {"blue-mug": "kitchen/blue", "chipped": "kitchen/red", "tall": "office/red"}
    return world


def test_a_view_of_a_group_is_read_once_for_all_targets(quarterdeck: Quarterdeck, mugs: World) -> None:
    said = quarterdeck("mug clink *")
    assert said.code == 0
    assert mugs.done == ["clink ['kitchen/blue-mug', 'kitchen/chipped', 'office/tall']"]
    assert said.items == [
        {"target": one, "origin": one, "line": f"clink {one.partition('/')[2]}", "at": at, "error": error}
        for one, at, error in (
            ("kitchen/blue-mug", 1000.0, False),
            ("kitchen/chipped", 1001.0, True),
            ("office/tall", 1002.0, False),
        )
    ]
    table = quarterdeck("mug clink kitchen/* --output table")
    assert table.out == "kitchen/blue-mug │ clink blue-mug\nkitchen/chipped │ clink chipped\n"
    assert quarterdeck("mug clink tall --output table").out == "clink tall\n"


def test_show_asks_for_the_rest_of_each_and_a_fault_stands_in_its_place(quarterdeck: Quarterdeck, mugs: World) -> None:
    mugs.broken.add("kitchen/chipped")
    said = quarterdeck("mug show *")
    assert said.code == 0
    assert said.items[0]["details"] == [
        {"title": "Inside", "lines": {"of": "clay"}, "rows": [{"side": "left", "what": "\x1b[1mtea"}]}
    ]
    assert (said.items[1]["details"], said.items[1]["details_fault"]) == (None, "kitchen/chipped: the lid is locked")
    table = quarterdeck("mug show kitchen/* --output table --no-color")
    assert "Inside\n  of  clay\n  SIDE  WHAT\n  left  [1mtea\n" in table.out
    assert "The rest cannot be read: kitchen/chipped: the lid is locked" in table.out
    assert "\x1b" not in table.out
    assert "details" not in quarterdeck("kettle show kitchen/red").items[0]


def test_sections_can_be_read_as_a_view(quarterdeck: Quarterdeck, mugs: World) -> None:
    assert quarterdeck("mug details tall").items == [
        {
            "target": "office/tall",
            "title": "Inside",
            "lines": {"of": "clay"},
            "rows": [{"side": "left", "what": "\x1b[1mtea"}],
        }
    ]
    assert quarterdeck("mug details tall --output table").out == "Inside\n  of  clay\n  SIDE  WHAT\n  left  [1mtea\n"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("mug rinse kitchen/blue-mug", {"kitchen"}),
        ("mug rinse blue-mug", {"kitchen", "office"}),
        ("mug rinse blue-mug --on kitchen", {"kitchen"}),
        ("mug rinse */blue-mug", {"kitchen", "office"}),
        ("mug clink office/tall", {"office"}),
        ("mug show office/tall", {"office"}),
        ("mug buy new --to kitchen", set[str]()),
        ("mug sweep office --yes", set[str]()),
        ("kettle create new --litres 2", {"kitchen", "office"}),
    ],
)
def test_who_is_asked(quarterdeck: Quarterdeck, mugs: World, words: str, asked: set[str]) -> None:
    said = quarterdeck(words)
    assert said.code == 0, said.err
    assert mugs.watched == asked


@pytest.mark.parametrize("words", ["mug sweep kitchen --yes", "mug buy new --to kitchen"])
@pytest.mark.parametrize("rule", ["kitchen", "'@prod'"])
def test_the_rules_of_a_node_hold_for_what_is_done_there_by_kind(
    quarterdeck: Quarterdeck, mugs: World, hosts: Path, words: str, rule: str
) -> None:
    hosts.write_text(f"{hosts.read_text()}rules: {{read_only: [{rule}]}}\n")
    said = quarterdeck(words)
    assert (said.code, said.items[0]["outcome"]) == (4, "refused")
    assert "'kitchen' is read-only by the rule" in said.items[0]["message"]
    assert mugs.done == []
    assert quarterdeck(words.replace("kitchen", "office")).code == 0


def test_a_node_that_only_the_plan_names_has_its_rules_too(quarterdeck: Quarterdeck, mugs: World, hosts: Path) -> None:
    hosts.write_text(f"{hosts.read_text()}rules: {{read_only: [office]}}\n")
    said = quarterdeck("mug buy new")
    assert (said.code, mugs.done) == (4, [])


def test_nodes_are_completed_where_one_is_named(hosts: Path) -> None:
    assert completed("image", "pull", "redis:7", "--to", incomplete="kit") == ["kitchen"]
    assert completed("volume", "prune", incomplete="off") == ["office"]
    assert completed("volume", "prune", "office", incomplete="k") == []
    assert completed("image", "pull", incomplete="kit") == []


def test_acting_makes_only_the_backends_of_the_kind_and_those_with_rules(tmp_path: Path) -> None:
    context = Context(inventory=Inventory, links=Unreached(), fleet=Fleet, state=tmp_path, cache=tmp_path)

    def made(noun: str, parts: tuple[Part, ...] = (KETTLES, CAMP, BUDGET), *, rules: bool) -> list[str]:
        return [one.name for one in registry.backends(context, parts, (noun,), rules=rules)]

    assert made("kettle", rules=False) == ["galley", "camp"]
    assert made("kettle", rules=True) == ["galley", "camp", "treasury"]
    assert made("mug", (MUGS, CAMP, BUDGET), rules=True) == ["galley", "treasury"]
    with pytest.raises(Clash, match="'treasury' has rules, and none of its lines says so"):
        registry.backends(context, (KETTLES, BUDGET._replace(rules=False)))


def test_every_registered_backend_with_rules_says_so(tmp_path: Path) -> None:
    for part in (*registry.PARTS, *registry.DEMO):
        backend: type[Backend] = registry.load(part.backend)
        assert part.rules or backend.rules is Backend.rules, part.backend


def test_a_budget_of_another_kind_still_refuses(quarterdeck: Quarterdeck, mugs: World) -> None:
    from tests.frame.galley import PURSE

    PURSE.left = 0.1
    said = quarterdeck("kettle boil kitchen/red --yes", parts=ALL)
    assert (said.code, said.items[0]["outcome"]) == (4, "refused")
    assert "0.1 are left" in said.items[0]["message"]


def test_an_action_on_a_node_loads_no_backend_of_engines() -> None:
    modules = loaded("node", "exec", "here", "--yes", "--", "true")
    engines = {name for name in modules if name.startswith(("backends.docker.", "backends.compose.", "docker."))}
    assert {name for name in engines if not name.endswith(".hosts")} == set()
    assert "backends.kinds.container" not in modules
