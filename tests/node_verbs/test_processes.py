"""Processes: recorded lists, hostile names, and signalling the one that was chosen."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from app.errors import BadAnswer, ConfigurationError, Missing
from app.inventory.model import Sudo
from app.plan import Risk
from backends.node_verbs.proc import Ticks, parse_listing, parse_one_stat, parse_stats, with_rates
from tests.node_verbs.bench import Bench
from tests.reports import run_plan

STAT = (
    b"%d (%s) S 1 %d %d 0 -1 4194560 2200 0 10 0 %d %d 0 0 20 0 1 0 %d 22773760 3200 18446744073709551615 1 1 0 0 0 0"
    b" 671173123 4096 1260 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)


def stat(pid: int, *, name: bytes = b"sh", user: int = 0, system: int = 0, started: int = 7) -> bytes:
    return STAT % (pid, name, pid, pid, user, system, started)


PROCPS = b"""\
    1     0 root                              0.0  11000 Ss   /sbin/init splash
  812     1 systemd-timesync                 12.5 204800 Ssl  nginx: worker [@click=app.quit] \x1b[31mred
  900     2 root                              0.0      0 I<   [kworker/0:0H]
 not a process
"""


def listing(body: bytes, variant: str, stats: bytes = b"", hertz: str = "100") -> bytes:
    return body + f"\nMARK {variant} {hertz}\n".encode() + stats


def test_procps_is_read() -> None:
    found, per_s, ticks = parse_listing(listing(PROCPS, "procps", stat(812, user=30, started=99)), "MARK")
    assert per_s == 100
    assert ticks == {812: Ticks(30, 99)}
    assert [(p.pid, p.ppid, p.user, p.cpu_percent, p.mem_bytes, p.state, p.started) for p in found] == [
        (1, 0, "root", 0.0, 11000 << 10, "Ss", None),
        (812, 1, "systemd-timesync", 12.5, 204800 << 10, "Ssl", 99),
        (900, 2, "root", 0.0, 0, "I<", None),
    ]
    assert found[1].command == "nginx: worker [@click=app.quit] \x1b[31mred"


def test_busybox_is_read() -> None:
    body = (
        b"PID   PPID  USER     RSS  STAT COMMAND\n"
        b"    1     0 root      19m S    /sbin/init -x\n"
        b"    2     0 root        0 SW<  [kthreadd]\n"
        b"   77     1 ops     1.5g S <  {python3} app\n"
        b"   78     1 ops      512 R N  sh -c x\n"
    )
    found, _, _ = parse_listing(listing(body, "busybox"), "MARK")
    assert [(p.pid, p.ppid, p.user, p.mem_bytes, p.state, p.command, p.cpu_percent) for p in found] == [
        (1, 0, "root", 19 << 20, "S", "/sbin/init -x", None),
        (2, 0, "root", 0, "SW<", "[kthreadd]", None),
        (77, 1, "ops", 3 << 29, "S <", "{python3} app", None),
        (78, 1, "ops", 512 << 10, "R N", "sh -c x", None),
    ]


def test_the_smallest_ps_is_read() -> None:
    body = b"""  PID USER       VSZ STAT COMMAND
    1 root      1600 S    /sbin/procd
   99 root         0 SW   [ksoftirqd/0]
"""
    found, _, _ = parse_listing(listing(body, "plain"), "MARK")
    assert [(p.pid, p.ppid, p.user, p.mem_bytes, p.command) for p in found] == [
        (1, None, "root", None, "/sbin/procd"),
        (99, None, "root", None, "[ksoftirqd/0]"),
    ]


@pytest.mark.parametrize(
    "answer", [b"", b"\x00\xff", PROCPS, listing(PROCPS, "vms"), b"x\nMARK  100\n", b"x\nMARK procps\n"]
)
def test_other_answers_are_bad(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        parse_listing(answer, "MARK")


def test_no_process_speaks_for_another() -> None:
    forged = stat(66, name=b"x\n1 (y) S 1 1")  # its second line reads as one about process 1
    seen = parse_stats(stat(1, user=5) + forged + stat(7, name=b") R 9 (", user=3))
    assert 1 not in seen
    assert seen[7].used == 3
    assert parse_one_stat(stat(7, name=b") R 9 (", started=1234)) == 1234
    assert parse_one_stat(b"") is None


def test_rates_are_of_the_time_between_two_looks() -> None:
    found, per_s, _ = parse_listing(listing(PROCPS, "procps"), "MARK")
    before = {1: Ticks(100, 1), 812: Ticks(0, 5), 900: Ticks(0, 5)}
    after = {1: Ticks(150, 1), 812: Ticks(900, 6), 900: Ticks(10, 5)}
    rated = with_rates(found, before, after, 0.5, per_s)
    assert [(p.pid, p.cpu_percent) for p in rated] == [(1, 100.0), (900, 20.0), (812, None)]


@asynccontextmanager
async def sleeper(name: str = "sleep") -> AsyncGenerator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec("bash", "-c", 'exec -a "$0" sleep 300', name)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def busy() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")


async def test_top_shows_what_is_busy_now(bench: Bench) -> None:
    child = await busy()
    try:
        rows = await bench.verbs.top(bench.here, limit=5)
        again = await bench.verbs.top(bench.here)
    finally:
        child.kill()
        await child.wait()
    assert len(rows.items) == 5
    assert rows.every == 2.0
    mine = next(row for row in again.items if row.pid == child.pid)
    assert mine.command.endswith("while True: pass")
    assert mine.started is not None
    assert mine.cpu_percent is not None
    assert mine.cpu_percent > 5
    assert {action.arguments["signal"]: action.take for action in rows.actions} == {
        "TERM": {"pid": "pid", "started": "started"},
        "KILL": {"pid": "pid", "started": "started"},
    }


async def test_the_process_that_was_chosen_is_signalled(bench: Bench) -> None:
    async with sleeper("evil) S 1\n $(touch x)") as child:
        rows = await bench.verbs.top(bench.here, limit=100_000)
        row = next(one for one in rows.items if one.pid == child.pid)
        plan = await bench.verbs.signal(bench.here, child.pid, started=row.started)
        assert plan.steps[0].text == f"kill -TERM {child.pid}"
        assert plan.preconditions[0][1] is True
        assert "\n" not in plan.notes[0]
        (result,) = await run_plan(plan)
        assert result.exit_code == 0
        assert await asyncio.wait_for(child.wait(), 5) == -15


async def test_another_process_under_the_same_id_is_spared(bench: Bench) -> None:
    async with sleeper() as child:
        plan = await bench.verbs.signal(bench.here, child.pid, signal="KILL", started=1)
        assert plan.preconditions[0][1] is False
    async with sleeper() as child:
        plan = await bench.verbs.signal(bench.here, child.pid)
        child.kill()
        await child.wait()
        with pytest.raises(Missing):
            await run_plan(plan)


async def test_signals_by_root_show_it(bench: Bench) -> None:
    bench.ordinary_user(Sudo.NOPASSWD)
    plan = await bench.verbs.signal(bench.here, os.getpid(), signal="HUP", sudo=True)
    assert plan.steps[0].text == f"sudo -n -- kill -HUP {os.getpid()}"


async def test_process_one_takes_its_name_typed(bench: Bench) -> None:
    assert (await bench.verbs.signal(bench.here, 1)).risk is Risk.DESTROYS


@pytest.mark.parametrize("pid", [0, -1, -15])
async def test_whole_groups_are_not_signalled(bench: Bench, pid: int) -> None:
    with pytest.raises(ConfigurationError, match="no process id"):
        await bench.verbs.signal(bench.here, pid)


async def test_a_process_that_is_gone_is_missing(bench: Bench) -> None:
    async with sleeper() as child:
        pass
    with pytest.raises(Missing):
        await bench.verbs.signal(bench.here, child.pid)
