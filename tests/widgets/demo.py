"""A dozen plausible nodes, a large fleet, and the means to look at a screen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from app.fleet import Fleet, Reading, Ref
from app.history import History
from backends.kinds.node import KIND, Filesystem, Gpu, Node

NOW = 10_000.0
G = 1024**3


def disk(mount: str, percent: float) -> tuple[Filesystem, ...]:
    """One file system, so full."""
    return (
        Filesystem(
            mount=mount,
            device="/dev/sda1",
            type="ext4",
            total_bytes=500 * G,
            used_bytes=int(5 * G * percent),
            used_percent=percent,
        ),
    )


def gpu(percent: float) -> tuple[Gpu, ...]:
    """One GPU, so busy."""
    return (
        Gpu(
            index=0,
            name="RTX 4090",
            util_percent=percent,
            mem_used_bytes=9 * G,
            mem_total_bytes=24 * G,
            temp_celsius=61,
            power_watts=212,
            power_limit_watts=450,
        ),
    )


def node(name: str, cpu: float | None = 3.0, mem: float | None = 30.0, **more: object) -> Node:
    """A node that is up unless ``more`` says otherwise."""
    fields: dict[str, object] = {
        "id": name,
        "name": name,
        "source": name,
        "state": "up",
        "address": f"{name}.lab:22",
        "os": "Debian GNU/Linux 12 (bookworm)",
        "cores": 8,
        "cpu_percent": cpu,
        "load_1": None if cpu is None else cpu / 12,
        "mem_total_bytes": 16 * G,
        "mem_used_bytes": None if mem is None else int(16 * G * mem / 100),
        "net_rx_bytes_per_s": None if cpu is None else cpu * 31_000,
        "net_tx_bytes_per_s": None if cpu is None else cpu * 7_400,
        "uptime_s": 86400.0 * 31,
        "filesystems": disk("/", 41),
        **more,
    }
    return Node(**fields)  # pyright: ignore[reportArgumentType]


def demo_nodes() -> tuple[Node, ...]:
    """Twelve of a small lab: most are well, three want a person, one is stale, one is down."""
    return (
        node("pi", 22, 78, uptime_s=86400.0 * 3, filesystems=disk("/", 71)),
        node("pi-garage", 4, 41, fault=None, filesystems=disk("/var", 94)),
        node("hp", 12, 55, uptime_s=86400.0 * 112),
        node("hp2", None, None, state="down", fault="no answer from 10.0.4.12:22", load_1=None, filesystems=None),
        node("ws1", 91, 64, load_1=17.0, gpus=gpu(87), uptime_s=9 * 3600.0, filesystems=disk("/home", 63)),
        node("ws2", 7, 31, gpus=gpu(0), uptime_s=86400.0 * 12),
        node("nas", 2, 38, filesystems=disk("/srv/pool", 83), uptime_s=86400.0 * 203),
        node("proxmox-a", 34, 71, uptime_s=86400.0 * 64),
        node("proxmox-b", 28, 82, failed_units=("pvestatd.service",), uptime_s=86400.0 * 64),
        node("router", 1, 19, os="OpenWrt 23.05.3", filesystems=disk("/overlay", 22)),
        node("build-arm64-with-a-long-name", 66, 47, filesystems=disk("/var/lib/containers", 58)),
        node("office-printer", None, None, transport="ping", latency_ms=3.1, load_1=None, filesystems=None),
    )


def demo_fleet(now: float = NOW, nodes: Iterable[Node] | None = None) -> Fleet:
    """The twelve, each told of by itself a second ago; ``ws2`` went stale three minutes ago."""
    readings: list[Reading] = []
    for one in demo_nodes() if nodes is None else nodes:
        reading = Reading(backend="demo", source=one.source, items=(one,), taken_at=now - 1)
        if one.name == "ws2":
            reading = replace(reading, taken_at=now - 190).as_stale("connection lost")
        readings.append(reading)
    return Fleet().with_readings(readings)


def demo_history(now: float = NOW, nodes: Iterable[Node] | None = None) -> History:
    """Five minutes of waves around each node's figures."""
    history = History()
    for number, one in enumerate(demo_nodes() if nodes is None else nodes):
        for name, figure in KIND.figures.items():
            value = figure(one)
            for step in range(150):
                wave = 1 + 0.5 * math.sin((step + 7 * number) / 9) * math.cos(step / 23)
                history.push(Ref("node", one.id), name, now - 300 + 2 * step, None if value is None else value * wave)
    return history


def many_nodes(count: int) -> tuple[Node, ...]:
    """A large fleet: names, loads and disks spread evenly, a fiftieth of it down."""
    made: list[Node] = []
    for n in range(count):
        name = f"n{n:05d}"
        if n % 50 == 7:
            made.append(node(name, None, None, state="down", fault="no answer"))
        else:
            made.append(node(name, (n * 37) % 100 * 0.89, (n * 53) % 94, filesystems=disk("/", (n * 29) % 91)))
    return tuple(made)


def one_reading(nodes: tuple[Node, ...], now: float = NOW) -> Fleet:
    """All of them from one source."""
    return Fleet().with_reading(Reading(backend="demo", source="all", items=nodes, taken_at=now))
