"""Starting and stopping real containers through the deck: what is planned, what happens, and what is said."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.job import Ended
from app.plan import Risk
from tests.docker.pier import Harbour, harbour
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

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


async def test_what_is_so_already_is_nothing_to_do(port: Harbour, engine: Dockerd) -> None:
    assert (await port.do("start", "web")).message == "nothing to do: is running already"
    engine.client.pause("web")
    assert (await port.do("pause", "web")).message == "nothing to do: is paused already"
    engine.client.unpause("web")
    assert (await port.do("unpause", "web")).message == "nothing to do: is running already"
    engine.client.stop("web", timeout=0)
    assert (await port.do("stop", "web")).message == "nothing to do: is exited with 137 already"
    assert port.front.questions == []


async def test_pause_and_unpause(port: Harbour, engine: Dockerd) -> None:
    assert (await port.do("pause", "web")).outcome is Ended.DONE
    assert state(engine, "web") == "paused"
    refused = await port.do("start", "web")
    assert (refused.outcome, refused.exit_code) == (Ended.REFUSED, 4)
    assert "unpause it" in refused.message
    assert (await port.do("unpause", "web")).outcome is Ended.DONE
    assert state(engine, "web") == "running"
    engine.client.stop("web", timeout=0)
    for verb in ("pause", "unpause", "kill"):
        assert "exited with 137" in (await port.do(verb, "web")).message


async def test_signals_reach_the_first_process(port: Harbour, engine: Dockerd) -> None:
    engine.run("trap", "trap 'echo got' USR1; while :; do sleep 0.05; done")
    await port.sees("trap")
    await eventually(lambda: "sleep 0.05" in str(engine.client.top("trap")))
    assert (await port.do("kill", "trap", signal="USR1")).message == "SIGUSR1 sent"
    await eventually(lambda: b"got" in engine.client.logs("trap"))
    assert state(engine, "trap") == "running"
    done = await port.do("kill", "trap")
    assert port.front.questions[-1].plan.steps[0].text.endswith("/kill?signal=SIGKILL")
    assert done.outcome is Ended.DONE
    await eventually(lambda: state(engine, "trap") == "exited")


async def test_another_one_of_that_name_is_left_alone(port: Harbour, engine: Dockerd) -> None:
    engine.client.remove_container("web", force=True)
    engine.run("web")
    done = await port.do("stop", "web")
    assert done.outcome is Ended.FAILED
    assert "the container is gone" in done.message
    assert state(engine, "web") == "running"


async def test_one_that_fails_does_not_stop_the_others(port: Harbour, engine: Dockerd) -> None:
    names = [f"c{number}" for number in range(6)]
    for name in names:
        engine.run(name)
    await port.sees("c5")
    engine.client.remove_container("c3", force=True)
    done = await port.all("stop", *names, timeout=1)
    assert (done[0].id, done[0].outcome) == ("pi/c3", Ended.FAILED)
    assert sum(one.outcome is Ended.DONE for one in done) == 5
    await eventually(lambda: len(engine.client.containers()) == 1)


async def test_what_depends_on_it_is_noted(port: Harbour, engine: Dockerd) -> None:
    labels = {"com.docker.compose.project": "shop"}
    for name in ("api", "worker"):
        needs = {"com.docker.compose.depends_on": "web:service_started:false"}
        engine.run(name, labels={**labels, **needs, "com.docker.compose.service": name})
    await port.sees("worker")
    await port.do("restart", "web")
    assert port.front.questions[0].plan.notes == ("2 services depend on web in shop: api, worker",)
    engine.client.stop("web", timeout=0)
    engine.client.stop("api", timeout=0)
    order = port.order("start", "api", mode="falsify")
    (looked,) = await port.deck.perform(order)
    assert looked.outcome is Ended.DONE
    assert looked.data["notes"] == ["pi/api: depends on web, not running"]
    assert state(engine, "api") == "exited"


async def test_one_that_goes_when_it_ends_is_lost_by_stopping(port: Harbour, engine: Dockerd) -> None:
    engine.run("once", host={"auto_remove": True})
    await port.sees("once")
    await port.do("stop", "once", timeout=0)
    question = port.front.questions[0]
    assert question.risk is Risk.DESTROYS
    assert "--rm" in question.plan.loses[0]


@pytest.mark.parametrize("timeout", [-1, 10**6])
async def test_times_that_are_none_are_refused(port: Harbour, timeout: int) -> None:
    assert (await port.do("stop", "web", timeout=timeout)).exit_code == 2


async def test_over_ssh(engine: Dockerd, sshd: Sshd) -> None:
    engine.run("web")
    async with harbour(engine, sshd) as port:
        for verb in ("stop", "start", "restart", "pause", "unpause"):
            assert (await port.do(verb, "web")).outcome is Ended.DONE
        assert state(engine, "web") == "running"
        done = await port.do("exec", "web", command=("echo there; exit 4",))
        assert (done.exit_code, done.data["stdout"]) == (4, "there\n")


# -- taking away, and other names


async def test_one_that_runs_is_not_removed_without_force(port: Harbour, engine: Dockerd) -> None:
    refused = await port.do("remove", "web")
    assert (refused.outcome, refused.exit_code) == (Ended.REFUSED, 4)
    assert "stop it first, or use --force" in refused.message
    done = await port.do("remove", "web", force=True)
    assert (done.outcome, done.message) == (Ended.DONE, "removed")
    assert port.front.questions[0].plan.steps[0].text.endswith("?force=1")
    assert any("is killed" in line for line in port.front.questions[0].plan.loses)
    assert engine.client.containers(all=True) == []


async def test_removing_says_what_was_written_and_what_of_volumes(port: Harbour, engine: Dockerd) -> None:
    engine.run("db", "head -c 50000 /dev/zero > /big; sleep 100000", volumes=["/var/db"])
    await port.sees("db")
    await eventually(lambda: "sleep" in str(engine.client.top("db")))
    engine.client.stop("db", timeout=0)
    falsified = await port.deck.perform(port.order("remove", "db", mode="falsify"))
    assert falsified[0].data["notes"] == ["pi/db: 1 anonymous volumes stay; --volumes removes them as well"]
    await port.do("remove", "db", volumes=True)
    loses = port.front.questions[0].plan.loses
    assert "outside of volumes (49K)" in loses[0]
    assert "anonymous volume" in loses[1]
    assert not engine.client.volumes()["Volumes"]


async def test_rename(port: Harbour, engine: Dockerd) -> None:
    engine.run("other")
    done = await port.do("rename", "web", name="front")
    assert done.message == "is called front now"
    assert state(engine, "front") == "running"
    await port.sees("front")
    taken = await port.do("rename", "front", name="other")
    assert taken.outcome is Ended.REFUSED
    assert "'other' is the name of another container" in taken.message
    assert (await port.do("rename", "front", name="front")).message == "nothing to do: is called front already"
    for bad in ("", "a", "-x", "a b", "a/b", "ä1"):
        assert (await port.do("rename", "front", name=bad)).exit_code == 2


async def test_prune_takes_what_was_shown(port: Harbour, engine: Dockerd) -> None:
    engine.run("old", "head -c 50000 /dev/zero > /big")
    engine.client.create_container("bb:1", name="made")
    await eventually(lambda: state(engine, "old") == "exited")
    done = await port.do("prune", node="pi")
    assert (done.outcome, done.message) == (Ended.DONE, "2 containers removed, 49K given back")
    loses = port.front.questions[0].plan.loses
    assert any("container old on pi (49K, bb:1, Exited (0)" in line for line in loses)
    assert [one["Names"] for one in engine.client.containers(all=True)] == [["/web"]]
    assert "no stopped container" in (await port.do("prune", node="pi")).message
    unknown = await port.do("prune", node="pii")
    assert unknown.exit_code == 2
    assert "did you mean 'pi'?" in unknown.message
