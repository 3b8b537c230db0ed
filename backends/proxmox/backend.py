"""Guests, hypervisors and storages of Proxmox VE clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.backend import Backend, Context, Emit, Source
from app.inventory.model import Inventory
from backends.kinds.hypervisor import HypervisorVerbs
from backends.kinds.storage import StorageVerbs
from backends.kinds.vm_verbs import VmVerbs
from backends.proxmox.cluster import cluster_of, clusters_of
from backends.proxmox.known_of import Elsewhere
from backends.proxmox.looking.firewall import FirewallViews
from backends.proxmox.looking.guests import GuestViews
from backends.proxmox.looking.hypervisors import HypervisorViews
from backends.proxmox.looking.snapshots import SnapshotViews
from backends.proxmox.looking.storages import StorageViews
from backends.proxmox.looking.tasks import TaskViews
from backends.proxmox.on_cluster import OnCluster
from backends.proxmox.readings import ClusterReadings
from backends.proxmox.verbs.backups import BackupVerbs
from backends.proxmox.verbs.begun import BegunTasks
from backends.proxmox.verbs.build import BuildVerbs
from backends.proxmox.verbs.change import ChangeVerbs
from backends.proxmox.verbs.checkpoints import CheckpointVerbs
from backends.proxmox.verbs.clone import CloneVerbs
from backends.proxmox.verbs.console import ConsoleVerbs
from backends.proxmox.verbs.destroy import DestroyVerbs
from backends.proxmox.verbs.isolate import IsolateVerbs
from backends.proxmox.verbs.migrate import MigrateVerbs
from backends.proxmox.verbs.power import PowerVerbs
from backends.proxmox.verbs.restore import RestoreVerbs
from backends.proxmox.verbs.rollback import RollbackVerbs
from backends.proxmox.verbs.snapshots import SnapshotVerbs
from backends.proxmox.verbs.task_verbs import TaskVerbs
from backends.proxmox.verbs.template import TemplateVerbs
from backends.proxmox.verbs.trusting import TrustVerbs


class Proxmox(
    PowerVerbs,
    SnapshotVerbs,
    RollbackVerbs,
    CheckpointVerbs,
    BackupVerbs,
    RestoreVerbs,
    ChangeVerbs,
    TemplateVerbs,
    MigrateVerbs,
    DestroyVerbs,
    TaskVerbs,
    TrustVerbs,
    BegunTasks,
    CloneVerbs,
    BuildVerbs,
    ConsoleVerbs,
    IsolateVerbs,
    GuestViews,
    SnapshotViews,
    FirewallViews,
    TaskViews,
    HypervisorViews,
    StorageViews,
    OnCluster,
    VmVerbs,
    HypervisorVerbs,
    StorageVerbs,
    Backend,
):
    """Every cluster of hosts.yaml: one source each."""

    name = "proxmox"
    nouns = ("vm", "hypervisor", "storage")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._readings: dict[str, ClusterReadings] = {}

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One per cluster; one whose entry has mistakes says so and is not contacted."""
        return [
            Source(self.name, cluster.name, cluster.interval, self.nouns, cluster.identity)
            for cluster in clusters_of(inventory)
        ]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Turn what the cluster lists into rows."""
        cluster = cluster_of(self.context.inventory(), source.name)
        if cluster.fault is not None:
            emit.fault(cluster.fault, ours=True)
            await asyncio.Event().wait()
        readings = self._readings.get(source.name)
        if readings is None or readings.source != source:
            readings = self._readings[source.name] = ClusterReadings(
                source,
                self.context,
                lambda: self.client(source.name),
                Elsewhere(self.doings(source.name), self.addresses(source.name), self.versions(source.name)),
            )
        await readings.run(emit, nudge)

    async def close(self) -> None:
        """End all connections."""
        from backends.proxmox.clusters import clusters

        await self.context.shared(clusters).close()
