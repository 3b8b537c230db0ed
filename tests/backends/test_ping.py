"""Devices without a login: TCP connections and echoes on loopback, for real."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from app.errors import ConfigurationError, TimedOut, Unreachable
from app.inventory.model import NodeEntry, PingEntry
from backends import echo
from backends.ping import Ping
from tests.backends.watching import context, inventory, watching
from tests.conftest import need
from tests.servers.tcp import closed_port
from tests.waiting import eventually


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def none(family: object) -> None:
    """A kernel that gives us no socket for echoes."""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``ping`` program: the system's, or busybox's under that name."""
    found = shutil.which("ping")
    if found is None:
        busybox = shutil.which("busybox")
        need(busybox, "ping")
        assert busybox is not None
        (tmp_path / "ping").symlink_to(busybox)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        found = str(tmp_path / "ping")
    return Path(found)


async def test_a_port_that_opens_is_up_and_one_that_closes_goes_down(tmp_path: Path) -> None:
    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    entry = NodeEntry(name="cam", ping=PingEntry(method="tcp", host="127.0.0.1", port=port), interval=0.05)
    backend = Ping(context(inventory(entry), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.state == "up")
        assert ear.row.latency_ms is not None
        assert ear.row.address == f"127.0.0.1:{port}"
        assert ear.row.cpu_percent is None
        server.close()
        await server.wait_closed()
        await eventually(lambda: ear.faults)
        assert ear.row.state == "up"  # it was there a moment ago: the feed greys it first
        assert ear.faults[0] == ("connection refused", False)
        server = await asyncio.start_server(nothing, "127.0.0.1", port)
        heard = len(ear.readings)
        await eventually(lambda: len(ear.readings) > heard)
        assert ear.readings[-1].fault is None
    server.close()
    await server.wait_closed()


async def test_a_port_that_never_opened_is_down_with_the_reason(tmp_path: Path) -> None:
    entry = NodeEntry(
        name="cam", ping=PingEntry(method="tcp", host="127.0.0.1", port=closed_port("127.0.0.1")), interval=0.05
    )
    backend = Ping(context(inventory(entry), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.state == "down")

    assert ear.row.fault == "connection refused"
    assert not ear.readings[-1].ours


async def test_who_takes_connections_and_never_answers_is_timed_out() -> None:
    with pytest.raises(Unreachable):
        await echo.knock("127.0.0.1", closed_port("127.0.0.1"), 1.0)
    with pytest.raises(TimedOut):
        await echo.knock("127.0.0.1", 1, 0.0)


async def test_an_echo_by_the_systems_ping(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "datagram_socket", none)

    assert 0 < await echo.echo("127.0.0.1", 5.0) < 1000


async def test_an_echo_by_a_socket_where_the_kernel_allows_it() -> None:
    import socket

    opened = echo.datagram_socket(socket.AF_INET)
    if opened is None:
        pytest.skip("net.ipv4.ping_group_range leaves us out here")
    opened.close()

    assert 0 < await echo.echo("127.0.0.1", 5.0) < 1000


async def test_without_socket_and_program_it_is_our_fault_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "datagram_socket", none)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ConfigurationError, match="TCP port instead"):
        await echo.echo("127.0.0.1", 5.0)


async def test_names_that_nobody_knows_are_said_to_be() -> None:
    with pytest.raises(Unreachable, match="no such host"):
        await echo.echo("no-such-host.invalid", 5.0)
    with pytest.raises(Unreachable, match="no such host"):
        await echo.knock("no-such-host.invalid", 80, 5.0)
    with pytest.raises(Unreachable):
        await echo.echo("-c 1 127.0.0.1; reboot", 5.0)
