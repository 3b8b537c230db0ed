"""The guests of one node as rows: figures between two looks become rates, and what did not change stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from app.fleet import Ref
from app.inventory.model import NodeEntry
from backends.kinds.vm_row import Vm
from backends.libvirt.answers import Stats
from backends.libvirt.definition import Definition

SHORTEST_S = 0.2
"""Two looks closer than this say nothing about a rate."""
UPTIME_STEP_S = 60.0
"""Alone, an uptime that has gone on is no reason for a new row before this."""
_UNDEFINED = Definition()


class GuestRows:
    """``rows`` is replaced, never changed; ``fold`` says whether it was."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.rows: tuple[Vm, ...] = ()
        self.rated = False
        """Two looks have come, so that there are rates; or nothing runs that could have any."""
        self.looked = False
        self._before: dict[str, tuple[float, Stats]] = {}
        """UUID -> the last look rates were made of."""
        self._started: dict[str, float] = {}
        """UUID -> when it was started, on the clock of the looks."""

    def started(self, uuid: str, at: float) -> None:
        """It was started at a moment on the clock of the looks."""
        self._started[uuid] = at

    def fold(
        self,
        uuids: Mapping[str, str],
        saved: frozenset[str],
        stats: Mapping[str, Stats],
        definitions: Mapping[str, Definition],
        nodes: Mapping[str, NodeEntry],
        at: float,
    ) -> bool:
        """Take a look at all guests in; ``uuids`` and ``stats`` by name, the rest by UUID.

        A guest is the node of the fleet that has its name, unless that is the one it runs on.
        """
        known = {row.key: row for row in self.rows}
        self.rated = self.looked or not any(one.state in ("running", "paused") for one in stats.values())
        self.looked = True
        rows: list[Vm] = []
        for name, uuid in uuids.items():
            old = known.get(uuid)
            now = stats.get(name)
            if now is None and old is not None and old.name == name:  # it came or went between two answers
                rows.append(old)
                continue
            new = self._row(name, uuid, now or Stats("unknown"), old, definitions.get(uuid, _UNDEFINED), at)
            entry = nodes.get(name) if name != self.node else None
            if entry is not None:
                new = replace(new, runs_as=Ref("node", name), tags=new.tags | entry.tags)
            if uuid in saved and new.state == "stopped":
                new = replace(new, state="suspended")
            rows.append(old if old is not None and _same(old, new) else new)
        rows.sort(key=lambda row: row.name)
        for gone in self._before.keys() - set(uuids.values()):
            del self._before[gone]
            self._started.pop(gone, None)
        made = tuple(rows)
        if len(made) == len(self.rows) and all(a is b for a, b in zip(made, self.rows, strict=True)):
            return False
        self.rows = made
        return True

    def _row(self, name: str, uuid: str, now: Stats, old: Vm | None, said: Definition, at: float) -> Vm:
        seconds, before = 0.0, None
        if uuid in self._before:
            then, before = self._before[uuid]
            seconds = at - then
        runs = now.state in ("running", "paused")
        figures: dict[str, float | None] = {}
        if before is not None and old is not None and seconds < SHORTEST_S:
            figures = {field: getattr(old, field) for field in _RATES}
        else:
            self._before[uuid] = at, now
            if runs and before is not None:
                figures = _rates(before, now, seconds)
        begun = self._started.get(uuid)
        return Vm(
            id=f"{self.node}/{name}",
            name=name,
            source=self.node,
            state=now.state,
            parent=Ref("node", self.node),
            tags=frozenset(said.tags),
            fault=now.fault,
            key=uuid,
            template=said.template,
            host=self.node,
            cores=now.cores,
            mem_used_bytes=now.mem_used_bytes,
            mem_total_bytes=now.mem_total_bytes,
            disk_total_bytes=now.disk_total_bytes if now.disk_total_bytes is not None else old and old.disk_total_bytes,
            uptime_s=at - begun if runs and begun is not None else None,
            lock=now.lock,
            labels=said.tags,
            task=now.task,
            **figures,  # pyright: ignore[reportArgumentType] - names of _RATES only
        )


_RATES = (
    "cpu_percent",
    "net_rx_bytes_per_s",
    "net_tx_bytes_per_s",
    "disk_read_bytes_per_s",
    "disk_write_bytes_per_s",
)


def _rates(before: Stats, now: Stats, seconds: float) -> dict[str, float | None]:
    """By field of the row; unknown where a counter went back, as it does when a guest is started again."""

    def rate(old: int | None, new: int | None) -> float | None:
        return None if old is None or new is None or new < old else (new - old) / seconds

    def whole(old: int | None, new: int | None) -> float | None:
        found = rate(old, new)
        return None if found is None else float(round(found))

    used = rate(before.cpu_ns, now.cpu_ns)
    cpu = None if used is None or not now.cores else round(used / 1e7 / now.cores, 1)
    return {
        "cpu_percent": cpu,
        "net_rx_bytes_per_s": whole(before.net_received_bytes, now.net_received_bytes),
        "net_tx_bytes_per_s": whole(before.net_sent_bytes, now.net_sent_bytes),
        "disk_read_bytes_per_s": whole(before.disk_read_bytes, now.disk_read_bytes),
        "disk_write_bytes_per_s": whole(before.disk_written_bytes, now.disk_written_bytes),
    }


def _same(old: Vm, new: Vm) -> bool:
    """Whether nothing but time has gone by."""
    if (old.uptime_s is None) != (new.uptime_s is None):
        return False
    if old.uptime_s is not None and new.uptime_s is not None and not 0 <= new.uptime_s - old.uptime_s < UPTIME_STEP_S:
        return False
    return replace(new, uptime_s=old.uptime_s) == old
