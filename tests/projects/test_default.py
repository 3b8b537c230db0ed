"""The built-in definition on a real engine, with stand-ins under the names of its images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.projects.yard import nodes, said_inside, yard
from tests.servers.dockerd import Dockerd

pytestmark = pytest.mark.real("dockerd")

STANDING_IN = {
    "postgres:15-alpine": {
        "bin/pg_isready": "exec test -f /tmp/ready",
        "bin/docker-entrypoint.sh": 'cp "$POSTGRES_PASSWORD_FILE" /tmp/password; : > /tmp/ready; exec sleep 100000',
    },
    "redis:7-alpine": {
        "bin/redis-cli": 'test "$REDISCLI_AUTH" = "$(sed -n "s/^requirepass //p" /tmp/conf)" && echo PONG',
        "bin/docker-entrypoint.sh": '[ "$1" = redis-server ] || exec "$@"; cat > /tmp/conf; exec sleep 100000',
    },
    "python:3.11-slim": {
        "bin/pip": 'echo "pip $*" >> /tmp/did',
        "bin/python": '[ "$1" = -c ] && exec wget -q -O /dev/null http://127.0.0.1:8000/health; '
        'echo "python $*" >> /tmp/did; mkdir /w; echo ok > /w/health; exec httpd -f -p 8000 -h /w',
    },
    "node:18-alpine": {
        "bin/npm": 'echo "npm $*" >> /tmp/did; [ "$1" = run ] || exit 0; exec httpd -f -p 3000 -h /project/frontend',
        "bin/node": "exit 0",
        "bin/wget": "exec busybox wget -q -O /dev/null http://127.0.0.1:3000/",  # the static one takes no -T
    },
}
"""Programs that do as little as will do; their first words are those that the definition says."""
ENTRY = {
    "postgres:15-alpine": ["/bin/docker-entrypoint.sh"],
    "redis:7-alpine": ["/bin/docker-entrypoint.sh"],
    "python:3.11-slim": [],
    "node:18-alpine": [],
}


def stand_in(engine: Dockerd, image: str) -> None:
    repository, _, tag = image.partition(":")
    lines = [
        f"rm -f /{path}; printf '%s\\n' '#!/bin/sh' {shell(text)} > /{path}; chmod 755 /{path}"
        for path, text in STANDING_IN[image].items()
    ]
    made = engine.run("maker", "; ".join(lines))
    assert engine.client.wait(made)["StatusCode"] == 0
    changes = [f"ENTRYPOINT {json.dumps(ENTRY[image])}", 'CMD ["true"]']
    engine.client.commit(made, repository=repository, tag=tag, changes=changes)
    engine.client.remove_container(made)


def shell(text: str) -> str:
    import shlex

    return shlex.quote(text)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "backend" / "app").mkdir(parents=True)
    (folder / "backend" / "requirements.txt").write_text("uvicorn\n")
    (folder / "backend" / "app" / "main.py").write_text("app = None\n")
    (folder / "frontend").mkdir()
    (folder / "frontend" / "package.json").write_text('{"scripts": {"dev": "vite"}}\n')
    (folder / "frontend" / "index.html").write_text("<h1>shop</h1>\n")
    return folder


async def test_all_four_services_come_up_with_what_they_need(
    engine: Dockerd, shop: Path, home: Path, tmp_path: Path
) -> None:
    for image in STANDING_IN:
        stand_in(engine, image)
    async with yard(nodes(engine)) as it:
        added = await it.add(shop)
        assert added.outcome == "done", added
        started = await it.do("start", timeout=30)
        assert started.outcome == "done", started
        row = await it.until("starting")  # the engine of this age makes its own first check after 30 s
        first = row.first_port or 0
        assert row.definition == "default"

        found: dict[str, Any] = {
            one: engine.client.inspect_container(f"qd-shop-{one}")
            for one in ("postgres", "redis", "backend", "frontend")
        }
        limits = {one: (c["HostConfig"]["NanoCpus"] / 1e9, c["HostConfig"]["Memory"] >> 20) for one, c in found.items()}
        assert limits == {
            "postgres": (1.0, 2048),
            "redis": (0.5, 512),
            "backend": (1.0, 1024),
            "frontend": (0.5, 512),
        }
        checks = {one: c["Config"]["Healthcheck"] for one, c in found.items()}
        assert {one: (c["Interval"] // 10**9, c["Timeout"] // 10**9) for one, c in checks.items()} == {
            "postgres": (30, 5),
            "redis": (30, 5),
            "backend": (15, 10),
            "frontend": (30, 10),
        }
        assert {
            one: [p["HostPort"] for ps in c["NetworkSettings"]["Ports"].values() for p in ps]
            for one, c in found.items()
        } == {one: [str(first + number)] for number, one in enumerate(found)}
        assert [m["Source"] for m in found["backend"]["Mounts"] if m["Destination"] == "/project"] == [str(shop)]

        secrets = home / ".local/state/quarterdeck/projects/shop/secrets"
        database, cache = ((secrets / name).read_text() for name in ("postgres_password", "redis_password"))
        assert said_inside(engine, "qd-shop-postgres", "cat /tmp/password") == database
        assert f"requirepass {cache}\n" in said_inside(engine, "qd-shop-redis", "cat /tmp/conf")
        environment = said_inside(engine, "qd-shop-backend", "tr '\\0' '\\n' < /proc/1/environ")
        assert f"DATABASE_URL=postgresql://app:{database}@postgres:5432/app\n" in environment
        assert f"REDIS_URL=redis://:{cache}@redis:6379/0\n" in environment
        assert f"API_URL=http://localhost:{first + 2}\n" in said_inside(
            engine, "qd-shop-frontend", "tr '\\0' '\\n' < /proc/1/environ"
        )
        for secret in (database, cache):
            assert all(secret not in json.dumps(one) for one in found.values())
            assert all(secret not in said_inside(engine, f"qd-shop-{one}", "cat /proc/[0-9]*/cmdline") for one in found)
        assert said_inside(engine, "qd-shop-backend", "cat /tmp/did").splitlines() == [
            "pip install --root-user-action=ignore -q -r requirements.txt",
            "python -m uvicorn --host 0.0.0.0 --port 8000 --reload app.main:app",
        ]
        assert said_inside(engine, "qd-shop-frontend", "cat /tmp/did").splitlines() == [
            "npm install --no-fund --no-audit",
            "npm run dev",
        ]


async def test_a_folder_with_nothing_to_run_is_said_to_be_so(engine: Dockerd, tmp_path: Path) -> None:
    for image in STANDING_IN:
        stand_in(engine, image)
    (tmp_path / "empty").mkdir()
    async with yard(nodes(engine)) as it:
        await it.add(tmp_path / "empty")
        failed = await it.do("start", timeout=30)
        assert failed.outcome == "failed"
        assert "backend ended with 1" in failed.message
        assert "nothing to run in /project: there is no start.sh, manage.py" in failed.data["stderr"]
