"""Rows from what the registry says and what labels tell: either alone is enough."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from backends.docker.summary import ContainerSummary, Seen, VolumeSummary
from backends.kinds.container import Port
from backends.kinds.project import Part, mood, worry
from backends.projects import names
from backends.projects.definition import Definition, Service
from backends.projects.registry import Registered
from backends.projects.rows import part_state, project_state, projects
from backends.projects.watching import read

BOTH = Definition(services={"db": Service(image="db:1", ports=(5432,)), "web": Service(image="web:1", ports=(80,))})
KNOWN = Registered(node="pi", name="shop", path="/src/shop", definition=BOTH.as_json(), first_port=20010)


def container(service: str, state: str = "running", health: str | None = None, **labels: str) -> ContainerSummary:
    said = {names.PROJECT: "shop", names.SERVICE: service, names.PATH: "/src/shop", names.FIRST_PORT: "20010", **labels}
    return ContainerSummary(
        id=service * 9,
        name=f"qd-shop-{service}",
        image=f"{service}:1",
        image_id="",
        command="",
        created_at=0.0,
        state=state,
        status="",
        health=health,
        ports=(Port(private=80, public=20011),),
        labels=said,
    )


def parts(**states: str) -> list[Part]:
    return [Part(name=name, image="", state=state) for name, state in states.items()]


@pytest.mark.parametrize(
    ("states", "launching", "cut", "state"),
    [
        ({"db": "healthy", "web": "up"}, False, False, "running"),
        ({"db": "healthy", "web": "up"}, True, False, "running"),
        ({"db": "healthy", "web": "healthy"}, False, True, "running"),
        ({"db": "healthy", "web": "absent"}, True, False, "starting"),
        ({"db": "healthy", "web": "absent"}, False, True, "unfinished"),
        ({"db": "healthy", "web": "absent"}, False, False, "partial"),
        ({"db": "absent", "web": "absent"}, False, True, "unfinished"),
        ({"db": "absent", "web": "absent"}, False, False, "stopped"),
        ({"db": "exited", "web": "exited"}, False, False, "stopped"),
        ({"db": "created", "web": "absent"}, False, False, "unfinished"),
        ({"db": "healthy", "web": "starting"}, False, False, "starting"),
        ({"db": "healthy", "web": "unhealthy"}, False, False, "unhealthy"),
        ({"db": "healthy", "web": "restarting"}, False, False, "unhealthy"),
        ({"db": "healthy", "web": "exited"}, False, False, "partial"),
        ({"db": "healthy", "web": "paused"}, False, False, "partial"),
        ({}, False, False, "stopped"),
    ],
)
def test_a_projects_state_follows_from_its_services(
    states: dict[str, str], launching: bool, cut: bool, state: str
) -> None:
    assert project_state(parts(**states), launching=launching, cut=cut) == state


def test_what_is_not_required_does_not_count() -> None:
    said = [Part(name="db", image="", state="healthy"), Part(name="web", image="", state="exited", required=False)]
    assert project_state(said, launching=False, cut=False) == "running"


@pytest.mark.parametrize(
    ("state", "health", "word"),
    [
        ("running", None, "up"),
        ("running", "healthy", "healthy"),
        ("exited", None, "exited"),
        ("dead", None, "exited"),
        ("created", None, "created"),
        ("restarting", None, "restarting"),
    ],
)
def test_a_services_state_is_its_containers(state: str, health: str | None, word: str) -> None:
    assert part_state(container("db", state, health)) == word
    assert part_state(None) == "absent"


def test_a_registered_project_is_there_before_anything_was_seen() -> None:
    (row,) = projects("pi", [KNOWN], None, read)
    assert (row.id, row.state, row.registered, row.first_port) == ("pi/shop", "unknown", True, 20010)
    assert [(part.name, part.state, part.port) for part in row.parts] == [
        ("db", "absent", 20010),
        ("web", "absent", 20011),
    ]


def test_what_runs_is_found_by_its_labels_alone() -> None:
    seen = Seen(taken_at=0.0, containers=(container("web"), container("db")))
    (row,) = projects("pi", [], seen, read)
    assert (row.id, row.path, row.first_port, row.registered) == ("pi/shop", "/src/shop", 20010, False)
    assert [part.name for part in row.parts] == ["db", "web"]
    assert row.state == "running"


def test_a_volume_that_is_left_tells_the_whole_definition() -> None:
    labels = {**container("db").labels, names.DEFINITION: BOTH.as_json(), names.DEFINED_BY: "/x.yaml"}
    volume = VolumeSummary(name="qd-shop-db-data", driver="local", mountpoint="", labels=labels)
    (row,) = projects("pi", [], Seen(taken_at=0.0, volumes=(volume,)), read)
    assert (row.state, row.definition) == ("stopped", "/x.yaml")
    assert [(part.name, part.port) for part in row.parts] == [("db", 20010), ("web", 20011)]


def test_a_launch_that_was_cut_short_is_said_to_be_so() -> None:
    cut = replace(KNOWN, launch_pid=0)
    (row,) = projects("pi", [cut], Seen(taken_at=0.0, containers=(container("db"),)), read)
    assert row.state == "unfinished"
    assert "start finishes it" in (row.note or "")
    found = worry(row)
    assert found is not None
    assert found.text == "web absent"
    assert mood(row).value == "attention"
    at_it = replace(KNOWN, launch_pid=os.getpid())
    (row,) = projects("pi", [at_it], Seen(taken_at=0.0), read)
    assert row.state == "starting"


def test_labels_that_are_no_names_of_ours_are_passed_over() -> None:
    hostile = container("db", **{names.PROJECT: "../../etc"})
    assert projects("pi", [], Seen(taken_at=0.0, containers=(hostile,)), read) == ()
    odd = container("db", **{names.FIRST_PORT: "9999999", names.DEFINITION: "{"})
    (row,) = projects("pi", [], Seen(taken_at=0.0, containers=(odd,)), read)
    assert row.first_port is None
