"""Logs of real containers of real engines: whole, in order, over restarts and removals."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.errors import BadAnswer, ConfigurationError, Missing
from app.inventory.model import NodeEntry
from backends.docker.logs import LogRequest
from tests.docker.log_reading import Followed, all_lines, ended, engines_of, local, requests
from tests.servers.dockerd import Dockerd, StartDockerd
from tests.servers.sshd import StartSshd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")


async def test_both_streams_are_told_apart(engine: Dockerd) -> None:
    engine.run("web", "echo out; echo err >&2; printf 'no end'")
    await eventually(ended(engine, "web"))
    async with engines_of(local("pi", engine.socket)) as of:
        lines = await all_lines(of, requests(engine, "pi", "web"))
    assert sorted((line.text, line.error) for line in lines) == [("err", True), ("no end", False), ("out", False)]
    assert {line.origin for line in lines} == {"pi/web"}
    assert all(line.at is not None and abs(line.at - time.time()) < 300 for line in lines)


async def test_a_terminal_sends_no_frames(engine: Dockerd) -> None:
    engine.run("web", "echo out; echo err >&2; printf '\\033[31mred\\033[0m\\n'", tty=True)
    await eventually(ended(engine, "web"))
    async with engines_of(local("pi", engine.socket)) as of:
        lines = await all_lines(of, requests(engine, "pi", "web"))
    assert [(line.text, line.error) for line in lines] == [
        ("out", False),
        ("err", False),
        ("\x1b[31mred\x1b[0m", False),
    ]


@pytest.mark.parametrize(("tty", "driver"), [(False, "json-file"), (True, "json-file"), (False, "local")])
async def test_long_lines_cut_by_the_engine_are_whole(engine: Dockerd, tty: bool, driver: str) -> None:
    # 3 bytes each: the cuts at 16384 bytes fall inside of a character, which the driver json-file loses.
    program = 'awk \'BEGIN{for(i=0;i<14000;i++)printf "€";print "";print "next"}\''
    engine.run("web", program, tty=tty, host={"log_config": {"Type": driver}})
    await eventually(ended(engine, "web"))
    async with engines_of(local("pi", engine.socket)) as of:
        long, after = await all_lines(of, requests(engine, "pi", "web"))
    assert after.text == "next"
    assert set(long.text) <= {"€", "\ufffd"}
    assert long.text.count("€") == (14000 if driver == "local" else 13998)


async def test_only_the_last_lines_and_those_of_a_time(engine: Dockerd) -> None:
    engine.run("web", "for i in 1 2 3 4 5 6; do echo n$i; usleep 200000; done")
    await eventually(ended(engine, "web"))
    async with engines_of(local("pi", engine.socket)) as of:
        of_web = requests(engine, "pi", "web")
        lines = await all_lines(of, of_web)
        assert [line.text for line in lines] == ["n1", "n2", "n3", "n4", "n5", "n6"]
        assert [line.text for line in await all_lines(of, of_web, lines=2)] == ["n5", "n6"]
        assert await all_lines(of, of_web, lines=0) == []
        at = [line.at or 0.0 for line in lines]  # the engine stamps what it reads, which may be late
        begin, end = f"{(at[1] + at[2]) / 2:.6f}", f"{(at[2] + at[3]) / 2:.6f}"
        assert [line.text for line in await all_lines(of, of_web, since=begin)] == ["n3", "n4", "n5", "n6"]
        assert [line.text for line in await all_lines(of, of_web, until=end)] == ["n1", "n2", "n3"]
        # The engine counts before it looks at the moments; we do not.
        assert [line.text for line in await all_lines(of, of_web, until=end, lines=1)] == ["n3"]
        assert [line.text for line in await all_lines(of, of_web, since="10m", grep="n[35]")] == ["n3", "n5"]
        assert [line.text for line in await all_lines(of, of_web, grep="N3")] == []
        assert [line.text for line in await all_lines(of, of_web, grep="n[1-5]", invert=True)] == ["n6"]
        assert [line.text for line in await all_lines(of, of_web, grep="n", lines=2)] == ["n5", "n6"]


async def test_what_was_asked_for_wrongly_is_said(engine: Dockerd) -> None:
    async with engines_of(local("pi", engine.socket)) as of:
        for wrong, words in (
            ({"grep": "a(b"}, "at character 2"),
            ({"grep": "(a+)+$"}, "repeats a repeat"),
            ({"since": "yesterday"}, "is no time"),
            ({"until": "2h", "since": "1h"}, "end before it begins"),
            ({"lines": -1}, "no number of lines"),
            ({"invert": True}, "opposite"),
        ):
            with pytest.raises(ConfigurationError, match=words):
                await all_lines(of, [], **wrong)


async def test_two_hosts_are_merged_in_order_of_time(
    engine: Dockerd, engine_at: StartDockerd, sshd_at: StartSshd
) -> None:
    sshd = sshd_at()
    other = engine_at()
    for one, name in ((engine, "here"), (other, "there")):
        one.run(name, "i=0; while :; do echo n$i; i=$((i+1)); usleep 30000; done")
    begin = time.time()
    sshd.trust()
    remote = NodeEntry(name="hp", ssh=sshd.entry(), extra={"docker": f"unix://{other.socket}"})
    async with engines_of(local("pi", engine.socket), remote, ssh=sshd.defaults()) as of:
        wanted = [*requests(engine, "pi", "here"), *requests(other, "hp", "there")]
        async with Followed(of, wanted) as log:
            await eventually(lambda: {line.origin for line in log.lines} == {"pi/here", "hp/there"})
            met = len(log.lines)
            await eventually(lambda: len(log.lines) > met + 40)
        lines = await all_lines(of, wanted, lines=10_000, since=f"{begin:.3f}", until=f"{time.time():.3f}")
        assert len(lines) > 40
        moments = [line.at or 0 for line in lines]
        assert moments == sorted(moments)
        origins = [line.origin for line in lines[-40:]]
        assert {"pi/here", "hp/there"} == set(origins)
        assert origins not in (sorted(origins), sorted(origins, reverse=True))


async def test_new_lines_of_two_containers_come_in_order_and_a_silent_one_holds_up_none(engine: Dockerd) -> None:
    write = "while :; do echo {0}; usleep 40000; done"
    engine.run("one", write.format("a"))
    engine.run("two", write.format("b"))
    engine.run("silent")
    async with (
        engines_of(local("pi", engine.socket)) as of,
        Followed(of, requests(engine, "pi", "one", "two", "silent")) as log,
    ):
        await eventually(lambda: len(log.lines) > 60 and set(log.texts) == {"a", "b"})
        lines = list(log.lines)
        moments = [line.at or 0 for line in lines]
        assert moments == sorted(moments)
        newest = log.lines[-1].at
        assert newest is not None
        before = len(log.lines)
        await eventually(lambda: len(log.lines) > before)
        assert time.time() - (log.lines[-1].at or 0) < 10.0


async def test_a_container_is_followed_over_its_restart(engine: Dockerd) -> None:
    engine.run(
        "web", "n=$(cat /data/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > /data/n; echo start $n; sleep 1000"
    )
    async with engines_of(local("pi", engine.socket)) as of, Followed(of, requests(engine, "pi", "web")) as log:
        await eventually(lambda: "start 1" in log.texts)
        await asyncio.to_thread(engine.client.restart, "web", timeout=1)
        await eventually(lambda: "start 2" in log.texts)
        await asyncio.to_thread(engine.client.stop, "web", timeout=1)
        await eventually(lambda: any("it stopped" in text for text in log.texts))
        await asyncio.to_thread(engine.client.start, "web")
        await eventually(lambda: "start 3" in log.texts)
        starts = [text for text in log.texts if text.startswith("start")]
        assert starts == ["start 1", "start 2", "start 3"]
        assert not log.over


async def test_a_removed_container_says_so_and_the_rest_goes_on(engine: Dockerd) -> None:
    engine.run("gone", "echo here; sleep 1000")
    engine.run("stays", "while :; do echo on; usleep 50000; done")
    async with (
        engines_of(local("pi", engine.socket)) as of,
        Followed(of, requests(engine, "pi", "gone", "stays")) as log,
    ):
        await eventually(lambda: "here" in log.texts and "on" in log.texts)
        await asyncio.to_thread(engine.client.remove_container, "gone", force=True)
        await eventually(lambda: any("removed" in text for text in log.texts))
        said = next(line for line in log.lines if "removed" in line.text)
        assert (said.origin, said.error) == ("pi/gone", True)
        before = log.texts.count("on")
        await eventually(lambda: log.texts.count("on") > before + 5)
        await asyncio.to_thread(engine.client.remove_container, "stays", force=True)
        await eventually(lambda: log.over)
        assert log.error is None


async def test_an_engine_that_goes_says_so_and_is_read_on_when_it_is_back(
    engine: Dockerd, engine_at: StartDockerd
) -> None:
    other = engine_at()
    other.run("web", "i=0; while :; do echo o$i; i=$((i+1)); sleep 0.05; done")
    engine.run("stays", "while :; do echo on; usleep 50000; done")
    async with (
        engines_of(local("pi", engine.socket), local("hp", other.socket)) as of,
        Followed(of, [*requests(engine, "pi", "stays"), *requests(other, "hp", "web")]) as log,
    ):
        await eventually(lambda: "o3" in log.texts and "on" in log.texts)
        await asyncio.to_thread(other.kill)
        await eventually(lambda: any(line.origin == "hp/web" and line.error for line in log.lines), 15)
        before = log.texts.count("on")
        await eventually(lambda: log.texts.count("on") > before + 5)
        count = len(log.lines)
        await asyncio.to_thread(other.start)
        await asyncio.to_thread(other.client.start, "web")
        await eventually(lambda: any(line.origin == "hp/web" and not line.error for line in log.lines[count:]), 40)
        numbers = [line for line in log.lines if line.origin == "hp/web" and line.text.startswith("o")]
        assert len({line.at for line in numbers}) == len(numbers)


async def test_what_cannot_be_read_is_told_in_the_engines_words(engine: Dockerd) -> None:
    engine.run("mute", "echo x", host={"log_config": {"Type": "none"}})
    engine.run("web", "echo y")
    await eventually(ended(engine, "mute", "web"))
    async with engines_of(local("pi", engine.socket)) as of:
        with pytest.raises(BadAnswer, match="does not support reading"):
            await all_lines(of, requests(engine, "pi", "mute"))
        with pytest.raises(Missing, match="no such container"):
            await all_lines(of, [LogRequest("pi", "0" * 64, "pi/none")])
        async with Followed(of, requests(engine, "pi", "mute", "web"), until="0s") as log:
            await eventually(lambda: log.over)
        assert str(log.error) == "1 of 2 logs could not be read to their end"
        assert "y" in log.texts
        assert any("does not support reading" in line.text and line.error for line in log.lines)
