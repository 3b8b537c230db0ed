"""What a plan of stacks shows, in which order it goes, and what it says of targets that cannot be worked on."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError
from app.plan import Step
from backends.compose.order import in_order
from backends.compose.paths import NodePath
from backends.compose.program import Program
from backends.compose.script import Where
from backends.kinds.stack import Stack
from tests.compose.berth import OpenBerth

V1 = Program(("docker-compose",), (1, 29, 2))
V2 = Program(("docker", "compose"), (2, 26, 1))


def stack(id: str, order: int) -> Stack:
    return Stack(id=id, name=id, source="pi", state="down", order=order)


async def nothing(report: object) -> None:
    pass


def test_lower_orders_come_first_and_equal_ones_go_side_by_side() -> None:
    parts = [
        (row, Step(row, row.id, nothing)) for row in (stack("hp", 2), stack("pi", 1), stack("b", 2), stack("c", 7))
    ]
    steps = {step.text: step for step in in_order(parts)}
    assert [step.text for step in in_order(parts)] == ["pi", "hp", "b", "c"]
    assert steps["pi"].behind == ()
    assert steps["hp"].behind == steps["b"].behind == ("order 1: pi",)
    assert steps["c"].behind == ("order 2: hp", "order 2: b")
    assert not any(step.after for step in steps.values()), "one that fails must not keep the others"


def test_what_is_stopped_goes_the_other_way() -> None:
    parts = [(row, Step(row, row.id, nothing)) for row in (stack("pi", 1), stack("hp", 2))]
    assert [(step.text, step.behind) for step in in_order(parts, reverse=True)] == [
        ("hp", ()),
        ("pi", ("order 2: hp",)),
    ]


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (
            V2,
            "cd ~/carbonac && docker compose --env-file .env --env-file .env.pi --profile pi up -d",
        ),
        (V1, "cd ~/carbonac && docker-compose --env-file '<.env + .env.pi>' --profile pi up -d"),
    ],
)
def test_the_text_is_the_command_as_one_would_type_it(program: Program, line: str) -> None:
    where = Where(
        node="pi",
        dir=NodePath.parse("~/carbonac"),
        profiles=("pi",),
        env_files=(NodePath.parse(".env"), NodePath.parse(".env.pi")),
    )
    assert where.shown(program, ("up", "-d")) == line


def test_the_engine_is_named_where_it_is_not_the_usual_one() -> None:
    where = Where(node="pi", dir=NodePath.parse("/srv/a b"), project="x", socket="unix:///run/user/1000/docker.sock")
    assert where.shown(V2, ("pull",), ("up", "-d")) == (
        "cd '/srv/a b' && DOCKER_HOST=unix:///run/user/1000/docker.sock docker compose -p x pull"
        " && DOCKER_HOST=unix:///run/user/1000/docker.sock docker compose -p x up -d"
    )


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("~", '"${HOME}"'),
        ("~/shop", '"${HOME}"/shop'),
        ("$CARBONAC/api", '"${CARBONAC}"/api'),
        ("/srv/${NAME}-x", '/srv/"${NAME}"-x'),
        ("/srv/a;rm -rf $(x)", None),
        ("/srv/a;reboot", "'/srv/a;reboot'"),
        ("/srv/`id`", "'/srv/`id`'"),
        ('/srv/"x"', "'/srv/\"x\"'"),
        ("-rf", "./-rf"),
        ("/a/~/b", "'/a/~/b'"),
        ("/a/$", "'/a/$'"),
        ("/a/$1", "'/a/$1'"),
        ("~bob/x", None),
        ("${X:-y}", None),
        ("${X", None),
        ("a\nb", None),
        ("", None),
    ],
)
def test_a_path_is_a_home_variables_and_nothing_else(written: str, word: str | None) -> None:
    if word is None:
        with pytest.raises(ConfigurationError):
            NodePath.parse(written)
    else:
        assert NodePath.parse(written).word == word


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
async def test_removing_volumes_destroys_and_names_them(berth: OpenBerth) -> None:
    it = await berth()
    await it.ready()
    await it.one("up")
    await it.shown(state="up")
    assert (await it.one("down", volumes=True)).outcome == "done"
    question = it.front.questions[-1]
    assert question.type_name
    assert list(question.plan.loses) == ["volume shop_data on pi, with its data"]
    assert not it.engine.client.volumes()["Volumes"]


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
async def test_what_would_fail_is_told_without_doing_it(berth: OpenBerth) -> None:
    it = await berth(shop="services:\n  a: [\n")
    await it.ready()
    done = await it.one("up", mode="falsify")
    assert done.outcome == "refused"
    assert "yaml: line 2" in done.message
    assert it.containers() == {}
