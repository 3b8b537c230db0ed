"""From what was asked of new guests to what they are to be, looked up in their cluster; refused where it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.column import clean, size_text
from app.errors import ConfigurationError, Missing, Refused, Unsupported
from backends.kinds.vm_row import Vm
from backends.proxmox.cloud_init import check_user, has_drive, public_keys, shown_key, sshkeys
from backends.proxmox.failures import IdTaken, InvalidParameters
from backends.proxmox.lanes import storages_of, volumes_of
from backends.proxmox.lenient import flag, mapping, rows, text
from backends.proxmox.names import check_tags
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs.acting import Acting
from backends.proxmox.verbs.privileges import Need, check, on_bridges, on_storage
from backends.proxmox.verbs.recipe import (
    Check,
    Growth,
    Recipe,
    StorageRow,
    check_cores,
    check_node,
    check_storage,
    growth,
    lanes_of,
    memory_mib,
    needs,
    reachable,
    storages_on,
    tags_with,
    total_size,
)

if TYPE_CHECKING:
    from backends.proxmox.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was said on the command line, as it was said."""

    to: str | None = None
    full: bool = False
    storage: str | None = None
    pool: str | None = None
    vmid: int | None = None
    cores: int | None = None
    memory: str | None = None
    disk: str | None = None
    user: str | None = None
    ssh_key: tuple[str, ...] = ()
    ip: str | None = None
    tag: tuple[str, ...] = ()
    snapshot: str | None = None
    start: bool = False


class Recipes(Acting):
    """What ``clone`` and ``spawn`` begin with."""

    async def recipe(self, target: Vm, asked: Asked, verb: str) -> Recipe:
        """What the new guests are to be, with all that was looked at; raises where that cannot be."""
        keys = await asyncio.to_thread(public_keys, asked.ssh_key)
        client = self.client(target)
        source, held = await self.ready(target, verb, lambda now: None)
        known = await storages_on(client, source.node)
        full = asked.full or not source.template
        to = asked.to or source.node
        if to != source.node:
            check_node(await _nodes(client), to, target.source)
            reachable(source, to, asked.storage, known)
        if asked.storage is not None:
            if not full:
                todo = "add --full, or leave --storage out: a linked clone stays on its template's storage"
                raise ConfigurationError("only a full copy can go to another storage", where="--storage", todo=todo)
            check_storage(known, asked.storage, "rootdir" if source.type == "lxc" else "images", source.node)
        if asked.pool is not None:
            await _check_pool(client, asked.pool)
        checks: list[Check] = list(held)
        checks.append(await self._copyable(source, asked.snapshot, full))
        if asked.vmid is not None:
            checks.append(await _is_free(client, asked.vmid))
        settings, grow = self._settings(source, asked, keys)
        disks = {asked.storage} if asked.storage else set(storages_of(source.config))
        wanted = [
            *_needs(asked, client, settings, grow),
            *(on_storage(one, "Datastore.AllocateSpace") for one in sorted(disks)),
            *await on_bridges(client, source.config),
        ]
        checks += await check(client, wanted, where=target.id)
        return Recipe(
            source=source,
            full=full,
            snapshot=asked.snapshot,
            to=to,
            storage=asked.storage,
            pool=asked.pool,
            grow=grow,
            settings=settings,
            shown={**settings, **({"sshkeys": ", ".join(shown_key(key) for key in keys)} if keys else {})},
            start=asked.start,
            lanes=lanes_of(source, disks | set(storages_of(source.config)), known),
            width=self.parallel(target.source),
            checks=tuple(checks),
            notes=_notes(source, full, asked, known),
        )

    async def _copyable(self, source: FreshGuest, snapshot: str | None, full: bool) -> Check:
        """Whether its storages can do it, as Proxmox itself says; raises Unsupported with what can be done instead."""
        if source.type == "lxc" and source.runs and snapshot is None and full:
            raise Refused(
                "a container that runs is cloned from a snapshot only",
                where=source.id,
                todo=f"quarterdeck vm snapshot {source.id} --name NAME, and clone it with --snapshot NAME; or stop it",
            )
        if snapshot is not None:
            await self._has_snapshot(source, snapshot)
        feature = "copy" if full else "clone"
        params = {"feature": feature, "snapname": snapshot}
        said = mapping(await self.client(source.cluster).get(self.path(source, "feature"), params))
        what = "a full copy can be made of it" if full else "linked clones can be made of it"
        if snapshot is not None:
            what += f" as it was at {clean(snapshot)}"
        if flag(said.get("hasFeature")):
            return what, True, f"Proxmox says so ({feature})"
        volumes = ", ".join(sorted(volumes_of(source.config).values()))
        if snapshot is not None:
            raise Unsupported(
                f"its storage cannot copy from a snapshot ({clean(volumes)}); ZFS is one that cannot",
                where=source.id,
                todo="clone it as it is now, without --snapshot; or restore a backup to a new id: quarterdeck vm"
                f" backups {source.id}, quarterdeck vm restore ARCHIVE",
            )
        instead = "add --full" if not full else "back it up, and restore that to a new id"
        raise Unsupported(f"its storage cannot do that ({clean(volumes)})", where=source.id, todo=instead)

    async def _has_snapshot(self, source: FreshGuest, snapshot: str) -> None:
        found = [
            text(row.get("name")) for row in rows(await self.client(source.cluster).get(self.path(source, "snapshot")))
        ]
        known = [one for one in found if one != "current"]
        if snapshot not in known:
            todo = f"it has {', '.join(clean(one) for one in known)}" if known else "it has none"
            raise Missing(f"it has no snapshot '{clean(snapshot)}'", where=source.id, todo=todo)

    def _settings(self, source: FreshGuest, asked: Asked, keys: Sequence[str]) -> tuple[dict[str, str], Growth | None]:
        """What is set after the clone, but for the address."""
        found: dict[str, str] = {}
        if asked.cores is not None:
            found["cores"] = str(check_cores(asked.cores))
        if asked.memory is not None:
            found["memory"] = str(memory_mib(asked.memory))
        if asked.tag:
            check_tags(asked.tag)
            found["tags"] = tags_with(source.config, asked.tag)
        if source.type == "lxc":
            if asked.user is not None or keys:
                raise Unsupported(
                    "a container has no cloud-init: who may log in is inside of it",
                    where=source.id,
                    todo="leave out --user and --ssh-key",
                )
        elif (asked.user is not None or keys or asked.ip is not None) and not has_drive(source.config):
            raise Unsupported(
                "it has no cloud-init drive, so --user, --ssh-key and --ip would not reach the new one",
                where=source.id,
                todo=f"give it one: qm set {source.vmid} --ide2 STORAGE:cloudinit (on {clean(source.node)})",
            )
        if asked.user is not None:
            found["ciuser"] = check_user(asked.user)
        if keys:
            found["sshkeys"] = sshkeys(keys)
        return found, growth(source.config, asked.disk) if asked.disk is not None else None


def _needs(asked: Asked, client: Client, settings: Mapping[str, str], grow: Growth | None) -> list[Need]:
    """The privileges on the guest that is to be made."""
    wanted = ["VM.Allocate"]
    by_key = {
        "cores": "VM.Config.CPU", "memory": "VM.Config.Memory", "tags": "VM.Config.Options",
        "ciuser": "VM.Config.Cloudinit", "sshkeys": "VM.Config.Cloudinit",
    }  # fmt: skip
    wanted += [by_key[key] for key in settings]
    if asked.ip is not None:
        wanted.append("VM.Config.Network")
    if grow is not None:
        wanted.append("VM.Config.Disk")
    if asked.start:
        wanted.append("VM.PowerMgmt")
    return needs(asked.pool, client, asked.vmid, *dict.fromkeys(wanted))


async def _nodes(client: Client) -> dict[str, str]:
    """The cluster's nodes and how each is."""
    return {text(row.get("node")): text(row.get("status")) for row in rows(await client.get("/nodes"))}


async def _check_pool(client: Client, pool: str) -> None:
    """Refuse a pool that is not there; to a login that sees none at all Proxmox itself says so."""
    known = sorted(text(row.get("poolid")) for row in rows(await client.get("/pools")))
    if known and pool not in known:
        todo = f"there are: {', '.join(clean(one) for one in known)}"
        raise ConfigurationError(f"there is no pool '{clean(pool)}'", where="--pool", todo=todo)


async def _is_free(client: Client, vmid: int) -> Check:
    try:
        await client.get("/cluster/nextid", vmid=vmid)
    except (IdTaken, InvalidParameters) as error:
        return f"{vmid} is free", False, error.what
    return f"{vmid} is free", True, "nobody has it now"


def _notes(source: FreshGuest, full: bool, asked: Asked, known: Mapping[str, StorageRow]) -> tuple[str, ...]:
    notes: list[str] = []
    if not full:
        notes.append(
            f"linked: the new disks need the template {clean(source.name)} ({source.vmid}) for as long as they are"
        )
    if source.runs and asked.snapshot is None:
        notes.append("it runs: its copy is like one of a machine whose plug was pulled")
    if full and asked.storage is None and not source.template and len(storages_of(source.config)) > 1:
        notes.append(f"its disks stay on {', '.join(clean(one) for one in storages_of(source.config))}")
    return tuple(notes)


def takes(recipe: Recipe, count: int) -> str:
    """What will be used, as far as it is known."""
    config, said = recipe.source.config, list[str]()
    size = total_size(config)
    times = f"{count} × " if count > 1 else ""
    memory = recipe.settings.get("memory") or str(config.get("memory") or "")
    if recipe.start and memory.isdecimal():
        said.append(f"{times}{size_text(int(memory) << 20)} of memory on {clean(recipe.to)}")
    if size is not None:
        where = clean(recipe.storage or ", ".join(storages_of(config)))
        if recipe.full:
            said.append(f"up to {times}{size_text(size)} on {where}")
        else:
            said.append(f"on {where} what is written to them, up to {times}{size_text(size)}")
    return "; ".join(said)
