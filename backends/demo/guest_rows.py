"""The pretend cluster as rows: guests, hypervisors and storages at a moment of the pretend clock."""

from __future__ import annotations

import math

from app.fleet import Ref
from backends.demo.guest_world import CLUSTER, GIB, GuestWorld, PretendGuest, PretendStore
from backends.demo.machines import noise
from backends.kinds.hypervisor import Hypervisor
from backends.kinds.storage import Storage
from backends.kinds.vm_row import Vm

TAGS = frozenset({"demo"})


def wander(number: int, at: float, salt: int, low: float, high: float) -> float:
    """A figure of a numbered thing that wanders between two bounds."""
    phase = 100 * noise(number, salt)
    share = 0.5 + 0.3 * math.sin(at / 83 + phase) + 0.2 * math.sin(at / 9 + 2.1 * phase)
    return low + (high - low) * share


def guest(one: PretendGuest, at: float) -> Vm:
    """One guest at the pretend clock ``at``."""
    lives = one.state == "running"
    number = one.vmid
    used = int(one.memory * wander(number, at / 7, 3, 0.35, 0.8))
    rate = 2e5 * (1 + one.busy)
    return Vm(
        id=one.id,
        name=one.name,
        source=CLUSTER,
        state=one.state,
        parent=Ref("hypervisor", f"{CLUSTER}/{one.host}"),
        tags=TAGS | frozenset(one.labels),
        key=str(one.vmid),
        type=one.type,
        template=one.template,
        host=one.host,
        pool=one.pool,
        cpu_percent=round(wander(number, at, 2, one.busy * 0.4, one.busy), 1) if lives else None,
        cores=float(one.cores),
        mem_used_bytes=used if lives else None,
        mem_total_bytes=one.memory,
        disk_used_bytes=int(one.disk * (0.3 + 0.5 * noise(number, 4))) if one.type == "ct" else None,
        disk_total_bytes=one.disk,
        net_rx_bytes_per_s=round(wander(number, at, 5, 0, rate)) if lives else None,
        net_tx_bytes_per_s=round(wander(number, at, 6, 0, rate / 2)) if lives else None,
        disk_read_bytes_per_s=0.0 if lives else None,
        disk_write_bytes_per_s=round(wander(number, at, 7, 0, rate / 4)) if lives else None,
        uptime_s=at - one.started_at if lives else None,
        lock=one.lock,
        ha_state=one.ha,
        labels=one.labels,
        backup_age_s=None if one.backup_at is None else at - one.backup_at,
        backups_known=True,
        pending=one.pending,
        runs_as=Ref("node", one.node) if one.node else None,
        task="backup 41 %" if one.lock == "backup" else None,
    )


def hypervisor(world: GuestWorld, name: str, at: float) -> Hypervisor:
    """One hypervisor."""
    on_it = [one for one in world.guests.values() if one.host == name and not one.template]
    lives = [one for one in on_it if one.state == "running"]
    node = world.hosts[name]
    return Hypervisor(
        id=f"{CLUSTER}/{name}",
        name=name,
        source=CLUSTER,
        state="online",
        parent=Ref("node", node) if node else None,
        tags=TAGS,
        cpu_percent=round(min(96.0, sum(one.busy * one.cores for one in lives) / 12 + wander(3, at, 8, 1, 6)), 1),
        cores=12,
        mem_used_bytes=3 * GIB + int(sum(one.memory for one in lives) * 0.7),
        mem_total_bytes=64 * GIB,
        disk_used_bytes=31 * GIB,
        disk_total_bytes=94 * GIB,
        uptime_s=41 * 86400.0 + at,
        guests=len(on_it),
        running=len(lives),
        version="8.4.1",
        quorate=True,
    )


def storage(one: PretendStore) -> Storage:
    """One storage."""
    return Storage(
        id=one.id,
        name=one.name,
        source=CLUSTER,
        state="available",
        parent=Ref("hypervisor", f"{CLUSTER}/{one.host}") if one.host else None,
        tags=TAGS,
        type=one.type,
        host=one.host,
        shared=one.host is None,
        content=one.content,
        used_bytes=one.used,
        total_bytes=one.size,
    )
