"""A node's row as its answers come: the same for a remote node, the local one and one that is only pinged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from app.backend import Source
from app.errors import QuarterdeckError
from app.fleet import Reading
from app.inventory.model import Inventory, NodeEntry
from app.link import LinkCost, Sample
from backends.kinds.node import Filesystem, Node
from backends.probes.facts import Facts
from backends.probes.packages import Updates
from backends.probes.proc import Load, Memory
from backends.rates import Rates, rates

Transport = Literal["local", "ssh", "ping"]

_FAST = ("uptime", "cpu", "memory", "load", "net", "disks")
_KEPT = {
    "temperatures": "temperatures",
    "gpus": "gpus",
    "failed_units": "failed_units",
    "throttling": "throttling",
    "restart": "restart_needed",
}
"""Costly probes whose answer is a field of the row as it is."""
UPTIME_STEP_S = 60.0
"""Alone, an uptime that has gone on is no reason for a new row before this."""


def transport(entry: NodeEntry) -> Transport:
    """How a node is reached; one that was configured wrongly counts as one for SSH."""
    if entry.local:
        return "local"
    return "ping" if entry.ping is not None and entry.ssh is None else "ssh"


def sources(backend: str, inventory: Inventory, by: Transport) -> list[Source]:
    """One source per node that is reached in this way; its fingerprint covers all that it is configured with."""
    common = repr(inventory.ssh) if by == "ssh" else ""
    return [
        Source(backend, entry.name, entry.interval, ("node",), _fingerprint(f"{_plain(entry)}{common}"))
        for entry in inventory
        if transport(entry) == by
    ]


def _plain(entry: NodeEntry) -> str:
    """An entry as text that is the same for equal entries: sets and mappings in order."""
    fields = {name: getattr(entry, name) for name in NodeEntry.__slots__}
    for name, value in fields.items():
        if isinstance(value, frozenset):
            fields[name] = sorted(str(one) for one in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        elif isinstance(value, Mapping):
            fields[name] = sorted((str(key), repr(one)) for key, one in value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return repr(fields)


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class NodeRow:
    """The row of one source, and the counters its next rates are made of.

    ``row`` is replaced, never changed; ``fold`` says whether it was.
    """

    def __init__(self, entry: NodeEntry) -> None:
        self.entry = entry
        limits = entry.thresholds
        empty = Node(
            id=entry.name,
            name=entry.name,
            source=entry.name,
            state="unknown",
            tags=entry.tags,
            fault=entry.fault,
            transport=transport(entry),
            sudo=str(entry.sudo),
            rate_per_hour=entry.rate.get("per_hour"),
        )
        self.row = replace(
            empty,
            cpu_limits=limits.get("cpu", empty.cpu_limits),
            mem_limits=limits.get("memory", empty.mem_limits),
            disk_limits=limits.get("disk", empty.disk_limits),
        )
        self._counters: Mapping[str, Any] = {}
        self._faults: dict[str, str] = {}
        self._mounts: dict[str, tuple[Filesystem, ...] | None] = {}
        self._heard: set[str] = set()
        self.rated = False
        """Two samples have come, so that there are rates."""

    @property
    def heard(self) -> int:
        """How many of the costly probes have said something."""
        return len(self._heard)

    # -- what it becomes ----------------------------------------------------------------------------------------------

    def fold(
        self,
        sample: Sample,
        *,
        address: str | None = None,
        note: str | None = None,
        cost: LinkCost | None = None,
        muted: tuple[float, str] | None = None,
    ) -> bool:
        """Take a sample in. Only figures that moved make a new row; uptime, latency and cost ride along."""
        changes: dict[str, Any] = {"state": "up", "address": address, "note": note}
        changes["muted_until"], changes["muted_why"] = muted or (None, None)
        self._fold_cheap(sample, changes)
        slow = self._fold_costly(sample, changes)
        changes["fault"] = "; ".join(f"{name}: {words}" for name, words in self._faults.items()) or None
        row = self.row
        moved = {name: value for name, value in changes.items() if getattr(row, name) != value}
        uptime = sample.answers.get("uptime")
        latency_ms = None if sample.latency_ms is None else round(sample.latency_ms, 1)
        if row.transport == "ping" and latency_ms != row.latency_ms:
            moved["latency_ms"] = latency_ms  # the one figure there is
        stretched = uptime is not None and abs(uptime - (row.uptime_s or -UPTIME_STEP_S)) >= UPTIME_STEP_S
        if not moved and not stretched and not slow:
            return False
        if slow:
            moved["slow_at"] = sample.taken_at
        if "uptime" in sample.answers:
            moved["uptime_s"] = uptime
        if latency_ms is not None:
            moved["latency_ms"] = latency_ms
        if cost is not None:
            moved["console_cost"] = told_cost(cost)
        self.row = replace(row, **moved)
        return True

    def becomes(self, state: str, fault: str, address: str | None = None) -> bool:
        """Take a failure in: figures are no longer told, as nobody knows them; says whether the row is a new one."""
        if (self.row.state, self.row.fault) == (state, fault):
            return False
        self._counters, self.rated = {}, False
        self.row = replace(
            self.row,
            state=state,
            fault=fault,
            address=address,
            note=None,
            cpu_percent=None,
            core_percents=(),
            load_1=None,
            load_5=None,
            load_15=None,
            mem_used_bytes=None,
            swap_used_bytes=None,
            net_rx_bytes_per_s=None,
            net_tx_bytes_per_s=None,
            disk_read_bytes_per_s=None,
            disk_write_bytes_per_s=None,
            uptime_s=None,
            latency_ms=None,
        )
        return True

    def waits(self, note: str) -> bool:
        """Say on a row that stands why it is not being read now; says whether the row is a new one."""
        if self.row.state != "up" or self.row.note == note:
            return False
        self.row = replace(self.row, note=note)
        return True

    def reading(self, backend: str, at: float, fault: str | None = None, *, ours: bool = False) -> Reading:
        """The row as what its backend tells."""
        return Reading(
            backend=backend,
            source=self.entry.name,
            items=(self.row,),
            taken_at=at,
            interval=self.entry.interval,
            fault=fault,
            ours=ours,
        )

    # -- its parts ----------------------------------------------------------------------------------------------------

    def _fold_cheap(self, sample: Sample, changes: dict[str, Any]) -> None:
        answers = sample.answers
        for name in _FAST:
            if name in sample.faults:
                self._faults[name] = sample.faults[name]
            elif name in answers:
                self._faults.pop(name, None)
        if not any(name in answers or name in sample.faults for name in _FAST):
            return
        found = rates(self._counters, answers) if self._counters else Rates()
        if found is not None:
            self.rated = self.rated or bool(self._counters)
            self._counters = answers
            changes["cpu_percent"] = found.cpu_percent
            changes["core_percents"] = found.core_percents
            changes["net_rx_bytes_per_s"], changes["net_tx_bytes_per_s"] = found.net
            changes["disk_read_bytes_per_s"], changes["disk_write_bytes_per_s"] = found.disks
        load: Load | None = answers.get("load")
        changes["load_1"] = load and load.one
        changes["load_5"] = load and load.five
        changes["load_15"] = load and load.fifteen
        memory: Memory | None = answers.get("memory")
        changes["mem_total_bytes"] = memory and memory.total
        changes["mem_used_bytes"] = memory and memory.total - memory.available
        changes["swap_total_bytes"] = memory and memory.swap_total
        changes["swap_used_bytes"] = memory and max(0, memory.swap_total - memory.swap_free)

    def _fold_costly(self, sample: Sample, changes: dict[str, Any]) -> bool:
        """Take the costly answers in; says whether there were any."""
        slow = False
        for name, words in sample.faults.items():
            if name not in _FAST:
                self._faults[name] = words
                self._heard.add(name)
        for name, value in sample.answers.items():
            if name in _FAST:
                continue
            slow = True
            self._heard.add(name)
            self._faults.pop(name, None)
            if name in _KEPT:
                changes[_KEPT[name]] = value
            elif isinstance(value, Facts):
                for field in ("hostname", "os", "kernel", "arch", "cores", "model"):
                    changes[field] = getattr(value, field)
            elif name == "updates":
                counts: Updates | None = value
                changes["updates_pending"] = counts and counts.pending
                changes["updates_security"] = counts and counts.security
            elif name in ("filesystems", "network_filesystems"):
                self._mounts[name] = value
                known = [one for one in self._mounts.values() if one is not None]
                merged = sorted((disk for one in known for disk in one), key=lambda disk: disk.mount)
                changes["filesystems"] = tuple(merged) if self._mounts.get("filesystems") is not None else None
        return slow


def told_cost(cost: LinkCost) -> tuple[tuple[str, int], ...]:
    """What the console caused on a node, as its row tells it."""
    return (
        ("bytes_in", cost.bytes_in),
        ("bytes_out", cost.bytes_out),
        ("channels", cost.channels),
        ("commands", cost.commands),
        ("connects", cost.connects),
    )


def words(error: QuarterdeckError) -> str:
    """An error as a row's fault: the row names the host already."""
    return f"{error.what}; {error.todo}" if error.todo else error.what
