"""What a real engine's events change in what is known of it, and how soon."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from backends.docker.engine import NodeEngine
from tests.docker.engines import Hearing, context, far, hearing, near, opened
from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")


async def in_time(ear: Hearing, name: str, state: str | None) -> float:
    """Wait until a container is in a state; how long after now."""
    begun = time.monotonic()
    await eventually(lambda: ear.state(name) == state, what=f"{name} is {ear.state(name)}, not {state}")
    return next(
        at - begun
        for at, one in zip(reversed(ear.moments), reversed(ear.news), strict=True)
        if one is ear.seen
    )  # fmt: skip


async def test_the_life_of_a_container(engine: Dockerd) -> None:
    client = engine.client
    async with hearing(context(near(engine)), "here") as ear:
        made = client.create_container(BUSYBOX, ["sleep", "1000"], name="one", stop_signal="SIGKILL", labels={"x": "y"})
        late = [await in_time(ear, "one", "created")]
        client.start(made["Id"])
        late.append(await in_time(ear, "one", "running"))
        found = ear.container("one")
        assert found is not None
        assert found.started_at is not None
        assert abs(found.started_at - time.time()) < 60
        client.pause("one")
        late.append(await in_time(ear, "one", "paused"))
        client.unpause("one")
        late.append(await in_time(ear, "one", "running"))
        client.rename("one", "two")
        late.append(await in_time(ear, "two", "running"))
        assert ear.state("one") is None
        client.kill("two")
        late.append(await in_time(ear, "two", "exited"))
        await eventually(lambda: (two := ear.container("two")) and two.exit_code == 137)
        client.remove_container("two")
        late.append(await in_time(ear, "two", None))
        assert min(late) < 0.3, late  # by its event: what is listed again comes later than that; others work here too
        assert ear.seen is not None
        assert not ear.seen.restarts


async def test_a_far_event_is_heard_within_300_ms(engine: Dockerd, sshd: Sshd) -> None:
    made = engine.run("one")
    async with hearing(context(far(engine, sshd), ssh=sshd.defaults()), "pi") as ear:
        late: list[float] = []
        while len(late) < 20 and min(late, default=1.0) >= 0.3:  # others work on this machine too
            engine.client.pause(made)
            late.append(await in_time(ear, "one", "paused"))
            engine.client.unpause(made)
            late.append(await in_time(ear, "one", "running"))
        assert min(late) < 0.3, late


async def test_addresses_and_ports_come_with_the_start(engine: Dockerd) -> None:
    engine.client.create_network("net")
    async with hearing(context(near(engine)), "here") as ear:
        host = {"port_bindings": {80: ("127.0.0.1", 0)}}
        engine.run("web", ports=[80], host=host)
        await eventually(lambda: (web := ear.container("web")) and web.ports and web.networks.get("bridge"))
        web = ear.container("web")
        assert web is not None
        (port,) = web.ports
        assert (port.private, port.address) == (80, "127.0.0.1")
        assert port.public
        engine.client.connect_container_to_network("web", "net")
        await eventually(lambda: (web := ear.container("web")) and web.networks.get("net"))
        engine.client.disconnect_container_from_network("web", "net")
        await eventually(lambda: (web := ear.container("web")) and "net" not in web.networks)


async def test_what_did_not_change_is_the_same_object(engine: Dockerd) -> None:
    engine.run("still")
    engine.run("moves")
    async with hearing(context(near(engine)), "here") as ear:
        # What the engine remembers comes a moment after its lists.
        await eventually(lambda: (one := ear.container("still")) and one.started_at)
        before = ear.container("still")
        assert ear.seen is not None
        images = ear.seen.images
        engine.client.restart("moves", timeout=0)
        moved = ear.container("moves")
        await eventually(lambda: ear.container("moves") is not moved and ear.state("moves") == "running")
        assert ear.container("still") is before
        assert ear.seen.images is images


async def test_images_volumes_and_networks_come_and_go(engine: Dockerd) -> None:
    client = engine.client
    async with hearing(context(near(engine)), "here") as ear:
        client.tag(BUSYBOX, "other", "2")
        await eventually(lambda: ear.seen and "other:2" in ear.seen.images[0].tags)
        client.create_volume("data", labels={"a": "b"})
        client.create_network("net", labels={"c": "d"})
        await eventually(lambda: ear.seen and [one.name for one in ear.seen.volumes] == ["data"])
        await eventually(lambda: ear.seen and "net" in [one.name for one in ear.seen.networks])
        assert ear.seen is not None
        assert ear.seen.volumes[0].labels == {"a": "b"}
        client.remove_volume("data")
        client.remove_network("net")
        client.remove_image("other:2")
        await eventually(lambda: ear.seen and not ear.seen.volumes)
        await eventually(lambda: ear.seen and "net" not in [one.name for one in ear.seen.networks])
        await eventually(lambda: ear.seen and ear.seen.images[0].tags == (BUSYBOX,))


async def test_health_is_heard(engine: Dockerd) -> None:
    check = {
        "test": ["CMD", "test", "-e", "/tmp/well"],
        "interval": 100_000_000,
        "retries": 1,
        "timeout": 5_000_000_000,
    }
    async with hearing(context(near(engine)), "here") as ear:
        made = engine.run("sick", "touch /tmp/well; sleep 1000", healthcheck=check)
        await eventually(lambda: (one := ear.container("sick")) and one.health == "healthy")
        engine.client.exec_start(engine.client.exec_create(made, ["rm", "/tmp/well"])["Id"])
        await eventually(lambda: (one := ear.container("sick")) and one.health == "unhealthy")


async def test_restarts_nobody_asked_for_are_counted_and_others_are_not(engine: Dockerd) -> None:
    asked = engine.run("asked", host={"restart_policy": {"Name": "always"}})
    async with hearing(context(near(engine)), "here") as ear:
        looping = engine.run("loops", "sleep 0.1", host={"restart_policy": {"Name": "always"}})
        for _ in range(2):
            engine.client.restart("asked", timeout=0)
        once = engine.run("once", "true")
        await eventually(lambda: (one := ear.container("once")) and one.status.endswith("ago"))
        engine.client.start("once")

        def count(key: str) -> int:
            return len(ear.seen.restarts.get(key, ())) if ear.seen else 0

        await eventually(lambda: count(looping) >= 3, 20)
        assert count(asked) == 0
        assert count(once) == 0
        assert ear.seen is not None
        moments = ear.seen.restarts[looping]
        assert list(moments) == sorted(moments)
        assert abs(moments[-1] - time.time()) < 60


async def test_the_engine_remembers_restarts_from_before_we_came(engine: Dockerd) -> None:
    looping = engine.run("loops", "sleep 0.05", host={"restart_policy": {"Name": "always"}})

    def count() -> int:
        return int(engine.client.inspect_container(looping)["RestartCount"])

    await eventually(lambda: count() >= 3, 20)
    async with hearing(context(near(engine)), "here") as ear:
        await eventually(lambda: ear.seen and len(ear.seen.restarts.get(looping, ())) >= 3)
        engine.client.remove_container(looping, force=True)
        await eventually(lambda: ear.state("loops") is None)
        assert ear.seen is not None
        assert looping not in ear.seen.restarts


async def test_a_storm_of_events_causes_few_lists_and_no_inspect(engine: Dockerd) -> None:
    made = [engine.run(f"c{number}") for number in range(6)]
    around = context(near(engine))
    async with hearing(around, "here") as ear, opened(around) as held:
        here: Any = held.of("here")
        assert isinstance(here, NodeEngine)
        calls: list[float] = []
        call = here.call

        async def counted(work: Any, *, timeout: float = 30.0) -> Any:
            calls.append(time.monotonic())
            return await call(work, timeout=timeout)

        here.call = counted  # pyright: ignore[reportAttributeAccessIssue]
        for _ in range(3):
            for one in made:
                engine.client.pause(one)
                engine.client.unpause(one)
        engine.client.kill("c0")
        begun = time.monotonic()
        await eventually(lambda: ear.state("c0") == "exited")
        assert time.monotonic() - begun < 5.0
        spaces = [b - a for a, b in itertools.pairwise(calls)]
        assert all(space >= 0.2 for space in spaces), spaces
