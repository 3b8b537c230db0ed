"""What goes wrong around projects: lost registries, killed consoles, two operators, busy ports, nodes that are gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.paths import Paths
from backends.kinds.project import Project
from tests.projects.yard import CONSOLE, TWO, folder_of, nodes, write, yard
from tests.servers.dockerd import Dockerd, StartDockerd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")

WAITS = TWO.replace(
    "test: [wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/']", "start_period: 600, test: '[ -f /project/go ]'"
)
"""``web`` is healthy once the project's folder holds a file ``go``."""


@pytest.fixture
def commands() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts command lines as processes of their own; those that still run are killed afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(hosts: Path, *words: str, home: Path | None = None) -> subprocess.Popen[str]:
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        if home is not None:
            home.mkdir(exist_ok=True)
            env |= {"HOME": str(home), "QUARTERDECK_HOME": str(home / "quarterdeck")}
        argv = [sys.executable, *CONSOLE, "--hosts", str(hosts), "--yes", "--why", "test", *words]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        started.append(process)
        return process

    yield start
    for one in started:
        one.kill()
        one.communicate(timeout=10)


def hosts_file(tmp_path: Path, engine: Dockerd) -> Path:
    path = tmp_path / "hosts.yaml"
    path.write_text(f"nodes:\n  here: {{local: true, docker: 'unix://{engine.socket}'}}\n")
    return path


def outcome(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, wrong = process.communicate(timeout=90)
    (item,) = json.loads(said)["items"] or [{"message": wrong}]
    return item


def state_of(engine: Dockerd, container: str) -> str:
    found = [one for one in engine.client.containers(all=True) if f"/{container}" in one["Names"]]
    return str(found[0]["State"]) if found else "absent"


def until(condition: Callable[[], object], within: float = 40.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


async def test_a_lost_registry_is_made_up_for_by_labels(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        await it.added(tmp_path)
        assert (await it.do("start")).outcome == "done"
        before = await it.until("running")
    for path in Paths.find().state.glob("projects.sqlite*"):
        path.unlink()
    async with yard(nodes(engine)) as it:
        row = await it.until("running")
        assert not row.registered
        assert (row.path, row.first_port, row.definition) == (before.path, before.first_port, before.definition)
        assert row.parts == before.parts
        assert (await it.do("restart", service=("web",))).outcome == "done"
        assert (await it.do("stop")).outcome == "done"
        row = await it.until("stopped")
        assert [part.name for part in row.parts] == ["db", "web"], "a volume is left, and tells the definition"

        elsewhere = await it.add(tmp_path)
        assert (elsewhere.outcome, elsewhere.exit_code) == ("refused", 4)
        assert "the engine holds something of a project 'shop' in" in elsewhere.message
        adopted = await it.add(before.path)
        assert "shop is taken over" in adopted.message
        await eventually(lambda: (found := it.row()) and found.registered)
        row = it.row()
        assert row is not None
        assert (row.first_port, row.definition) == (before.first_port, before.definition)
        assert (await it.do("start")).outcome == "done"
        other = await it.add(tmp_path, write(tmp_path), name="other")
        assert other.data["first_port"] == (before.first_port or 0) + 10


async def test_an_unregistered_projects_ports_are_given_to_nobody(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        file = await it.added(tmp_path)
        await it.do("start", service=("db",))
        await it.do("stop")
        first = (await it.until("stopped")).first_port
    for path in Paths.find().state.glob("projects.sqlite*"):
        path.unlink()
    async with yard(nodes(engine)) as it:
        other = await it.add(tmp_path, file, name="other")
        assert other.data["first_port"] == (first or 0) + 10


async def test_a_console_killed_in_the_middle_leaves_what_the_next_one_finishes(
    engine: Dockerd, tmp_path: Path, commands: Callable[..., subprocess.Popen[str]]
) -> None:
    hosts, folder = hosts_file(tmp_path, engine), folder_of(tmp_path)
    added = commands(hosts, "project", "add", "shop", str(folder), "--definition", str(write(tmp_path, WAITS)))
    assert outcome(added)["outcome"] == "done"
    launching = commands(hosts, "project", "start", "shop")
    until(lambda: state_of(engine, "qd-shop-web") == "running")
    async with yard(nodes(engine)) as it:
        await it.until("starting")
        launching.send_signal(signal.SIGKILL)
        launching.wait(timeout=10)
        row = await it.until("starting")  # nothing tells its web from one that merely takes its time
        engine.client.remove_container("qd-shop-web", force=True)
        row = await it.until("unfinished")
        assert "start finishes it" in (row.note or "")
        (folder / "go").touch()
        finished = await it.do("start")
        assert finished.outcome == "done", finished
        await it.until("running")


async def test_what_a_killed_console_left_can_be_cleaned_up(
    engine: Dockerd, tmp_path: Path, commands: Callable[..., subprocess.Popen[str]]
) -> None:
    hosts, folder = hosts_file(tmp_path, engine), folder_of(tmp_path)
    never = TWO.replace("http://127.0.0.1:5432/began", "http://127.0.0.1:5432/never").replace(
        "interval: 1", "interval: 99"
    )
    outcome(commands(hosts, "project", "add", "shop", str(folder), "--definition", str(write(tmp_path, never))))
    launching = commands(hosts, "project", "start", "shop")
    until(lambda: state_of(engine, "qd-shop-db") == "running")
    launching.send_signal(signal.SIGKILL)
    launching.wait(timeout=10)
    async with yard(nodes(engine)) as it:
        await it.until("unfinished")
        removed = await it.do("remove", volumes=True)
        assert removed.outcome == "done", removed
        await eventually(lambda: it.row() is None)
        assert engine.client.containers(all=True) == []
        assert not engine.client.volumes()["Volumes"]
        assert engine.client.networks(names=["qd-shop"]) == []


async def test_of_two_operators_of_one_login_the_second_is_told_who_is_at_it(
    engine: Dockerd, tmp_path: Path, commands: Callable[..., subprocess.Popen[str]]
) -> None:
    hosts, folder = hosts_file(tmp_path, engine), folder_of(tmp_path)
    outcome(commands(hosts, "project", "add", "shop", str(folder), "--definition", str(write(tmp_path, WAITS))))
    first = commands(hosts, "project", "start", "shop")
    until(lambda: state_of(engine, "qd-shop-web") == "running")
    for verb in ("start", "stop", "remove"):
        second = outcome(commands(hosts, "project", verb, "shop"))
        assert (second["outcome"], second["exit_code"]) == ("refused", 4)
        assert "'shop' is being started or stopped by" in second["message"]
        assert f"(pid {first.pid})" in second["message"]
    assert state_of(engine, "qd-shop-web") == "running", "nobody took anything away"
    (folder / "go").touch()
    assert outcome(first)["outcome"] == "done"


async def test_two_operators_of_two_logins_start_one_project_and_both_get_it(
    engine: Dockerd, tmp_path: Path, commands: Callable[..., subprocess.Popen[str]]
) -> None:
    hosts, folder = hosts_file(tmp_path, engine), folder_of(tmp_path)
    plain = TWO.replace("    secrets: [db_password]\n", "").replace("${secret:db_password}", "nobody")
    file = write(tmp_path, plain)
    for name in ("ann", "bob"):
        added = commands(hosts, "project", "add", "shop", str(folder), "--definition", str(file), home=tmp_path / name)
        assert outcome(added)["outcome"] == "done"
    both = [commands(hosts, "project", "start", "shop", home=tmp_path / name) for name in ("ann", "bob")]
    ended = [outcome(one) for one in both]
    assert [one["outcome"] for one in ended] == ["done", "done"], ended
    assert {state_of(engine, name) for name in ("qd-shop-db", "qd-shop-web")} == {"running"}


@pytest.fixture
def held() -> Iterator[Callable[[int], None]]:
    """Listens on ports of this machine until the test is over."""
    sockets: list[socket.socket] = []

    def hold(port: int) -> None:
        one = socket.socket()
        sockets.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", port))
        one.listen()

    yield hold
    for one in sockets:
        one.close()


async def test_busy_ports_are_passed_over_when_added_and_refused_when_started(
    engine: Dockerd, tmp_path: Path, held: Callable[[int], None]
) -> None:
    async with yard(nodes(engine)) as it:
        file = await it.added(tmp_path)
        first = (await it.until("stopped")).first_port or 0
        held(first + 1)
        refused = await it.do("start")
        assert (refused.outcome, refused.exit_code) == ("refused", 4)
        assert f"port {first + 1} (web) is held by" in refused.message
        assert f"(pid {os.getpid()})" in refused.message
        assert engine.client.containers(all=True) == []

        held(first + 10)
        other = await it.add(tmp_path, file, name="other")
        assert other.data["first_port"] == first + 20
        assert f"{first + 10} is passed over: port {first + 10} is held by" in other.message


async def test_a_port_held_by_a_container_names_it(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        await it.added(tmp_path)
        first = (await it.until("stopped")).first_port or 0
        host = {"port_bindings": {80: ("127.0.0.1", first)}}
        engine.run("squatter", ports=[80], host=host)
        refused = await it.do("start")
        assert f"port {first} (db) is held by the container squatter" in refused.message


async def test_a_bad_name_is_refused_with_the_rule(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        for name in ("", "Shop", "a/b", "-x", "x-", "a" * 41, "a b", "[red]", "../x"):
            wrong = await it.add(tmp_path, name=name)
            assert (wrong.outcome, wrong.exit_code) == ("failed", 2), name
            assert "a project's name has 1 to 40 lower-case letters" in wrong.message


async def test_folders_are_found_on_the_node(
    engine: Dockerd, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "src" / "it's [mine]").mkdir(parents=True)
    monkeypatch.chdir(home / "src")
    (tmp_path / "file").touch()
    async with yard(nodes(engine)) as it:
        for number, path in enumerate(("~/src/it's [mine]", "it's [mine]", "./it's [mine]/../it's [mine]")):
            assert (await it.add(path, name=f"p{number}")).outcome == "done"
            await eventually(lambda: it.row(f"p{number}"))  # noqa: B023
            row = it.row(f"p{number}")
            assert row is not None
            assert row.path == str(home / "src" / "it's [mine]")
        missing = await it.add(tmp_path / "none")
        assert "there is no such folder on the node" in missing.message
        no_folder = await it.add(tmp_path / "file")
        assert "this is no folder" in no_folder.message
        twice = await it.add("~/src", name="p0")
        assert (twice.outcome, twice.exit_code) == ("refused", 4)
        nowhere = await it.add("~/src", name="p9", to="nowhere")
        assert "no such node is configured" in nowhere.message


async def test_a_node_whose_engine_is_gone_still_lists_its_projects(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        await it.added(tmp_path)
    gone = nodes(engine)
    entry = gone.nodes["here"]
    from dataclasses import replace

    away = replace(gone, nodes={"here": replace(entry, extra={"docker": f"unix://{tmp_path}/none.sock"})})
    async with yard(away) as it:
        await eventually(lambda: (row := it.row()) and row.fault)
        row = it.row()
        assert row is not None
        assert row.state == "unknown"
        assert "none.sock" in (row.fault or "")
        failed = await it.do("start")
        assert failed.outcome == "failed"
        assert "none.sock" in failed.message


async def test_a_definition_with_mistakes_is_refused_with_their_places(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        file = await it.added(tmp_path)
        await it.do("start")
        file.write_text("services:\n  web: {imag: bb:1}\n")
        wrong = await it.do("start")
        assert (wrong.outcome, wrong.exit_code) == ("failed", 2)
        assert f"{file}:2:9: unknown key 'imag' (nearest valid name: image)" in wrong.message
        stopped = await it.do("stop")
        assert stopped.outcome == "done", "what runs can be stopped whatever the file says now"
        assert (await it.do("remove")).outcome == "done"


async def test_an_image_that_cannot_be_fetched_is_named(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        await it.added(tmp_path, "services:\n  web: {image: '127.0.0.1:1/none:1'}\n")
        failed = await it.do("start")
        assert failed.outcome == "failed"
        assert "127.0.0.1:1" in failed.message
        assert engine.client.containers(all=True) == []


async def test_data_made_with_another_logins_secrets_is_not_opened_with_ours(
    engine: Dockerd, tmp_path: Path, commands: Callable[..., subprocess.Popen[str]]
) -> None:
    hosts, folder, file = hosts_file(tmp_path, engine), folder_of(tmp_path), write(tmp_path)
    for name in ("ann", "bob"):
        added = commands(hosts, "project", "add", "shop", str(folder), "--definition", str(file), home=tmp_path / name)
        assert outcome(added)["outcome"] == "done"
    assert outcome(commands(hosts, "project", "start", "shop", home=tmp_path / "ann"))["outcome"] == "done"
    before = engine.client.inspect_container("qd-shop-db")["Id"]
    refused = outcome(commands(hosts, "project", "start", "shop", home=tmp_path / "bob"))
    assert "'shop' was launched by another login" in refused["message"]
    assert engine.client.inspect_container("qd-shop-db")["Id"] == before


async def test_a_start_that_is_cancelled_lets_go_and_is_told_of_as_unfinished(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        never = TWO.replace("interval: 1, timeout: 2}\n    cpus", "interval: 99, timeout: 2}\n    cpus").replace(
            "http://127.0.0.1:5432/began", "http://127.0.0.1:5432/never"
        )
        await it.added(tmp_path, never)
        await it.until("stopped")
        starting = asyncio.create_task(it.do("start"))
        await eventually(lambda: state_of(engine, "qd-shop-db") == "running")
        await it.until("starting")
        (job,) = it.deck.running_jobs
        job.cancel()
        assert (await starting).outcome == "cancelled"
        await it.until("unfinished")
        stopped = await it.do("stop")
        assert stopped.outcome == "done", stopped
        assert engine.client.containers(all=True) == []


async def test_an_engine_that_is_restarted_has_its_projects_back_once(engine_at: StartDockerd, tmp_path: Path) -> None:
    engine = engine_at()
    async with yard(nodes(engine)) as it:
        await it.added(tmp_path)
        await it.do("start")
        before = await it.until("running")

        def well() -> bool:
            """The engine has told of every check, which it does a moment after the start."""
            row = it.deck.feed.fleet.find(before.ref)
            return isinstance(row, Project) and row.state == "running" and {p.state for p in row.parts} == {"healthy"}

        def faulty() -> bool:
            reading = it.deck.feed.fleet.reading_of(before.ref)
            return reading is not None and reading.fault is not None

        await eventually(well)
        engine.stop()

        await eventually(faulty)
        assert [one.id for one in it.deck.feed.fleet.of(Project)] == ["here/shop"]
        engine.start()
        await eventually(well, 60)
        row = await it.until("running")
        assert [(p.name, p.port) for p in row.parts] == [(p.name, p.port) for p in before.parts]
        assert [one.id for one in it.deck.feed.fleet.of(Project)] == ["here/shop"]
