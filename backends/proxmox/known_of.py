"""All that is known of one cluster: what its lists and the questions beside them told, folded into rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.backend import Context
from app.errors import BadAnswer
from backends.proxmox.backups_seen import BackupsSeen
from backends.proxmox.cluster import cluster_of
from backends.proxmox.clusters import clusters
from backends.proxmox.corrections import Corrections
from backends.proxmox.doings import Doings
from backends.proxmox.guest_rows import Beside, GuestRows
from backends.proxmox.hypervisor_rows import HypervisorRows, online_nodes
from backends.proxmox.lenient import rows
from backends.proxmox.links_to_nodes import LinksToNodes
from backends.proxmox.permissions import Permissions
from backends.proxmox.storage_rows import StorageRows

Changed = tuple[bool, bool, bool]
"""Whether there are new rows of guests, hypervisors, storages."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What views and verbs learn of a cluster; it grows while rows are made."""

    doings: Doings
    addresses: Mapping[int, tuple[str, ...]]
    """Of guests whose agents were asked, by vmid."""
    versions: Mapping[str, str]
    """Of nodes that were asked."""


class KnownOf:
    """One cluster; everything here is without I/O."""

    def __init__(self, cluster: str, context: Context, beside: Elsewhere) -> None:
        self.cluster = cluster
        self._context = context
        self._elsewhere = beside
        self.guests = GuestRows(cluster)
        self.hypervisors = HypervisorRows(cluster, beside.versions)
        self.storages = StorageRows(cluster)
        self.corrections = Corrections()
        self.backups = BackupsSeen(self._shows_backups)
        self.pending: dict[int, bool] = {}
        """Whether changes wait, of guests that were asked."""
        self.quorate: bool | None = None
        self.online: tuple[str, ...] = ()
        """Nodes that answer their cluster."""
        self._listed: Sequence[Mapping[str, Any]] = ()
        self._permissions = Permissions()
        """What the login may do, as it was known when rows were made last."""
        self._links: tuple[object, LinksToNodes] | None = None

    def take(self, answer: Any) -> bool:
        """Take in ``/cluster/resources``; says whether other nodes answer than before. Raises BadAnswer."""
        if answer is not None and not isinstance(answer, list):
            raise BadAnswer(f"a list of resources was expected, {type(answer).__name__} came", where=self.cluster)
        self._listed = rows(answer)
        before, self.online = self.online, online_nodes(self._listed)
        return set(before) != set(self.online)

    def fold(self) -> Changed:
        """Make rows of what is known now."""
        self._permissions = self._context.shared(clusters).of(self.cluster).permissions
        links = self._links_now()
        storages = self.storages.fold(self._listed, self.online, links)
        self.backups.shelves(self.storages.shelves())
        guests = self.guests.fold(
            self._listed,
            Beside(
                now=self._context.clock(),
                wall=time.time(),
                online=self.online,
                links=links,
                corrections=self.corrections,
                backup=self.backups.of,
                doing=self._elsewhere.doings.words,
                pending=self.pending,
                addresses=self._elsewhere.addresses,
            ),
        )
        self.pending = {vmid: one for vmid, one in self.pending.items() if self.guests.get(vmid) is not None}
        hypervisors = self.hypervisors.fold(self._listed, self.guests.rows, links, self.quorate)
        return guests, hypervisors, storages

    def _links_now(self) -> LinksToNodes:
        inventory = self._context.inventory()
        if self._links is None or self._links[0] is not inventory:
            self._links = (inventory, LinksToNodes(cluster_of(inventory, self.cluster), inventory))
        return self._links[1]

    def _shows_backups(self, storage: str, vmid: int) -> bool:
        """Whether the login is told of a guest's backups on a storage; of others Proxmox keeps silent."""
        may = self._permissions.may
        at = f"/storage/{storage}"
        if may(at, "Datastore.Allocate"):
            return True
        return bool(may(at, "Datastore.AllocateSpace") and may(f"/vms/{vmid}", "VM.Backup"))
