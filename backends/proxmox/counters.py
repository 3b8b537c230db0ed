"""Bytes per second of a guest, from counters that Proxmox renews every ten seconds and that begin with its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.proxmox.lenient import real, size
from backends.rates import flow

NAMES = ("netin", "netout", "diskread", "diskwrite")

Flows = tuple[float | None, float | None, float | None, float | None]
"""Bytes per second: net in and out, disks read and written."""
UNKNOWN: Flows = (None, None, None, None)


@dataclass(frozen=True, slots=True)
class Counted:
    """One guest's counters as they were last renewed, and the rates since the renewal before."""

    uptime: float
    """Seconds since its start: the clock of the counters, renewed with them."""
    values: tuple[int | None, int | None, int | None, int | None]
    flows: Flows = UNKNOWN

    @property
    def disks(self) -> tuple[int | None, int | None]:
        """What was read and written since its start."""
        return self.values[2], self.values[3]


def counted(before: Counted | None, row: Mapping[str, Any]) -> Counted | None:
    """The counters of a row of ``/cluster/resources``; what was known still holds until they are renewed.

    ``None`` for a guest that does not run. Rates are unknown at first, and after a restart.
    """
    uptime = real(row.get("uptime"))
    if not uptime or uptime < 0:
        return None
    values = (size(row.get("netin")), size(row.get("netout")), size(row.get("diskread")), size(row.get("diskwrite")))
    if before is None or uptime < before.uptime:
        return Counted(uptime, values)
    if uptime == before.uptime:
        return before
    seconds = uptime - before.uptime
    net = _flow(before.values[0], before.values[1], values[0], values[1], seconds)
    disks = _flow(before.values[2], before.values[3], values[2], values[3], seconds)
    return Counted(uptime, values, (*net, *disks))


def _flow(
    in_before: int | None, out_before: int | None, in_now: int | None, out_now: int | None, seconds: float
) -> tuple[float | None, float | None]:
    if in_before is None or out_before is None or in_now is None or out_now is None:
        return None, None
    return flow({b"": (in_before, out_before)}, {b"": (in_now, out_now)}, seconds)
