"""This machine's cheap figures by psutil, in the same shapes that the probes of remote nodes have."""

from __future__ import annotations

import os
import time
from typing import Any

from backends.probes.proc import Counters, Cpu, Load, Memory, Ticks, doubles, is_whole


def read() -> dict[str, Any]:
    """Every cheap answer by probe name; ``None`` where this system does not tell. About a millisecond."""
    import psutil

    cores = psutil.cpu_times(percpu=True)
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "uptime": _uptime(),
        "cpu": Cpu(
            _ticks(psutil.cpu_times()),
            tuple([_ticks(one) for one in cores]),
            tuple([b"cpu%d" % number for number in range(len(cores))]),
        ),
        "memory": Memory(memory.total, memory.available, swap.total, swap.free),
        "load": Load(*(round(one, 2) for one in os.getloadavg())),
        "net": _net(),
        "disks": _disks(),
    }


def _uptime() -> float:
    """Seconds since the boot on a clock that nobody sets."""
    boot_clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return round(time.clock_gettime(boot_clock) if boot_clock is not None else time.monotonic(), 2)


def _ticks(times: Any) -> Ticks:
    """Hundredths of seconds, counted as for remote nodes: waiting for disks and stolen time are not busy."""
    busy = sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
    idle = sum(getattr(times, name, 0.0) for name in ("idle", "iowait", "steal"))
    return round(100 * busy), round(100 * busy) + round(100 * idle)


def _net() -> Counters:
    import psutil

    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    named = {name.encode("utf-8", "surrogateescape"): one for name, one in counters.items()}
    return {name: (one.bytes_recv, one.bytes_sent) for name, one in named.items() if not doubles(name)}


def _disks() -> Counters | None:
    import psutil

    counters = psutil.disk_io_counters(perdisk=True, nowrap=False)
    if not counters:
        return None
    found: Counters = {}
    last = b"\0"
    for name, one in counters.items():
        device = name.encode("utf-8", "surrogateescape")
        if is_whole(device, last):
            last = device
            found[device] = (one.read_bytes, one.write_bytes)
    return found
