"""Moving a guest to another node of its cluster: ``migrate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from app.column import clean
from app.errors import Missing, Refused
from app.plan import Plan
from backends.kinds.vm_row import Vm
from backends.proxmox.lanes import volumes_of
from backends.proxmox.lenient import flag, mapping, rows, text
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs import privileges
from backends.proxmox.verbs.acting import Acting, Call
from backends.proxmox.verbs.privileges import on_storage
from backends.proxmox.verbs.recipe import check_node, check_storage, storages_on


class MigrateVerbs(Acting):
    """From node to node."""

    async def migrate(self, target: Vm, *, to: str, storage: str | None = None, local_disks: bool = False) -> Plan:
        """Move it to another node, while it runs where that is possible; a running container is restarted."""
        now, held = await self.ready(target, "migrate", lambda seen: None)
        client = self.client(target)
        if to == now.node:
            raise Refused(f"it is on {clean(to)} already", where=target.id)
        known = {text(row.get("node")): text(row.get("status")) for row in rows(await client.get("/nodes"))}
        try:
            check_node(known, to, target.source)
        except Missing as error:
            raise Refused(error.what, where=error.where, todo=error.todo) from None
        self.may_change(target.source, to)
        held.append((f"{to} is there", True, known[to]))
        local = await (self._local_of_vm if now.type == "qemu" else self._local_of_container)(now, to, storage)
        if local and not local_disks:
            todo = f"copy them along: quarterdeck vm migrate {target.id} --to {to} --local-disks"
            what = f"its disks are on storage that only {clean(now.node)} has: {clean(', '.join(local))}"
            raise Refused(what, where=target.id, todo=todo)
        if local or storage is not None:
            held += await self._room(now, to, storage, local)
        held.append(("its disks can be reached from there", True, "copied along" if local else "shared, or none"))
        step = self.step(
            target,
            now,
            Call("POST", self.path(now, "migrate"), _params(now, to, storage, local_disks=bool(local))),
            _as_planned(now),
            doing=f"migrate to {to}",
            done=f"moved to {to}",
            undo=f"quarterdeck vm migrate {target.id} --to {now.node}{' --local-disks' if local else ''}",
            settled=lambda seen: seen.node == to and not seen.lock,
        )
        return Plan(step, preconditions=held, notes=_notes(now, local))

    async def _local_of_vm(self, now: FreshGuest, to: str, storage: str | None) -> list[str]:
        """The disks of a virtual machine that only its node has, by the cluster's own check; raises what forbids it."""
        said = mapping(await self.client(now.cluster).get(self.path(now, "migrate"), target=to))
        devices = _names(said.get("local_resources"))
        if devices:
            what = f"it uses what only {clean(now.node)} has: {', '.join(devices)}"
            raise Refused(what, where=now.id, todo="take those devices away, or shut it down and map them")
        against = mapping(mapping(said.get("not_allowed_nodes")).get(to))
        lacking = _names(against.get("unavailable_storages"))
        if lacking and storage is None:
            todo = "name one that is there: --storage STORAGE --local-disks"
            raise Refused(f"{clean(to)} has no storage {', '.join(lacking)}", where=now.id, todo=todo)
        local: list[str] = []
        for disk in rows(said.get("local_disks")):
            volume = text(disk.get("volid"))
            drive = text(disk.get("drivename")) or "unused"
            if flag(disk.get("cdrom")):
                todo = "take it out of the drive first"
                raise Refused(f"the CD-ROM in {clean(drive)} is on {clean(now.node)} only", where=now.id, todo=todo)
            local.append(f"{drive} on {volume.partition(':')[0]}")
        return local

    async def _local_of_container(self, now: FreshGuest, to: str, storage: str | None) -> list[str]:
        """The volumes of a container on storages that are not shared."""
        known = await storages_on(self.client(now.cluster), now.node)
        return [
            f"{key} on {name}"
            for key, volume in volumes_of(now.config).items()
            if (name := volume.partition(":")[0]) in known and not known[name].shared
        ]

    async def _room(
        self, now: FreshGuest, to: str, storage: str | None, local: list[str]
    ) -> tuple[tuple[str, bool, str], ...]:
        """Whether the other node has the storage that copies go to; raises where it has not."""
        client = self.client(now.cluster)
        known = await storages_on(client, to)
        content = "images" if now.type == "qemu" else "rootdir"
        if storage is not None:
            check_storage(known, storage, content, to)
            need = on_storage(storage, "Datastore.AllocateSpace")
            return await privileges.check(client, [need], where=now.id)
        wanted = sorted({one.rpartition(" on ")[2] for one in local})
        lacking = [name for name in wanted if known and name not in known]
        if lacking:
            able = ", ".join(sorted(one.name for one in known.values() if content in one.content))
            todo = f"name one that it has with --storage: {clean(able)}" if able else "it has none for disks"
            raise Refused(f"{clean(to)} has no storage {clean(', '.join(lacking))}", where=now.id, todo=todo)
        return ()


def _params(now: FreshGuest, to: str, storage: str | None, *, local_disks: bool) -> Mapping[str, Any]:
    if now.type == "lxc":
        return {"target": to, "restart": True if now.runs else None, "target-storage": storage}
    return {
        "target": to,
        "online": True if now.runs else None,
        "with-local-disks": True if local_disks else None,
        "targetstorage": storage,
    }


def _as_planned(planned: FreshGuest) -> Any:
    """It runs or not, as when it was planned: both are moved in another way."""

    def against(seen: FreshGuest) -> None:
        if seen.runs != planned.runs:
            raise Refused(f"it is {seen.status} by now, and was {planned.status}", where=seen.id, todo="ask again")

    return against


def _notes(now: FreshGuest, local: list[str]) -> list[str]:
    said: list[str] = []
    if now.type == "lxc" and now.runs:
        said.append(f"{now.id}: a container cannot move while it runs: it is shut down, moved and started again")
    elif now.runs:
        said.append(f"{now.id}: goes on running while it moves")
    if local:
        said.append(f"{now.id}: copied along: {clean(', '.join(local))}")
    if now.ha is not None:
        said.append(f"{now.id}: high availability moves it, and may do so some seconds later")
    return said


def _names(said: Any) -> list[str]:
    """A list of names, whatever came in its place."""
    return [clean(text(one)) for one in cast("list[Any]", said) if text(one)] if isinstance(said, list) else []
