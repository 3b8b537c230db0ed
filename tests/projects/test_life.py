"""Projects on a real engine: added, launched in order, stopped with their data kept, removed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.frame.decks import witnessed
from tests.projects.yard import TWO, folder_of, nodes, said_inside, write, yard
from tests.servers.dockerd import Dockerd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")


def inspected(engine: Dockerd, service: str, project: str = "shop") -> dict[str, Any]:
    found: dict[str, Any] = engine.client.inspect_container(f"qd-{project}-{service}")
    return found


async def test_two_services_are_added_started_looked_at_and_stopped(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        added = await it.add(folder_of(tmp_path), write(tmp_path))
        assert added.outcome == "done", added
        row = await it.until("stopped")
        assert row.first_port is not None
        assert [part.port for part in row.parts] == [row.first_port, row.first_port + 1]

        started = await it.do("start")
        assert started.outcome == "done", started
        assert started.message == f"shop: db :{row.first_port} healthy, web :{row.first_port + 1} healthy"
        await it.until("running")
        status = await it.status()
        assert {one.state for one in status.values()} == {"healthy"}
        assert status["db"].limits == "0.5 CPU, 64 MB"
        assert status["web"].address == f"127.0.0.1:{row.first_port + 1}"

        stopped = await it.do("stop")
        assert stopped.outcome == "done", stopped
        await it.until("stopped")
        assert engine.client.containers(all=True) == []
        assert [one["Name"] for one in engine.client.volumes()["Volumes"]] == ["qd-shop-db-data"]
        assert engine.client.networks(names=["qd-shop"]) == []


async def test_a_service_starts_only_when_what_it_needs_is_healthy(engine: Dockerd, tmp_path: Path) -> None:
    late = """\
services:
  web: {image: bb:1, command: sleep 1000, depends_on: [db], stop_timeout: 0}
  db:
    image: bb:1
    command: sleep 3; date +%s > /tmp/ready; sleep 1000
    health: {test: '[ -s /tmp/ready ]', interval: 30}
    stop_timeout: 0
"""
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path, late))
        assert (await it.do("start")).outcome == "done"
        ready = float(said_inside(engine, "qd-shop-db", "cat /tmp/ready"))
        begun = inspected(engine, "web")["Created"][:26]
        assert datetime.fromisoformat(f"{begun}+00:00").timestamp() >= ready


async def test_limits_names_folder_and_environment_are_what_the_definition_says(
    engine: Dockerd, tmp_path: Path
) -> None:
    async with yard(nodes(engine)) as it:
        folder = folder_of(tmp_path)
        await it.add(folder, write(tmp_path))
        assert (await it.do("start")).outcome == "done"
        row = await it.until("running")
        db = inspected(engine, "db")
        assert db["HostConfig"]["NanoCpus"] == 500_000_000
        assert db["HostConfig"]["Memory"] == 64 << 20
        assert db["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert db["NetworkSettings"]["Ports"]["5432/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(row.first_port)}]
        assert said_inside(engine, "qd-shop-web", "timeout 10 wget -q -O- http://db:5432/began") == "at last\n"
        assert said_inside(engine, "qd-shop-db", "timeout 10 wget -q -O- http://web:8000/index.html") == "hello\n"
        assert said_inside(engine, "qd-shop-web", "cat /project/hello.txt") == "hello from the folder\n"
        environment = said_inside(engine, "qd-shop-web", "tr '\\0' '\\n' < /proc/1/environ")
        secret = said_inside(engine, "qd-shop-web", "cat /run/secrets/db_password")
        assert f"URL=http://user:{secret}@db:5432/shop\n" in environment
        assert f"PUBLIC=http://localhost:{(row.first_port or 0) + 1}\n" in environment


async def test_a_secret_is_a_private_file_on_the_node_and_nowhere_else(
    engine: Dockerd, tmp_path: Path, home: Path
) -> None:
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path))
        assert (await it.do("start")).outcome == "done"
        file = home / ".local/state/quarterdeck/projects/shop/secrets/db_password"
        secret = file.read_text()
        assert len(secret) == 48
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        for service in ("db", "web"):
            assert secret not in json.dumps(inspected(engine, service))
        assert secret not in "".join(str(entry) for entry in witnessed(it.deck))
        assert secret not in "".join(line for job in it.deck.jobs.values() for line in job.log)
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
        assert not any(secret.encode() in line for line in lines)
        kept = [path for path in (home / "quarterdeck").rglob("*") if path.is_file()]
        assert kept
        assert not any(secret.encode() in path.read_bytes() for path in kept)

        assert (await it.do("restart")).outcome == "done"
        assert file.read_text() == secret, "made once"


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


async def test_data_outlives_a_stop(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path))
        assert (await it.do("start", service=("db",))).outcome == "done"
        said_inside(engine, "qd-shop-db", "echo kept > /data/kept")
        assert (await it.do("stop")).outcome == "done"
        assert (await it.do("start", service=("db",))).outcome == "done"
        assert said_inside(engine, "qd-shop-db", "cat /data/kept") == "kept\n"
        row = await it.until("partial")
        assert {part.name: part.state for part in row.parts}["web"] == "absent"


async def test_a_start_that_fails_says_why_and_stops_what_it_began(engine: Dockerd, tmp_path: Path) -> None:
    never = TWO.replace("'http://127.0.0.1:8000/']", "'http://127.0.0.1:8001/']").replace(
        "exec httpd", "echo my last words; exec httpd"
    )
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path, never))
        failed = await it.do("start", timeout=60)
        assert failed.outcome == "failed"
        assert failed.message.startswith("web is unhealthy: 3 checks failed in a row")
        assert failed.message.endswith("what this start began is stopped again")
        assert "my last words" in failed.data["stderr"]
        assert "my last words" not in "".join(str(entry) for entry in witnessed(it.deck))
        await it.until("stopped")
        await eventually(lambda: {one["State"] for one in engine.client.containers(all=True)} == {"exited"})

        late = await it.do("start", timeout=1)
        assert "did not become healthy within 1 s: its check ends with 1" in late.message


async def test_what_ran_before_a_failed_start_goes_on(engine: Dockerd, tmp_path: Path) -> None:
    broken = TWO.replace("exec httpd -f -p 8000 -h /www", "exit 7")
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path, broken))
        assert (await it.do("start", service=("db",))).outcome == "done"
        before = inspected(engine, "db")["Id"]
        failed = await it.do("start")
        assert failed.outcome == "failed"
        assert "web ended with 7" in failed.message
        assert inspected(engine, "db")["Id"] == before
        assert inspected(engine, "db")["State"]["Running"]


async def test_a_project_is_well_without_what_it_does_not_require(engine: Dockerd, tmp_path: Path) -> None:
    optional = TWO.replace("exec httpd -f -p 8000 -h /www", "exit 7").replace(
        "depends_on: [db]", "depends_on: [db]\n    required: false"
    )
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path, optional))
        started = await it.do("start")
        assert started.outcome == "done", started
        assert "web :" in started.message
        assert "is not well" in started.message
        await it.until("running")


async def test_a_second_start_makes_anew_only_what_is_defined_otherwise(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        file = write(tmp_path)
        await it.add(folder_of(tmp_path), file)
        assert (await it.do("start")).outcome == "done"
        before = {one: inspected(engine, one)["Id"] for one in ("db", "web")}
        assert (await it.do("start")).outcome == "done"
        assert {one: inspected(engine, one)["Id"] for one in ("db", "web")} == before

        file.write_text(TWO.replace("echo hello", "echo other"))
        assert (await it.do("start")).outcome == "done"
        assert inspected(engine, "db")["Id"] == before["db"]
        assert inspected(engine, "web")["Id"] != before["web"]
        assert said_inside(engine, "qd-shop-web", "cat /www/index.html") == "other\n"

        file.unlink()
        assert (await it.do("restart", service=("web",))).outcome == "done"
        assert said_inside(engine, "qd-shop-web", "cat /www/index.html") == "other\n", "what was kept of it holds"
        assert inspected(engine, "db")["Id"] == before["db"]


async def test_stopping_goes_backwards_and_one_service_can_go_alone(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path))
        await it.do("start")
        assert (await it.do("stop", service=("web",))).outcome == "done"
        assert [one["Names"] for one in engine.client.containers(all=True)] == [["/qd-shop-db"]]
        await it.until("partial")
        await it.do("start")
        await it.until("running")
        await it.do("stop")
        job = list(it.deck.jobs.values())[-1]
        stops = [step.step.text for step in job.running if "/stop" in step.step.text]
        assert ["web" in stops[0], "db" in stops[1]] == [True, True]
        nothing = await it.do("stop")
        assert nothing.message == "nothing to do: it does not run"


async def test_removing_keeps_data_and_secrets_unless_told_otherwise(
    engine: Dockerd, tmp_path: Path, home: Path
) -> None:
    async with yard(nodes(engine)) as it:
        folder, file = folder_of(tmp_path), write(tmp_path)
        secrets = home / ".local/state/quarterdeck/projects/shop/secrets"
        await it.add(folder, file)
        first = (await it.until("stopped")).first_port
        await it.do("start")
        removed = await it.do("remove")
        assert removed.outcome == "done", removed
        assert engine.client.containers(all=True) == []
        assert len(engine.client.volumes()["Volumes"]) == 1
        assert secrets.is_dir()

        await it.add(folder, file)
        await it.until("stopped")
        assert (it.row() or row_missing()).first_port == first, "its data still says which ports it had"
        removed = await it.do("remove", volumes=True)
        assert removed.outcome == "done", removed
        assert not engine.client.volumes()["Volumes"]
        assert not secrets.exists()
        assert (folder / "hello.txt").exists()


def row_missing() -> Any:
    raise AssertionError("there is no row")


async def test_a_service_of_that_name_must_exist(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path))
        wrong = await it.do("start", service=("wbe",))
        assert (wrong.outcome, wrong.exit_code) == ("failed", 2)
        assert "there is no service 'wbe'; did you mean web?" in wrong.message


async def test_what_belongs_to_somebody_else_is_left_alone(engine: Dockerd, tmp_path: Path) -> None:
    engine.run("qd-shop-db")
    async with yard(nodes(engine)) as it:
        await it.add(folder_of(tmp_path), write(tmp_path))
        failed = await it.do("start")
        assert failed.outcome == "failed"
        assert "a container 'qd-shop-db' stands in the way" in failed.message
        assert inspected(engine, "db")["State"]["Running"]


async def test_logs_of_its_services_are_read_as_one(engine: Dockerd, tmp_path: Path) -> None:
    async with yard(nodes(engine)) as it:
        chatty = TWO.replace("mkdir -p /www && echo at", "mkdir -p /www && echo db here && echo at")
        chatty = chatty.replace("mkdir -p /www && echo hello", "mkdir -p /www && echo web here && echo hello")
        await it.add(folder_of(tmp_path), write(tmp_path, chatty))
        await it.do("start")
        await it.until("running")
        it.deck.context.one_shot = True  # a command line reads to the end
        row = it.row()
        declared = it.deck.catalog.find("project", "logs")
        assert declared is not None
        stream: Any = await it.deck.look(declared, [row], {})  # pyright: ignore[reportArgumentType]
        lines = [line async for line in stream.lines]
        assert {(line.origin, line.text) for line in lines} == {
            ("here/shop/db", "db here"),
            ("here/shop/web", "web here"),
        }
