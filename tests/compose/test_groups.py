"""Several stacks in one command: their order, a node that is away, and two operators at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from app.fleet import Ref
from tests.compose.berth import SHOP, Berth, OpenBerth
from tests.waiting import eventually

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd"), pytest.mark.real("compose")]

FIRST = """\
services:
  redis:
    image: bb:1
    command: sleep 100000
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD", "test", "-e", "/tmp/ready"], interval: 200ms, retries: 1000}
"""
SECOND = FIRST.replace("redis", "worker").replace('"test", "-e", "/tmp/ready"', '"true"')


def carbonac() -> Mapping[str, Mapping[str, Any]]:
    return {
        "pi": {"carbonac": {"dir": "~/one", "order": 1}},
        "hp": {"carbonac": {"dir": "~/two", "order": 2}},
    }


async def two(berth: OpenBerth, *, ssh: bool = True) -> Berth:
    it = await berth(ssh=ssh, nodes=carbonac())
    it.write("one/compose.yml", FIRST)
    it.write("two/compose.yml", SECOND)
    await it.ready("carbonac", "pi")
    await it.ready("carbonac", "hp")
    return it


async def test_the_next_order_waits_until_the_one_before_is_healthy(berth: OpenBerth) -> None:
    it = await two(berth)
    acting = asyncio.create_task(it.act("up", "hp/carbonac", "pi/carbonac"))
    await eventually(lambda: it.containers("one").get("redis") == "running", 30)
    row = await it.shown("carbonac", "pi", state="starting")
    assert row.services[0].state == "starting"
    assert it.containers("two") == {}
    it.engine.client.exec_start(it.engine.client.exec_create("one-redis-1", ["touch", "/tmp/ready"])["Id"])
    done = await asyncio.wait_for(acting, 60)
    assert [one.outcome for one in done] == ["done", "done"], done
    assert it.containers("two") == {"worker": "running"}
    texts = [one.step.text for one in it.jobs[-1].running]
    assert len(texts) == 2
    assert "one" in texts[0]

    stopping = await it.act("stop", "hp/carbonac", "pi/carbonac")
    assert [one.outcome for one in stopping] == ["done", "done"]
    ended = {one.step.ref.id: one for one in it.jobs[-1].running}
    assert (ended["hp/carbonac"].ended_at or 0) <= (ended["pi/carbonac"].started_at or 0), "the reverse"


async def test_a_node_that_is_away_does_not_stop_the_others(berth: OpenBerth, tmp_path: Any) -> None:
    it = await berth(ssh=True, nodes=carbonac())
    it.write("one/compose.yml", FIRST.replace('"test", "-e", "/tmp/ready"', '"true"'))
    it.write("two/compose.yml", SECOND)
    await it.ready("carbonac", "pi")
    await it.ready("carbonac", "hp")
    link = it.deck.context.links.of("pi")
    await link.close()
    assert it.server is not None
    # Nobody knows the host key of that address any more: it cannot be logged in to.
    it.server.trust(["127.0.1.2"])
    done = await it.act("up", "pi/carbonac", "hp/carbonac")
    assert [(one.id, str(one.outcome)) for one in done] == [("pi/carbonac", "failed"), ("hp/carbonac", "done")]
    assert it.containers("two") == {"worker": "running"}
    assert it.containers("one") == {}


SLOW = """\
services:
  a:
    image: bb:1
    command: sleep 100000
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD", "test", "-e", "/tmp/ready"], interval: 200ms, retries: 1000}
  b:
    image: bb:1
    command: sleep 100000
    stop_signal: SIGKILL
    depends_on: {a: {condition: service_healthy}}
"""


async def ready(it: Berth) -> None:
    """Let service ``a`` become healthy, which compose itself waits for."""
    (one,) = it.engine.client.containers(filters={"label": "com.docker.compose.service=a"})
    it.engine.client.exec_start(it.engine.client.exec_create(one["Id"], ["touch", "/tmp/ready"])["Id"])


@pytest.mark.parametrize("without", [(), ("flock",)], ids=["flock", "no flock"])
@pytest.mark.parametrize("sessions", ["10", "1"])
async def test_the_second_operator_is_refused_and_told_who_is_at_it(
    berth: OpenBerth, without: tuple[str, ...], sessions: str
) -> None:
    it = await berth(ssh=True, shop=SLOW, without=without, options={"MaxSessions": sessions})
    other = await berth(ssh=True, shop=SLOW, without=without, options={"MaxSessions": sessions})
    await it.ready()
    await other.ready()
    first = asyncio.create_task(it.act("up"))
    await eventually(lambda: it.containers().get("a") == "running", 30)
    second = await other.one("down")
    assert (str(second.outcome), second.exit_code) == ("refused", 4)
    assert "somebody works on it: " in second.message
    assert "(stack up)" in second.message
    assert " since 20" in second.message
    assert it.containers()["a"] == "running"
    await ready(it)
    (done,) = await asyncio.wait_for(first, 60)
    assert str(done.outcome) == "done", done.message
    assert (await other.one("down")).outcome == "done"
    assert it.containers() == {}


async def test_a_cancelled_up_ends_there_and_leaves_no_lock(berth: OpenBerth) -> None:
    it = await berth(ssh=True, shop=SLOW)
    await it.ready()
    acting = asyncio.create_task(it.act("up"))
    await eventually(lambda: it.containers().get("a") == "running", 30)
    it.jobs[-1].cancel()
    (done,) = await asyncio.wait_for(acting, 60)
    assert str(done.outcome) == "cancelled"
    row = await it.shown(state="partial")
    assert {service.name: service.state for service in row.services}["b"] in ("absent", "created")
    assert (await it.one("down")).outcome == "done"
    assert it.containers() == {}


async def test_the_rules_of_a_node_reach_its_stacks(berth: OpenBerth) -> None:
    it = await berth(shop=SHOP)
    await it.ready()
    assert it.deck.feed.fleet.find(Ref("stack", "pi/shop")) is not None
    it.deck.read_only = True
    done = await it.one("up")
    assert str(done.outcome) == "refused"
    assert it.containers() == {}
