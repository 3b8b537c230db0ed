"""Pulling, checking and removing real images: from a real registry, by a real engine."""

from __future__ import annotations

import asyncio
import os

import pytest

from app.errors import ConfigurationError, Refused
from app.inventory.model import NodeEntry
from app.job import Ended, Job
from app.verb import Text
from backends.docker.answers import strings
from backends.kinds.image import Image
from tests.docker.yard import yard
from tests.reports import run_plan
from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.registry import Registry
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("docker-registry")]


def held(engine: Dockerd) -> set[str]:
    return {tag for one in engine.client.images() for tag in strings(one["RepoTags"])}


async def test_pull_tells_bytes_layers_and_digest(engine: Dockerd, registry: Registry) -> None:
    digest = registry.publish("team/app:1", os.urandom(400_000), os.urandom(900_000), os.urandom(50))
    name = registry.name("team/app:1")
    async with yard(engine) as one:
        steps: list[tuple[float, float | None, str]] = []

        def see(job: Job) -> None:
            running = job.running[0]
            steps.append((running.done, running.total, running.unit))

        def started(job: Job) -> None:
            one.jobs.append(job)
            job.listeners.append(see)

        (done,) = await one.deck.perform(one.order("image pull", reference=name), started=started)
        assert (done.outcome, done.exit_code) == (Ended.DONE, 0), done.message
        assert done.message == f"{name} is on pi: {digest}"
        assert (done.data["digest"], done.data["changed"]) == (digest, True)
        assert engine.client.inspect_image(name)["Id"] == done.data["image_id"]
        fetched, total, unit = steps[-1]
        assert unit == "B unpacked"
        assert fetched == total
        assert 1_300_000 < (total or 0) < 1_400_000
        log = one.log()
        assert log.count(": pull complete") == 3
        assert f"pi: POST /images/create?fromImage=127.0.0.1%3A{registry.port}%2Fteam%2Fapp&tag=1" in log
        await one.shown(Image, name, newer=False)

        again = await one.do("image pull", reference=name)
        assert (again.outcome, again.data["changed"]) == (Ended.DONE, False)
        assert again.message == f"{name} on pi was up to date: {digest}"


async def test_pull_by_digest(engine: Dockerd, registry: Registry) -> None:
    first = registry.publish("app:1", b"one")
    registry.publish("app:1", b"two")
    async with yard(engine) as one:
        done = await one.do("image pull", reference=f"{registry.name('app')}@{first}")
        assert (done.outcome, done.data["digest"]) == (Ended.DONE, first)
        assert engine.client.inspect_image(f"{registry.name('app')}@{first}")


@pytest.mark.parametrize(
    "text", ["", "App:1", "a b", "redis:", "redis:7 --all", "x@sha256:12", "../../etc", "http://h/x"]
)
async def test_what_is_no_name_is_refused_before_anything(engine: Dockerd, text: str) -> None:
    async with yard(engine) as one:
        done = await one.do("image pull", reference=text)
        assert (done.outcome, done.exit_code) == (Ended.FAILED, 2), done


async def test_a_pull_that_fails_says_so_in_the_engines_words(engine: Dockerd, registry: Registry) -> None:
    registry.publish("app:1", os.urandom(2000), os.urandom(2000))
    lost = registry.lose_layer("app:1", 1)
    async with yard(engine) as one:
        broken = await one.do("image pull", reference=registry.name("app:1"))
        assert (broken.outcome, broken.exit_code) == (Ended.FAILED, 1)
        assert "unknown blob" in broken.message or lost in broken.message, broken.message
        assert held(engine) == {BUSYBOX}
        absent = await one.do("image pull", reference=registry.name("app:9"))
        assert absent.outcome is Ended.FAILED
        assert "manifest unknown" in absent.message
        assert "look at the name and the tag" in absent.message
        registry.stop()
        away = await one.do("image pull", reference=registry.name("app:1"))
        assert away.outcome is Ended.FAILED
        assert "connection refused" in away.message
        assert f"is {registry.host} reached from pi?" in away.message


async def test_a_failed_refresh_leaves_the_old_image_and_its_container(engine: Dockerd, registry: Registry) -> None:
    registry.push(engine, "app:1", version="1")
    name = registry.name("app:1")
    engine.client.pull(name)
    engine.run("web", image=name)
    before = engine.client.inspect_image(name)["Id"]
    registry.publish("app:1", os.urandom(2000), os.urandom(2000))
    registry.lose_layer("app:1", 1)
    async with yard(engine) as one:
        await one.shown(Image, name, used_by=("web",))
        done = await one.do("image refresh", name)
        assert done.outcome is Ended.FAILED
        assert engine.client.inspect_image(name)["Id"] == before
        assert engine.client.inspect_container("web")["State"]["Running"]


async def test_check_sees_a_newer_one_and_refresh_fetches_it(engine: Dockerd, registry: Registry) -> None:
    first = registry.push(engine, "app:1", version="1")
    name = registry.name("app:1")
    engine.client.pull(name)
    engine.run("web", image=name)
    async with yard(engine) as one:
        await one.shown(Image, name, newer=None, used_by=("web",))
        same = await one.do("image check", name)
        assert (same.outcome, same.message) == (Ended.DONE, f"current: {first}")
        await one.shown(Image, name, newer=False)

        second = registry.push(engine, "app:1", version="2")
        before = held(engine)
        newer = await one.do("image check", name)
        assert newer.message == f"there is a newer one: {second}"
        assert (newer.data["newer"], newer.data["held"]) == (True, [first])
        assert held(engine) == before, "nothing is fetched"
        await one.shown(Image, name, newer=True)

        done = await one.do("image refresh", name)
        assert done.message == f"{name} on pi is another image now: {second}; web run from the old one until recreated"
        assert engine.client.inspect_container("web")["State"]["Running"]
        await one.shown(Image, name, newer=False, used_by=())
        assert (await one.do("image refresh", name)).data["changed"] is False


async def test_what_has_no_registry_cannot_be_checked(engine: Dockerd, registry: Registry) -> None:
    async with yard(engine) as one:
        await one.shown(Image, BUSYBOX)
        done = await one.do("image check", BUSYBOX)
        assert (done.outcome, done.exit_code) == (Ended.DONE, 0)
        assert "it was built or loaded there" in done.message
        assert one.row(Image, BUSYBOX) == await one.shown(Image, BUSYBOX, newer=None)


async def test_cancelling_ends_the_request(engine: Dockerd, registry: Registry) -> None:
    registry.publish("app:1", os.urandom(3_000_000))
    with registry.held(after=500_000) as door:
        async with yard(engine) as one:
            going = asyncio.create_task(one.do("image pull", reference=door.name("app:1")))
            await eventually(door.stopped.is_set, what="the pull got going")
            await eventually(lambda: one.jobs and one.jobs[-1].running[0].done > 0, 15, "it is measured")
            one.jobs[-1].cancel()
            done = await asyncio.wait_for(going, 5)
            assert (done.outcome, done.exit_code) == (Ended.CANCELLED, 130)
            await eventually(lambda: "after error: context canceled" in engine.log(), 15, "the engine gave up")
            door.release()
            assert held(engine) == {BUSYBOX}


async def test_falsify_asks_the_registry_and_fetches_nothing(engine: Dockerd, registry: Registry) -> None:
    digest = registry.publish("app:1", b"one")
    async with yard(engine) as one:
        (fine,) = await one.perform(one.order("image pull", reference=registry.name("app:1"), mode="falsify"))
        assert fine.exit_code == 0, fine.message
        assert digest in str(fine.data)
        (bad,) = await one.perform(one.order("image pull", reference=registry.name("app:2"), mode="falsify"))
        assert bad.exit_code == 4
        assert held(engine) == {BUSYBOX}


async def test_which_node_is_meant(engine: Dockerd) -> None:
    other = NodeEntry(name="off", local=True, extra={"docker": False})
    async with yard(engine, None, other) as one:
        assert one.docks.node_meant(None) == "pi"
        assert one.docks.node_meant("off") == "off"
        with pytest.raises(ConfigurationError, match="there is no node 'po'; nodes with an engine: pi"):
            one.docks.node_meant("po")
        unknown = await one.do("image prune", node="po")
        assert (unknown.outcome, unknown.exit_code) == (Ended.FAILED, 2)
        refused = await one.do("image pull", reference="redis:7", to="off")
        assert refused.outcome in (Ended.REFUSED, Ended.FAILED)
    twin = NodeEntry(name="twin", local=True, extra={"docker": engine.url})
    async with yard(engine, None, twin) as one:
        done = await one.do("image pull", reference="redis:7")
        assert done.exit_code == 2
        assert "pi, twin; name one with --to" in done.message


async def test_remove_says_who_uses_it(engine: Dockerd) -> None:
    engine.busybox("app:1", version="1")
    engine.busybox("old:1", version="2")
    engine.run("web", image="app:1")
    engine.client.create_container("old:1", command=["true"], name="job")
    async with yard(engine) as one:
        await one.shown(Image, "app:1", used_by=("web",))
        used = await one.do("image remove", "app:1")
        assert (used.outcome, used.exit_code) == (Ended.REFUSED, 4)
        assert "no container uses it: used by web" in used.message
        forced = await one.do("image remove", "app:1", force=True)
        assert forced.outcome is Ended.REFUSED
        assert "run from it: web" in forced.message
        assert "app:1" in held(engine)

        stopped = await one.do("image remove", "old:1")
        assert stopped.outcome is Ended.REFUSED
        assert "used by job, none of which runs: --force removes it all the same" in stopped.message
        gone = await one.do("image remove", "old:1", force=True)
        assert gone.outcome is Ended.DONE, gone.message
        assert "old:1" not in held(engine)
        assert one.front.questions[-1].plan.loses[1] == "what job would need to be made anew"


async def test_remove_of_one_name_of_several(engine: Dockerd) -> None:
    engine.busybox("app:1", version="1")
    engine.client.tag("app:1", "app", "latest")
    engine.run("web", image="app:1")
    async with yard(engine) as one:
        await one.shown(Image, "app:latest")
        done = await one.do("image remove", "app:latest")
        assert (done.outcome, done.message) == (
            Ended.DONE,
            "its name is removed; the image itself stays, because it is used",
        )
        assert one.front.questions[-1].plan.loses == ("the name app:latest on pi; the image stays as app:1",)
        assert held(engine) == {BUSYBOX, "app:1"}


async def test_remove_acts_on_the_image_that_was_shown(engine: Dockerd) -> None:
    engine.busybox("app:1", version="1")
    async with yard(engine) as one:
        row = await one.shown(Image, "app:1")
        plan = await one.docks.remove_image(row)
        engine.busybox("app:1", version="2")
        with pytest.raises(Refused, match="the name means another image by now"):
            await run_plan(plan)
        assert "app:1" in held(engine)


async def test_inspect_covers_secrets(engine: Dockerd) -> None:
    made = engine.client.create_container(
        "bb:1", command=["true"], name="made", environment={"DB_PASSWORD": "hush", "A": "b"}
    )
    engine.client.commit(made["Id"], repository="app", tag="1")
    async with yard(engine) as one:
        await one.shown(Image, "app:1")
        seen = await one.look("image inspect", "app:1")
        assert isinstance(seen, Text)
        assert '"A=b"' in seen.text
        assert "hush" not in seen.text
        assert '"DB_PASSWORD=••••••"' in seen.text


@pytest.mark.real("sshd")
async def test_over_ssh(engine: Dockerd, registry: Registry, sshd: Sshd) -> None:
    first = registry.push(engine, "app:1", version="1")
    name = registry.name("app:1")
    async with yard(engine, sshd) as one:
        done = await one.do("image pull", reference=name)
        assert (done.outcome, done.data["digest"]) == (Ended.DONE, first), done.message
        await one.shown(Image, name)
        registry.push(engine, "app:1", version="2")
        assert (await one.do("image check", name)).data["newer"] is True
        assert (await one.do("image remove", name)).outcome is Ended.DONE
        assert held(engine) == {BUSYBOX}
