"""Tunnels: how they are written, and that bytes go through."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from app.errors import ConfigurationError, Missing, Unreachable
from backends.node_verbs.tunnels import Spec, parse_spec
from tests.node_verbs.bench import Bench
from tests.reports import RecordingReport, run_plan
from tests.waiting import eventually


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("8080:localhost:80", Spec("127.0.0.1", 8080, "localhost", 80)),
        ("localhost:80", Spec("127.0.0.1", 80, "localhost", 80)),
        ("0:db:5432", Spec("127.0.0.1", 0, "db", 5432)),
        ("8080:[::1]:80", Spec("127.0.0.1", 8080, "::1", 80)),
        ("[fe80::1%eth0]:80", Spec("127.0.0.1", 80, "fe80::1%eth0", 80)),
        ("127.0.0.2:8080:web:80", Spec("127.0.0.2", 8080, "web", 80)),
        ("[::1]:8080:[2001:db8::2]:80", Spec("::1", 8080, "2001:db8::2", 80)),
    ],
)
def test_specs_are_read(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "", "80", ":80", "80:", "a:b:c", "1:2:3:4:5", "99999:a:80", "a:0", "a:-1", "::1:80", "[::1:80", "[]:80",
        "[web]:80", "8080:a b:80", "8080:-o:80", "x:1:80", "٣:a:80", "a:٨٠", "8080:a\nb:80", "8080::80", "[::1]x:80",
        "[::1][::2]:80", "a:80 ",
    ],
)  # fmt: skip
def test_what_is_no_spec_is_said(text: str) -> None:
    with pytest.raises(ConfigurationError, match="tunnel"):
        parse_spec(text)


@pytest.fixture
async def service() -> AsyncIterator[int]:
    """The port of something that answers in capitals."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def says(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello")
    writer.write_eof()
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()
    return said


async def test_a_tunnel_is_opened_listed_and_closed(bench: Bench, service: int) -> None:
    plan = await bench.verbs.tunnel(bench.here, f"0:127.0.0.1:{service}")
    assert plan.steps[0].text == f"forward 127.0.0.1:0 → 127.0.0.1:{service} (as pi sees it)"
    (result,) = await run_plan(plan)
    port = result.data["listen_port"]
    assert await says(port) == b"HELLO"
    rows = await bench.verbs.tunnels(bench.here)
    assert [(row.port, row.to) for row in rows.items] == [(port, f"127.0.0.1:{service}")]
    again = await bench.verbs.tunnel(bench.here, f"{port}:127.0.0.1:{service}")
    assert again.preconditions[0][1] is False
    await run_plan(await bench.verbs.untunnel(bench.here, port))
    assert not (await bench.verbs.tunnels(bench.here)).items
    with pytest.raises(OSError, match=r"refused|Connect call"):
        await says(port)
    with pytest.raises(Missing):
        await bench.verbs.untunnel(bench.here, port)


async def test_on_the_command_line_it_stays_until_interrupted(bench: Bench, service: int) -> None:
    bench.verbs.context.one_shot = True
    plan = await bench.verbs.tunnel(bench.here, f"0:127.0.0.1:{service}")
    report = RecordingReport()
    task = asyncio.ensure_future(plan.steps[0].run(report))
    await eventually(lambda: report.logs)
    assert report.logs[0].startswith("listening on 127.0.0.1:")
    port = int(report.logs[0].split(",")[0].rpartition(":")[2])
    assert await says(port) == b"HELLO"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(OSError, match=r"refused|Connect call"):
        await says(port)


async def test_a_port_that_is_taken_is_said(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        plan = await bench.verbs.tunnel(bench.here, f"{taken.getsockname()[1]}:localhost:80")
        with pytest.raises(Unreachable, match="in use"):
            await run_plan(plan)
    assert not (await bench.verbs.tunnels(bench.here)).items
