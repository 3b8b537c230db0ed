"""Ports of real containers, opened from here."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from app.job import Ended
from backends.docker.verbs.opening import shown
from backends.node_verbs.tunnels import open_tunnels
from tests.docker.pier import harbour
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.real("dockerd")
SERVE = "while :; do printf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello' | nc -l -p 80; done"


async def said_by(port: int) -> bytes:
    """What answers at a port of this machine; a server of one connection may be between two of them."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            try:
                said = await reader.read()
            except ConnectionError:
                said = b""
        writer.close()
        if said:
            return said
        await asyncio.sleep(0.02)
    raise AssertionError("nobody answers")


def publish(engine: Dockerd, *ports: int) -> list[int]:
    """A container ``web`` whose ports are published where the engine finds room; returns where that is."""
    made = engine.run("web", SERVE, ports=list(ports), host={"port_bindings": dict.fromkeys(ports, ("127.0.0.1",))})
    told: Any = engine.client.inspect_container(made)["NetworkSettings"]["Ports"]
    return [int(told[f"{port}/tcp"][0]["HostPort"]) for port in ports]


async def test_a_published_port_of_this_machine_is_its_address(engine: Dockerd) -> None:
    (free,) = publish(engine, 80)
    async with harbour(engine) as port:
        done = await port.do("open", "web")
        assert (done.outcome, done.message) == (Ended.DONE, f"http://127.0.0.1:{free}")
        assert b"hello" in await said_by(free)


async def test_elsewhere_it_is_a_tunnel_that_the_node_lists(engine: Dockerd, sshd: Sshd) -> None:
    publish(engine, 80)
    async with harbour(engine, sshd) as port:
        done = await port.do("open", "web")
        assert done.outcome is Ended.DONE, done
        local = done.data["listen_port"]
        assert done.message == f"http://127.0.0.1:{local}"
        assert b"hello" in await said_by(local)
        tunnels = port.deck.context.shared(open_tunnels)
        assert list(tunnels.by_port) == [("pi", local)]
        again = await port.do("open", "web", local=local)
        assert again.outcome is Ended.REFUSED
        assert "has no tunnel yet" in again.message
        await tunnels.close_all()


async def test_one_that_is_not_published_is_reached_at_its_own_address(engine: Dockerd, sshd: Sshd) -> None:
    engine.run("web", SERVE, ports=[80])
    async with harbour(engine, sshd) as port:
        done = await port.do("open", "web")
        assert done.outcome is Ended.DONE, done
        assert b"hello" in await said_by(done.data["listen_port"])
        await port.deck.context.shared(open_tunnels).close_all()


async def test_what_cannot_be_opened_is_said(engine: Dockerd) -> None:
    publish(engine, 80, 5432)
    engine.run("none")
    engine.run("alone", ports=[80], host={"network_mode": "none"})
    async with harbour(engine) as port:
        several = await port.do("open", "web")
        assert (several.exit_code, "publishes 80, 5432" in several.message) == (2, True)
        named = await port.do("open", "web", port=5432)
        assert named.outcome is Ended.DONE
        assert not named.message.startswith("http")
        assert "publishes no port" in (await port.do("open", "none")).message
        alone = await port.do("open", "alone", port=80)
        assert alone.outcome is Ended.REFUSED
        assert "is not published" in alone.message
        assert (await port.do("open", "web", port=99999)).exit_code == 2
        engine.client.stop("web", timeout=0)
        assert "start it first" in (await port.do("open", "web")).message


async def test_a_command_line_holds_it_until_interrupted(engine: Dockerd, sshd: Sshd) -> None:
    publish(engine, 80)
    async with harbour(engine, sshd, one_shot=True) as port:
        heard: list[str] = []
        work = asyncio.create_task(
            port.deck.perform(port.order("open", "web"), spoken=lambda j, s, stream, text: heard.append(text))
        )
        await eventually(lambda: heard)
        assert heard[0].startswith("http://127.0.0.1:")
        work.cancel()
        await asyncio.wait([work], timeout=10)
        assert not port.deck.context.shared(open_tunnels).by_port


@pytest.mark.parametrize(
    ("private", "host", "said"),
    [(80, "127.0.0.1", "http://127.0.0.1:9"), (8443, "::1", "https://[::1]:9"), (5432, "10.0.0.1", "10.0.0.1:9")],
)
def test_how_it_is_written(private: int, host: str, said: str) -> None:
    assert shown(private, host, 9) == said
