"""Removing a guest and its disks: ``destroy``. What is lost, and what of it is kept elsewhere, is said first."""

from __future__ import annotations

import asyncio
import re

from app.column import clean, size_text
from app.errors import QuarterdeckError, Refused
from app.plan import Plan, Step
from backends.kinds.vm_row import Vm
from backends.proxmox import wire
from backends.proxmox.failures import Locked
from backends.proxmox.lanes import volumes_of
from backends.proxmox.lenient import rows, text, whole
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs.acting import Against, Call
from backends.proxmox.verbs.kept import backups_on
from backends.proxmox.verbs.making import removal
from backends.proxmox.verbs.privileges import on_guest
from backends.proxmox.verbs.recipe import disk_size
from backends.proxmox.verbs.snapshot_tree import moment, snapshots_of
from backends.proxmox.verbs.snapshots import Snapping

_MOST_NAMED = 8
_HALF_MADE = ("clone", "create")
"""Locks that stay on what was never finished."""


class DestroyVerbs(Snapping):
    """For good."""

    async def destroy(self, target: Vm, *, purge: bool = False, stop: bool = False) -> Plan:
        """Remove it and its disks."""
        against = _destroyable(stop=stop, purge=purge)
        more = [on_guest(target.key, "VM.PowerMgmt")] if stop else []
        try:
            now, held = await self.ready(target, "destroy", against, *more)
        except Locked as error:
            if error.lock in _HALF_MADE:
                left = await self.fresh(target)
                error.todo = f"{error.todo}; where nothing does any more, {removal(left)}"
            raise
        if now.template:
            users = await self._users(now)
            if users:
                named = ", ".join(users[:_MOST_NAMED]) + (" …" if len(users) > _MOST_NAMED else "")
                count = f"{len(users)} linked clones stand" if len(users) > 1 else "1 linked clone stands"
                what = f"it is in use: {count} on it: {named}"
                raise Refused(what, where=target.id, todo="destroy those first, or make full copies of them")
            held.append(("no linked clone stands on it", True, "none found on its storages"))
        loses, notes = await asyncio.gather(self._loses(now), self._remains(now))
        steps: list[Step] = []
        if stop and now.runs:
            steps.append(
                self.step(
                    target,
                    now,
                    Call("POST", self.path(now, "status", "stop")),
                    lambda seen: None,
                    doing="stop",
                    done="stopped",
                    name="stop",
                    settled=lambda seen: not seen.runs,
                )
            )
        steps.append(
            self.step(
                target,
                now,
                Call("DELETE", self.path(now), {"purge": True if purge else None}),
                _as_told(now, _destroyable(stop=False, purge=purge)),
                doing="destroy",
                done="destroyed",
                lanes=await self.storage_lanes(now),
                width=self.parallel(now.cluster),
                after=("stop",) if steps else (),
                stoppable=False,
            )
        )
        return Plan(*steps, loses=loses, notes=notes, preconditions=held)

    async def _users(self, now: FreshGuest) -> list[str]:
        """The linked clones of a template, as its storages list their disks; ids, in their order."""
        mine = re.compile(rf"\bbase-{now.vmid}-")
        client, users = self.client(now.cluster), set[int]()
        for storage in sorted({volume.partition(":")[0] for volume in volumes_of(now.config).values()}):
            try:
                listed = rows(await client.get(wire.path("nodes", now.node, "storage", storage, "content")))
            except QuarterdeckError:
                continue
            for row in listed:
                stands_on = f"{text(row.get('volid'))} {text(row.get('parent'))}"
                owner = whole(row.get("vmid"))
                if owner is not None and owner != now.vmid and mine.search(stands_on):
                    users.add(owner)
        return [f"{now.cluster}/{one}" for one in sorted(users)]

    async def _loses(self, now: FreshGuest) -> list[str]:
        """Its disks with their sizes, and its snapshots."""
        who = f"{clean(now.name) or 'it'} ({now.id})"
        disks: list[str] = []
        for key, volume in volumes_of(now.config).items():
            bytes_ = disk_size(now.config[key])
            disks.append(f"{key} {clean(volume)}{f', {size_text(bytes_)}' if bytes_ is not None else ''}")
        lines = [f"{who}: disk {one}" for one in disks] or [f"{who}, which has no disk"]
        try:
            tree = await snapshots_of(self.client(now.cluster), self.path(now))
        except QuarterdeckError:
            return lines
        if tree.snapshots:
            names = sorted(tree.snapshots)
            more = " …" if len(names) > _MOST_NAMED else ""
            lines.append(f"{who}: its {len(names)} snapshots: {clean(', '.join(names[:_MOST_NAMED]))}{more}")
        return lines

    async def _remains(self, now: FreshGuest) -> list[str]:
        """Its backups: they stay, and what there is not cannot bring it back."""
        try:
            kept = await backups_on(self.client(now.cluster), now.node, now.vmid)
        except QuarterdeckError as error:
            return [f"{now.id}: whether there are backups of it is not known: {error.what}"]
        unread = f" ({', '.join(clean(one) for one in kept.unread)} could not be read)" if kept.unread else ""
        if not kept.found:
            return [f"{now.id}: there is no backup of it{unread}"]
        count = len(kept.found)
        newest = kept.found[0]
        stays = f"{count} backups of it stay, the newest" if count > 1 else "one backup of it stays,"
        return [f"{now.id}: {stays} of {moment(newest.taken_at)}: {clean(newest.volid)}{unread}"]


def _destroyable(*, stop: bool, purge: bool) -> Against:
    """It is not protected, not under high availability and does not run, or all of that was thought of."""

    def against(now: FreshGuest) -> None:
        if now.protection:
            todo = f"take that away first: quarterdeck vm set {now.id} --no-protected"
            raise Refused("it is protected", where=now.id, todo=todo)
        if now.ha is not None and not purge:
            raise Refused(f"it is under high availability ({clean(now.ha)})", where=now.id, todo="add --purge")
        if now.runs and not stop:
            todo = f"shut it down first: quarterdeck vm shutdown {now.id}; or add --stop to pull its plug"
            raise Refused(f"it is {now.status}", where=now.id, todo=todo)

    return against


def _as_told(planned: FreshGuest, against: Against) -> Against:
    """As well, it has the disks of which was told that they are lost."""

    def also(now: FreshGuest) -> None:
        against(now)
        more = set(volumes_of(now.config).values()) - set(volumes_of(planned.config).values())
        if more:
            said = clean(", ".join(sorted(more)))
            raise Refused(f"it has got more disks meanwhile: {said}", where=now.id, todo="ask again")

    return also
