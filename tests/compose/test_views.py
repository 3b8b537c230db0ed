"""What is read of stacks: status, configuration without secrets, logs, details; and the command line's own look."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from app.verb import Line
from backends.compose.masked import COVER, masked, secret_name
from tests.compose.berth import OpenBerth
from tests.servers.compose import Composes, Version
from tests.servers.dockerd import Dockerd

TALKS = """\
version: "3.7"
services:
  api:
    image: bb:1
    command: sh -c 'echo api says hello; exec sleep 100000'
    stop_signal: SIGKILL
    environment:
      DB_PASSWORD: s3cr3t-of-db
      DB_PASSWORD_FILE: /run/secrets/db
      REDIS_URL: redis://user:hunter2@redis:6379/0
      PLAIN: visible
      NEEDS: "token is s3cr3t-of-db"
  web:
    image: bb:1
    command: sh -c 'echo web says hello; exec sleep 100000'
    stop_signal: SIGKILL
"""


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_the_configuration_is_shown_without_secrets(berth: OpenBerth, version: Version) -> None:
    it = await berth(version, shop=TALKS)
    await it.ready()
    said = (await it.look("config")).text
    assert "s3cr3t" not in said
    assert "hunter2" not in said
    assert f"DB_PASSWORD: {COVER}" in said
    assert "PLAIN: visible" in said
    assert "/run/secrets/db" in said
    assert f"redis://user:{COVER}@redis:6379/0" in said


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
async def test_status_logs_and_details(berth: OpenBerth) -> None:
    it = await berth(shop=TALKS)
    await it.ready()
    rows = (await it.look("status")).items
    assert [(row.service, row.state, row.container) for row in rows] == [("api", "absent", ""), ("web", "absent", "")]
    done = await it.one("up")
    assert done.outcome == "done", done.message
    await it.shown(state="up")
    rows = (await it.look("status")).items
    assert [(row.service, row.state, row.container) for row in rows] == [
        ("api", "up", "shop-api-1"),
        ("web", "up", "shop-web-1"),
    ]
    it.deck.context.one_shot = True  # as on the command line, where a log ends
    assert await lines(await it.look("logs")) == {"api says hello", "web says hello"}
    assert await lines(await it.look("logs", service=("web",))) == {"web says hello"}
    assert await lines(await it.look("logs", tail=0)) == set()
    sections = (await it.look("details")).sections
    assert sections[0].lines[0][1].text.startswith("docker compose 2.")
    it.deck.context.one_shot = False
    witnessed = it.witnessed()
    assert "s3cr3t" not in witnessed
    assert "docker compose up -d" in witnessed


async def lines(stream: Any) -> set[str]:
    async with aclosing(stream.lines) as found:
        return {line.text if isinstance(line, Line) else line async for line in found}


def test_what_is_named_like_a_secret_is_covered_wherever_it_stands() -> None:
    said = masked(
        {
            "services": {
                "a": {
                    "environment": ["API_KEY=abcdef", "PATH=/bin"],
                    "command": ["run", "--with", "abcdef"],
                    "build": {"args": {"NPM_TOKEN": "xyz123"}},
                    "ports": [80],
                    "labels": {"url": "https://me:pw12@host/"},
                }
            },
            "secrets": {"db": {"file": "/x/db"}},
        }
    )
    text = json.dumps(said)
    assert "abcdef" not in text
    assert "xyz123" not in text
    assert "pw12" not in text
    assert "PATH=/bin" in text
    assert said["secrets"] == {"db": {"file": "/x/db"}}
    assert said["services"]["a"]["ports"] == [80]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("POSTGRES_PASSWORD", True),
        ("POSTGRES_PASSWORD_FILE", False),
        ("POSTGRES_USER", False),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWS_ACCESS_KEY_ID", False),
        ("JWT_SECRET", True),
        ("image", False),
        ("KEY", True),
        ("MONKEY", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert secret_name(name) is secret


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize("version", ["v2", "v1"])
def test_a_whole_life_by_the_command_line(
    engine: Dockerd,
    composes: Composes,
    version: Version,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in composes.environment(version).items():
        monkeypatch.setenv(name, value)
    (home / "shop").mkdir()
    (home / "shop/docker-compose.yml").write_text(TALKS)
    hosts = home / "hosts.yaml"
    hosts.write_text(
        f"nodes:\n  pi:\n    local: true\n    docker: {engine.url}\n    stacks: {{shop: {{dir: ~/shop, order: 1}}}}\n"
    )

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = call(["--hosts", str(hosts), "--output", "json", "--yes", "--why", "test", *words])
        return code, json.loads(capfd.readouterr().out)

    code, said = run("stack", "list")
    assert code == 0
    (row,) = said["items"]
    assert (row["id"], row["state"], row["project"]) == ("pi/shop", "down", "shop")
    assert [service["name"] for service in row["services"]] == ["api", "web"]

    code, said = run("stack", "up", "*/shop")
    assert (code, said["items"][0]["outcome"]) == (0, "done")
    code, said = run("stack", "list")
    (row,) = said["items"]
    assert row["state"] == "up"
    assert row["mem_used_bytes"] is not None

    code, said = run("stack", "status", "pi/shop")
    assert code == 0
    assert [item["state"] for item in said["items"]] == ["up", "up"]
    code, said = run("stack", "logs", "pi/shop", "--tail", "5")
    assert code == 0
    code, said = run("stack", "down", "pi/shop", "--volumes")
    assert (code, said["items"][0]["outcome"]) == (0, "done")
    with hosts.open("a") as file:  # a node where nobody answers, whose stack is to start first
        file.write("  hp: {ssh: {host: 127.0.0.1, port: 9}, stacks: {shop: {dir: ~/shop, order: 0}}}\n")
    code, said = run("stack", "up", "*/shop")
    assert (code, {item["id"]: item["outcome"] for item in said["items"]}) == (
        3,
        {"hp/shop": "failed", "pi/shop": "done"},
    )
    assert call(["--hosts", str(hosts), "--yes", "stack", "up", "pi/nosuch"]) == 2
    assert "there is no stack 'pi/nosuch'" in capfd.readouterr().err
