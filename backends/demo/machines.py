"""The pretend machines: who they are, and figures that move plausibly and repeatably with time.

Every figure is a pure function of the machine's number and the clock, so that two runs at one clock look the same
and ten thousand machines cost nothing while nobody looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from backends.kinds.node import Filesystem, Gpu, GpuProcess, Node, Temperature, Throttling

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Model:
    """One sort of machine."""

    stem: str
    os: str
    kernel: str
    arch: str
    board: str
    cores: int
    memory: int
    disk: int
    tags: frozenset[str]
    gpu: tuple[str, int] | None = None
    """Name and memory in bytes."""


PI = Model(
    "pi",
    "Debian GNU/Linux 12 (bookworm)",
    "6.6.51+rpt-rpi-v8",
    "aarch64",
    "Raspberry Pi 4 Model B Rev 1.4",
    4,
    4 * GIB,
    58 * GIB,
    frozenset({"arm", "edge"}),
)
HP = Model(
    "hp",
    "Ubuntu 24.04.1 LTS",
    "6.8.0-48-generic",
    "x86_64",
    "HP EliteDesk 800 G4 Mini",
    6,
    16 * GIB,
    238 * GIB,
    frozenset({"lab"}),
)
PVE = Model(
    "pve",
    "Debian GNU/Linux 12 (bookworm)",
    "6.8.12-4-pve",
    "x86_64",
    "HP ProDesk 600 G6",
    12,
    64 * GIB,
    930 * GIB,
    frozenset({"prod", "hypervisor"}),
)
WS = Model(
    "ws",
    "Ubuntu 22.04.5 LTS",
    "6.8.0-48-generic",
    "x86_64",
    "Z8 G5 Workstation",
    32,
    128 * GIB,
    1860 * GIB,
    frozenset({"gpu"}),
    ("NVIDIA RTX 6000 Ada Generation", 48 * GIB),
)
EDGE = Model(
    "edge",
    "Alpine Linux v3.20",
    "6.6.58-0-lts",
    "x86_64",
    "PC Engines apu4",
    4,
    2 * GIB,
    14 * GIB,
    frozenset({"edge", "router"}),
)

ORDER = (PI, HP, PI, PVE, WS, HP, PI, EDGE, PVE, PI, WS, HP)
"""The twelve machines of the small fleet; larger ones repeat it."""


@dataclass(slots=True)
class Machine:
    """One pretend machine and what has been done to it."""

    number: int
    model: Model
    name: str
    down_until: float = 0.0
    """Pretend clock at which it answers again; infinity after a shutdown."""
    booted_at: float = 0.0
    muted_until: float | None = None
    muted_why: str | None = None
    updates: int = 0
    failed: tuple[str, ...] = ()
    stopped: set[str] = field(default_factory=set[str])
    killed: set[int] = field(default_factory=set[int])
    tunnels: dict[int, str] = field(default_factory=dict[int, str])


def machines(count: int) -> list[Machine]:
    """A fleet of ``count`` machines; number 5 is down, 8 is stale now and then, some want attention."""
    seen: dict[str, int] = {}
    made: list[Machine] = []
    for number in range(count):
        model = ORDER[number % len(ORDER)]
        seen[model.stem] = seen.get(model.stem, 0) + 1
        machine = Machine(number, model, f"{model.stem}{seen[model.stem]}", booted_at=-noise(number, 3) * 4e6)
        machine.updates = (number * 7) % 23 if number % 3 else 0
        if number % 12 == 5:
            machine.down_until = 1e18
        if number % 12 == 8:
            machine.failed = ("pve-daily-backup.service",)
        made.append(machine)
    return made


def noise(number: int, salt: int) -> float:
    """A fixed number of 0 to 1 for a machine and a purpose."""
    x = math.sin(number * 12.9898 + salt * 78.233) * 43758.5453
    return x - math.floor(x)


def wave(machine: Machine, at: float, salt: int, low: float, high: float) -> float:
    """A figure that wanders between two bounds, slower and faster at once."""
    phase = noise(machine.number, salt) * 100
    slow = math.sin(at / 97 + phase)
    fast = math.sin(at / 11 + 2.3 * phase) * math.sin(at / 3.1 + phase)
    share = 0.5 + 0.33 * slow + 0.17 * fast
    return low + (high - low) * share


def row(machine: Machine, at: float, source: str, monotonic: float) -> Node:
    """The machine as a node at the pretend clock ``at``, seconds since the fleet began."""
    model = machine.model
    busy = noise(machine.number, 1)
    base: dict[str, object] = {
        "id": machine.name,
        "name": machine.name,
        "source": source,
        "tags": model.tags | {"demo"},
        "transport": "ssh",
        "address": f"192.0.2.{machine.number % 250 + 1}:22",
        "hostname": machine.name,
        "os": model.os,
        "kernel": model.kernel,
        "arch": model.arch,
        "model": model.board,
        "cores": model.cores,
        "sudo": "nopasswd",
        "rate_per_hour": round(0.002 * model.cores, 4),
        "muted_until": machine.muted_until,
        "muted_why": machine.muted_why,
    }
    if at < machine.down_until:
        words = f"no answer on 192.0.2.{machine.number % 250 + 1} port 22 within 10 s"
        return Node(**base, state="down", fault=words)  # pyright: ignore[reportArgumentType]
    cpu = min(100.0, wave(machine, at, 2, 2, 20 + 75 * busy))
    if machine.number % 12 == 4:
        cpu = min(100.0, cpu * 0.2 + 78)
    memory = int(model.memory * min(0.97, wave(machine, at / 8, 4, 0.25, 0.45 + 0.5 * busy)))
    used = 0.25 + 0.6 * noise(machine.number, 6)
    if machine.number % 12 == 6:
        used = 0.94
    disks = [_disk("/", "/dev/mmcblk0p2" if model is PI else "/dev/nvme0n1p2", "ext4", model.disk, used)]
    if model is PVE:
        disks.append(_disk("/var/lib/vz", "/dev/sda1", "xfs", 4 * model.disk, 0.4 + 0.4 * busy))
    gpus = None
    if model.gpu is not None:
        gpus = (_gpu(machine, at, model.gpu),)
    throttling = None
    if model is PI:
        hot = machine.number % 12 == 2
        throttling = Throttling(
            now=("under-voltage",) if hot and math.sin(at / 40) > 0.3 else (),
            occurred=("under-voltage", "throttled") if hot else (),
        )
    return Node(
        **base,  # pyright: ignore[reportArgumentType]
        state="up",
        cpu_percent=round(cpu, 1),
        core_percents=tuple(
            round(min(100.0, max(0.0, cpu + 30 * math.sin(at / 5 + core * 1.7))), 1) for core in range(model.cores)
        ),
        load_1=round(cpu / 100 * model.cores * 1.1, 2),
        load_5=round(cpu / 100 * model.cores, 2),
        load_15=round(cpu / 100 * model.cores * 0.9, 2),
        mem_total_bytes=model.memory,
        mem_used_bytes=memory,
        swap_total_bytes=model.memory // 4,
        swap_used_bytes=int(model.memory / 4 * 0.2 * busy),
        net_rx_bytes_per_s=round(wave(machine, at, 7, 200, 4e6 * busy)),
        net_tx_bytes_per_s=round(wave(machine, at, 8, 100, 1e6 * busy)),
        disk_read_bytes_per_s=round(wave(machine, at, 9, 0, 2e6 * busy)),
        disk_write_bytes_per_s=round(wave(machine, at, 10, 0, 6e6 * busy)),
        uptime_s=round(at - machine.booted_at),
        filesystems=tuple(disks),
        temperatures=(
            Temperature(label="cpu", celsius=round(wave(machine, at / 4, 11, 38, 72), 1), critical_celsius=95.0),
        ),
        gpus=gpus,
        failed_units=machine.failed if model is not EDGE else None,
        updates_pending=machine.updates,
        updates_security=machine.updates // 4 if model is not EDGE else None,
        restart_needed=machine.number % 5 == 1,
        throttling=throttling,
        slow_at=monotonic - (at + machine.number) % 60,
        latency_ms=round(wave(machine, at, 12, 0.4, 18), 1),
        console_cost=(("bytes_in", int(at * 900)), ("bytes_out", int(at * 14)), ("channels", 2)),
    )


def _disk(mount: str, device: str, kind: str, total: int, share: float) -> Filesystem:
    return Filesystem(
        mount=mount,
        device=device,
        type=kind,
        total_bytes=total,
        used_bytes=int(total * share),
        used_percent=round(100 * share, 1),
    )


def _gpu(machine: Machine, at: float, gpu: tuple[str, int]) -> Gpu:
    share = wave(machine, at, 13, 5, 98)
    memory = int(gpu[1] * (0.3 + 0.5 * noise(machine.number, 14)))
    return Gpu(
        index=0,
        name=gpu[0],
        util_percent=round(share),
        mem_used_bytes=memory,
        mem_total_bytes=gpu[1],
        temp_celsius=round(40 + share * 0.4),
        power_watts=round(60 + share * 2.2, 1),
        power_limit_watts=300.0,
        processes=(GpuProcess(pid=4100 + machine.number, name="llama-server", mem_used_bytes=memory - (64 << 20)),),
    )
