"""The row of a guest: a virtual machine or a system container of a hypervisor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from app.fleet import STALE, Ref, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm(Resource):
    """One guest; ``source`` is the cluster or the libvirt node, ``id`` is ``source/key``: ``lab/101``, ``hp/web``.

    ``state``: running, paused, suspended, stopped, or unknown (its node does not answer). ``None`` is unknown, never 0.
    ``parent`` is the hypervisor of its cluster, or the node whose libvirt runs it.
    """

    NOUN: ClassVar[str] = "vm"

    key: str
    """What its hypervisor knows it by: the vmid of Proxmox, the UUID of libvirt."""
    type: Literal["vm", "ct"] = "vm"
    """A virtual machine, or a system container."""
    template: bool = False
    """It only serves to be cloned."""
    host: str | None = None
    """The hypervisor it is on, as its cluster calls it."""
    pool: str | None = None
    cpu_percent: float | None = None
    """Of its own cores, 0 to 100; can pass 100 for a moment."""
    cores: float | None = None
    mem_used_bytes: int | None = None
    mem_total_bytes: int | None = None
    disk_used_bytes: int | None = None
    """``None`` for virtual machines of Proxmox: only their guest knows."""
    disk_total_bytes: int | None = None
    net_rx_bytes_per_s: float | None = None
    net_tx_bytes_per_s: float | None = None
    disk_read_bytes_per_s: float | None = None
    disk_write_bytes_per_s: float | None = None
    uptime_s: float | None = None
    """Since its last start; ``None`` unless it runs."""
    lock: str | None = None
    """What holds it: backup, clone, create, migrate, rollback, snapshot, suspended …"""
    ha_state: str | None = None
    """What the cluster's high availability says of it; ``None`` where it is not under it."""
    labels: tuple[str, ...] = ()
    """Tags it bears at its hypervisor, in their order; they are among ``tags`` as well."""
    backup_age_s: float | None = None
    """Since its last backup, rounded so that it seldom changes; ``None`` where none is known of."""
    backups_known: bool = False
    """Backups were looked for and could be read: no age then means no backup."""
    pending: bool | None = None
    """Changes of its configuration wait for a restart; ``None`` where that was not asked."""
    runs_as: Ref | None = None
    """The node of the fleet that this guest is."""
    task: str | None = None
    """What is being done to it now, such as ``clone 62 %``."""

    @property
    def mem_percent(self) -> float | None:
        """Share of its memory in use."""
        if not self.mem_total_bytes or self.mem_used_bytes is None:
            return None
        return 100 * self.mem_used_bytes / self.mem_total_bytes

    @property
    def disk_percent(self) -> float | None:
        """Share of its disk in use."""
        if not self.disk_total_bytes or self.disk_used_bytes is None:
            return None
        return 100 * self.disk_used_bytes / self.disk_total_bytes

    @property
    def word(self) -> str:
        """What the state column says: what holds it, while something does; a template is called one."""
        if self.state == STALE:
            return STALE
        if self.lock:
            return self.lock
        return "template" if self.template else self.state
