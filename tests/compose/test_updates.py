"""Updates as one unit against a real registry: what ran before is recorded, and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backends.compose.history import Entry, History, Ran
from tests.compose.berth import Berth, OpenBerth
from tests.compose.test_rows import compose as by_hand
from tests.servers.compose import Version
from tests.servers.registry import Registry
from tests.waiting import eventually

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("compose"), pytest.mark.real("docker-registry")]

ROOT = Path(__file__).parents[2]

APP = """\
version: "3.7"
services:
  api:
    image: {api}
    stop_signal: SIGKILL
    healthcheck: {{test: ["CMD", "sh", "-c", "test ! -e /broken"], interval: 200ms, retries: 2}}
  web:
    image: {web}
    stop_signal: SIGKILL
    healthcheck: {{test: ["CMD", "true"], interval: 200ms, retries: 2}}
"""
SLEEPS = "exec sleep 100000"
BREAKS = "touch /broken; exec sleep 100000"
"""Its health check finds it ill."""
DIES = "exit 3"


async def app(
    berth: OpenBerth, registry: Registry, version: Version = "v2", *, ssh: bool = False, text: str = APP
) -> Berth:
    """A stack of two services whose images are in the registry in their first version."""
    it = await berth(version, ssh=ssh, shop=text.format(api=registry.name("api:1"), web=registry.name("web:1")))
    push(it, registry, "api:1", "1")
    push(it, registry, "web:1", "1")
    await it.ready()
    return it


def push(it: Berth, registry: Registry, name: str, version: str, does: str = SLEEPS) -> str:
    """Another image under a name of the registry; returns its digest."""
    command: Any = ("sh", "-c", does)
    return registry.push(it.engine, name, version=version, command=command)


def runs(it: Berth) -> dict[str, str]:
    """Service -> the label of the image that it runs."""
    label = {"label": "com.docker.compose.project=shop"}
    found = it.engine.client.containers(filters=label)
    images = {one["ImageID"]: it.engine.client.inspect_image(one["ImageID"]) for one in found}
    return {
        one["Labels"]["com.docker.compose.service"]: images[one["ImageID"]]["Config"]["Labels"]["version"]
        for one in found
    }


def history(it: Berth) -> tuple[Entry, ...]:
    return History(it.deck.context.state, "pi/shop").entries()


@pytest.mark.parametrize(("version", "ssh"), [("v2", True), ("v1", False)])
async def test_an_update_is_recorded_and_can_be_rolled_back(
    berth: OpenBerth, registry: Registry, version: Version, ssh: bool
) -> None:
    it = await app(berth, registry, version, ssh=ssh)
    done = await it.one("up")
    assert done.outcome == "done", done.message
    assert any("pulling" in line for line in it.jobs[-1].log), list(it.jobs[-1].log)
    assert all(step.measured for step in it.jobs[-1].running)
    assert runs(it) == {"api": "1", "web": "1"}

    same = await it.one("update")
    assert same.outcome == "done", same.message
    assert same.message.startswith("nothing newer")
    assert history(it) == ()

    digest = push(it, registry, "api:1", "2")
    before = it.containers()
    assert before
    done = await it.one("update")
    assert done.outcome == "done", done.message
    assert done.message == "2 services are well; new images: api"
    assert runs(it) == {"api": "2", "web": "1"}
    found, update = history(it)
    assert (found.verb, update.verb, update.result) == ("found", "update", "done")
    assert update.after["api"].digest == f"{registry.name('api')}@{digest}"
    assert update.before["api"].id == found.after["api"].id != update.after["api"].id
    await eventually(lambda: (row := it.row()) is not None and row.updated_at is not None, 10, "the row tells of it")

    done = await it.one("rollback")
    assert done.outcome == "done", done.message
    assert runs(it) == {"api": "1", "web": "1"}
    assert history(it)[-1].verb == "rollback"

    # The image it went away from is gone: it comes back from the registry by its digest.
    it.engine.client.remove_image(update.after["api"].id, force=True)
    done = await it.one("rollback", to=2)
    assert done.outcome == "done", done.message
    assert runs(it) == {"api": "2", "web": "1"}

    shown = await it.look("history")
    assert [row.number for row in shown.items] == [4, 3, 2, 1]
    assert digest in shown.items[0].images


@pytest.mark.parametrize(
    ("version", "does", "words"),
    [("v2", BREAKS, "api is unhealthy"), ("v1", BREAKS, "api is unhealthy"), ("v2", DIES, "api exited with 3")],
)
async def test_an_update_that_does_not_become_well_goes_back_by_itself(
    berth: OpenBerth, registry: Registry, version: Version, does: str, words: str
) -> None:
    it = await app(berth, registry, version)
    assert (await it.one("up")).outcome == "done"
    ids = images(it)
    push(it, registry, "api:1", "2", does)
    push(it, registry, "web:1", "2")
    done = await it.one("update", timeout=30)
    assert (done.outcome, done.exit_code) == ("failed", 1)
    assert done.message == f"{words}; it went back to the images it had, and is well"
    assert images(it) == ids
    assert runs(it) == {"api": "1", "web": "1"}
    last = history(it)[-1]
    assert (last.result, last.why) == ("rolled back", words)
    await it.shown(state="up")
    # The names mean the old images again: a later ``up`` changes nothing.
    assert (await it.one("up")).outcome == "done"
    assert images(it) == ids
    assert (await it.one("rollback")).outcome == "failed", "nothing older ran"


async def test_an_update_that_cannot_go_back_says_both(berth: OpenBerth, registry: Registry) -> None:
    it = await app(berth, registry)
    assert (await it.one("up")).outcome == "done"
    push(it, registry, "api:1", "2")
    text = APP.replace("test ! -e /broken", "false")  # whatever the image, this check fails
    it.write("shop/docker-compose.yml", text.format(api=registry.name("api:1"), web=registry.name("web:1")))
    done = await it.one("update", timeout=30)
    assert done.outcome == "failed"
    assert done.message.startswith("api is unhealthy; going back to the images it had failed as well: api is unhealthy")
    assert runs(it) == {"api": "1", "web": "1"}
    assert history(it)[-1].result == "failed"


async def test_a_pull_that_fails_in_the_middle_changes_nothing(berth: OpenBerth, registry: Registry) -> None:
    it = await app(berth, registry)
    assert (await it.one("up")).outcome == "done"
    containers = {one["Id"] for one in it.engine.client.containers()}
    push(it, registry, "api:1", "2")
    registry.publish("web:1", os.urandom(50_000), os.urandom(50_000))
    registry.lose_layer("web:1", 1)
    done = await it.one("update")
    assert done.outcome == "failed"
    assert {one["Id"] for one in it.engine.client.containers()} == containers
    assert runs(it) == {"api": "1", "web": "1"}
    assert (await it.one("up")).outcome == "done"
    assert runs(it) == {"api": "1", "web": "1"}, "half an update must not come by the next up"
    assert history(it) == ()


async def test_an_update_that_is_cancelled_while_it_pulls_changes_nothing(berth: OpenBerth, registry: Registry) -> None:
    it = await app(berth, registry)
    assert (await it.one("up")).outcome == "done"
    with registry.held(2000) as held:
        registry.publish("slow:1", os.urandom(500_000))
        text = APP.format(api=held.name("slow:1"), web=registry.name("web:1"))
        it.write("shop/docker-compose.yml", text)
        push(it, registry, "web:1", "2")
        acting = asyncio.create_task(it.act("update"))
        await eventually(lambda: it.jobs and any("pulling" in line and "slow" in line for line in it.jobs[-1].log), 30)
        it.jobs[-1].cancel()
        (done,) = await asyncio.wait_for(acting, 30)
    assert str(done.outcome) == "cancelled"
    assert runs(it) == {"api": "1", "web": "1"}
    again = await it.one("stop")
    assert again.outcome == "done", "the lock is free"


async def test_a_found_stack_is_updated_with_what_is_behind_profiles(berth: OpenBerth, registry: Registry) -> None:
    text = APP.format(api=registry.name("api:1"), web=registry.name("web:1"))
    it = await berth(stacks={}, shop=f"{text}    profiles: [extra]\n")
    push(it, registry, "api:1", "1")
    push(it, registry, "web:1", "1")
    await it.deck.feed.first(20)
    by_hand(it, "v2", "--profile", "extra", "up", "-d")
    await it.shown(state="up")
    push(it, registry, "web:1", "2")
    done = await it.one("update")
    assert done.outcome == "done", done.message
    assert done.message == "2 services are well; new images: web"
    assert runs(it) == {"api": "1", "web": "2"}


async def test_an_update_that_is_cancelled_while_it_waits_says_so(berth: OpenBerth, registry: Registry) -> None:
    it = await app(berth, registry)
    assert (await it.one("up")).outcome == "done"
    await it.shown(state="up")
    text = APP.replace("retries: 2", "retries: 1000").replace("test ! -e /broken", "false")
    it.write("shop/docker-compose.yml", text.format(api=registry.name("api:1"), web=registry.name("web:1")))
    push(it, registry, "api:1", "2")
    acting = asyncio.create_task(it.act("update"))
    await it.shown(state="starting", within=30)
    other = await it.one("stop")
    assert str(other.outcome) == "refused", other.message
    assert "(stack update)" in other.message
    next(job for job in it.jobs if not job.ended).cancel()
    (done,) = await asyncio.wait_for(acting, 30)
    assert str(done.outcome) == "cancelled"
    last = history(it)[-1]
    assert (last.result, last.why) == ("failed", "cancelled")
    assert (await it.one("stop")).outcome == "done", "the lock is free"
    it.write("shop/docker-compose.yml", APP.format(api=registry.name("api:1"), web=registry.name("web:1")))
    done = await it.one("rollback")
    assert done.outcome == "done", done.message
    assert runs(it) == {"api": "1", "web": "1"}, "what it was to replace"


async def test_a_console_killed_in_an_update_leaves_a_way_forth_and_back(berth: OpenBerth, registry: Registry) -> None:
    it = await app(berth, registry)
    assert (await it.one("up")).outcome == "done"
    old = images(it)
    text = APP.replace("retries: 2", "retries: 1000")  # the new one is never done with becoming healthy
    it.write("shop/docker-compose.yml", text.format(api=registry.name("api:1"), web=registry.name("web:1")))
    push(it, registry, "api:1", "2", BREAKS)
    hosts = it.home / "hosts.yaml"
    node = {"local": True, "docker": it.engine.url, "stacks": {"shop": {"dir": "~/shop"}}}
    hosts.write_text(json.dumps({"nodes": {"pi": node}}))
    argv = [sys.executable, str(ROOT / "quarterdeck.py"), "--hosts", str(hosts), "--yes", "stack", "update", "pi/shop"]
    console = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        await eventually(lambda: runs(it).get("api") == "2" or console.poll() is not None, 60, "the new image runs")
        await it.shown(state="starting", within=30)
    finally:
        console.kill()
        said, _ = await asyncio.to_thread(console.communicate)
    assert console.returncode == -signal.SIGKILL, said

    last = history(it)[-1]
    assert (last.verb, last.result) == ("update", "begun")
    assert {name: one.id for name, one in last.before.items()} == old
    done = await it.one("rollback")
    assert done.outcome == "done", done.message
    assert images(it) == old
    await it.shown(state="up")


async def test_up_fetches_only_what_is_missing(berth: OpenBerth, registry: Registry) -> None:
    it = await app(berth, registry)
    assert (await it.one("up")).outcome == "done"
    push(it, registry, "api:1", "2")
    assert (await it.one("down")).outcome == "done"
    assert (await it.one("up")).outcome == "done"
    assert runs(it) == {"api": "1", "web": "1"}
    done = await it.one("pull")
    assert (done.outcome, done.message) == ("done", f"newer: {registry.name('api:1')}")
    assert runs(it) == {"api": "1", "web": "1"}, "what runs stays"
    assert (await it.one("pull")).message == "nothing newer"
    assert (await it.one("recreate")).outcome == "done"
    assert runs(it) == {"api": "2", "web": "1"}


async def test_an_image_that_no_registry_has_says_so(berth: OpenBerth, registry: Registry) -> None:
    it = await app(berth, registry, text=APP.replace("{api}", registry.name("nosuch:1")))
    done = await it.one("up")
    assert done.outcome == "failed"
    assert "nosuch" in done.message
    assert it.containers() == {}


async def test_there_is_nothing_to_go_back_to(berth: OpenBerth) -> None:
    it = await berth()
    await it.ready()
    done = await it.one("rollback")
    assert done.outcome == "failed"
    assert "no older images are recorded" in done.message
    done = await it.one("rollback", to=7)
    assert "its history has no entry 7" in done.message
    assert "there are: none" in done.message


async def test_a_history_is_private_and_survives_a_torn_line(berth: OpenBerth) -> None:
    it = await berth()
    kept = History(it.deck.context.state, "pi/../x y")
    assert kept.path.parent == it.deck.context.state / "stacks"
    one = Ran(image="a:1", id="sha256:1")
    kept.add(Entry(number=1, at=1.0, verb="found", result="done", after={"a": one}))
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    with kept.path.open("ab") as file:
        file.write(b'{"number":2,"at"')
    kept.add(Entry(number=2, at=2.0, verb="update", result="begun", before={"a": one}))
    kept.add(Entry(number=2, at=2.0, verb="update", result="done", before={"a": one}, after={"a": one}))
    assert [(e.number, e.result) for e in kept.entries()] == [(1, "done"), (2, "done")]
    for number in range(3, 150):
        kept.add(Entry(number=number, at=2.0, verb="update", result="done"))
    assert 100 <= len(kept.entries()) <= 102
    assert kept.entries()[-1].number == 149


def images(it: Berth) -> dict[str, str]:
    """Service -> id of the image that it runs."""
    label = {"label": "com.docker.compose.project=shop"}
    found = it.engine.client.containers(all=True, filters=label)
    return {one["Labels"]["com.docker.compose.service"]: one["ImageID"] for one in found}
