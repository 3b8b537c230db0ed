"""This machine as the local backend tells of it, against psutil and the probes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import psutil
import pytest

from app.errors import Unreachable
from app.inventory.model import NodeEntry
from backends.local import figures
from backends.local.backend import Local
from backends.local.link import LocalLink
from backends.probes.proc import FAST, Cpu, Load, Memory
from tests.backends.watching import context, inventory, near, watching
from tests.waiting import eventually

HERE = NodeEntry(name="here", local=True, interval=0.1)


async def test_it_tells_what_psutil_tells(tmp_path: Path) -> None:
    backend = Local(context(inventory(HERE), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.cpu_percent is not None and ear.row.hostname is not None)
        row = ear.row
        memory = psutil.virtual_memory()

    assert (row.state, row.transport, row.address, row.name) == ("up", "local", "local", "here")
    assert row.mem_total_bytes == memory.total
    assert near(row.mem_used_bytes, memory.total - memory.available, 0.02 * memory.total)
    assert near(row.uptime_s, time.time() - psutil.boot_time(), 70)
    assert len(row.core_percents) == psutil.cpu_count()
    assert 0 <= (row.cpu_percent or 0) <= 100
    assert row.load_1 is not None
    assert row.hostname == os.uname().nodename
    assert row.kernel == os.uname().release
    assert ear.rows[0].state == "unknown"


async def test_costly_figures_follow(tmp_path: Path) -> None:
    backend = Local(context(inventory(HERE), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.filesystems is not None and ear.row.slow_at is not None)

    for disk in ear.row.filesystems or ():
        used = psutil.disk_usage(disk.mount)
        assert near(disk.total_bytes, used.total, 0.01 * used.total)
        assert near(disk.used_percent, used.percent, 2)


async def test_a_one_shot_look_tells_once_there_are_rates_and_costly_figures(tmp_path: Path) -> None:
    entry = NodeEntry(name="here", local=True, interval=2.0)
    backend = Local(context(inventory(entry), tmp_path, one_shot=True))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: len(ear.readings) >= 2)

    placeholder, first = ear.rows[:2]
    assert ear.readings[0].waiting
    assert placeholder.state == "unknown"
    assert first.cpu_percent is not None
    assert first.filesystems is not None
    assert first.hostname is not None


async def test_a_nudge_looks_at_once(tmp_path: Path) -> None:
    entry = NodeEntry(name="here", local=True, interval=600.0)
    backend = Local(context(inventory(entry), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, nudge):
        await eventually(lambda: ear.row.state == "up")
        told = len(ear.readings) + ear.alives
        nudge.set()
        await eventually(lambda: len(ear.readings) + ear.alives > told)


async def test_without_a_shell_the_cheap_figures_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(self: LocalLink, command: str) -> None:
        raise Unreachable("cannot start a command: no such file", where="this machine")

    monkeypatch.setattr(LocalLink, "channel", refuses)
    backend = Local(context(inventory(HERE), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.fault is not None and ear.row.cpu_percent is not None)

    assert ear.row.state == "up"
    assert "cannot start a command" in (ear.row.fault or "")


async def test_psutil_that_fails_is_a_fault_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = figures.read

    def fails() -> dict[str, object]:
        raise PermissionError("/proc is hidden")

    monkeypatch.setattr(figures, "read", fails)
    backend = Local(context(inventory(HERE), tmp_path))
    (source,) = backend.sources(backend.context.inventory())

    async with watching(backend, source) as (ear, _):
        await eventually(lambda: ear.row.state == "unknown" and ear.row.fault)
        assert ear.readings[-1].ours
        monkeypatch.setattr(figures, "read", whole)
        await eventually(lambda: ear.row.state == "up")


def test_psutil_and_proc_say_the_same() -> None:
    by_psutil = figures.read()
    by_proc = {probe.name: probe.parse(Path(probe.files[0]).read_bytes()) for probe in FAST}

    assert by_psutil.keys() == by_proc.keys()
    assert near(by_psutil["uptime"], by_proc["uptime"], 2)
    assert by_psutil["net"].keys() == by_proc["net"].keys()
    assert by_psutil["disks"].keys() == by_proc["disks"].keys()
    one, two = by_psutil["cpu"], by_proc["cpu"]
    assert isinstance(one, Cpu)
    assert isinstance(two, Cpu)
    assert near(one.total[1], two.total[1], 0.05 * two.total[1])
    assert one.numbers == two.numbers
    assert isinstance(by_psutil["load"], Load)
    assert isinstance(by_psutil["memory"], Memory)
    assert by_psutil["memory"].total == two_total(by_proc["memory"])


def two_total(memory: object) -> int:
    assert isinstance(memory, Memory)
    return memory.total


async def test_one_look_does_not_hold_the_loop() -> None:
    figures.read()
    times: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        figures.read()
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0)

    assert sorted(times)[10] < 0.02
