"""Stacks as rows: what labels say, what is declared, and how the two become one."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.compose.configured import Configured, Wanted, old_project, plain_project
from backends.compose.declared import Declared
from backends.compose.health import STEADY_S, Standing
from backends.compose.paths import NodePath
from backends.compose.program import parse
from backends.compose.rows import Known, Resolved, rows, state_of
from backends.docker.summary import ContainerSummary, Seen
from backends.kinds.stack import Service
from tests.compose.berth import OpenBerth
from tests.servers.compose import Version
from tests.waiting import eventually

_numbers = itertools.count(1)


def container(project: str, service: str, state: str = "running", **more: Any) -> ContainerSummary:
    number = next(_numbers)
    labels: Mapping[str, str] = {
        "com.docker.compose.project": project,
        "com.docker.compose.service": service,
        "com.docker.compose.oneoff": "False",
        **more.pop("labels", {}),
    }
    return ContainerSummary(
        id=f"c{number}",
        name=f"{project}-{service}-{number}",
        image="bb:1",
        image_id="sha256:1",
        command="",
        created_at=float(number),
        state=state,
        status="",
        labels=labels,
        **more,
    )


def seen(*containers: ContainerSummary) -> Seen:
    return Seen(taken_at=1.0, containers=containers)


def test_containers_of_run_and_those_of_nobody_are_no_stack() -> None:
    one = container("shop", "api", labels={"com.docker.compose.oneoff": "True"})
    plain = ContainerSummary(
        id="x", name="x", image="x", image_id="x", command="", created_at=1, state="running", status=""
    )
    assert rows(Known(node="pi", seen=seen(one, plain))) == ()


def test_a_declared_stack_and_its_running_project_are_one_row() -> None:
    known = Known(
        node="pi",
        declared=(Declared(name="mine", dir=NodePath.parse("~/Shop.Eu")),),
        seen=seen(container("shopeu", "api")),
    )
    (row,) = rows(known)
    assert (row.id, row.project, row.state, row.declared) == ("pi/mine", "shopeu", "up", True)


def test_a_project_found_under_the_name_of_another_stack_keeps_a_name_of_its_own() -> None:
    known = Known(
        node="pi",
        declared=(Declared(name="shop", dir=NodePath.parse("/srv/x"), project="other"),),
        seen=seen(container("shop", "api")),
    )
    assert [(row.id, row.project, row.declared) for row in rows(known)] == [
        ("pi/shop", "other", True),
        ("pi/shop.found", "shop", False),
    ]


def test_a_project_that_runs_from_another_folder_says_so() -> None:
    labels = {"com.docker.compose.project.working_dir": "/old/shop"}
    resolved = Resolved(folder="/new/shop", configured=Configured(project="shop", services=(Wanted(name="api"),)))
    known = Known(
        node="pi",
        declared=(Declared(name="shop", dir=NodePath.parse("/new/shop")),),
        resolved={"shop": resolved},
        seen=seen(container("shop", "api", labels=labels)),
    )
    (row,) = rows(known)
    assert row.note == "runs from /old/shop"


def service(state: str, running: int = 1, code: int | None = None, name: str = "a") -> Service:
    return Service(name=name, state=state, running=running, total=1, exit_code=code)


@pytest.mark.parametrize(
    ("services", "once", "state"),
    [
        ([], (), "down"),
        ([service("up")], (), "up"),
        ([service("healthy"), service("up", name="b")], (), "up"),
        ([service("starting")], (), "starting"),
        ([service("unhealthy"), service("exited", 0, 1, "b")], (), "unhealthy"),
        ([service("restarting", 0)], (), "unhealthy"),
        ([service("up"), service("exited", 0, 1, "b")], (), "partial"),
        ([service("up"), service("exited", 0, 0, "b")], (), "partial"),
        ([service("up"), service("exited", 0, 0, "b")], ("b",), "up"),
        ([service("up"), service("exited", 0, 1, "b")], ("b",), "partial"),
        ([service("up"), service("absent", 0, None, "b")], (), "partial"),
        ([service("created", 0)], (), "down"),
        ([service("exited", 0, 0)], (), "down"),
        ([service("paused")], (), "partial"),
    ],
)
def test_the_state_of_a_stack(services: list[Service], once: tuple[str, ...], state: str) -> None:
    assert state_of(services, once) == state


@pytest.mark.parametrize(
    ("folder", "name"),
    [("~/carbonac", "carbonac"), ("/srv/My Shop.v2/", "myshopv2"), ("/x/_a", "a"), ("/", ""), ("$X/a_b-c", "a_b-c")],
)
def test_the_project_is_named_by_the_folder(folder: str, name: str) -> None:
    assert plain_project(folder) == name


def test_the_older_one_names_it_by_a_variable_or_the_folder() -> None:
    assert old_project("/srv/_My Shop", "") == "_myshop"
    assert old_project("/srv/shop", "Other.One") == "otherone"
    assert old_project("/", "") == "default"


def test_health_is_waited_for_by_service() -> None:
    it = Standing({"api": 2, "job": 1, "plain": 1}, once=("job",))
    starting = container("s", "api", health="starting")
    one = container("s", "api", health="healthy")
    job = container("s", "job", "exited", exit_code=0)
    plain = container("s", "plain")
    assert it.judge([one], {}, 0.0) == (["api", "job", "plain"], [])
    assert it.judge([one, starting, job, plain], {}, 1.0) == (["api", "plain"], [])
    two = container("s", "api", health="healthy")
    assert it.judge([one, two, job, plain], {}, 1.0 + STEADY_S) == ([], [])
    sick = container("s", "api", health="unhealthy")
    assert it.judge([one, sick, job, plain], {}, 9.0) == ([], ["api is unhealthy"])
    dead = container("s", "plain", "exited", exit_code=3)
    assert it.judge([one, two, job, dead], {}, 9.0)[1] == ["plain exited with 3"]
    loops = container("s", "plain", "restarting", exit_code=1)
    assert it.judge([one, two, job, loops], {}, 9.0) == (["plain"], [])
    assert it.judge([one, two, job, loops], {loops.id: 2}, 9.0)[1] == ["plain keeps restarting (exit code 1)"]


@pytest.mark.parametrize(
    ("said", "argv", "version"),
    [
        ("plugin 2.26.1-4\n", ("docker", "compose"), (2, 26, 1)),
        ("plugin v2.3.3\n", ("docker", "compose"), (2, 3, 3)),
        ("welcome!\nalone 1.29.2\n", ("docker-compose",), (1, 29, 2)),
        ("alone 2.30.0\n", ("docker-compose",), (2, 30, 0)),
    ],
)
def test_versions(said: str, argv: tuple[str, ...], version: tuple[int, ...]) -> None:
    found = parse(said, "pi")
    assert (found.argv, found.version) == (argv, version)


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ("none debian \n", "apt-get install docker-compose"),
        ("none raspbian debian\n", "apt-get install docker-compose"),
        ("none ubuntu debian\n", "docker-compose-v2"),
        ("none alpine \n", "apk add docker-cli-compose"),
        ("none fedora \n", "dnf install docker-compose"),
        ("none rocky rhel centos fedora\n", "docker-compose-plugin"),
        ("none linuxmint ubuntu debian\n", "docker-compose-v2"),
        ("none haiku \n", "the compose plugin"),
        ("", "the compose plugin"),
    ],
)
def test_where_there_is_none_it_says_how_to_get_one(said: str, how: str) -> None:
    from app.errors import Missing

    with pytest.raises(Missing, match="neither 'docker compose' nor") as caught:
        parse(said, "pi")
    assert how in caught.value.todo


real = [pytest.mark.real("dockerd"), pytest.mark.real("compose")]


def compose(it: Any, version: Version, *words: str, folder: str = "shop") -> None:
    """Compose as an operator runs it by hand."""
    program = ["docker", "compose"] if version == "v2" else ["docker-compose"]
    subprocess.run(
        [*program, *words],
        cwd=it.home / folder,
        env={**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin", "DOCKER_HOST": it.engine.url},
        check=True,
        capture_output=True,
    )


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_several_env_files_are_one_to_compose_and_the_later_wins(berth: OpenBerth, version: Version) -> None:
    stack = {"dir": "~/shop", "env_files": [".env", "env/pi"], "profiles": ["hp-worker"]}
    it = await berth(version, stacks={"shop": stack})
    it.write("shop/.env", "WHO=all\nTOKEN=from-first")  # no line end
    it.write("shop/env/pi", "WHO=pi\n")
    row = await it.ready()
    assert [service.name for service in row.services] == ["api", "redis", "worker"]
    said = (await it.look("config")).text
    assert "WHO: pi" in said
    done = await it.one("up")
    assert done.outcome == "done", done.message
    env = it.engine.client.inspect_container(next(iter(ids(it, "api"))))["Config"]["Env"]
    assert {"WHO=pi", "API_TOKEN=from-first"} <= set(env)
    assert not list(Path("/tmp").glob("tmp.*/from-first"))


def ids(it: Any, service: str) -> list[str]:
    label = {"label": [f"com.docker.compose.service={service}"]}
    return [one["Id"] for one in it.engine.client.containers(filters=label)]


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.real("sshd")
@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_variables_in_paths_are_those_of_the_login_there(berth: OpenBerth, version: Version) -> None:
    it = await berth(version, ssh=True, stacks={"shop": {"dir": "$CARBONAC_PI_PATH/shop", "project": "named"}})
    it.write(".profile", f"export CARBONAC_PI_PATH={it.home}\necho welcome\n")
    await it.ready()
    it.deck.feed.nudge_all()  # the first look may have been before the file was there
    row = await it.shown(fault=None)
    assert row.project == "named"
    await eventually(lambda: (row := it.row()) is not None and row.dir == str(it.home / "shop"), 10, str(it.row()))
    assert (await it.one("up")).outcome == "done"
    assert set(it.containers("named").values()) == {"running"}


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_a_found_stack_whose_folder_is_gone(berth: OpenBerth, version: Version) -> None:
    it = await berth(version, stacks={})
    await it.deck.feed.first(20)
    compose(it, version, "up", "-d")
    await it.shown(state="up")
    (it.home / "shop").rename(it.home / "moved")
    done = await it.one("recreate")
    assert done.outcome == "failed"
    assert "is gone, from which it was started" in done.message
    stopped = await it.one("stop")
    if version == "v2":
        assert stopped.outcome == "done", stopped.message
        assert set(it.containers().values()) == {"exited"}
        assert (await it.one("restart")).outcome == "done"
        assert (await it.one("down")).outcome == "done"
        assert it.containers() == {}
    else:
        assert stopped.outcome == "failed"
        assert "is gone" in stopped.message


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
async def test_what_happens_elsewhere_is_a_row_at_once(berth: OpenBerth) -> None:
    it = await berth()
    await it.ready()
    compose(it, "v2", "up", "-d")
    row = await it.shown(state="up")
    assert row.declared
    (one,) = ids(it, "api")
    it.engine.client.kill(one)
    row = await it.shown(state="partial")
    assert {s.name: (s.state, s.exit_code) for s in row.services}["api"] == ("exited", 137)
    compose(it, "v2", "down")
    row = await it.shown(state="down")
    assert {service.state for service in row.services} == {"absent"}
