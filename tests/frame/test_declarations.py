"""Plans, verbs and the catalog: what is declared once is read right, and what cannot be is refused at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from app.backend import Allow, Ask, Backend, Context, Intention, Refuse
from app.errors import Clash, ConfigurationError, Unsupported
from app.fleet import Fleet, Reading, Ref
from app.guard import judge, permit
from app.inventory.model import Rules
from app.plan import Cost, Plan, Report, Result, Risk, Step
from app.verb import Catalog, Help, Scope, Shape, offers, verb, verbs_of
from tests.frame.galley import Galley
from tests.frame.kettle import Kettle, KettleVerbs


async def nothing(report: Report) -> Result:
    return Result()


def step(
    text: str = "x",
    name: str = "",
    *,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
    target: str = "a",
) -> Step:
    return Step(Ref("kettle", target), text, nothing, name, after, behind)


def test_a_plan_that_could_never_end_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="circle"):
        Plan(step(name="a", after=("b",)), step(name="b", after=("a",)))
    with pytest.raises(ConfigurationError, match="does not have"):
        Plan(step(after=("missing",)))
    with pytest.raises(ConfigurationError, match="circle"):
        Plan(step(name="a", behind=("b",)), step(name="b", after=("a",)))
    with pytest.raises(ConfigurationError, match="circle"):
        Plan(step(name="a", behind=("a",)))
    with pytest.raises(ConfigurationError, match="does not have"):
        Plan(step(behind=("missing",)))
    with pytest.raises(ConfigurationError, match="one name"):
        Plan(step(name="a"), step(name="a"))


def test_the_digest_covers_what_is_done_to_what_and_in_which_order() -> None:
    base = Plan(step("x", "1"), step("y", "2", after=("1",)))
    assert base.digest == Plan(step("x", "1"), step("y", "2", after=("1",))).digest
    others = [
        Plan(step("z", "1"), step("y", "2", after=("1",))),
        Plan(step("x", "1", target="b"), step("y", "2", after=("1",))),
        Plan(step("x", "1"), step("y", "2")),
        Plan(step("x", "1"), step("y", "2", behind=("1",))),
        Plan(step("x", "1"), step("y", "2", after=("1",), behind=("1",))),
        Plan(step("x", "1"), step("y", "2", after=("1",)), loses=["water"]),
        Plan(step("x", "1"), step("y", "2", after=("1",)), risk=Risk.DESTROYS),
    ]
    assert base.digest not in {other.digest for other in others}
    assert len({other.digest for other in others}) == len(others)


def test_merged_plans_keep_their_orders_apart_and_add_up() -> None:
    one = Plan(step("x", "a"), step("y", after=("a",)), cost=Cost(money=1, seconds=5), notes=["n"])
    two = Plan(step("x", "a"), step("y", after=("a",)), cost=Cost(money=2, seconds=3), notes=["n"], risk=Risk.DESTROYS)
    merged = Plan.merged([one, two])
    assert [s.after for s in merged.steps] == [(), ("0/a",), (), ("1/a",)]
    behind = Plan(step("x", "a"), step("y", behind=("a",)))
    assert [s.behind for s in Plan.merged([behind, one, behind]).steps] == [(), ("0/a",), (), (), (), ("2/a",)]
    assert merged.cost == Cost(money=3, seconds=5)
    assert merged.risk is Risk.DESTROYS
    assert merged.notes == ("n",)
    assert Plan.merged([one, Plan(cost=Cost(money=None, seconds=1))]).cost == Cost(money=None, seconds=5)


def test_what_a_method_takes_says_what_the_verb_is() -> None:
    verbs = {v.name: v for v in verbs_of("kettle", KettleVerbs)}
    assert list(verbs)[:3] == ["boil", "create", "pour"]
    assert (verbs["boil"].scope, verbs["pour"].scope, verbs["create"].scope) == (Scope.EACH, Scope.GROUP, Scope.KIND)
    create = {param.name: param for param in verbs["create"].params}
    assert create["name"].shape is Shape.ARGUMENT
    assert (create["litres"].required, create["litres"].type) == (True, float)
    assert create["colour"].choices == ("red", "blue")
    assert (create["lid"].shape, create["lid"].default) == (Shape.FLAG, False)
    assert (create["pin"].secret, create["pin"].required) == (True, False)
    assert create["label"].many
    assert verbs["say"].params[0].shape is Shape.COMMAND
    assert verbs["boil"].help == "Heat the water."
    assert verbs["boil"].id == "kettle.boil"
    assert verbs["boil"].title == "kettle boil"


def contract(**methods: Any) -> type:
    return type("Contract", (), methods)


def declared(key: str | None = None, name: str | None = None) -> Any:
    @verb(risk=Risk.SAFE, key=key, name=name)
    async def method(self: object) -> Plan:
        """Do it."""
        raise Unsupported

    return method


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"a": declared(key="x"), "b": declared(key="x")}, "key 'x'"),
        ({"a": declared(key="q")}, "'quit' everywhere"),
        ({"a": declared(name="same"), "b": declared(name="same")}, "declared twice"),
        ({"a": declared(name="list")}, "declared twice"),
    ],
)
def test_clashes_are_refused_when_the_catalog_is_made(methods: dict[str, Any], words: str) -> None:
    with pytest.raises(Clash, match=words):
        Catalog({"thing": contract(**methods)})


def test_one_key_may_mean_different_things_in_two_kinds() -> None:
    catalog = Catalog({"one": contract(a=declared(key="x")), "two": contract(a=declared(key="x"))})
    assert [v.id for v in catalog] == ["one.a", "two.a"]


def test_a_parameter_no_option_can_hold_is_refused() -> None:
    class Bad:
        @verb(risk=Risk.SAFE)
        async def a(self, *, what: Annotated[dict[str, str], Help("x")]) -> Plan:
            """Do it."""
            raise Unsupported

    with pytest.raises(Clash, match="no option"):
        verbs_of("thing", Bad)[0].params  # noqa: B018


def test_a_method_of_that_name_is_not_an_offer_without_the_contract() -> None:
    class Closes:
        @verb(risk=Risk.SAFE)
        async def close(self, target: Kettle) -> Plan:
            """Put the lid on."""
            raise Unsupported

    context = Context(inventory=lambda: None, links=None, fleet=Fleet, state=Path())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    lid = verbs_of("kettle", Closes)[0]
    boil = verbs_of("kettle", KettleVerbs)[0]
    assert not offers(Backend(context), lid)
    assert offers(Galley(context), boil)
    assert not offers(KettleVerbs(), boil)


def kettle(**rest: Any) -> Kettle:
    return replace(Kettle(id="pi/red", name="red", source="pi", state="up", parent=Ref("node", "pi")), **rest)


@pytest.mark.parametrize("pattern", ["@prod", "red", "pi", "pi/red", "pi/*", "p*"])
def test_rules_reach_by_id_name_node_and_tag(pattern: str) -> None:
    boil = verbs_of("kettle", KettleVerbs)[0]
    targets = [(kettle(), frozenset({"prod"}))]
    assert isinstance(permit(boil, targets, Rules(read_only=(pattern,)), read_only=False), Refuse)
    assert isinstance(permit(boil, targets, Rules(read_only=("other",)), read_only=False), Allow)


def test_a_rule_for_the_node_above_reaches_what_another_source_tells_of() -> None:
    boil = verbs_of("kettle", KettleVerbs)[0]
    guest = kettle(source="lab", id="lab/101", name="101", parent=Ref("node", "pve1"))
    assert isinstance(permit(boil, [(guest, frozenset())], Rules(read_only=("pve1",)), read_only=False), Refuse)


def test_views_are_allowed_where_everything_else_is_refused() -> None:
    inside = next(v for v in verbs_of("kettle", KettleVerbs) if v.name == "inside")
    assert isinstance(permit(inside, [(kettle(), frozenset())], Rules(read_only=("*",)), read_only=True), Allow)


def test_a_plan_may_be_riskier_than_its_verb_and_a_vanished_target_refuses() -> None:
    pour = next(v for v in verbs_of("kettle", KettleVerbs) if v.name == "pour")
    row = kettle()
    fleet = Fleet().with_reading(Reading(backend="g", source="pi", items=(row,), taken_at=1.0))
    targets = [(row, frozenset[str]())]

    def verdict(plan: Plan, fleet: Fleet) -> Allow | Ask | Refuse:
        return judge(Intention(pour, ("pi/red",), plan), targets, fleet, Rules(), read_only=False).verdict

    assert isinstance(verdict(Plan(step()), fleet), Allow)
    risky = verdict(Plan(step(), risk=Risk.DESTROYS), fleet)
    assert isinstance(risky, Ask)
    assert risky.type_name
    assert isinstance(verdict(Plan(step()), Fleet()), Refuse)
