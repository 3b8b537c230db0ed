"""Removing and pruning real volumes: what is shown is what goes, with both meanings of prune made one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import Refused
from app.job import Ended
from app.verb import Text
from backends.docker.answers import objects
from backends.kinds.volume import Volume
from tests.docker.yard import yard
from tests.reports import RecordingReport, run_plan
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.real("dockerd")


def names(engine: Dockerd) -> set[str]:
    return {one["Name"] for one in objects(engine.client.volumes()["Volumes"])}


def mounted(engine: Dockerd, container: str, *volumes: str, start: bool = False, write: int = 0) -> str:
    """A container with volumes, anonymous ones for empty names; ``write``: bytes in each."""
    binds = [f"{name}:/v{number}" for number, name in enumerate(volumes) if name]
    places = [f"/v{number}" for number in range(len(volumes))]
    host: dict[str, Any] = {"binds": binds}
    fill = "; ".join(f"head -c {write} /dev/zero >{place}/data" for place in places)
    done = engine.run(container, f"{fill}; {'sleep 1000' if start else 'true'}", volumes=places, host=host)
    if not start:
        engine.client.wait(done)
    return done


async def test_remove_is_refused_while_mounted_and_says_by_whom(engine: Dockerd) -> None:
    mounted(engine, "db", "data", start=True)
    mounted(engine, "dump", "data")
    async with yard(engine) as one:
        await one.shown(Volume, "data", state="used")
        done = await one.do("volume remove", "data")
        assert (done.outcome, done.exit_code) == (Ended.REFUSED, 4)
        assert "no container mounts it: mounted by " in done.message
        assert "db" in done.message
        assert "dump" in done.message
        assert names(engine) == {"data"}


async def test_remove(engine: Dockerd) -> None:
    engine.client.create_volume("data")
    async with yard(engine) as one:
        row = await one.shown(Volume, "data", state="unused")
        late = await one.docks.remove_volume(row)
        mounted(engine, "db", "data")
        with pytest.raises(Refused, match=r"pi/data: .*in use.*: db"):
            await run_plan(late)
        engine.client.remove_container("db", force=True)
        done = await one.do("volume remove", "data")
        assert (done.outcome, done.message) == (Ended.DONE, "removed, with the data in it")
        assert one.front.questions[-1].plan.loses == ("volume pi/data and all data in it",)
        assert one.front.questions[-1].type_name == "data"
        assert names(engine) == set()


async def test_inspect_covers_passwords_of_its_options(engine: Dockerd) -> None:
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,password=hush,uid=1"}
    engine.client.create_volume("data", driver_opts=options)
    async with yard(engine) as one:
        await one.shown(Volume, "data")
        seen = await one.look("volume inspect", "data")
        assert isinstance(seen, Text)
        assert json.loads(seen.text)["Options"]["o"] == "size=1m,password=••••••,uid=1"


async def test_prune_takes_the_anonymous_and_all_takes_the_named(engine: Dockerd) -> None:
    mounted(engine, "one", "", "named", write=100_000)
    mounted(engine, "two", "kept", "", start=True)
    engine.client.remove_container("one")
    anonymous = {name for name in names(engine) if len(name) == 64}
    assert len(anonymous) == 2
    async with yard(engine) as one:
        await one.shown(Volume, "named")
        done = await one.do("volume prune", node="pi")
        assert done.outcome is Ended.DONE, done.message
        assert done.message == "pi: 1 volume removed, 98K reclaimed"
        assert done.data["reclaimed_bytes"] == 100_000
        question = one.front.questions[-1]
        (gone,) = anonymous - names(engine)
        assert question.plan.loses == (f"volume {gone} on pi (98K)", "1 in all: 98K")
        assert question.plan.notes == ("pi: left, because they have names (--all takes them): named",)
        assert [step.text for step in question.plan.steps] == [
            f"pi: DELETE /volumes/{gone}",
            "pi: GET /volumes?dangling=true",
        ]
        assert names(engine) == {"named", "kept", *(anonymous - {gone})}

        done = await one.do("volume prune", node="pi", all=True)
        assert done.message == "pi: 1 volume removed, 98K reclaimed"
        assert names(engine) == {"kept", *(anonymous - {gone})}
        nothing = await one.do("volume prune", node="pi", all=True)
        assert (nothing.outcome, nothing.exit_code) == (Ended.DONE, 0)
        assert "no volume is without a container" in nothing.message


async def test_prune_removes_only_what_was_shown(engine: Dockerd) -> None:
    engine.client.create_volume("first")
    engine.client.create_volume("second")
    async with yard(engine) as one:
        plan = await one.docks.prune_volumes("pi", all=True)
        engine.client.create_volume("later")
        mounted(engine, "db", "first")
        engine.client.remove_volume("second")
        with pytest.raises(Refused, match="in use"):
            await run_plan(plan)
        done = await plan.steps[1].run(RecordingReport())
        assert done is not None
        assert done.message == "volume second was gone already"
        summed = await plan.steps[-1].run(RecordingReport())
        assert summed is not None
        assert summed.message == "pi: 0 of 2 volumes removed, 0 B reclaimed"
        assert names(engine) == {"first", "later"}


async def test_one_that_cannot_go_does_not_keep_the_others(engine: Dockerd) -> None:
    for name in ("one", "two", "three"):
        engine.client.create_volume(name)
    async with yard(engine) as one:
        front = one.front
        ask = front.ask

        async def busy(question: Any) -> Any:
            mounted(engine, "late", "two")
            return await ask(question)

        front.ask = busy
        done = await one.do("volume prune", node="pi", all=True)
        assert (done.outcome, done.exit_code) == (Ended.FAILED, 1)
        assert "in use" in done.message
        assert "2 of 3 volumes removed" in one.log()
        assert names(engine) == {"two"}


@pytest.mark.real("sshd")
async def test_over_ssh(engine: Dockerd, sshd: Sshd) -> None:
    engine.client.create_volume("data")
    async with yard(engine, sshd) as one:
        await one.shown(Volume, "data")
        done = await one.do("volume prune", node="pi", all=True)
        assert done.message == "pi: 1 volume removed, 0 B reclaimed"
        assert names(engine) == set()
