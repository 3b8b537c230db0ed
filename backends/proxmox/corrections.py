"""What a guest's own status said after we acted on it: the cluster's list goes on telling the old one for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.proxmox.counters import Counted
from backends.proxmox.lenient import real, text

LAG_S = 25.0
"""So long a list may lag behind: its figures are gathered every 10 s, and a node under load takes longer."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One guest's own word, and when it was heard."""

    state: str
    name: str
    uptime: float | None
    at: float
    """By our clock."""
    disks: tuple[int | None, int | None] | None = None
    """What the first list that said ``running`` of a frozen guest had counted; it stays so while it is frozen."""


class Corrections:
    """What is known better than the list, for as long as the list can be wrong.

    Lists call a frozen guest running. It is taken for frozen until it is seen to compute, read or write.
    """

    def __init__(self) -> None:
        self._known: dict[int, Correction] = {}

    def heard(self, vmid: int, state: str, current: Mapping[str, Any], now: float) -> None:
        """A guest's ``status/current``, and the state that means."""
        self._known[vmid] = Correction(state, text(current.get("name")), real(current.get("uptime")), now)

    def known(self, vmid: int) -> Correction | None:
        """What is known better of a guest, if anything."""
        return self._known.get(vmid)

    def name(self, vmid: int) -> str:
        """A name that the list does not have yet; empty where none is known."""
        known = self._known.get(vmid)
        return known.name if known is not None else ""

    def state(self, vmid: int, listed: str, row: Mapping[str, Any], counted: Counted | None, now: float) -> str:
        """How a guest is doing when the list says ``listed``."""
        known = self._known.get(vmid)
        if known is None or listed == "unknown":
            return listed
        if known.state == listed:
            if text(row.get("name")):
                del self._known[vmid]
            return listed
        if known.state == "paused" and listed == "running":
            idle = (real(row.get("cpu")) or 0.0) < 0.002
            disks = counted.disks if counted is not None else None
            if now - known.at < LAG_S:
                self._known[vmid] = Correction(known.state, known.name, known.uptime, known.at, disks)
                return known.state
            if idle and disks == known.disks:
                return known.state
        elif now - known.at < LAG_S:
            return known.state
        del self._known[vmid]
        return listed

    def keep(self, vmids: Mapping[int, Any]) -> None:
        """Forget guests that are not listed any more."""
        self._known = {vmid: known for vmid, known in self._known.items() if vmid in vmids}
