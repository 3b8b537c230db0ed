"""Work for an engine in threads: what it gives, what it raises, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadAnswer, Denied, Missing, Refused, TimedOut, Unreachable, Unsupported
from backends.docker.failures import translated
from backends.docker.threads import Flow
from tests.docker.engines import context, far, near, opened, threads
from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

dockerd = pytest.mark.real("dockerd")


def sockets() -> int:
    """How many sockets this process has open."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(one.readlink()).startswith("socket:")
    return found


@dockerd
async def test_refusals_come_back_in_the_engines_own_words(engine: Dockerd) -> None:
    engine.run("one")
    async with opened(context(near(engine))) as held:
        here = held.of("here")
        with pytest.raises(Missing, match="No such container: nobody") as caught:
            await here.call(lambda client: client.start("nobody"))
        assert caught.value.where == "here"
        with pytest.raises(Refused, match="You cannot remove a running container"):
            await here.call(lambda client: client.remove_container("one"))
        with pytest.raises(Refused, match="is already in use"):
            await here.call(lambda client: client.create_container(BUSYBOX, "x", name="one"))
        with pytest.raises(BadAnswer, match=r"(?i)invalid"):
            await here.call(lambda client: client.create_container(BUSYBOX, "x", name="a b"))
        with pytest.raises(ZeroDivisionError):
            await here.call(lambda client: 1 // 0)
        assert len(await here.call(lambda client: client.containers())) == 1


@dockerd
async def test_calls_run_side_by_side_each_with_a_client_of_its_own(engine: Dockerd) -> None:
    async with opened(context(near(engine))) as held:
        here = held.of("here")
        both = threading.Barrier(2, timeout=10)
        used: list[int] = []

        def work(client: Any) -> None:
            both.wait()
            used.append(id(client))

        await asyncio.gather(here.call(work), here.call(work))
        assert len(set(used)) == 2
        again: list[int] = []
        await here.call(lambda client: again.append(id(client)))
        assert again[0] in used, "a client is kept for the next call"


@dockerd
@pytest.mark.parametrize("remote", [False, True])
async def test_a_call_that_takes_too_long_is_given_up(engine: Dockerd, sshd: Sshd, remote: bool) -> None:
    engine.run("one")
    entry = far(engine, sshd) if remote else near(engine)
    async with opened(context(entry, ssh=sshd.defaults())) as held:
        here = held.of(entry.name)
        await here.call(lambda client: client.containers())
        begun = time.monotonic()
        with pytest.raises(TimedOut):
            await here.call(lambda client: client.wait("one"), timeout=0.3)
        assert time.monotonic() - begun < 20
        await eventually(lambda: not threads(), what="its thread goes on")
        waiting = asyncio.create_task(here.call(lambda client: client.wait("one")))
        await eventually(threads)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await eventually(lambda: not threads(), what="its thread goes on")
        assert len(await here.call(lambda client: client.containers())) == 1


@dockerd
@pytest.mark.parametrize("remote", [False, True])
async def test_a_stream_is_ended_at_once_while_nothing_comes(engine: Dockerd, sshd: Sshd, remote: bool) -> None:
    engine.run("quiet", "echo first; sleep 1000")
    entry = far(engine, sshd) if remote else near(engine)
    async with opened(context(entry, ssh=sshd.defaults())) as held:
        stream = held.of(entry.name).stream(lambda client: client.logs("quiet", stream=True, follow=True))
        assert await anext(stream) == b"first\n"
        waiting = asyncio.ensure_future(anext(stream))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        begun = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await stream.aclose()
        assert time.monotonic() - begun < 20
        await eventually(lambda: not threads())


@dockerd
async def test_a_slow_reader_makes_the_engine_wait(engine: Dockerd) -> None:
    engine.run("loud", "yes 0123456789012345678901234567890123456789")
    async with opened(context(near(engine))) as held:
        handed: list[int] = []

        def begin(client: Any) -> Iterator[bytes]:
            for chunk in client.attach("loud", stream=True, logs=False):
                handed.append(len(chunk))
                yield chunk

        stream = held.of("here").stream(begin)
        assert await anext(stream)
        await eventually(lambda: sum(handed) > 1 << 19)
        before = -1
        while before != len(handed):  # it comes to rest although there is more
            before = len(handed)
            await asyncio.sleep(0.3)
        assert sum(handed) < 8 << 20
        for _ in range(before + 1):
            await anext(stream)
        assert len(handed) > before
        await stream.aclose()


@dockerd
async def test_what_goes_wrong_in_a_stream_is_raised_where_it_is_read(engine: Dockerd) -> None:
    async with opened(context(near(engine))) as held:
        stream = held.of("here").stream(lambda client: client.logs("nobody", stream=True, follow=True))
        with pytest.raises(Missing, match="No such container"):
            await anext(stream)

        def begin(client: Any) -> Iterator[int]:
            yield 1
            raise Unsupported("half way")

        half = held.of("here").stream(begin)
        assert await anext(half) == 1
        with pytest.raises(Unsupported, match="half way"):
            await anext(half)
        whole = [item async for item in held.of("here").stream(lambda client: iter(range(1000)))]
        assert whole == list(range(1000))


@dockerd
async def test_nothing_is_left_after_the_end(engine: Dockerd, sshd: Sshd) -> None:
    engine.run("one")
    before = sockets()
    entries = [near(engine), far(engine, sshd)]
    around = context(*entries, ssh=sshd.defaults())
    waiting: list[asyncio.Task[Any]] = []
    async with opened(around) as held:
        for entry in entries:
            held.subscribe(entry.name, lambda news: None)
            one = held.of(entry.name)
            waiting.append(asyncio.create_task(one.call(lambda client: client.wait("one"), timeout=60)))
            assert (await one.socket()).is_socket()
        await eventually(lambda: len(threads()) >= 4)
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, Unreachable) for one in done), done
    await eventually(lambda: sockets() <= before, what=f"{sockets()} sockets, before there were {before}")


@dockerd
async def test_another_program_finds_the_engine_by_its_socket(engine: Dockerd, sshd: Sshd) -> None:
    async with opened(context(far(engine, sshd), ssh=sshd.defaults())) as held:
        path = await held.of("pi").socket()
        assert path != engine.socket
        child = await asyncio.create_subprocess_exec(
            "docker",
            "-H",
            f"unix://{path}",
            "version",
            "--format",
            "{{.Server.APIVersion}}",
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(child.communicate(), 20)
        assert said.strip() == b"1.41"


# -- without an engine


async def test_items_cross_in_order_and_bounded() -> None:
    flow: Flow[bytes] = Flow()
    poured: list[int] = []

    def begin() -> Iterator[bytes]:
        for number in range(5000):
            poured.append(number)
            yield number.to_bytes(4) * 4096

    thread = threading.Thread(target=lambda: flow.pour(begin))
    thread.start()
    got: list[bytes] = []
    while batch := await flow.take():
        assert sum(map(len, batch)) <= (1 << 20) + (1 << 14)
        got += batch
    thread.join(5)
    assert [int.from_bytes(one[:4]) for one in got] == list(range(5000))


async def test_a_flow_nobody_reads_lets_its_thread_go() -> None:
    flow: Flow[bytes] = Flow()
    thread = threading.Thread(target=lambda: flow.pour(lambda: iter([b"x" * 1000] * 100000)))
    thread.start()
    await flow.take()
    flow.close()
    thread.join(5)
    assert not thread.is_alive()


class _Answer:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code
        self.reason = "a reason"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, Missing),
        (409, Refused),
        (401, Denied),
        (403, Denied),
        (400, BadAnswer),
        (500, BadAnswer),
        (503, BadAnswer),
    ],
)
def test_each_refusal_has_its_error(status: int, kind: type[Exception]) -> None:
    import docker.errors

    response: Any = _Answer(status)
    error = docker.errors.APIError("x", response=response, explanation="no \x1b[31mred\x1b[0m words.")
    found = translated(error, "pi")
    assert type(found) is kind
    assert str(found) == "pi: no [31mred[0m words"


def test_other_failures_have_theirs() -> None:
    import requests

    assert type(translated(requests.ReadTimeout(), "pi")) is TimedOut
    assert type(translated(TimeoutError(), "pi")) is TimedOut
    inner = requests.ConnectionError("x", PermissionError(13, "Permission denied"))
    assert type(translated(inner, "pi")) is Denied
    assert "nobody listens" in str(translated(requests.ConnectionError(ConnectionRefusedError()), "pi"))
    assert type(translated(BrokenPipeError(), "pi")) is Unreachable
    defect = ValueError("ours")
    assert translated(defect, "pi") is defect
