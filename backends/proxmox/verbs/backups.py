"""Writing backups of guests: ``backup``."""

from __future__ import annotations

from typing import Literal

from app.column import clean, size_text
from app.errors import ConfigurationError, QuarterdeckError, Refused
from app.plan import Plan, Report, Result, Risk
from backends.kinds.vm_row import Vm
from backends.proxmox import wire
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs import privileges
from backends.proxmox.verbs.acting import Acting, Call
from backends.proxmox.verbs.kept import backup_storages, backups_on, newest
from backends.proxmox.verbs.privileges import on_storage

Method = Literal["snapshot", "suspend", "stop"]


class BackupVerbs(Acting):
    """A copy elsewhere."""

    async def backup(
        self,
        target: Vm,
        *,
        storage: str | None = None,
        method: Method = "snapshot",
        compress: Literal["zstd", "lzo", "gzip", "0"] = "zstd",
        notes: str = "",
        protected: bool = False,
    ) -> Plan:
        """Write a backup of it; those there are already are left alone, whatever the storage's own rule says."""
        now, held = await self.ready(target, "backup", lambda seen: None)
        client = self.client(target)
        to = await self._backup_to(now, storage)
        held.append((f"{now.node} can write backups to {to}", True, "the storage takes backups"))
        held += await privileges.check(client, [on_storage(to, "Datastore.AllocateSpace")], where=target.id)
        call = Call(
            "POST",
            wire.path("nodes", now.node, "vzdump"),
            {
                "vmid": now.vmid,
                "storage": to,
                "mode": method,
                "compress": compress,
                "notes-template": _one_line(notes) or None,
                "protected": True if protected else None,
                "remove": False,
            },
        )

        async def told(report: Report, result: Result) -> Result:
            return await self._backed_up(now, to, result) if report.wait else result

        step = self.step(
            target,
            now,
            call,
            lambda seen: None,
            doing="backup",
            done="backed up",
            lanes=(f"backup@{now.cluster}/{now.node}",),
            then=told,
        )
        disturbs = now.runs and method != "snapshot"
        note = {"stop": "is shut down for the backup, and started when that has begun", "suspend": "stands still"}
        return Plan(
            step,
            preconditions=held,
            notes=[f"{target.id}: {note[method]}"] if disturbs else [],
            risk=Risk.DISRUPTS if disturbs else None,
        )

    async def _backup_to(self, now: FreshGuest, storage: str | None) -> str:
        """The storage to write to: the one that was named, or the only one there is."""
        found = await backup_storages(self.client(now.cluster), now.node)
        there = ", ".join(clean(one) for one in found)
        if storage is None:
            if len(found) == 1:
                return found[0]
            if not found:
                todo = "give a storage the content 'backup', or put the guest where there is one"
                raise Refused(f"no storage of {clean(now.node)} takes backups", where=now.id, todo=todo)
            what = f"{len(found)} storages of {clean(now.node)} take backups"
            raise ConfigurationError(what, where="--storage", todo=f"name one: {there}")
        if storage not in found:
            what = f"storage '{clean(storage)}' takes no backups on {clean(now.node)}"
            raise ConfigurationError(what, where="--storage", todo=f"these do: {there}" if found else "none does")
        return storage

    async def _backed_up(self, now: FreshGuest, storage: str, result: Result) -> Result:
        """What was written and how large it is, as the storage lists it."""
        try:
            kept = await backups_on(self.client(now.cluster), now.node, now.vmid)
        except QuarterdeckError:
            return result
        made = newest([one for one in kept.found if one.volid.startswith(f"{storage}:")])
        if made is None:
            return result
        how_large = f" ({size_text(made.bytes)})" if made.bytes is not None else ""
        said = f"as {clean(made.volid)}{how_large}"
        words = f"{said}; {result.message}" if result.message else said
        return Result(0, words, {**result.data, "volid": made.volid, "size_bytes": made.bytes})


def _one_line(notes: str) -> str:
    """Notes as vzdump takes them: one line, with what would end it or be read as something else escaped."""
    return notes.strip().replace("\\", "\\\\").replace("\r\n", "\n").replace("\n", "\\n")
