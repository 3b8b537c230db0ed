"""Starting and stopping real containers through the deck: what is planned, what happens, and what is said."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.job import Ended
from tests.docker.pier import Harbour, harbour
from tests.servers.dockerd import Dockerd

pytestmark = pytest.mark.real("dockerd")


@pytest.fixture
async def port(engine: Dockerd) -> AsyncIterator[Harbour]:
    """A deck over an engine with one container, ``web``."""
    engine.run("web", labels={"com.docker.compose.project": "shop", "com.docker.compose.service": "web"})
    async with harbour(engine) as one:
        yield one


def state(engine: Dockerd, name: str) -> str:
    return str(engine.client.inspect_container(name)["State"]["Status"])


async def test_stop_start_and_restart(port: Harbour, engine: Dockerd) -> None:
    short = port.row("web").container_id[:12]
    stopped = await port.do("stop", "web", timeout=3)
    assert (stopped.outcome, stopped.message) == (Ended.DONE, "stopped")
    assert state(engine, "web") == "exited"
    assert (await port.do("start", "web")).outcome is Ended.DONE
    first = engine.client.inspect_container("web")["State"]["StartedAt"]
    assert (await port.do("restart", "web", timeout=4)).outcome is Ended.DONE
    assert engine.client.inspect_container("web")["State"]["StartedAt"] > first
    texts = [question.plan.steps[0].text for question in port.front.questions]
    assert texts == [f"POST /containers/{short}/stop?t=3", f"POST /containers/{short}/restart?t=4"]
    assert "container stop" in port.witnessed()
