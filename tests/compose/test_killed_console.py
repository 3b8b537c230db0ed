"""A console that is killed in the middle of ``up``: its node finishes, and the next start tells the truth."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backends.compose.script import Lock
from tests.compose.berth import Berth, OpenBerth
from tests.compose.test_groups import SLOW, ready
from tests.servers.compose import Version
from tests.waiting import eventually

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd"), pytest.mark.real("compose")]

ROOT = Path(__file__).parents[2]


def other(it: Berth, home: Path) -> subprocess.Popen[bytes]:
    """The same stack brought up by a program of its own, with a state folder of its own."""
    server = it.server
    assert server is not None
    folder = home / "other"
    folder.mkdir()
    hosts = folder / "hosts.yaml"
    hosts.write_text(
        f"defaults: {{ssh: {{known_hosts: {server.known_hosts}, config: {server.defaults().config}}}}}\n"
        "nodes:\n"
        f"  pi:\n    ssh: {{host: {server.host}, port: {server.port}, identity: {server.client_key}}}\n"
        f"    docker: {it.engine.url}\n    stacks: {{shop: {{dir: ~/shop}}}}\n"
    )
    argv = [sys.executable, str(ROOT / "quarterdeck.py"), "--hosts", str(hosts), "stack", "up", "pi/shop", "--yes"]
    return subprocess.Popen(
        argv,
        env={**os.environ, "QUARTERDECK_HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


async def killed(it: Berth, home: Path) -> None:
    """Bring the stack up until it waits for its first service, then kill who does so."""
    process = other(it, home)
    try:
        await eventually(lambda: it.containers().get("a") == "running" or process.poll() is not None, 60, "a runs")
        assert process.poll() is None, process.stdout and process.stdout.read()
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


def held(it: Berth) -> bool:
    """Whether somebody holds the lock of the stack."""
    path = Lock(it.backend.where_of(it.rows()["pi/shop"]), "shop", "nobody").path
    return subprocess.run(["flock", "-n", f"{path}.run", "true"], check=False).returncode != 0


@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_its_node_finishes_what_was_begun(berth: OpenBerth, home: Path, version: Version) -> None:
    it = await berth(version, ssh=True, shop=SLOW)
    await it.ready()
    await killed(it, home)
    row = await it.shown(state="partial")
    assert {service.name: service.running for service in row.services} == {"a": 1, "b": 0}
    refused = await it.one("up")
    assert (str(refused.outcome), refused.exit_code) == ("refused", 4), refused.message
    assert "(stack up)" in refused.message
    await ready(it)
    await eventually(lambda: it.containers().get("b") == "running", 60, "compose went on by itself")
    await it.shown(state="up")

    await eventually(lambda: not held(it), 20, "the lock went with the compose that held it")
    done = await it.one("up")
    assert done.outcome == "done", done.message
    assert (await it.one("down")).outcome == "done"
    assert it.containers() == {}


async def test_what_was_cut_off_can_be_finished_or_taken_down(berth: OpenBerth, home: Path) -> None:
    it = await berth(ssh=True, shop=SLOW)
    await it.ready()
    await killed(it, home)
    refused = await it.one("down")
    found = re.search(r"process (\d+)", refused.message)
    assert found is not None, refused.message
    with contextlib.suppress(ProcessLookupError):
        os.killpg(os.getpgid(int(found[1])), signal.SIGKILL)
    await it.shown(state="partial")
    acting = asyncio.create_task(it.act("up"))
    await asyncio.sleep(0)
    await ready(it)
    (done,) = await asyncio.wait_for(acting, 60)
    assert str(done.outcome) == "done", done.message
    await it.shown(state="up")
    assert (await it.one("down")).outcome == "done"
    await it.shown(state="down")
    assert it.containers() == {}
