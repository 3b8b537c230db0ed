"""Rates out of two samples of counters; time is the host's own, so that no clock change on either side matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.probes.proc import Counters, Cpu, Ticks

SHORTEST_S = 0.05
"""Two samples closer than this say nothing about a rate."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What changed between two samples, per second or in percent; ``None`` where it cannot be told."""

    cpu_percent: float | None = None
    core_percents: tuple[float | None, ...] = ()
    net: tuple[float | None, float | None] = (None, None)
    """Bytes per second in and out."""
    disks: tuple[float | None, float | None] = (None, None)
    """Bytes per second read and written."""


def share(before: Ticks, now: Ticks) -> float | None:
    """Busy share of the time between, 0 to 100; ``None`` when a counter went backwards or time stood still."""
    busy, whole = now[0] - before[0], now[1] - before[1]
    if whole <= 0 or busy < 0 or busy > whole:
        return None
    return round(100 * busy / whole, 1)


def flow(before: Counters, now: Counters, seconds: float) -> tuple[float | None, float | None]:
    """The sums over the devices that both samples know; ``None`` when one of their counters went backwards."""
    first = second = 0
    known = False
    for name, (in_now, out_now) in now.items():
        old = before.get(name)
        if old is None:
            continue
        known = True
        if in_now < old[0] or out_now < old[1]:
            return None, None
        first += in_now - old[0]
        second += out_now - old[1]
    return (round(first / seconds), round(second / seconds)) if known else (None, None)


def rates(before: Mapping[str, Any], now: Mapping[str, Any]) -> Rates | None:
    """Rates between two sets of answers (probes ``uptime``, ``cpu``, ``net``, ``disks``).

    ``None`` when the samples are too close together to say anything: what was known still holds. Everything is
    unknown for one tick when the host was restarted in between.
    """
    up_before, up_now = before.get("uptime"), now.get("uptime")
    if up_before is None or up_now is None:
        return Rates(core_percents=_unknown_cores(now.get("cpu")))
    seconds = up_now - up_before
    if 0 <= seconds < SHORTEST_S:
        return None
    cpu_before, cpu = before.get("cpu"), now.get("cpu")
    if seconds < 0:
        return Rates(core_percents=_unknown_cores(cpu))
    percent, cores = None, _unknown_cores(cpu)
    if isinstance(cpu, Cpu) and isinstance(cpu_before, Cpu):
        percent = share(cpu_before.total, cpu.total)
        if cpu.numbers == cpu_before.numbers:
            cores = tuple([share(old, new) for old, new in zip(cpu_before.cores, cpu.cores, strict=True)])
    flows: list[tuple[float | None, float | None]] = []
    for name in ("net", "disks"):
        old, new = before.get(name), now.get(name)
        flows.append((None, None) if old is None or new is None else flow(old, new, seconds))
    return Rates(percent, cores, flows[0], flows[1])


def _unknown_cores(cpu: Cpu | None) -> tuple[float | None, ...]:
    return (None,) * len(cpu.cores) if cpu is not None else ()
