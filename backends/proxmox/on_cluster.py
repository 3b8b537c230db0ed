"""What verbs and views of Proxmox share: the cluster that is meant, and the guest as it is now."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from app.column import clean
from app.errors import BadAnswer, Missing, QuarterdeckError
from app.fleet import Resource
from backends.kinds.vm_row import Vm
from backends.proxmox import wire
from backends.proxmox.cluster import cluster_of
from backends.proxmox.doings import Doings
from backends.proxmox.failures import NodeOffline
from backends.proxmox.lenient import flag, mapping, rows, text, whole

if TYPE_CHECKING:
    from app.backend import Context
    from backends.proxmox.client import Client

GuestType = Literal["qemu", "lxc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshGuest:
    """A guest as its cluster has it at one moment: ``status/current`` and ``config`` of the node it is on now."""

    cluster: str
    vmid: int
    node: str
    type: GuestType
    name: str
    """Empty where it has none (yet)."""
    status: str
    """``running``, ``paused``, ``suspended`` (saved to disk), ``stopped``, ``unknown``: as rows have it."""
    lock: str | None
    """What holds it: ``backup``, ``clone`` …; ``None`` while nothing does."""
    config: Mapping[str, Any]
    """The values in use, as they came; what waits for a restart is not among them."""
    digest: str
    """Of the configuration: hand it over with a change, and a change that came between is not overwritten."""
    template: bool
    protection: bool
    """It may not be destroyed, nor may its disks."""
    ha: str | None
    """What high availability says of it (``started``, ``stopped`` …); ``None`` where it is not under it."""
    current: Mapping[str, Any]
    """All of ``status/current``, as it came."""

    @property
    def id(self) -> str:
        """As rows have it: ``lab/101``."""
        return f"{self.cluster}/{self.vmid}"

    @property
    def runs(self) -> bool:
        """It has processes, frozen ones included."""
        return self.status in ("running", "paused")

    @property
    def words(self) -> str:
        """Its state for a sentence: ``running on pve1``, ``stopped on pve1, locked (backup)``."""
        locked = f", locked ({clean(self.lock)})" if self.lock else ""
        return f"{self.status} on {clean(self.node)}{locked}"

    def alive(self, what: str = "it is there") -> tuple[str, bool, str]:
        """The evidence of this look, as a precondition that holds."""
        return what, True, f"{clean(self.name) or 'it'} ({self.vmid}) is {self.words}"

    def born_as(self, other: FreshGuest) -> bool:
        """Whether it was made when another look has it: a guest of the same number and name may be a new one.

        By the moment and the UUID that Proxmox gives a virtual machine; True where either look does not have them.
        """
        mine, its = _birth(self.config), _birth(other.config)
        return all(mine[key] == its[key] for key in mine.keys() & its.keys())

    def same_as(self, target: Vm) -> tuple[str, bool, str]:
        """Whether it still is the guest of a row, as a precondition: ids are given anew when a guest is destroyed."""
        named = target.name != nameless(self.vmid)
        ok = (not named or not self.name or self.name == target.name) and self.type == type_of(target)
        said = clean(self.name) or "without a name"
        return "it is still the guest that was chosen", ok, f"{self.vmid} is {said} now"


_BORN = re.compile(r"(?:^|,)(ctime|uuid)=([^,]+)")


def _birth(config: Mapping[str, Any]) -> dict[str, str]:
    said = ",".join(text(config.get(key)) for key in ("meta", "smbios1"))
    return {key: value.lower() for key, value in _BORN.findall(said)}


def nameless(vmid: int) -> str:
    """What a guest is called in lists that has no name (yet)."""
    return f"vm {vmid}"


def type_of(target: Vm) -> GuestType:
    """The part of a path that says what kind of guest it is."""
    return "lxc" if target.type == "ct" else "qemu"


def vmid_of(target: Vm) -> int:
    """The number of a guest; raises BadAnswer for a row that has none."""
    try:
        return int(target.key)
    except ValueError:
        raise BadAnswer("its row has no number", where=target.id) from None


def state_of(current: Mapping[str, Any]) -> str:
    """How a guest is doing by its ``status/current``: running, paused, suspended, stopped or unknown."""
    status = text(current.get("status"))
    if status == "running":
        return "paused" if text(current.get("qmpstatus")) in ("paused", "prelaunch", "suspended") else "running"
    if status == "stopped":
        return "suspended" if text(current.get("lock")) == "suspended" else "stopped"
    return "unknown"


class OnCluster:
    """Base of the verb and view families; mixed into a ``Backend``, which brings ``context``."""

    context: Context

    @cached_property
    def _doings(self) -> dict[str, Doings]:
        return {}

    @cached_property
    def _addresses(self) -> dict[str, dict[int, tuple[str, ...]]]:
        return {}

    def addresses(self, cluster: str) -> dict[int, tuple[str, ...]]:
        """What the agents of its guests told of, by vmid: which node of the fleet a guest is follows from it."""
        return self._addresses.setdefault(cluster, {})

    @cached_property
    def _versions(self) -> dict[str, dict[str, str]]:
        return {}

    def versions(self, cluster: str) -> dict[str, str]:
        """What those of its nodes that were asked run, by node: ``9.1-1``."""
        return self._versions.setdefault(cluster, {})

    def client(self, of: Resource | str) -> Client:
        """The client of a row's cluster, or of one by its name; raises Missing where none is configured so."""
        from backends.proxmox.clusters import clusters

        return self.context.shared(clusters).of(of if isinstance(of, str) else of.source)

    def path(self, guest: FreshGuest | Vm, *rest: str | int) -> str:
        """``/nodes/pve1/qemu/101/…``: where the API has a guest. A row whose node is unknown raises Missing."""
        if isinstance(guest, FreshGuest):
            return wire.path("nodes", guest.node, guest.type, guest.vmid, *rest)
        if not guest.host:
            raise Missing("nobody knows which node it is on", where=guest.id)
        return wire.path("nodes", guest.host, type_of(guest), vmid_of(guest), *rest)

    def parallel(self, cluster: str) -> int:
        """How many clones and snapshots may be at work side by side on one of its storages."""
        return cluster_of(self.context.inventory(), cluster).parallel

    def doings(self, cluster: str) -> Doings:
        """What our verbs are doing there; ``with self.doings(c).doing(vmid, "clone") as d: d.say("clone 62 %")``."""
        return self._doings.setdefault(cluster, Doings())

    def nudge(self, cluster: str, *acted_on: int) -> None:
        """Look at a cluster now, and at these of its guests each by itself: its list lags some seconds behind."""
        doings = self.doings(cluster)
        for vmid in acted_on:
            doings.acted_on(vmid)
        doings.look()

    async def fresh(self, target: Vm) -> FreshGuest:
        """A guest as it is now, wherever it has moved since; raises Missing when it is gone.

        Its own status is read once more at the next nudge of the cluster: whoever asks this means to act on it.
        """
        vmid = vmid_of(target)
        guest = await self.guest(target.source, vmid, node=target.host, type=type_of(target))
        self.doings(target.source).acted_on(vmid)
        return guest

    async def guest(
        self, cluster: str, vmid: int, *, node: str | None = None, type: GuestType | None = None
    ) -> FreshGuest:
        """The same by its number; where it is looked for first is only a hint. Two requests where the hint is right."""
        client = self.client(cluster)
        if node and type:
            try:
                return await _read(client, cluster, vmid, node, type)
            except (Missing, NodeOffline):
                pass  # it moved, or is gone, or its node is: the cluster's list says which
        for row in rows(await client.get("/cluster/resources", type="vm")):
            kind, at = text(row.get("type")), text(row.get("node"))
            if whole(row.get("vmid")) == vmid and at and (kind == "qemu" or kind == "lxc"):
                return await _read(client, cluster, vmid, at, kind)
        where, todo = f"{cluster}/{vmid}", "list again; if one of that number is there, it is another one"
        raise Missing("the guest is gone", where=where, todo=todo)


async def _read(client: Client, cluster: str, vmid: int, node: str, type: GuestType) -> FreshGuest:
    """Both answers about one guest on one node."""
    base = wire.path("nodes", node, type, vmid)
    told = await asyncio.gather(
        client.get(f"{base}/status/current"), client.get(f"{base}/config", current=1), return_exceptions=True
    )
    for one in told:
        if isinstance(one, QuarterdeckError):
            one.where = f"{cluster}/{vmid}"
            raise one
        if isinstance(one, BaseException):
            raise one
    return fresh_guest(cluster, vmid, node, type, mapping(told[0]), mapping(told[1]))


def fresh_guest(
    cluster: str, vmid: int, node: str, type: GuestType, current: Mapping[str, Any], config: Mapping[str, Any]
) -> FreshGuest:
    """A guest of its ``status/current`` and its ``config``, whatever types their values came in."""
    ha = mapping(current.get("ha"))
    return FreshGuest(
        cluster=cluster,
        vmid=vmid,
        node=node,
        type=type,
        name=text(current.get("name")) or text(config.get("name")) or text(config.get("hostname")),
        status=state_of(current),
        lock=text(config.get("lock")) or text(current.get("lock")) or None,
        config=config,
        digest=text(config.get("digest")),
        template=flag(config.get("template")) or flag(current.get("template")),
        protection=flag(config.get("protection")),
        ha=(text(ha.get("state")) or "managed") if flag(ha.get("managed")) else None,
        current=current,
    )
