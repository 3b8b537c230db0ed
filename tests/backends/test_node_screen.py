"""The describe screen of a node: everything that is known, nothing invented, hostile text as text."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from app.column import UNKNOWN_TEXT, Section
from backends.kinds.node import Filesystem, Gpu, GpuProcess, Node, Temperature, Throttling
from backends.kinds.node_screen import sections

EMPTY = Node(id="pi", name="pi", source="pi", state="unknown")
DISKS = (
    Filesystem(mount="/", device="/dev/a", type="ext4", total_bytes=100, used_bytes=10, used_percent=10.0),
    Filesystem(mount="/srv", device="/dev/b", type="xfs", total_bytes=100, used_bytes=99, used_percent=99.0),
)
GPU = Gpu(
    index=0, name="H100", util_percent=50.0, mem_used_bytes=1 << 30, mem_total_bytes=80 << 30,
    temp_celsius=None, power_watts=None, power_limit_watts=700.0,
    processes=(GpuProcess(pid=42, name="python", mem_used_bytes=None),),
)  # fmt: skip
FULL = Node(
    id="pi", name="pi", source="pi", state="up", tags=frozenset({"edge", "arm"}), address="pi.local:22",
    hostname="raspberry", os="Debian 12", kernel="6.6", arch="aarch64", model="Raspberry Pi 4", cores=6,
    cpu_percent=95.0, core_percents=(95.0, None, 3.0, 4.0, 5.0, 6.0), load_1=1.0, load_5=None, load_15=0.5,
    mem_total_bytes=4 << 30, mem_used_bytes=1 << 30, swap_total_bytes=1 << 20, swap_used_bytes=1 << 19,
    net_rx_bytes_per_s=2048, net_tx_bytes_per_s=0, disk_read_bytes_per_s=0, disk_write_bytes_per_s=4096,
    uptime_s=3600 * 50, latency_ms=3.21, slow_at=time.monotonic() - 3 * 3600 - 60,
    filesystems=DISKS,
    temperatures=(
        Temperature(label="cpu", celsius=111.0, critical_celsius=110.0),
        Temperature(label="x", celsius=20.0),
    ),
    gpus=(GPU,),
    failed_units=("nginx.service",), updates_pending=7, updates_security=2, restart_needed=True,
    throttling=Throttling(now=("under-voltage",), occurred=("under-voltage", "throttled")),
    sudo="nopasswd", rate_per_hour=0.004, note="sampling paused", muted_until=2e9, muted_why="new disk",
    console_cost=(("bytes_in", 4096), ("channels", 1)), fault="gpus: no answer",
)  # fmt: skip


def text(blocks: Iterable[Section]) -> str:
    """Everything that would be read, a line each."""
    lines: list[str] = []
    for block in blocks:
        lines.append(f"[{block.title}]")
        lines += [f"{label}: {cell.text}" for label, cell in block.lines]
        lines += [" | ".join(cell.text for cell in row) for row in block.rows]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "words",
    [
        "fault: gpus: no answer", "note: sampling paused", "new disk", "answer: 3.2 ms", "host name: raspberry",
        "system: Debian 12", "model: Raspberry Pi 4", "cores: 6", "load: 1.00  –  0.50", "core 0-1: ", "core 4-5: ",
        "1.0G of 4.0G", "512K of 1.0M", "read: 0/s", "written: 4.0K/s", "in: 2.0K/s", "/srv | ", "99 of 100", "H100",
        "– of 700 W", "0 | 42 | – | python", "cpu | 111.0 °C!", "x | 20.0 °C | –", "failed units: nginx.service",
        "7 pending, 2 for security", "restart: needed", "throttling now: under-voltage",
        "since the boot: under-voltage, throttled", "as of: 3 h ago", "bytes in: 4.0K", "channels: 1",
        "address: pi.local:22", "tags: arm edge", "sudo: nopasswd", "cost: 0.004 an hour",
    ],
)  # fmt: skip
def test_everything_that_is_known_is_there(words: str) -> None:
    assert words in text(sections(FULL))


def test_the_fullest_disk_comes_first() -> None:
    (disks,) = [block for block in sections(FULL) if block.title == "File systems"]

    assert [row[0].text for row in disks.rows] == ["/srv", "/"]


def test_history_graphs_stand_with_their_figures() -> None:
    graphs = {block.title: block.graph for block in sections(FULL) if block.graph}

    assert graphs == {"CPU": "cpu", "Memory": "mem", "Disks": "disk", "Network": "net"}


def test_what_is_not_known_is_a_dash_and_never_nothing() -> None:
    said = text(sections(EMPTY))

    assert f"all cores: {UNKNOWN_TEXT}" in said
    assert f"failed units: {UNKNOWN_TEXT}" in said
    assert f"updates: {UNKNOWN_TEXT}" in said
    assert f"restart: {UNKNOWN_TEXT}" in said
    assert f"load: {UNKNOWN_TEXT}\n" in said
    assert not [line for line in said.splitlines() if "%" in line and "limits" not in line]
    assert not [block for block in sections(EMPTY) if block.title in ("GPUs", "Temperatures", "File systems")]


def test_a_device_that_is_only_checked_has_a_short_screen() -> None:
    titles = [block.title for block in sections(replace(EMPTY, transport="ping", state="up", latency_ms=1.0))]

    assert titles == ["pi", "Configuration"]


def test_hostile_text_is_drawn_as_text() -> None:
    evil = "\x1b]0;pwned\x07\x1b[2J\u202e[@click=app.quit]x[/]\nnext"
    row = replace(
        FULL, name=evil, fault=evil, note=evil, muted_why=evil, hostname=evil, os=evil, model=evil, kernel=evil,
        failed_units=(evil,), tags=frozenset({evil}), address=evil,
        filesystems=(replace(DISKS[0], mount=evil, device=evil, type=evil),),
        temperatures=(Temperature(label=evil, celsius=1.0),),
        gpus=(replace(GPU, name=evil, processes=(GpuProcess(pid=1, name=evil, mem_used_bytes=1),)),),
    )  # fmt: skip

    blocks = sections(row)

    for block in blocks:
        for piece in (block.title, *(cell.text for _, cell in block.lines), *(c.text for r in block.rows for c in r)):
            assert piece.isprintable()
    assert "[@click=app.quit]x[/]" in text(blocks)


def test_many_cores_are_heights_and_the_busiest_is_named() -> None:
    shares = tuple(float(number * 2) for number in range(40))
    node = Node(id="big", name="big", source="big", state="up", core_percents=shares, cores=40)
    cpu = next(section for section in sections(node) if section.title == "CPU")
    lines = {label: cell.text for label, cell in cpu.lines}
    assert len(lines["core 0-31"]) == 32
    assert len(lines["core 32-39"]) == 8
    assert lines["core 0-31"][0] < lines["core 32-39"][-1]
    assert lines["busiest"] == "core 39  78 %"
