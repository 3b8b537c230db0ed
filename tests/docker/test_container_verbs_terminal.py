"""Shells in containers and attachments to them on a real terminal, local and over a real sshd."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from app.job import Ended, Outcome
from tests.docker.pier import Harbour, harbour
from tests.docker.seat import Seat
from tests.servers.dockerd import BUSYBOX, Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")


@pytest.fixture
def seat() -> Iterator[Seat]:
    """A terminal."""
    one = Seat()
    yield one
    one.close()


@pytest.fixture
async def port(engine: Dockerd, seat: Seat) -> AsyncIterator[Harbour]:
    """A deck over an engine with one container, ``web``, and a terminal."""
    engine.run("web", "while :; do echo tick; sleep 0.2; done")
    async with harbour(engine) as one:
        one.front.child = seat.run
        yield one


def begun(port: Harbour, verb: str, name: str = "web", **arguments: object) -> asyncio.Task[Outcome]:
    return asyncio.create_task(port.do(verb, name, **arguments))


async def ended(work: asyncio.Task[Outcome]) -> Outcome:
    return await asyncio.wait_for(work, 40)


async def test_a_shell_passes_keys_and_its_exit_code(port: Harbour, seat: Seat) -> None:
    work = begun(port, "shell")
    await seat.until(b"# ")
    seat.type(b"echo $((40+2)) $TERM; stty size; id -u\r")
    await seat.until(b"42 xterm-256color\r\n30 100\r\n0\r\n")
    seat.resize(40, 120)
    seat.type(b"until stty size | grep '40 120'; do :; done\r")
    await seat.until(b"\r\n40 120\r\n")
    seat.type(b"exit 7\r")
    done = await ended(work)
    assert (done.outcome, done.message) == (Ended.DONE, "the shell ended with 7")
    assert seat.process is not None
    assert seat.process.returncode == 7
    assert seat.as_before


async def test_a_shell_as_another_user_over_ssh(engine: Dockerd, sshd: Sshd, seat: Seat) -> None:
    engine.run("web")
    async with harbour(engine, sshd) as port:
        port.front.child = seat.run
        work = begun(port, "shell", user="77")
        await seat.until(b"$ ")
        seat.type(b"id -u; head -c 300000 /dev/zero | tr '\\0' x; echo; echo over\r")
        await seat.until(b"x\r\nover\r\n")
        assert seat.seen.count(b"x") >= 300000
        seat.type(b"\x04")
        assert (await ended(work)).outcome is Ended.DONE
    assert seat.as_before


async def test_ctrl_c_and_pasting_reach_the_shell(port: Harbour, seat: Seat, engine: Dockerd) -> None:
    work = begun(port, "shell")
    await seat.until(b"# ")
    seat.type(b"sleep 1000\r")
    await eventually(lambda: "sleep 1000" in str(engine.client.top("web")))
    seat.type(b"\x10\x11\x03")  # ctrl-p ctrl-q are keys like others here
    await seat.until(b"# ")
    seat.type(b"stty -echo; cat > /dev/null; echo taken\r")
    await seat.paste((b"pasted text " * 80 + b"\r") * 20)
    seat.type(b"\x04")
    await seat.until(b"taken\r\n")
    seat.type(b"exit\r")
    assert (await ended(work)).message == ""


async def test_an_image_without_a_shell_says_so(port: Harbour, engine: Dockerd) -> None:
    engine.run("bare", "rm /bin/sh /bin/ash /bin/bash; exec sleep 100000")
    await port.sees("bare")
    await eventually(lambda: "sleep" in str(engine.client.top("bare")))
    done = await port.do("shell", "bare")
    assert (done.outcome, done.exit_code) == (Ended.REFUSED, 4)
    assert "its image has no shell" in done.message
    assert port.front.terminals == []


async def test_a_shell_in_one_that_is_stopped_is_refused(port: Harbour, engine: Dockerd) -> None:
    engine.client.stop("web", timeout=0)
    done = await port.do("shell", "web")
    assert done.outcome is Ended.REFUSED
    assert "start it first" in done.message


async def test_attaching_shows_output_and_ctrl_c_leaves_it_running(port: Harbour, seat: Seat, engine: Dockerd) -> None:
    work = begun(port, "attach")
    await seat.until(b"tick")
    seat.type(b"\x03")
    done = await ended(work)
    assert (done.outcome, done.message) == (Ended.DONE, "left it running; it is running")
    assert engine.client.inspect_container("web")["State"]["Running"]
    assert seat.as_before


async def test_attaching_to_one_that_reads_lines(port: Harbour, seat: Seat, engine: Dockerd) -> None:
    command = ["sh", "-c", 'while read -r line; do echo "<$line>"; done; exit 5']
    asked = {"Image": BUSYBOX, "Cmd": command, "OpenStdin": True, "StopSignal": "SIGKILL"}
    engine.client.start(engine.client.create_container_from_config(asked, "cat")["Id"])
    await port.sees("cat")
    work = begun(port, "attach", "cat")
    await eventually(lambda: port.front.terminals)
    seat.type(b"hello\r")
    await seat.until(b"<hello>")
    seat.type(b"\x10\x11")
    assert (await ended(work)).message == "left it running; it is running"
    work = begun(port, "attach", "cat")
    await eventually(lambda: len(port.front.terminals) == 2)
    seat.type(b"again\r")
    await seat.until(b"<again>")
    engine.client.kill("cat")
    assert (await ended(work)).message == "it is exited with 137"
    assert seat.as_before


async def test_attaching_to_one_with_a_terminal_of_its_own(port: Harbour, seat: Seat, engine: Dockerd) -> None:
    engine.run("tty", "read -r line; stty size; read -r line; exit 5", tty=True, stdin_open=True)
    await port.sees("tty")
    work = begun(port, "attach", "tty")
    await eventually(lambda: not seat.as_before)
    seat.type(b"\x10")
    seat.type(b"\x11")
    assert (await ended(work)).message == "left it running; it is running"
    assert seat.as_before
    work = begun(port, "attach", "tty")
    await eventually(lambda: not seat.as_before)
    seat.type(b"go\r")
    await seat.until(b"30 100")
    seat.type(b"on\r")
    assert (await ended(work)).message == "it is exited with 5"
    assert seat.as_before


async def test_a_connection_that_breaks_is_told(engine: Dockerd, sshd: Sshd, seat: Seat) -> None:
    engine.run("web")
    async with harbour(engine, sshd) as port:
        port.front.child = seat.run
        work = begun(port, "shell")
        await seat.until(b"# ")
        sshd.kill()
        done = await ended(work)
        assert (done.outcome, done.exit_code) == (Ended.FAILED, 125)
        assert "connection to it was lost" in done.message
        assert b"pi/web: " in seat.seen
        assert seat.as_before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_program_that_is_ended_puts_the_terminal_back(
    port: Harbour, seat: Seat, number: signal.Signals
) -> None:
    work = begun(port, "shell")
    await seat.until(b"# ")
    assert not seat.as_before
    assert seat.process is not None
    seat.process.send_signal(number)
    await ended(work)
    assert seat.process.returncode == 128 + number
    assert seat.as_before
