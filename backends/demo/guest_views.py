"""What can be read of pretend guests, hypervisors and storages."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app import column
from app.column import Column, Section
from app.errors import Missing
from app.verb import Line, Rows, Sections, Stream, Text
from backends.demo.guest_verbs import Pretending
from backends.demo.guest_world import CLUSTER, GIB, PretendGuest
from backends.kinds import vm_lists
from backends.kinds.hypervisor import Hypervisor, HypervisorVerbs
from backends.kinds.storage import Storage, StorageVerbs
from backends.kinds.vm_lists import Backup, Checkpoint, FirewallRule, Snapshot, Task
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One pretend volume of a storage."""

    name: str
    content: str
    size_bytes: int
    guest: str


class DemoGuestViews(VmVerbs, Pretending):
    """The views of pretend guests."""

    def _epoch(self, at: float) -> float:
        """Seconds since the epoch of a moment of the pretend clock."""
        return time.time() - self.clock() + at

    async def snapshots(self, target: Vm) -> Rows:
        """Show its pretend snapshots."""
        kept = self.guest_of(target).snapshots
        items = [
            Snapshot(
                name=one.name,
                depth=depth,
                taken_at=self._epoch(one.at),
                memory=one.memory,
                description=one.description,
            )
            for depth, one in enumerate(kept)
        ]
        return vm_lists.snapshot_rows([*items, Snapshot(name=vm_lists.CURRENT, depth=len(kept), current=True)])

    async def checkpoints(self) -> Rows:
        """Show the pretend checkpoints."""
        found: dict[str, list[tuple[PretendGuest, float]]] = {}
        for guest in self.guests.guests.values():
            for one in guest.snapshots:
                if one.description.startswith("checkpoint "):
                    found.setdefault(one.name, []).append((guest, one.at))
        return vm_lists.checkpoint_rows(
            [
                Checkpoint(
                    name=name,
                    guests=len(members),
                    of=len(members),
                    taken_at=self._epoch(members[0][1]),
                    members=" ".join(guest.id for guest, _ in members),
                )
                for name, members in found.items()
            ]
        )

    async def backups(self, guest: str | None = None) -> Rows:
        """Show the pretend backups."""
        kept = [one for one in self.guests.guests.values() if one.backup_at is not None and guest in (None, one.id)]
        return vm_lists.backup_rows(
            [
                Backup(
                    guest=one.id,
                    name=one.name,
                    taken_at=self._epoch(one.backup_at or 0.0),
                    size_bytes=one.disk // 5,
                    cluster=CLUSTER,
                    storage="nas",
                    archive=f"nas:backup/vzdump-{'lxc' if one.type == 'ct' else 'qemu'}-{one.vmid}-pretend.vma.zst",
                    protected=one.protected,
                )
                for one in kept
            ]
        )

    async def firewall(self, target: Vm) -> Rows:
        """Show its pretend rules."""
        rules = [
            FirewallRule(pos=number, action=action, direction=direction, comment=comment)
            for number, (action, direction, comment) in enumerate(self.guest_of(target).rules)
        ]
        return vm_lists.rule_rows(rules, "" if rules else "no rules: everything is let through")

    async def tasks(
        self, guest: str | None = None, *, cluster: str | None = None, limit: int = 50, errors: bool = False
    ) -> Rows:
        """Show the pretend history."""
        items = [
            Task(
                upid=one.upid,
                cluster=CLUSTER,
                node=one.host,
                type=one.what,
                guest=str(one.vmid),
                user="ops@pam",
                started_at=self._epoch(one.at),
                ended_at=self._epoch(one.at + one.took),
                status=one.status,
            )
            for one in self.guests.tasks
            if guest in (None, f"{CLUSTER}/{one.vmid}") and not (errors and one.status == "OK")
        ]
        return vm_lists.task_rows(items[-limit:], every=10.0)

    async def task_log(self, upid: str) -> Stream:
        """Read a pretend log."""
        known = next((one for one in self.guests.tasks if one.upid == upid), None)
        if known is None:
            raise Missing("no such task", where=upid, todo="see 'vm tasks'")

        async def lines() -> AsyncIterator[Line]:
            for text in (f"starting {known.what} of {known.vmid} (pretend)", f"TASK {known.status}"):
                yield Line(text, self._epoch(known.at))
                await asyncio.sleep(0)

        return Stream(lines(), f"{known.what} {known.vmid}")

    async def inspect(self, target: Vm) -> Text:
        """Show its pretend configuration."""
        one = self.guest_of(target)
        kept = {"name": one.name, "cores": one.cores, "memory": one.memory >> 20, "tags": ";".join(one.labels)}
        return Text(
            json.dumps({**kept, "scsi0": f"{one.storage}:vm-{one.vmid}-disk-0,size={one.disk // GIB}G"}, indent=2)
        )

    async def details(self, target: Vm) -> Sections:
        """Show its pretend disks, networks and addresses."""
        one = self.guest_of(target)
        disk = (column.text("scsi0"), column.text(one.storage), column.size(one.disk))
        mac = f"BC:24:11:00:{one.vmid >> 8 & 255:02X}:{one.vmid & 255:02X}"
        net = (column.text("net0"), column.text("vmbr0"), column.text(mac))
        sections = [
            Section("Disks", header=("NAME", "STORAGE", "SIZE"), rows=(disk,)),
            Section("Networks", header=("NAME", "BRIDGE", "MAC"), rows=(net,)),
        ]
        if one.state == "running":
            sections.append(Section("Addresses", (("net0", column.text(f"10.0.1.{one.vmid % 250}")),)))
        if one.notes:
            sections.append(Section("Notes", (("", column.text(one.notes)),)))
        return Sections(tuple(sections))


class DemoHypervisorViews(HypervisorVerbs, Pretending):
    """The views of pretend hypervisors."""

    async def hypervisor_details(self, target: Hypervisor) -> Sections:
        """Show its pretend software."""
        known = (("kernel", column.text("6.8.12-4-pve")), ("load", column.text("1.42 1.20 1.08")))
        return Sections((Section("Software", known),))


class DemoStorageViews(StorageVerbs, Pretending):
    """The views of pretend storages."""

    async def content(self, target: Storage, *, only: str | None = None) -> Rows:
        """Show what it pretends to hold."""
        volumes = [
            Volume(
                name=f"{one.storage}:vm-{one.vmid}-disk-0",
                content="images" if one.type == "vm" else "rootdir",
                size_bytes=one.disk,
                guest=one.id,
            )
            for one in self.guests.guests.values()
            if target.name == one.storage and one.host == target.host
        ]
        columns: tuple[Column[Volume], ...] = (
            Column("NAME", lambda v: column.text(v.name), 34, flex=True),
            Column("CONTENT", lambda v: column.text(v.content), 9),
            Column("SIZE", lambda v: column.size(v.size_bytes), 6, "right"),
            Column("GUEST", lambda v: column.text(v.guest), 10),
        )
        return Rows(columns, tuple(one for one in volumes if only in (None, one.content)))
