"""Keeping a guest's disks as they are: ``snapshot``, ``delete_snapshot``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from app.column import clean
from app.errors import QuarterdeckError, Refused, Unsupported
from app.plan import Plan
from backends.kinds.vm_row import Vm
from backends.proxmox.lanes import storage_lane, storages_of, volumes_of
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs.acting import Acting, Call, no_template
from backends.proxmox.verbs.recipe import StorageRow, storages_on
from backends.proxmox.verbs.snapshot_tree import (
    Snapshot,
    SnapshotTree,
    can,
    check_snapshot_name,
    moment,
    snapshots_of,
)


class Snapping(Acting):
    """What taking one snapshot and taking many have in common."""

    async def snappable(
        self, target: Vm, verb: str, name: str, *, memory: bool, all_run: bool = True
    ) -> tuple[FreshGuest, list[tuple[str, bool, str]], tuple[str, ...]]:
        """A guest of which that snapshot can be taken, what was looked at, and the lanes; raises Refused otherwise.

        With ``memory`` it has to run, unless it is one of several of which not ``all_run``.
        """

        def against(now: FreshGuest) -> None:
            no_template(now, "has no snapshots")
            if not memory or not (now.runs or all_run):
                return
            if now.type == "lxc":
                todo = "leave --memory out: its disks are kept"
                raise Unsupported("a container's memory cannot be kept", where=now.id, todo=todo)
            if not now.runs:
                what = f"only a guest that runs has memory to keep, and it is {now.status}"
                raise Refused(what, where=now.id, todo="leave --memory out")

        now, held = await self.ready(target, verb, against)
        client, path = self.client(target), self.path(now)
        if await can(client, path, "snapshot") is False:
            disks = ", ".join(f"{key} on {volume.partition(':')[0]}" for key, volume in volumes_of(now.config).items())
            raise Refused(
                f"its storage cannot take snapshots ({clean(disks) or 'it has no disk'})",
                where=target.id,
                todo=f"back it up instead: quarterdeck vm backup {target.id}",
            )
        held.append(("its storage can take snapshots", True, ", ".join(storages_of(now.config)) or "no disks"))
        tree = await snapshots_of(client, path)
        if name in tree.snapshots:
            todo = f"take another name, or remove it: quarterdeck vm delete-snapshot {target.id} --name {name}"
            raise Refused(f"it has a snapshot '{name}' already", where=target.id, todo=todo)
        held.append(("the name is free", True, f"{len(tree.snapshots)} snapshots"))
        return now, held, await self.storage_lanes(now)

    async def storage_kinds(self, now: FreshGuest) -> dict[str, StorageRow]:
        """The storages of its node by name; empty where we may not see them."""
        try:
            return await storages_on(self.client(now.cluster), now.node)
        except QuarterdeckError:
            return {}

    async def storage_lanes(self, now: FreshGuest) -> tuple[str, ...]:
        """The lanes of the storages on which its disks lie."""
        known = await self.storage_kinds(now)
        return tuple(
            storage_lane(now.cluster, name, node=now.node if name in known and not known[name].shared else None)
            for name in storages_of(now.config)
        )

    def still_there(self, now: FreshGuest, planned: Snapshot) -> Callable[[], Awaitable[None]]:
        """Looks, just before acting, whether a snapshot is the one that was planned with; raises Refused."""

        async def look() -> None:
            seen = (await snapshots_of(self.client(now.cluster), self.path(now))).snapshots.get(planned.name)
            if seen is None or seen.taken_at != planned.taken_at:
                what = "is gone by now" if seen is None else f"is another one by now, taken {moment(seen.taken_at)}"
                raise Refused(f"its snapshot '{clean(planned.name)}' {what}", where=now.id, todo="look again")

        return look

    def snapshot_call(self, now: FreshGuest, name: str, *, memory: bool, description: str) -> Call:
        """The call that takes one."""
        params = {"snapname": name, "vmstate": True if memory else None, "description": description or None}
        return Call("POST", self.path(now, "snapshot"), params)

    def delete_call(self, now: FreshGuest, name: str) -> Call:
        """The call that removes one."""
        return Call("DELETE", self.path(now, "snapshot", name))


class SnapshotVerbs(Snapping):
    """One guest, one snapshot."""

    async def snapshot(self, target: Vm, *, name: str, memory: bool = False, description: str = "") -> Plan:
        """Keep its disks as they are now, and with ``memory`` where it was."""
        check_snapshot_name(name)
        now, held, lanes = await self.snappable(target, "snapshot", name, memory=memory)
        step = self.step(
            target,
            now,
            self.snapshot_call(now, name, memory=memory, description=description),
            lambda seen: no_template(seen, "has no snapshots"),
            doing="snapshot",
            done=f"snapshot {name} taken",
            lanes=lanes,
            width=self.parallel(now.cluster),
            undo=f"quarterdeck vm delete-snapshot {target.id} --name {name}",
        )
        notes = [f"{target.id}: it stands still while its memory is written"] if memory else []
        return Plan(step, preconditions=held, notes=notes)

    async def delete_snapshot(self, target: Vm, *, name: str) -> Plan:
        """Remove a snapshot; the guest stays as it is."""
        now, held = await self.ready(target, "delete-snapshot", lambda seen: no_template(seen, "has no snapshots"))
        tree = await snapshots_of(self.client(target), self.path(now))
        found = tree.snapshots.get(name) or tree.wanted(name, now)
        held.append(("it has that snapshot", True, f"taken {moment(found.taken_at)}"))
        step = self.step(
            target,
            now,
            self.delete_call(now, name),
            lambda seen: None,
            doing="delete snapshot",
            stoppable=False,
            done=f"snapshot {name} removed",
            look=self.still_there(now, found),
            lanes=await self.storage_lanes(now),
            width=self.parallel(now.cluster),
        )
        memory = " and the memory kept with it" if found.memory else ""
        loses = [f"{clean(now.name) or now.id}'s snapshot {clean(name)}, taken {moment(found.taken_at)}{memory}"]
        return Plan(step, loses=loses, notes=_children(tree, name), preconditions=held)


def _children(tree: SnapshotTree, name: str) -> list[str]:
    """What stands on a snapshot and then stands on the one below it."""
    above = sorted(one.name for one in tree.snapshots.values() if one.parent == name)
    return [f"{clean(', '.join(above))} stay: they stand on what is below it then"] if above else []
