"""Pruning real images and a real build cache: what was shown goes, and what came free is measured."""

from __future__ import annotations

import io
import os
import tarfile
from typing import Any

import pytest

from app.errors import Refused
from app.job import Ended
from backends.docker.answers import objects, strings
from backends.kinds.image import Image
from tests.docker.yard import yard
from tests.reports import RecordingReport, run_plan
from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.registry import Registry
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.real("dockerd")


def names(engine: Dockerd) -> set[str]:
    return {tag for one in engine.client.images() for tag in strings(one["RepoTags"])} - {BUSYBOX}


def ids(engine: Dockerd) -> set[str]:
    return {str(one["Id"]) for one in engine.client.images()}


def plain(engine: Dockerd, name: str, size: int) -> str:
    """An image of that many bytes in one layer, of which nothing else has any."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("data")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    repository, _, tag = name.partition(":")
    engine.client.import_image_from_data(archive.getvalue(), repository=repository, tag=tag, changes=['CMD ["/data"]'])
    return str(engine.client.inspect_image(name)["Id"])


def built(engine: Dockerd, name: str) -> None:
    """Build an image with BuildKit, so that there is a build cache."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        files = {"Dockerfile": b"FROM bb:1\nCOPY a /a\nRUN echo hi >/c\n", "a": os.urandom(70_000)}
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    client = engine.client
    answer = client._post(
        client._url("/build"),
        data=context.getvalue(),
        params={"version": "2", "t": name},
        headers={"Content-Type": "application/tar"},
    )
    assert b"Successfully tagged" in answer.content, answer.content[-2000:]


def cache(engine: Dockerd) -> list[dict[str, Any]]:
    return objects(engine.client.df().get("BuildCache"))


@pytest.fixture
def clean_cache(engine: Dockerd) -> Any:
    """Nothing of the build cache before and after."""
    engine.client.prune_builds(all=True)
    yield
    engine.sweep()
    engine.client.prune_builds(all=True)


async def test_nameless_ones_go_and_all_takes_the_unused(engine: Dockerd) -> None:
    old = plain(engine, "app:1", 300_000)
    new = plain(engine, "app:1", 200_000)
    plain(engine, "idle:1", 100_000)
    engine.client.create_container(new, name="job")
    async with yard(engine) as one:
        await one.shown(Image, "idle:1")
        done = await one.do("image prune", node="pi")
        assert done.outcome is Ended.DONE, done.message
        assert done.message == "pi: 1 image removed, 293K reclaimed"
        assert done.data["reclaimed_bytes"] == 300_000
        plan = one.front.questions[-1].plan
        short = old.removeprefix("sha256:")[:12]
        assert plan.loses == (f"image without a name, {short} on pi (293K)", "1 in all: at most 293K")
        assert [step.text for step in plan.steps] == [f"pi: DELETE /images/{old}", "pi: GET /system/df"]
        assert one.front.questions[-1].type_name == "prune"
        assert old not in ids(engine)
        assert names(engine) == {"app:1", "idle:1"}

        assert "no image without a name is unused" in (await one.do("image prune", node="pi")).message
        engine.run("keeper")  # or the tests' own image would go as well
        done = await one.do("image prune", node="pi", all=True)
        assert done.message == "pi: 1 image removed, 98K reclaimed"
        assert names(engine) == {"app:1"}


async def test_every_name_of_an_image_goes_with_it(engine: Dockerd, registry: Registry) -> None:
    engine.run("keeper")
    registry.publish("team/app:1", os.urandom(1000))
    name = registry.name("team/app:1")
    engine.client.pull(name)
    engine.client.tag(name, "mine/app", "a")
    engine.client.tag(name, "mine/app", "b")
    async with yard(engine) as one:
        await one.shown(Image, "mine/app:b")
        done = await one.do("image prune", node="pi", all=True)
        assert done.outcome is Ended.DONE, done.message
        assert names(engine) == set()
        (line, _) = one.front.questions[-1].plan.loses
        assert all(one in line for one in (name, "mine/app:a", "mine/app:b"))


async def test_a_nameless_one_with_digests_of_two_registries(engine: Dockerd, registry: Registry) -> None:
    registry.publish("one/app:1", b"same")
    registry.publish("two/app:1", b"same")
    for repository in ("one/app", "two/app"):
        engine.client.pull(f"{registry.name(repository)}@{registry.digest(f'{repository}:1')}")
    async with yard(engine) as one:
        done = await one.do("image prune", node="pi")
        assert done.outcome is Ended.DONE, done.message
        assert len(ids(engine)) == 1


async def test_what_was_named_or_used_meanwhile_stays(engine: Dockerd) -> None:
    first, second = plain(engine, "app:1", 1000), plain(engine, "app:1", 2000)
    plain(engine, "app:1", 3000)
    async with yard(engine) as one:
        plan = await one.docks.prune_images("pi")
        assert len(plan.steps) == 3
        engine.client.tag(first, "saved", "1")
        engine.client.create_container(second, name="job")
        for step in plan.steps[:2]:
            with pytest.raises(Refused, match=r"has got a name meanwhile|used by stopped container"):
                await step.run(RecordingReport())
        assert {first, second} <= ids(engine)


async def test_one_that_is_gone_already_is_no_fault(engine: Dockerd) -> None:
    first = plain(engine, "app:1", 1000)
    plain(engine, "app:1", 2000)
    async with yard(engine) as one:
        plan = await one.docks.prune_images("pi")
        engine.client.remove_image(first)
        results = await run_plan(plan)
        assert [one.exit_code for one in results] == [0, 0]
        assert results[0].message.endswith("was gone already")
        assert results[1].message == "pi: 0 of 1 image removed, 0 B reclaimed"


async def test_the_build_cache_goes_piece_by_piece(engine: Dockerd, clean_cache: None) -> None:
    built(engine, "made:1")
    assert {one["Type"] for one in cache(engine)} == {"regular"}
    engine.client.remove_image("made:1")
    engine.run("keeper")
    async with yard(engine) as one:
        plan = await one.docks.prune_images("pi", all=True, cache=True)
        shown = {record["ID"] for record in cache(engine) if not record["InUse"]}
        assert shown
        assert all(number in plan.steps[0].text for number in shown)
        before = sum(int(record["Size"]) for record in cache(engine))
        done = await one.do("image prune", node="pi", all=True, cache=True)
        assert done.outcome is Ended.DONE, done.message
        left = sum(int(record["Size"]) for record in cache(engine))
        assert done.data["cache_reclaimed_bytes"] == before - left > 70_000
        assert not shown & {record["ID"] for record in cache(engine)}


async def test_without_a_build_cache_there_is_nothing_of_it(engine: Dockerd, clean_cache: None) -> None:
    async with yard(engine) as one:
        done = await one.do("image prune", node="pi", cache=True)
        assert (done.outcome, done.exit_code) == (Ended.DONE, 0)
        assert "nothing of the build cache can go" in done.message


@pytest.mark.real("sshd")
async def test_over_ssh(engine: Dockerd, sshd: Sshd) -> None:
    plain(engine, "app:1", 1000)
    plain(engine, "app:1", 2000)
    async with yard(engine, sshd) as one:
        done = await one.do("image prune", node="pi")
        assert done.message == "pi: 1 image removed, 1.0K reclaimed"
