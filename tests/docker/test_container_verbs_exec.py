"""Commands in real containers: what they say, how they end, and that ending them really does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.job import Ended, Job
from tests.docker.pier import Harbour, harbour
from tests.servers.dockerd import Dockerd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")


@pytest.fixture
async def port(engine: Dockerd) -> AsyncIterator[Harbour]:
    """A deck over an engine with one container, ``web``."""
    engine.run("web")
    async with harbour(engine) as one:
        yield one


def processes(engine: Dockerd, name: str = "web") -> str:
    return " ".join(line[-1] for line in engine.client.top(name)["Processes"])


async def test_one_word_is_a_command_line_of_its_sh(port: Harbour) -> None:
    done = await port.do("exec", "web", command=("echo out; echo err >&2; printf 'ä%s' x; exit 3",))
    assert (done.outcome, done.exit_code) == (Ended.FAILED, 3)
    assert (done.data["stdout"], done.data["stderr"], done.message) == ("out\näx", "err\n", "err")


async def test_several_words_reach_the_program_as_they_are(port: Harbour) -> None:
    done = await port.do("exec", "web", command=("printf", "[%s]", "a  b", "$HOME", "it's;ls", "\n"))
    assert done.data["stdout"] == "[a  b][$HOME][it's;ls][\n]"
    text = port.front.questions[0].plan.steps[0].text
    assert text == (
        f"POST /containers/{port.row('web').container_id[:12]}/exec "
        """{"Cmd": ["printf", "[%s]", "a  b", "$HOME", "it's;ls", "\\n"]}"""
    )


async def test_as_whom_and_where(port: Harbour) -> None:
    done = await port.do("exec", "web", command=("id -u; pwd",), user="77", workdir="/etc")
    assert done.data["stdout"] == "77\n/etc\n"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"command": ("nope", "x")}, "nope"),
        ({"command": ("id", "-u"), "user": "nobodyx"}, "nobodyx"),
        ({"command": ("pwd", "-P"), "workdir": "/nowhere"}, "/nowhere"),
    ],
)
async def test_what_cannot_be_started_says_why(port: Harbour, more: dict[str, object], words: str) -> None:
    done = await port.do("exec", "web", **more)
    assert done.outcome is Ended.FAILED
    assert done.exit_code in (126, 127)
    assert words in done.message


@pytest.mark.parametrize("command", [(), (" ",), ("a\0b",)])
async def test_no_command_is_refused_before_anything(port: Harbour, command: tuple[str, ...]) -> None:
    assert (await port.do("exec", "web", command=command)).exit_code == 2
    assert port.front.questions == []


async def test_time_up_ends_it_with_all_it_started(port: Harbour, engine: Dockerd) -> None:
    line = "trap '' TERM; sleep 4321 & echo begun; wait; sleep 4322"
    done = await port.do("exec", "web", command=(line,), timeout=0.5)
    assert (done.exit_code, done.data["stdout"]) == (124, "begun\n")
    assert done.message == "not finished within 0.5 s; it was ended in the container"
    assert "432" not in processes(engine)


async def test_cancelling_ends_it_in_the_container(port: Harbour, engine: Dockerd) -> None:
    jobs: list[Job] = []
    heard: list[str] = []
    order = port.order("exec", "web", command=("echo begun; sleep 4321",))
    work = asyncio.create_task(
        port.deck.perform(order, started=jobs.append, spoken=lambda j, s, stream, text: heard.append(text))
    )
    await eventually(lambda: "begun\n" in heard)
    assert "sleep 4321" in processes(engine)
    jobs[0].cancel()
    (done,) = await asyncio.wait_for(work, 20)
    assert done.outcome is Ended.CANCELLED
    assert "sleep 4321" not in processes(engine)
    assert any("was ended in the container" in line for line in jobs[0].log)


async def test_without_a_sh_programs_run_and_command_lines_say_so(port: Harbour, engine: Dockerd) -> None:
    engine.run("bare", "rm /bin/sh /bin/ash; exec sleep 100000")
    await eventually(lambda: "exec" not in processes(engine, "bare"))
    await port.sees("bare")
    done = await port.do("exec", "bare", command=("echo", "plain"))
    assert (done.exit_code, done.data["stdout"]) == (0, "plain\n")
    refused = await port.do("exec", "bare", command=("echo line",))
    assert refused.outcome is Ended.FAILED
    assert "no sh" in refused.message
    ended = await port.do("exec", "bare", command=("sleep", "4321"), timeout=0.5)
    assert ended.exit_code == 124
    assert "it was ended from the node" in ended.message
    assert "4321" not in processes(engine, "bare")


async def test_a_container_that_does_not_run_is_refused(port: Harbour, engine: Dockerd) -> None:
    engine.client.pause("web")
    assert "unpause" in (await port.do("exec", "web", command=("ls",))).message
    engine.client.unpause("web")
    engine.client.stop("web", timeout=0)
    stopped = await port.do("exec", "web", command=("ls",))
    assert (stopped.outcome, stopped.exit_code) == (Ended.REFUSED, 4)
    assert "exited with 137" in stopped.message
    engine.client.remove_container("web")
    gone = await port.do("exec", "web", command=("ls",))
    assert gone.outcome is Ended.FAILED
    assert "is gone" in gone.message
