"""Ports and sockets of the host brought here, and what is said where that is forbidden."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import Missing, Unreachable, Unsupported
from backends.ssh.link import SshLink
from tests.servers.sshd import Sshd, StartSshd
from tests.servers.tcp import closed_port
from tests.ssh.conftest import MakeLink
from tests.waiting import eventually

pytestmark = pytest.mark.real("sshd")


async def _shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers in capitals until its caller is done."""
    data = await reader.read()
    writer.write(data.upper())
    writer.close()


@pytest.fixture
async def service() -> AsyncIterator[int]:
    """A port on the host."""
    server = await asyncio.start_server(_shout, "127.0.4.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_a_port_comes_out_on_the_host(link: SshLink, service: int) -> None:
    forward = await link.forward("127.0.0.1", 0, "127.0.4.1", service)
    big = b"a" * 300_000
    for _ in range(2):
        reader, writer = await asyncio.open_connection(forward.host, forward.port)
        assert await _ask(reader, writer, big) == big.upper()
    await eventually(lambda: link.cost.bytes_in >= 600_000)
    await forward.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(forward.host, forward.port)


async def test_a_tunnel_outlives_a_reconnect(link: SshLink, service: int, sshd: Sshd) -> None:
    forward = await link.forward("127.0.0.1", 0, "127.0.4.1", service)
    sshd.drop()
    await eventually(lambda: link.address is None)
    reader, writer = await asyncio.open_connection(forward.host, forward.port)
    assert await _ask(reader, writer, b"again") == b"AGAIN"


async def test_what_goes_through_ends_with_the_connection(link: SshLink, service: int, sshd: Sshd) -> None:
    forward = await link.forward("127.0.0.1", 0, "127.0.4.1", service)
    reader, writer = await asyncio.open_connection(forward.host, forward.port)
    writer.write(b"hello")
    await eventually(lambda: link.cost.bytes_out >= 5)
    sshd.drop()
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_taken_port_is_said(link: SshLink, service: int) -> None:
    with pytest.raises(Unreachable, match="in use"):
        await link.forward("127.0.4.1", service, "127.0.0.1", 1)


async def test_a_far_end_where_nobody_listens_yet_is_no_error(link: SshLink) -> None:
    forward = await link.forward("127.0.0.1", 0, "127.0.2.4", closed_port())
    reader, writer = await asyncio.open_connection(forward.host, forward.port)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_forbidden_forwarding_is_said(make_link: MakeLink, sshd_at: StartSshd, service: int) -> None:
    link = make_link.to(sshd_at(options={"AllowTcpForwarding": "no"}))
    with pytest.raises(Unsupported, match="forbids forwarding") as caught:
        await link.forward("127.0.0.1", 0, "127.0.4.1", service)
    assert "AllowTcpForwarding" in caught.value.todo


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Path]:
    """A socket on the host, as Docker's, with a blank in its path."""
    path = tmp_path / "my engine.sock"
    server = await asyncio.start_unix_server(_shout, path)
    yield path
    server.close()
    await server.wait_closed()


async def test_a_socket_comes_out_on_the_host_in_a_private_folder(link: SshLink, engine: Path) -> None:
    path = await link.forward_socket(str(engine))
    assert path == await link.forward_socket(str(engine))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    reader, writer = await asyncio.open_unix_connection(path)
    assert await _ask(reader, writer, b"ps") == b"PS"
    await link.close()
    assert not path.parent.exists()


async def test_forbidden_sockets_are_said(make_link: MakeLink, sshd_at: StartSshd, engine: Path) -> None:
    link = make_link.to(sshd_at(options={"AllowStreamLocalForwarding": "no"}))
    with pytest.raises(Unsupported, match="does not forward sockets") as caught:
        await link.forward_socket(str(engine))
    assert "AllowStreamLocalForwarding" in caught.value.todo


async def test_a_socket_that_is_not_there_is_missing(link: SshLink, tmp_path: Path) -> None:
    with pytest.raises(Missing):
        await link.forward_socket(str(tmp_path / "$(touch x)"))


async def test_a_socket_nobody_listens_on_is_said(link: SshLink, tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(Unsupported, match="nobody listens"):
        await link.forward_socket(str(path))
