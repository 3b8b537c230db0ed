"""``node ping``, ``node reboot`` and ``node shutdown``, on a machine that only pretends to go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ConfigurationError, Unreachable
from app.inventory.model import NodeEntry, PingEntry, SshEntry, Sudo
from backends.kinds.node import Node
from backends.local.link import LocalLink
from backends.node_verbs import PingNodeVerbs, power
from backends.node_verbs.behind import cut_off
from backends.ssh.link import SshLink
from tests.node_verbs.bench import Bench, make_bench
from tests.reports import RecordingReport, run_plan
from tests.servers.sshd import Sshd, sshd, sshd_at
from tests.servers.tcp import closed_port
from tests.waiting import eventually

__all__ = ["sshd", "sshd_at"]


@pytest.fixture(autouse=True)
def pretend(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose start can be told from the last one by a file, and no long waits."""
    (home / "boot").write_text("first")
    monkeypatch.setattr(power, "BOOT", f"cat {home}/boot")
    monkeypatch.setattr(power, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(power, "_PAUSE_S", 0.0)
    monkeypatch.setattr(power, "_SYSTEMD", "command -v {word} || true")


async def test_ping_measures_each_answer(bench: Bench) -> None:
    plan = await bench.verbs.ping(bench.here, count=4)
    assert plan.steps[0].text == ":, 4 times"
    report = RecordingReport()
    (result,) = await run_plan(plan, report)
    assert result.exit_code == 0
    assert result.message.startswith("4/4, ")
    assert result.data["received"] == 4
    assert 0 < result.data["min_ms"] <= result.data["avg_ms"] <= result.data["max_ms"] < 5000
    assert [done for done, _, _ in report.steps] == [1, 2, 3, 4]


class Silent(LocalLink):
    """A link that cannot be opened."""

    async def open(self) -> None:
        raise Unreachable("connection refused", where="pi.example:22")


async def test_no_answer_is_a_failed_ping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make_bench(tmp_path, monkeypatch, {"pi": Silent("pi")})
    (result,) = await run_plan(await bench.verbs.ping(bench.here))
    assert (result.exit_code, result.message) == (1, "0/3 answered: pi.example:22: connection refused")
    assert result.data == {"sent": 3, "received": 0, "min_ms": None, "avg_ms": None, "max_ms": None}


@pytest.mark.parametrize("count", [0, -1, 10**6])
async def test_a_count_has_bounds(bench: Bench, count: int) -> None:
    with pytest.raises(ConfigurationError, match="--count"):
        await bench.verbs.ping(bench.here, count=count)


async def test_reboot_waits_for_another_start(bench: Bench, home: Path) -> None:
    bench.ordinary_user(Sudo.NOPASSWD)
    bench.program("reboot", f"echo $BECAME > {home}/by; (sleep 0.3; echo second > {home}/boot) > /dev/null 2>&1 &")
    plan = await bench.verbs.reboot(bench.here)
    assert [step.text for step in plan.steps] == ["sudo -n -- reboot"]
    report = RecordingReport()
    (result,) = await run_plan(plan, report)
    assert result.exit_code == 0
    assert result.message.startswith("back after ")
    assert report.logs == ["waiting for it to come back"]
    assert (home / "by").read_text() == "root\n"


async def test_reboot_that_is_refused_waits_for_nothing(bench: Bench) -> None:
    bench.program("reboot", "echo 'Access denied' >&2; exit 4")
    (result,) = await run_plan(await bench.verbs.reboot(bench.here))
    assert (result.exit_code, result.message) == (4, "Access denied")


async def test_a_machine_that_stays_up_is_a_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "BACK_WITHIN_S", 0.3)
    bench.program("reboot", ":")
    (result,) = await run_plan(await bench.verbs.reboot(bench.here))
    assert result.exit_code == 1
    assert "still runs as before" in result.message


async def test_without_waiting_it_returns_at_once(bench: Bench) -> None:
    bench.program("reboot", ":")
    async with asyncio.timeout(5):
        (result,) = await run_plan(await bench.verbs.reboot(bench.here), RecordingReport(wait=False))
    assert result.exit_code == 0


async def test_this_machine_is_not_waited_for(bench: Bench) -> None:
    bench.program("reboot", ":")
    bench.program("poweroff", ":")
    here = replace(bench.here, transport="local")
    for plan in (await bench.verbs.reboot(here), await bench.verbs.shutdown(here)):
        assert plan.loses[0] == "this console, which runs there"
        async with asyncio.timeout(5):
            (result,) = await run_plan(plan)
        assert result.message.startswith("this machine ")


async def test_the_plan_says_who_is_cut_off(bench: Bench) -> None:
    bench.program("poweroff", ":")
    bench.configure("inner", ssh=SshEntry(host="inner", proxy_jump="ops@pi.example:2222"))
    plan = await bench.verbs.shutdown(bench.here)
    assert plan.loses == ("1 node behind it cut off: inner",)


def test_everything_behind_a_jump_host_is_found() -> None:
    def entry(name: str, host: str, jump: str | None = None) -> NodeEntry:
        return NodeEntry(name=name, ssh=SshEntry(host=host, proxy_jump=jump), routes=(f"{name}.vpn",))

    entries = [
        entry("gate", "gate.lan"),
        entry("a", "a.lan", "ops@gate.lan:2222"),
        entry("b", "b.lan", "x@other,gate.vpn"),
        entry("c", "c.lan", "a"),
        entry("d", "d.lan", "[::1]:22"),
        entry("loop", "gate2", "loop"),
        NodeEntry(name="here", local=True),
    ]
    assert cut_off("gate", entries) == ["3 nodes behind it cut off: a, b, c"]
    assert cut_off("a", entries) == ["1 node behind it cut off: c"]
    assert cut_off("loop", entries) == []
    assert cut_off("here", entries) == []
    assert cut_off("nobody", entries) == []


@pytest.fixture
async def remote(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A node behind a real sshd, whose sessions find the test's programs first."""
    link = SshLink("pi", sshd.entry(), sshd.defaults(2.0))
    bench = make_bench(tmp_path, monkeypatch, {"pi": link})
    yield bench
    await bench.verbs.context.links.close()


@pytest.mark.real("sshd")
async def test_a_connection_that_breaks_is_what_was_wanted(remote: Bench, sshd: Sshd, home: Path) -> None:
    sshd.restart(SetEnv=f"PATH={remote.programs}:/usr/bin:/bin")
    remote.program("reboot", f"echo second > {home}/boot; sleep 60")
    remote.program("poweroff", "sleep 60")
    plan = await remote.verbs.reboot(remote.here)
    report = RecordingReport()
    task = asyncio.ensure_future(plan.steps[0].run(report))
    async with asyncio.timeout(20):
        await eventually(lambda: report.handles)
        sshd.kill()
        await eventually(lambda: report.logs)
        sshd.start()
        result = await task
    assert result is not None
    assert result.message.startswith("back after ")
    off = await remote.verbs.shutdown(remote.here)
    report = RecordingReport()
    task = asyncio.ensure_future(off.steps[0].run(report))
    async with asyncio.timeout(20):
        await eventually(lambda: report.handles)
        sshd.kill()
        result = await task
    assert result is not None
    assert result.message.startswith("it stopped answering after ")


@pytest.mark.real("sshd")
async def test_a_node_that_was_gone_before_is_no_success(remote: Bench, sshd: Sshd) -> None:
    remote.program("reboot", ":")
    remote.program("poweroff", ":")
    sshd.restart(SetEnv=f"PATH={remote.programs}:/usr/bin:/bin")
    plans = [await remote.verbs.reboot(remote.here), await remote.verbs.shutdown(remote.here)]
    sshd.kill()
    await eventually(lambda: remote.verbs.link_of(remote.here).address is None)
    for plan in plans:
        with pytest.raises(Unreachable):
            await run_plan(plan)


class Devices(PingNodeVerbs):
    """Only what a device without a login has."""


async def test_devices_are_measured_by_what_they_answer_to(bench: Bench) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    closed = closed_port("127.0.0.1")
    bench.configure("cam", ping=PingEntry(method="tcp", host="127.0.0.1", port=port))
    bench.configure("off", ping=PingEntry(method="tcp", host="127.0.0.1", port=closed))
    verbs = Devices()
    verbs.context = bench.verbs.context
    plan = await verbs.ping(Node(id="cam", name="cam", source="cam", state="up", transport="ping"))
    assert plan.steps[0].text == f"connect to 127.0.0.1:{port}, 3 times"
    assert (await run_plan(plan))[0].message.startswith("3/3, ")
    (failed,) = await run_plan(await verbs.ping(Node(id="off", name="off", source="off", state="down"), count=1))
    assert failed.exit_code == 1
    server.close()
