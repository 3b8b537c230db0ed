"""A real engine near and far: what it holds, what happens on it, and work for it."""

from __future__ import annotations

import pytest

from tests.docker.engines import context, far, hearing, near
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")


async def test_what_it_holds_is_told(engine: Dockerd) -> None:
    engine.run("web", labels={"a": "b"})
    async with hearing(context(near(engine)), "here") as ear:
        assert ear.seen is not None, ear.error
        (web,) = ear.seen.containers
        assert (web.name, web.state, web.image, web.labels) == ("web", "running", "bb:1", {"a": "b"})
        assert ear.seen.engine.startswith("Docker 2")
        assert ear.seen.api == "1.41"
        assert [tag for image in ear.seen.images for tag in image.tags] == ["bb:1"]
        assert "bridge" in [one.name for one in ear.seen.networks]
        assert not ear.seen.faults


async def test_what_a_far_one_holds_is_told(engine: Dockerd, sshd: Sshd) -> None:
    engine.run("web")
    async with hearing(context(far(engine, sshd), ssh=sshd.defaults()), "pi") as ear:
        assert ear.state("web") == "running", ear.error
        engine.client.stop("web")
        await eventually(lambda: ear.state("web") == "exited")
