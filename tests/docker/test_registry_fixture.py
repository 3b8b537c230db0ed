"""That the registry of the tests is one: pushes, pulls, passwords, losses and stops are real."""

from __future__ import annotations

import os
import urllib.error

import pytest

from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.registry import Registry, StartRegistry

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("docker-registry")]


def test_a_push_leaves_the_engine_as_it_was(engine: Dockerd, registry: Registry) -> None:
    first = registry.push(engine, "team/app:1", version="1")
    assert [one["RepoTags"] for one in engine.client.images(all=True)] == [[BUSYBOX]]
    engine.client.pull(registry.name("team/app"), tag="1")
    held = engine.client.inspect_image(registry.name("team/app:1"))
    assert held["Config"]["Labels"] == {"version": "1"}
    assert held["RepoDigests"] == [f"{registry.name('team/app')}@{first}"]

    second = registry.push(engine, "team/app:1", version="2")
    assert second != first
    assert registry.digest("team/app:1") == second
    assert engine.client.inspect_image(registry.name("team/app:1"))["Id"] == held["Id"]


def test_an_image_of_given_layers(engine: Dockerd, registry: Registry) -> None:
    digest = registry.publish("blob:1", os.urandom(1000), os.urandom(2000), made="here")
    engine.client.pull(registry.name("blob"), tag="1")
    held = engine.client.inspect_image(registry.name("blob:1"))
    assert len(held["RootFS"]["Layers"]) == 2
    assert held["RepoDigests"] == [f"{registry.name('blob')}@{digest}"]


def test_a_lost_layer_fails_the_pull(engine: Dockerd, registry: Registry) -> None:
    registry.publish("blob:1", os.urandom(1000), os.urandom(2000))
    registry.lose_layer("blob:1", 1)
    said = list(engine.client.pull(registry.name("blob"), tag="1", stream=True, decode=True))
    assert any("error" in one for one in said)


def test_a_locked_one_wants_its_account(engine: Dockerd, registry_at: StartRegistry) -> None:
    locked = registry_at(account=True)
    digest = locked.push(engine, "app:1")
    assert locked.digest("app:1") == digest
    locked.account = (locked.account[0], "wrong") if locked.account else None
    with pytest.raises(urllib.error.HTTPError, match="401"):
        locked.digest("app:1")


def test_it_comes_back_with_its_images(engine: Dockerd, registry: Registry) -> None:
    digest = registry.publish("app:1")
    host = registry.host
    registry.stop()
    with pytest.raises(urllib.error.URLError):
        registry.digest("app:1")
    registry.start()
    assert (registry.host, registry.digest("app:1")) == (host, digest)


def test_a_held_pull_hangs_until_it_is_released(engine: Dockerd, registry: Registry) -> None:
    registry.publish("blob:1", os.urandom(300_000))
    with registry.held(after=100_000) as door:
        said = engine.client.pull(door.name("blob"), tag="1", stream=True, decode=True)
        assert next(said)
        assert door.stopped.wait(10)
        door.release()
        assert "Downloaded newer image" in list(said)[-1]["status"]
