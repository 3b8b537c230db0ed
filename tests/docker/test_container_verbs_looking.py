"""What is read of a container, what of it is covered, and what only a witnessed look shows."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.column import Section
from app.errors import Missing
from app.job import Ended
from app.verb import Rows, Sections, Text
from backends.docker.secret_words import COVER, covered, covered_text, covered_tree, covered_words, is_secret
from backends.docker.verbs.details import sections
from backends.docker.verbs.looking import parsed
from backends.docker.verbs.target import Inspected
from tests.docker.pier import Harbour, harbour
from tests.servers.dockerd import Dockerd
from tests.waiting import eventually

real = pytest.mark.real("dockerd")
SECRETS = ("hunter2", "tok-123", "pg-pass", "lab-secret")


@pytest.fixture
async def port(engine: Dockerd) -> AsyncIterator[Harbour]:
    """A deck over an engine with one container full of secrets, ``web``."""
    environment = {
        "POSTGRES_PASSWORD": "hunter2",
        "API_TOKEN": "tok-123",
        "DATABASE_URL": "postgres://app:pg-pass@db:5432/app",
        "PLAIN": "shown",
        "MARKUP": "[b]\x1b[31m",
    }
    engine.run("web", "echo 1 > /tmp/new; sleep 100000", environment=environment, labels={"my.secret": "lab-secret"})
    async with harbour(engine) as one:
        yield one


def section(found: Sections, title: str) -> Section:
    return next(one for one in found.sections if one.title == title)


def lines(one: Section) -> dict[str, str]:
    return {label: cell.text for label, cell in one.lines}


async def look(port: Harbour, name: str, container: str = "web") -> Any:
    verb = port.deck.catalog.find("container", name)
    assert verb is not None
    return await port.deck.look(verb, port.row(container), {})


@real
async def test_details_cover_what_is_secret(port: Harbour) -> None:
    found = await look(port, "details")
    environment = lines(section(found, "Environment"))
    assert environment["POSTGRES_PASSWORD"] == environment["API_TOKEN"] == COVER
    assert environment["DATABASE_URL"] == f"postgres://app:{COVER}@db:5432/app"
    assert environment["PLAIN"] == "shown"
    assert "\x1b" not in environment["MARKUP"]
    assert lines(section(found, "Labels"))["my.secret"] == COVER
    assert not any(secret in repr(found) for secret in SECRETS)
    assert lines(section(found, "Settings"))["log driver"] == "json-file"
    assert section(found, "Networks").rows[0][0].text == "bridge"
    assert any("sleep 100000" in row[3].text for row in section(found, "Processes").rows)
    assert ("added", "/tmp/new") in [tuple(c.text for c in row) for row in section(found, "Changed files").rows]


@real
async def test_details_of_one_that_is_stopped_say_so_in_place(port: Harbour, engine: Dockerd) -> None:
    engine.client.stop("web", timeout=0)
    found = await look(port, "details")
    assert lines(section(found, "Processes"))[""] == "it is exited with 137"
    assert lines(section(found, "Settings"))["last exit code"] == "137"
    engine.client.remove_container("web")
    with pytest.raises(Missing, match="is gone"):
        await look(port, "details")


@real
async def test_details_of_one_that_waits_for_its_next_turn_are_in_our_words(port: Harbour, engine: Dockerd) -> None:
    engine.run("loop", "exit 3", host={"restart_policy": {"Name": "always"}})
    await port.sees("loop")

    def waits() -> bool:
        return engine.client.inspect_container("loop")["State"]["Status"] == "restarting"

    deadline = time.monotonic() + 20
    while True:
        await eventually(waits, within=20)
        found = await look(port, "details", "loop")
        said = lines(section(found, "Processes"))
        if said.get("") == "it is restarting":
            break
        assert time.monotonic() < deadline, said
    assert lines(section(found, "Settings"))["last exit code"] == "3"


@real
async def test_health_shows_the_last_checks(port: Harbour, engine: Dockerd) -> None:
    check = {"test": ["CMD-SHELL", "echo token=abc; exit 3"], "interval": 10**9, "retries": 1}
    engine.run("ill", healthcheck=check)
    await port.sees("ill")

    def failing() -> bool:
        return bool(engine.client.inspect_container("ill")["State"]["Health"]["Log"])

    await eventually(failing, within=20)
    health = section(await look(port, "details", "ill"), "Health")
    assert [cell.text for cell in health.rows[0][1:]] == ["3", f"token={COVER}"]


@real
async def test_inspect_is_json_with_secrets_covered(port: Harbour) -> None:
    found = await look(port, "inspect")
    assert isinstance(found, Text)
    assert json.loads(found.text)["Name"] == "/web"
    assert not any(secret in found.text for secret in SECRETS)
    assert "PLAIN=shown" in found.text


@real
async def test_top_lists_processes_and_says_when_there_are_none(port: Harbour, engine: Dockerd) -> None:
    found = await look(port, "top")
    assert isinstance(found, Rows)
    assert any(one.command == "sleep 100000" and one.user == "root" for one in found.items)
    engine.client.stop("web", timeout=0)
    assert "not running" in (await look(port, "top")).note


@real
async def test_a_reveal_is_witnessed_and_what_it_shows_is_not(port: Harbour, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    done = await port.do("reveal", "web")
    assert "POSTGRES_PASSWORD=hunter2\n" in done.data["stdout"]
    one = await port.do("reveal", "web", name="API_TOKEN")
    assert (one.data["stdout"], one.message) == ("API_TOKEN=tok-123\n", "API_TOKEN shown")
    unknown = await port.do("reveal", "web", name="API_TOKN")
    assert unknown.outcome is Ended.FAILED
    assert "did you mean 'API_TOKEN'?" in unknown.message
    said = port.witnessed()
    assert "container reveal" in said
    assert not any(secret in said + caplog.text for secret in SECRETS)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("MYSQL_ROOT_PASSWORD", "x", COVER),
        ("AWS_SECRET_ACCESS_KEY", "x", COVER),
        ("apikey", "x", COVER),
        ("GOOGLE_CREDENTIALS", "{}", COVER),
        ("POSTGRES_PASSWORD", "", ""),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/pg", "/run/secrets/pg"),
        ("PASSWORD_FILE", "hunter2", COVER),
        ("PATH", "/bin", "/bin"),
        ("REDIS_URL", "redis://:pw@cache:6379/0", f"redis://:{COVER}@cache:6379/0"),
        ("URL", "http://host:80/a@b", "http://host:80/a@b"),
        ("CONNECTION", "Host=db;Password=pw;Port=1", f"Host=db;Password={COVER};Port=1"),
    ],
)
def test_values_are_covered_by_name_and_by_form(name: str, value: str, shown: str) -> None:
    assert covered(name, value) == shown


def test_command_lines_are_covered() -> None:
    assert covered_words(["redis", "--requirepass", "pw", "--port", "1"]) == [
        "redis", "--requirepass", COVER, "--port", "1",
    ]  # fmt: skip
    assert covered_text("x --token=abc --requirepass pw -v") == f"x --token={COVER} --requirepass {COVER} -v"
    assert covered_text("password authentication failed") == "password authentication failed"
    tree = covered_tree({"Config": {"Env": ["A_TOKEN=x"], "Cmd": ["a", "--password", "x"]}, "SandboxKey": "/var"})
    assert tree == {"Config": {"Env": [f"A_TOKEN={COVER}"], "Cmd": ["a", "--password", COVER]}, "SandboxKey": "/var"}
    assert not is_secret("HOSTNAME")


def test_an_answer_with_next_to_nothing_makes_sections() -> None:
    whole: dict[str, Any] = {
        "Id": "a" * 64,
        "Config": None,
        "HostConfig": None,
        "State": None,
        "Mounts": None,
        "NetworkSettings": {},
    }
    assert [one.title for one in sections(Inspected("a" * 64, whole))] == ["Settings"]


def test_processes_are_read_whatever_the_titles() -> None:
    said = {"Titles": ["UID", "PID", "PPID", "C", "CMD"], "Processes": [["root", "7", "1", "3", "x"], ["odd"]]}
    (one,) = parsed(said)
    assert (one.pid, one.user, one.cpu_percent, one.mem_bytes, one.command) == (7, "root", 3.0, None, "x")
