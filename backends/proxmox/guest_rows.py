"""Rows of guests: what ``/cluster/resources`` says of each, and what else is known beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.fleet import Ref
from backends.kinds.vm_row import Vm
from backends.proxmox import steady
from backends.proxmox.corrections import Corrections
from backends.proxmox.counters import UNKNOWN, Counted, counted
from backends.proxmox.lenient import flag, real, size, text, whole, words
from backends.proxmox.links_to_nodes import LinksToNodes

TYPES: Mapping[str, Literal["vm", "ct"]] = {"qemu": "vm", "lxc": "ct", "openvz": "ct"}
_STOPPED = ("io-error", "internal-error", "guest-panicked")
"""Words of QEMU for a guest that it has frozen because something went wrong."""
_FROZEN = ("paused", "prelaunch", "suspended", *_STOPPED)


@dataclass(slots=True, kw_only=True)
class Beside:
    """What is known of guests beside the list of one moment."""

    now: float
    """By our clock."""
    wall: float
    """The same moment in seconds since the epoch."""
    online: Collection[str]
    """Hypervisors that answer their cluster."""
    links: LinksToNodes
    corrections: Corrections
    backup: Callable[[int, str | None], tuple[float | None, bool]]
    """(moment of the newest backup, whether none is certain) by vmid and node."""
    doing: Callable[[int], str | None]
    """What our own verbs do to a guest."""
    pending: Mapping[int, bool]
    """Whether changes wait, of guests that were asked."""
    addresses: Mapping[int, tuple[str, ...]]
    """Those of guests whose agents were asked."""


def vmid_in(row: Mapping[str, Any]) -> int | None:
    """The number of a guest in a list; read off its id where the key is not there."""
    number = whole(row.get("vmid"))
    return number if number is not None else whole(text(row.get("id")).rpartition("/")[2])


def listed_state(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """(state, fault) of a guest in a list."""
    status, lock = text(row.get("status")), text(row.get("lock"))
    if status in _FROZEN:
        return "paused", status if status in _STOPPED else None
    if status == "stopped" and lock == "suspended":
        return "suspended", None
    return (status, None) if status in ("running", "stopped") else ("unknown", None)


_MadeOf = tuple[Any, ...]
"""What a row was made of, its line of the list first."""


class GuestRows:
    """The guests of one cluster; ``rows`` is replaced when something that is shown has changed, never changed."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.rows: tuple[Vm, ...] = ()
        self._by_vmid: dict[int, Vm] = {}
        self._counted: dict[int, Counted] = {}
        self._made_of: dict[int, _MadeOf] = {}

    def fold(self, listed: Iterable[Mapping[str, Any]], beside: Beside) -> bool:
        """Take in a list; says whether there are new rows. Rows that say the same are the same objects."""
        kept: dict[int, Vm] = {}
        made_of: dict[int, _MadeOf] = {}
        for row in listed:
            kind, vmid = TYPES.get(text(row.get("type"))), vmid_in(row)
            if kind is None or vmid is None or vmid in kept:
                continue
            old = self._by_vmid.get(vmid)
            of = made_of[vmid] = self._of(vmid, row, beside)
            known = self._made_of.get(vmid)
            if old is not None and known is not None and known[0] is row and known == of:
                kept[vmid] = old  # the same list once more, because something about another guest came
                continue
            made = self._made(kind, vmid, row, beside)
            kept[vmid] = old if old is not None and old == made else made
        self._made_of = made_of
        self._counted = {vmid: one for vmid, one in self._counted.items() if vmid in kept}
        beside.corrections.keep(kept)
        rows = tuple(kept[vmid] for vmid in sorted(kept))
        same = len(rows) == len(self.rows) and all(new is old for new, old in zip(rows, self.rows, strict=True))
        self._by_vmid = kept
        if not same:
            self.rows = rows
        return not same

    @staticmethod
    def _of(vmid: int, row: Mapping[str, Any], beside: Beside) -> _MadeOf:
        """All that decides what its row says, the course of time left out."""
        better = beside.corrections.known(vmid)
        at = beside.now if better is not None else 0.0  # what is known better holds for a while only
        told = (beside.doing(vmid), beside.pending.get(vmid), beside.addresses.get(vmid))
        backup = beside.backup(vmid, text(row.get("node")) or None)
        return row, backup, told, better, at, beside.links, beside.online

    def say(self, vmid: int, task: str | None) -> bool:
        """Other words for what is done to one guest; says whether its row is another one now."""
        old = self._by_vmid.get(vmid)
        if old is None or old.task == task:
            return False
        self._made_of.pop(vmid, None)
        new = self._by_vmid[vmid] = replace(old, task=task)
        self.rows = tuple(new if one is old else one for one in self.rows)
        return True

    def get(self, vmid: int) -> Vm | None:
        """One guest's row."""
        return self._by_vmid.get(vmid)

    def _made(self, kind: Literal["vm", "ct"], vmid: int, row: Mapping[str, Any], beside: Beside) -> Vm:
        old = self._by_vmid.get(vmid)
        node, lock = text(row.get("node")) or None, text(row.get("lock")) or None
        number = self._count(vmid, row)
        state, fault = listed_state(row)
        if node is not None and node not in beside.online:
            state = "unknown"
        corrected = beside.corrections.state(vmid, state, row, number, beside.now)
        state, fault = corrected, fault if corrected == state else None
        runs = state in ("running", "paused")
        name = text(row.get("name")) or beside.corrections.name(vmid) or self._known_name(old, kind, lock)
        name = name or f"vm {vmid}"
        labels = words(row.get("tags"))
        template = flag(row.get("template"))
        runs_as = None if template else beside.links.guest(vmid, name, beside.addresses.get(vmid, ()))
        backed_up, certain = beside.backup(vmid, node)
        cpu, cores = real(row.get("cpu")), real(row.get("maxcpu"))
        used, disk = size(row.get("mem")), size(row.get("disk"))
        flows = number.flows if number is not None and runs else UNKNOWN
        return Vm(
            id=f"{self.cluster}/{vmid}",
            name=name,
            source=self.cluster,
            state=state,
            parent=Ref("hypervisor", f"{self.cluster}/{node}") if node else None,
            tags=beside.links.tags_of(runs_as).union(labels),
            fault=fault,
            key=str(vmid),
            type=kind,
            template=template,
            host=node,
            pool=text(row.get("pool")) or None,
            cpu_percent=round(100 * cpu, 1) if runs and cpu is not None and cpu >= 0 else None,
            cores=cores or None,
            mem_used_bytes=used if runs and used else None,
            mem_total_bytes=size(row.get("maxmem")) or None,
            # Of a virtual machine the list says 0: only its own system knows.
            disk_used_bytes=disk if kind == "ct" and runs and disk else None,
            disk_total_bytes=size(row.get("maxdisk")) or None,
            net_rx_bytes_per_s=flows[0],
            net_tx_bytes_per_s=flows[1],
            disk_read_bytes_per_s=flows[2],
            disk_write_bytes_per_s=flows[3],
            uptime_s=steady.age(old.uptime_s if old else None, (real(row.get("uptime")) or None) if runs else None),
            lock=lock,
            ha_state=text(row.get("hastate")) or None,
            labels=labels,
            backup_age_s=steady.age(
                old.backup_age_s if old else None, None if backed_up is None else max(0.0, beside.wall - backed_up)
            ),
            backups_known=certain,
            pending=beside.pending.get(vmid),
            runs_as=runs_as,
            task=beside.doing(vmid),
        )

    def _count(self, vmid: int, row: Mapping[str, Any]) -> Counted | None:
        number = counted(self._counted.get(vmid), row)
        if number is None:
            self._counted.pop(vmid, None)
        else:
            self._counted[vmid] = number
        return number

    @staticmethod
    def _known_name(old: Vm | None, kind: str, lock: str | None) -> str:
        """The name of a guest whose node does not tell of it any more; a new guest of that number has another."""
        return old.name if old is not None and old.type == kind and lock not in ("clone", "create") else ""
