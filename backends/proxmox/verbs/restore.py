"""Making a new guest from a backup: ``restore``. Never over one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from app.column import clean, size_text
from app.errors import BadAnswer, ConfigurationError, Missing, QuarterdeckError, Refused
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.proxmox import wire
from backends.proxmox.cluster import clusters_of
from backends.proxmox.failures import IdTaken, InvalidParameters
from backends.proxmox.lanes import storages_of
from backends.proxmox.lenient import flag, rows, text, whole, words
from backends.proxmox.names import check_name, check_vmid
from backends.proxmox.on_cluster import GuestType
from backends.proxmox.tasks import begun, called, follow, retried_on_lock
from backends.proxmox.verbs import privileges, spoken
from backends.proxmox.verbs.acting import Acting
from backends.proxmox.verbs.kept import Backup, backups_in, config_in
from backends.proxmox.verbs.making import RACES, UNKNOWN, free_id, removal
from backends.proxmox.verbs.privileges import Need, on_bridges, on_storage
from backends.proxmox.verbs.recipe import check_storage, storages_on
from backends.proxmox.verbs.snapshot_tree import moment

if TYPE_CHECKING:
    from backends.proxmox.client import Client

_NOBODY = Ref("vm", "")


@dataclass(slots=True, kw_only=True)
class _Restoring:
    """One restore: what from, where to, and the number it got."""

    cluster: str
    node: str
    backup: Backup
    type: GuestType
    storage: str | None
    wanted: int | None
    unique: bool
    """It gets hardware addresses of its own: the guest it was made of is still there."""
    vmid: int | None = None

    @property
    def id(self) -> str:
        return f"{self.cluster}/{self.vmid or self.wanted or UNKNOWN}"

    def path(self, *rest: str) -> str:
        base = wire.path("nodes", self.node, self.type)
        return f"{base}/{self.vmid or self.wanted or UNKNOWN}{wire.path(*rest)}" if rest else base

    def params(self, vmid: int | str) -> dict[str, Any]:
        """As the API takes them: a container's archive is its template."""
        source = {"archive": self.backup.volid}
        if self.type == "lxc":
            source = {"ostemplate": self.backup.volid, "restore": True}
        return {"vmid": vmid, **source, "storage": self.storage, "unique": True if self.unique else None}


class RestoreVerbs(Acting):
    """Out of a backup."""

    async def restore(
        self,
        archive: str,
        *,
        cluster: str | None = None,
        to: str | None = None,
        storage: str | None = None,
        vmid: int | None = None,
        name: str | None = None,
        start: bool = False,
    ) -> Plan:
        """Make a new guest from a backup."""
        if name is not None:
            check_name(name)
        if vmid is not None:
            check_vmid(vmid)
        where = self._cluster_meant(cluster)
        self.may_change(where)
        client = self.client(where)
        node, backup = await self._archive(client, archive, to)
        self.may_change(where, node)
        held: list[tuple[str, bool, str]] = [("the backup is there", True, f"made {moment(backup.taken_at)}")]
        listed: dict[int | None, Mapping[str, Any]] = {
            whole(row.get("vmid")): row for row in rows(await client.get("/cluster/resources", type="vm"))
        }
        if vmid is not None:
            await _check_free(client, vmid, listed)
            held.append((f"{vmid} is free", True, "nobody has it"))
        needs = [Need(wire.path("vms", vmid) if vmid is not None else "/vms", ("VM.Allocate",))]
        known = await storages_on(client, node)
        if storage is not None:
            check_storage(known, storage, "rootdir" if backup.container else "images", node)
            needs.append(on_storage(storage, "Datastore.AllocateSpace"))
        held += await privileges.check(client, needs, where=where)
        kept = await config_in(client, node, backup)
        disks = [one for one in storages_of(kept) if one in known] if storage is None else ()
        more = [on_storage(one, "Datastore.AllocateSpace") for one in disks]
        held += await privileges.check(client, [*more, *await on_bridges(client, kept)], where=where)
        making = _Restoring(
            cluster=where,
            node=node,
            backup=backup,
            type="lxc" if backup.container else "qemu",
            storage=storage,
            wanted=vmid,
            unique=backup.vmid in listed,
        )
        notes = [f"{clean(backup.volid)} of {moment(backup.taken_at)}"]
        if backup.bytes is not None:
            notes[0] += f", {size_text(backup.bytes)}"
        if making.unique:
            notes.append(f"{where}/{backup.vmid} stays as it is; the new one gets hardware addresses of its own")
        return Plan(*self._restore_steps(making, name, start=start), notes=notes, preconditions=held)

    def _restore_steps(self, making: _Restoring, name: str | None, *, start: bool) -> list[Step]:
        """Restored, then named, then started."""
        client = self.client(making.cluster)
        last = "restored"

        async def restore(report: Report) -> Result:
            return await retried_on_lock(lambda: self._restored(making, report), report=report)

        steps = [
            Step(
                _NOBODY,
                spoken.call("POST", making.path(), making.params(making.wanted or UNKNOWN)),
                restore,
                name=last,
                lane=f"restore@{making.cluster}/{making.node}",
                undo=f"quarterdeck vm destroy {making.id}",
            )
        ]
        if name is not None:
            params = {"hostname" if making.type == "lxc" else "name": name}

            async def put(report: Report) -> Result:
                await retried_on_lock(lambda: client.put(making.path("config"), params), report=report)
                return Result(0, f"restored as {name} ({making.id})", _data(making, name))

            steps.append(Step(_NOBODY, spoken.call("PUT", making.path("config"), params), put, "named", (last,)))
            last = "named"
        if start:

            async def begin(report: Report) -> Result:
                path = making.path("status", "start")

                async def once() -> Result:
                    return await called(client, partial(client.post, path), report)

                with self.doings(making.cluster).doing(making.vmid or 0, "start"):
                    result = await retried_on_lock(once, report=report)
                if result.exit_code:
                    return Result(1, f"{making.id} was restored, but not started: {result.message}", result.data)
                who = f"{name} ({making.id})" if name else making.id
                return Result(0, f"restored as {who} and started", _data(making, name))

            steps.append(Step(_NOBODY, spoken.call("POST", making.path("status", "start")), begin, after=(last,)))
        return steps

    async def _restored(self, making: _Restoring, report: Report) -> Result:
        """Restore under a number that is free; one that is lost to somebody else is another try, never an overwrite."""
        client = self.client(making.cluster)
        upid: Any = None
        for race in range(1, RACES + 1):
            making.vmid = making.wanted or await free_id(self, making.cluster)
            try:
                call = partial(client.post, making.path(), making.params(making.vmid))
                upid = await begun(client, call, report)
            except IdTaken:
                if making.wanted is not None or race == RACES:
                    raise
                report.log(f"{making.vmid} was taken by somebody else meanwhile")
            else:
                break
        with self.doings(making.cluster).doing(making.vmid or 0, "restore"):
            result = await follow(client, upid, report)
        if result.exit_code:
            return Result(1, f"{result.message}{await self._left(making)}", result.data)
        if not report.wait:
            return Result(0, f"being restored as {making.id}: {result.message}", {**result.data, **_data(making, None)})
        warned = f"; {result.message}" if result.message else ""
        return Result(0, f"restored as {making.id}{warned}", {**result.data, **_data(making, None)})

    async def _left(self, making: _Restoring) -> str:
        """What a failed restore left behind, and how it is removed; empty where there is nothing."""
        try:
            left = await self.guest(making.cluster, making.vmid or 0, node=making.node, type=making.type)
        except QuarterdeckError:
            return ""
        return f"; {left.id} was left half made, {left.words}: {removal(left)}"

    def _cluster_meant(self, given: str | None) -> str:
        """The cluster of the backup: the one that was named, or the only one there is."""
        names = [cluster.name for cluster in clusters_of(self.context.inventory())]
        if given is not None:
            if given in names:
                return given
            todo = f"there are: {', '.join(names)}"
            raise ConfigurationError(f"there is no cluster '{clean(given)}'", where="--cluster", todo=todo)
        if len(names) != 1:
            what = "more than one cluster could be meant" if names else "no cluster is configured"
            raise ConfigurationError(what, where="--cluster", todo=f"name one: {', '.join(names)}" if names else "")
        return names[0]

    async def _archive(self, client: Client, archive: str, to: str | None) -> tuple[str, Backup]:
        """(node, backup): where it is restored, which can read it. Raises what is wrong with either."""
        storage, colon, volume = archive.partition(":")
        if not (storage and colon and volume):
            todo = "it reads STORAGE:backup/vzdump-…, as quarterdeck vm backups lists it"
            raise ConfigurationError(f"'{clean(archive)}' is no backup", where="ARCHIVE", todo=todo)
        listed = rows(await client.get("/cluster/resources", type="storage"))
        having = [row for row in listed if text(row.get("storage")) == storage]
        nodes = sorted(text(row.get("node")) for row in having if text(row.get("status")) in ("available", ""))
        if not having:
            raise Refused(
                f"there is no storage '{clean(storage)}'", where=client.name, todo="see quarterdeck storage list"
            )
        if having and "backup" not in words(having[0].get("content")) and having[0].get("content") is not None:
            raise Refused(f"storage '{clean(storage)}' holds no backups", where=client.name)
        if to is not None:
            if to not in nodes:
                todo = f"it can be restored on {', '.join(clean(one) for one in nodes) or 'no node that is there'}"
                raise Refused(f"{clean(to)} does not have storage '{clean(storage)}' now", where="--to", todo=todo)
            shared = any(flag(row.get("shared")) for row in having)
            nodes = [to, *(node for node in nodes if node != to and not shared)]
        elsewhere: list[str] = []
        for node in nodes:
            for one in await backups_in(client, node, storage):
                if one.volid != archive:
                    continue
                if to is not None and node != to:
                    elsewhere.append(node)
                    break
                return node, one
        if elsewhere:
            todo = f"restore it on {elsewhere[0]} and move it: quarterdeck vm migrate"
            raise Refused(
                f"that backup is on {elsewhere[0]}, which {clean(to or '')} cannot read", where="--to", todo=todo
            )
        raise Refused(f"there is no backup '{clean(archive)}'", where=client.name, todo="see quarterdeck vm backups")


async def _check_free(client: Client, vmid: int, listed: Mapping[int | None, Mapping[str, Any]]) -> None:
    """Refuse a number that somebody has: a restore never overwrites."""
    row = listed.get(vmid)
    if row is None:
        try:
            await client.get("/cluster/nextid", vmid=vmid)
        except (IdTaken, InvalidParameters):
            row = dict[str, Any]()
        except (Missing, BadAnswer):
            return
    if row is not None:
        who = clean(text(row.get("name"))) or "another guest"
        todo = "leave --vmid out for the next free one; a restore never overwrites"
        raise Refused(f"{vmid} is taken by {who}", where="--vmid", todo=todo)


def _data(making: _Restoring, name: str | None) -> dict[str, Any]:
    """For the outcome: what was made, and where it is."""
    said: dict[str, Any] = {"vmid": making.vmid, "guest": making.id, "node": making.node}
    return {**said, "name": name} if name else said
