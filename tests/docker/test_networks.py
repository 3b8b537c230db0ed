"""Removing and pruning real networks."""

from __future__ import annotations

import json

import pytest

from app.job import Ended
from app.verb import Text
from backends.kinds.network import Network
from tests.docker.yard import yard
from tests.servers.dockerd import Dockerd

pytestmark = pytest.mark.real("dockerd")

BUILTIN = {"bridge", "host", "none"}


def names(engine: Dockerd) -> set[str]:
    return {str(one["Name"]) for one in engine.client.networks()} - BUILTIN


def attached(engine: Dockerd, container: str, network: str, *, start: bool) -> None:
    made = engine.client.create_container(
        "bb:1", ["sleep", "1000"], name=container, host_config=engine.client.create_host_config(network_mode=network)
    )
    if start:
        engine.client.start(made["Id"])


async def test_remove_is_refused_while_attached_stopped_or_not(engine: Dockerd) -> None:
    engine.client.create_network("shop", internal=True)
    attached(engine, "web", "shop", start=True)
    attached(engine, "job", "shop", start=False)
    async with yard(engine) as one:
        await one.shown(Network, "shop", state="used")
        done = await one.do("network remove", "shop")
        assert (done.outcome, done.exit_code) == (Ended.REFUSED, 4)
        assert "attached: " in done.message
        assert "web" in done.message
        engine.client.remove_container("web", force=True)
        done = await one.do("network remove", "shop")
        assert "attached: job" in done.message
        engine.client.remove_container("job", force=True)
        done = await one.do("network remove", "shop")
        assert (done.outcome, done.message) == (Ended.DONE, "removed")
        assert names(engine) == set()


@pytest.mark.parametrize("name", sorted(BUILTIN))
async def test_the_engines_own_are_refused(engine: Dockerd, name: str) -> None:
    async with yard(engine) as one:
        await one.shown(Network, name, state="builtin")
        done = await one.do("network remove", name)
        assert (done.outcome, done.exit_code) == (Ended.REFUSED, 4)
        assert "the engine's own networks cannot be removed" in done.message


async def test_prune_leaves_those_of_stopped_containers(engine: Dockerd) -> None:
    for name in ("free", "used", "waiting"):
        engine.client.create_network(name, labels={"com.docker.compose.project": "shop"})
    attached(engine, "web", "used", start=True)
    attached(engine, "job", "waiting", start=False)
    async with yard(engine) as one:
        await one.shown(Network, "waiting")
        done = await one.do("network prune", node="pi")
        assert (done.outcome, done.message) == (Ended.DONE, "pi: 1 network removed")
        assert one.front.questions[-1].plan.loses == ("network free on pi (made by shop)", "1 in all")
        assert names(engine) == {"used", "waiting"}
        again = await one.do("network prune", node="pi")
        assert again.outcome is Ended.DONE
        assert "a container is attached to every network" in again.message


async def test_inspect(engine: Dockerd) -> None:
    engine.client.create_network("shop", internal=True)
    async with yard(engine) as one:
        await one.shown(Network, "shop")
        seen = await one.look("network inspect", "shop")
        assert isinstance(seen, Text)
        assert json.loads(seen.text)["Internal"] is True
