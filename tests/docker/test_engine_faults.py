"""What is said when an engine cannot be had, and that it is there again by itself."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadAnswer, ConfigurationError, Denied, Missing, TimedOut, Unreachable, Unsupported
from app.inventory.model import NodeEntry, PingEntry
from backends.docker import following, reach, watch
from backends.docker.engines import engines
from tests.docker.engines import context, far, hearing, near
from tests.servers.dockerd import Dockerd, StartDockerd
from tests.servers.sshd import StartSshd
from tests.waiting import eventually


def twentieth(low: float, high: float) -> float:
    return 0.05


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts in twentieths of what they are."""
    monkeypatch.setattr(watch.random, "uniform", twentieth)


# -- by configuration


def test_a_node_nobody_configured_is_missing() -> None:
    with pytest.raises(Missing):
        engines(context()).of("x")


def test_one_that_is_switched_off_is_not_offered() -> None:
    with pytest.raises(Unsupported, match="switched off"):
        engines(context(NodeEntry(name="x", local=True, extra={"docker": False}))).of("x")


def test_a_node_that_is_only_checked_has_none() -> None:
    with pytest.raises(Unsupported, match="only checked"):
        engines(context(NodeEntry(name="x", ping=PingEntry(host="127.0.0.1")))).subscribe("x", lambda news: None)


@pytest.mark.parametrize(
    "said", ["tcp://127.0.0.1:2375", "unix://relative.sock", "/var/run/docker.sock", 7, True, "unix:///a\0b"]
)
def test_what_is_no_place_of_an_engine_is_said(said: object) -> None:
    with pytest.raises(ConfigurationError, match="unix:///"):
        engines(context(NodeEntry(name="x", local=True, extra={"docker": said}))).of("x")


async def test_where_nobody_said_there_is_one_its_absence_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "DEFAULT_SOCKET", str(tmp_path / "none.sock"))
    async with hearing(context(NodeEntry(name="x", local=True)), "x") as ear:
        assert type(ear.error) is Missing


async def test_where_somebody_said_so_it_is_one(tmp_path: Path) -> None:
    entry = NodeEntry(name="x", local=True, extra={"docker": f"unix://{tmp_path}/none.sock"})
    async with hearing(context(entry), "x") as ear:
        assert type(ear.error) is Unreachable
        assert "there is no socket" in str(ear.error)
        assert ear.error.todo


# -- something else listens there


@contextlib.asynccontextmanager
async def answering(path: Path, answers: dict[str, bytes | Any], status: str = "200 OK") -> AsyncGenerator[None]:
    """A server that gives each page one answer, and 404 to the rest; its stream of events says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            page = head.split()[1].decode().partition("?")[0]
            page = "/" + page.split("/", 2)[2] if page.startswith("/v1.") else page
            said = answers.get(page)
            if page == "/events":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                await reader.read()
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            line = status if page in answers else "404 Not Found"
            writer.write(f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="qd-test-"))
    yield folder
    shutil.rmtree(folder)


GOOD = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10"}


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ({}, BadAnswer, "not as a container engine"),
        ({"/version": b"<html>"}, BadAnswer, "no JSON"),
        ({"/version": [1, 2]}, BadAnswer, "not as a container engine"),
        ({"/version": {}}, BadAnswer, "API version"),
        ({"/version": {"ApiVersion": "x.y"}}, BadAnswer, "API version"),
        ({"/version": {"ApiVersion": "1.40"}}, Unsupported, "speaks API 1.40, and at least 1.41"),
        ({"/version": GOOD}, BadAnswer, ""),
        ({"/version": GOOD, "/info": {}}, BadAnswer, ""),
        ({"/version": GOOD, "/info": {}, "/containers/json": {"a": 1}}, BadAnswer, "is no list"),
        ({"/version": GOOD, "/info": 7, "/containers/json": b"[{"}, BadAnswer, "no JSON"),
    ],
)
async def test_what_is_no_engine_or_too_old_is_said(
    short: Path, answers: dict[str, Any], kind: type[Exception], words: str
) -> None:
    path = short / "s"
    async with answering(path, answers), hearing(context(near_path(path)), "x") as ear:
        await eventually(lambda: type(ear.error) is kind, what=f"{ear.error!r}")
        assert words in str(ear.error)


async def test_an_images_list_that_fails_keeps_no_container_away(short: Path) -> None:
    path = short / "s"
    listed = [{"Id": "a" * 64, "Names": ["/web"], "State": "running", "Status": "Up 3 hours"}]
    answers = {"/version": GOOD, "/info": {}, "/containers/json": listed, "/volumes": {"Volumes": None}}
    async with answering(path, answers), hearing(context(near_path(path)), "x") as ear:
        found = [one for one in ear.news if hasattr(one, "containers")]
        assert found
        seen: Any = found[0]
        assert [one.name for one in seen.containers] == ["web"]
        assert set(seen.faults) == {"images", "networks"}


def near_path(path: Path) -> NodeEntry:
    return NodeEntry(name="x", local=True, extra={"docker": f"unix://{path}"})


async def test_one_that_never_answers_is_told(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.docker import engine

    monkeypatch.setattr(engine, "GREETING_S", 0.3)
    held: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_unix_server(silent, short / "s")
    async with hearing(context(near_path(short / "s")), "x") as ear:
        assert isinstance(ear.error, TimedOut)
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()


# -- a real one


@pytest.mark.real("dockerd")
async def test_an_engine_that_is_restarted_is_heard_again_without_doubles(engine_at: StartDockerd) -> None:
    engine = engine_at()
    engine.run("one")
    async with hearing(context(near(engine)), "here") as ear:
        first = ear.container("one")
        assert first is not None
        await asyncio.to_thread(engine.stop)
        await eventually(lambda: ear.error)
        assert isinstance(ear.error, Unreachable)
        engine.start()  # from this thread: it ends with the one that started it
        await eventually(lambda: ear.seen)
        assert ear.seen is not None
        assert [(one.name, one.state) for one in ear.seen.containers] == [("one", "exited")]
        assert not ear.seen.restarts
        engine.client.start("one")
        await eventually(lambda: ear.state("one") == "running")


@pytest.mark.real("dockerd")
async def test_one_that_crashes_and_one_that_hangs(engine_at: StartDockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(following, "PING_S", 0.5)
    from backends.docker import engine as engines_module

    monkeypatch.setattr(engines_module, "GREETING_S", 1.0)
    engine = engine_at()
    engine.run("one")
    async with hearing(context(near(engine)), "here") as ear:
        await eventually(lambda: None in ear.news, what="no sign of life")
        pid = int((engine.folder / "pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: isinstance(ear.error, TimedOut))
        os.kill(pid, signal.SIGCONT)
        await eventually(lambda: ear.state("one") == "running")
        await asyncio.to_thread(engine.kill)
        await eventually(lambda: ear.error)
        assert "nobody listens" in str(ear.error) or "ended the connection" in str(ear.error)
        engine.start()  # from this thread: it ends with the one that started it
        await eventually(lambda: ear.seen)
        assert ear.container("one")


@pytest.mark.real("dockerd")
async def test_a_nudge_tries_again_at_once(engine: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch.random, "uniform", lambda low, high: 100.0)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(following, "HEARTBEAT_S", 600.0)
    moved = engine.socket.with_name("moved")
    around = context(near(engine))
    engine.socket.rename(moved)
    try:
        async with hearing(around, "here") as ear:
            assert isinstance(ear.error, Unreachable)
            moved.rename(engine.socket)
            around.shared(engines).nudge("here")
            await eventually(lambda: ear.seen)
            heard = len(ear.news)
            around.shared(engines).nudge("here")
            await eventually(lambda: len(ear.news) > heard, what="a nudge is no news")
    finally:
        if moved.exists():
            moved.rename(engine.socket)


# -- a real one, far away


@pytest.mark.real("dockerd")
@pytest.mark.real("sshd")
async def test_a_link_that_drops_is_told_and_mended(engine: Dockerd, sshd_at: StartSshd) -> None:
    server = sshd_at()
    engine.run("one")
    async with hearing(context(far(engine, server), ssh=server.defaults(2.0)), "pi") as ear:
        assert ear.seen, ear.error
        server.kill()
        await eventually(lambda: ear.error)
        assert isinstance(ear.error, Unreachable)
        server.start()
        await eventually(lambda: ear.seen)
        engine.client.kill("one")
        await eventually(lambda: ear.state("one") == "exited")


@pytest.mark.real("dockerd")
@pytest.mark.real("sshd")
async def test_where_forwarding_is_forbidden_it_is_dialled(engine: Dockerd, sshd_at: StartSshd) -> None:
    server = sshd_at(options={"AllowStreamLocalForwarding": "no"})
    engine.run("one")
    around = context(far(engine, server), ssh=server.defaults())
    async with hearing(around, "pi") as ear:
        assert ear.seen, ear.error
        engine.client.pause("one")
        await eventually(lambda: ear.state("one") == "paused")
        held = around.shared(engines).of("pi")
        found = await asyncio.gather(*(held.call(lambda client: client.containers()) for _ in range(6)))
        assert all(len(one) == 1 for one in found)
        assert b"HTTP" in await by_socket(await held.socket())


async def by_socket(path: Path) -> bytes:
    """A request as another program would make it."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /_ping HTTP/1.0\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@pytest.mark.real("dockerd")
@pytest.mark.real("sshd")
async def test_where_it_is_forbidden_streams_are_few(engine: Dockerd, sshd_at: StartSshd) -> None:
    server = sshd_at(options={"DisableForwarding": "yes"})
    engine.run("one", "while true; do echo x; sleep 0.1; done")
    around = context(far(engine, server), ssh=server.defaults())
    async with hearing(around, "pi") as ear:
        assert ear.seen, ear.error
        held = around.shared(engines).of("pi")

        def logs(client: Any) -> Any:
            return client.logs("one", stream=True, follow=True)

        one, two = held.stream(logs), held.stream(logs)
        assert await anext(one)
        with pytest.raises(Unsupported, match="no more than one stream"):
            await anext(two)
        await one.aclose()
        three = held.stream(logs)
        assert await anext(three)
        await three.aclose()


@pytest.mark.real("dockerd")
@pytest.mark.real("sshd")
async def test_a_far_socket_that_is_not_there(
    engine: Dockerd, sshd_at: StartSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = sshd_at()
    entry = far(engine, server)
    there = NodeEntry(name="pi", ssh=entry.ssh, extra={"docker": f"unix://{server.folder}/none.sock"})
    async with hearing(context(there, ssh=server.defaults()), "pi") as ear:
        assert type(ear.error) is Unreachable
        assert "there is no socket" in str(ear.error)
    monkeypatch.setattr(reach, "DEFAULT_SOCKET", str(server.folder / "none.sock"))
    unsaid = NodeEntry(name="pi", ssh=entry.ssh)
    async with hearing(context(unsaid, ssh=server.defaults()), "pi") as ear:
        assert type(ear.error) is Missing


@pytest.fixture
def open_folder(engine: Dockerd) -> Iterator[str]:
    """The engine's socket as a package would install it, for a group; gives the group's name."""
    name = next((one.gr_name for one in grp.getgrall() if one.gr_name in ("docker", "staff", "users")), "")
    os.chown(engine.socket, 0, grp.getgrnam(name).gr_gid)
    engine.socket.chmod(0o660)
    engine.folder.chmod(0o755)
    yield name
    os.chown(engine.socket, 0, 0)
    engine.folder.chmod(0o700)


@pytest.mark.real("dockerd")
@pytest.mark.real("sshd")
async def test_who_may_not_use_a_far_socket_hears_of_the_group(
    engine: Dockerd, open_folder: str, sshd_at: StartSshd
) -> None:
    account = 'setpriv --reuid=4711 --regid=4711 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"'
    server = sshd_at(options={"ForceCommand": account, "AllowStreamLocalForwarding": "no"})
    async with hearing(context(far(engine, server), ssh=server.defaults()), "pi") as ear:
        assert type(ear.error) is Denied
        assert f"group {open_folder}" in ear.error.what
        assert f"usermod -aG {open_folder}" in ear.error.todo
        assert "log in again" in ear.error.todo


@pytest.mark.real("dockerd")
async def test_who_may_not_use_a_near_socket_hears_of_the_group(engine: Dockerd, open_folder: str) -> None:
    import docker

    assert docker.__version__
    async with hearing(context(near(engine)), "here") as ear:
        assert ear.seen
        os.setgroups([])
        os.setresgid(4711, 4711, 0)
        os.setresuid(4711, 4711, 0)
        try:
            ear.news.clear()
            with pytest.raises(Denied) as caught:
                await asyncio.wait_for(reach.Reach(context(), near(engine), reach.place(near(engine))).path(), 5)
        finally:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
        assert open_folder in str(caught.value)
        assert "usermod" in caught.value.todo


@pytest.mark.real("dockerd")
@pytest.mark.real("sshd")
async def test_one_session_is_enough_for_39_containers(engine: Dockerd, sshd_at: StartSshd) -> None:
    server = sshd_at(options={"MaxSessions": "1"})
    client = engine.client
    for number in range(39):
        client.create_container("bb:1", ["sleep", "1"], name=f"c{number:02}")
    around = context(far(engine, server), ssh=server.defaults())
    async with hearing(around, "pi") as ear:
        assert ear.seen, ear.error
        assert len(ear.seen.containers) == 39
        link = around.links.of("pi")
        assert link.cost.channels == 0
        channel = await link.channel("cat")  # the one session is still free
        heard = len(ear.news)
        around.shared(engines).nudge("pi")
        await eventually(lambda: len(ear.news) > heard)
        assert ear.seen, ear.error
        await channel.close()


@pytest.mark.real("dockerd")
@pytest.mark.real("sshd")
async def test_without_a_program_to_dial_the_setting_is_named(engine: Dockerd, sshd_at: StartSshd) -> None:
    empty = engine.folder / "empty"
    empty.mkdir(exist_ok=True)
    for name in ("sh", "stat", "id"):
        if not (empty / name).exists():
            (empty / name).symlink_to(shutil.which(name) or "")
    server = sshd_at(options={"AllowStreamLocalForwarding": "no"})
    server.restart(SetEnv=f"HOME={server.folder} PATH={empty}")
    async with hearing(context(far(engine, server), ssh=server.defaults()), "pi") as ear:
        assert type(ear.error) is Unreachable
        assert "AllowStreamLocalForwarding yes" in ear.error.todo
