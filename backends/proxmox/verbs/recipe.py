"""What new guests are to be like: their source, where they go, what they get; checked against what the cluster says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.column import clean, size_text
from app.errors import ConfigurationError, Missing, Refused, Unsupported
from backends.proxmox import pieces
from backends.proxmox.lanes import guest_lane, storage_lane, volumes_of
from backends.proxmox.lenient import flag, size, text, words
from backends.proxmox.names import check_tags
from backends.proxmox.verbs.privileges import Need

if TYPE_CHECKING:
    from backends.proxmox.client import Client
    from backends.proxmox.on_cluster import FreshGuest

Check = tuple[str, bool, str]
"""What must hold, does it, the evidence."""
_SIZE = re.compile(r"(?P<more>\+?)(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMGT]?)(?:i?B)?", re.I)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class StorageRow:
    """A storage as one node has it."""

    name: str
    shared: bool
    content: tuple[str, ...] = ()
    free_bytes: int | None = None
    type: str = ""
    available: bool = True


@dataclass(frozen=True, slots=True)
class Growth:
    """A disk that is to become larger."""

    disk: str
    size: str
    """As Proxmox takes it: ``32G``, ``+10G``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What every guest of one command has in common."""

    source: FreshGuest
    full: bool
    snapshot: str | None = None
    to: str
    """The node it ends on."""
    storage: str | None = None
    pool: str | None = None
    grow: Growth | None = None
    settings: Mapping[str, str]
    """What is set after the clone, but for the address; as the API takes it."""
    shown: Mapping[str, str]
    """The same for a plan's text: keys are shortened."""
    start: bool = False
    lanes: tuple[str, ...] = ()
    width: int = 1
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def container(self) -> bool:
        """A system container instead of a virtual machine."""
        return self.source.type == "lxc"


# -- storages


async def storages_on(client: Client, node: str) -> dict[str, StorageRow]:
    """The storages a node has, by name; those we may not see are not among them."""
    from backends.proxmox import wire
    from backends.proxmox.lenient import rows

    found: dict[str, StorageRow] = {}
    for row in rows(await client.get(wire.path("nodes", node, "storage"))):
        name = text(row.get("storage"))
        enabled = row.get("enabled") is None or flag(row.get("enabled"))  # others are listed as well, switched off
        if name and enabled:
            active = row.get("active") is None or flag(row.get("active"))
            found[name] = StorageRow(
                name, flag(row.get("shared")), words(row.get("content")), size(row.get("avail")),
                text(row.get("type")), active,
            )  # fmt: skip
    return found


def check_storage(known: Mapping[str, StorageRow], name: str, content: str, node: str) -> None:
    """Refuse a storage that is not there, or does not take what is to be put on it. One we may not see passes."""
    row = known.get(name)
    takes = sorted(one.name for one in known.values() if content in one.content)
    todo = f"those that do: {', '.join(clean(one) for one in takes)}" if takes else "see 'quarterdeck storage list'"
    if row is None:
        if known:
            what = f"{clean(node)} has no storage '{clean(name)}'"
            raise ConfigurationError(what, where="--storage", todo=todo.replace("that do", "it has for that"))
        return
    if content not in row.content:
        what = f"storage {clean(name)} takes no disks of guests ({content})"
        raise ConfigurationError(what, where="--storage", todo=todo)
    if not row.available:
        raise Refused(f"storage {clean(name)} is not available on {clean(node)}", where="--storage", todo=todo)


def lanes_of(guest: FreshGuest, storages: Iterable[str], known: Mapping[str, StorageRow]) -> tuple[str, ...]:
    """The lanes that a clone is in; Proxmox locks a container itself for as long as it is cloned."""
    lanes = {
        storage_lane(guest.cluster, name, node=None if name in known and known[name].shared else guest.node)
        for name in storages
    }
    if guest.type == "lxc":
        lanes.add(guest_lane(guest.cluster, guest.vmid))
    return tuple(sorted(lanes))


def reachable(recipe_source: FreshGuest, to: str, storage: str | None, known: Mapping[str, StorageRow]) -> None:
    """Refuse another node unless every storage concerned is shared by both: Proxmox cannot clone across otherwise."""
    if to == recipe_source.node:
        return
    concerned = {volume.partition(":")[0]: key for key, volume in volumes_of(recipe_source.config).items()}
    if storage is not None:
        concerned[storage] = "--storage"
    for name, key in concerned.items():
        row = known.get(name)
        if row is not None and not row.shared:
            where = clean(recipe_source.node)
            what = f"{key} is on {clean(name)}" if key != "--storage" else f"{clean(name)} is not shared"
            raise Refused(
                f"it cannot be cloned to {clean(to)}: {what}, which only {where} has",
                where=recipe_source.id,
                todo=f"clone it on {where} and move the clone: quarterdeck vm migrate CLONE --to {clean(to)}"
                " --local-disks; or keep the template on a shared storage",
            )


# -- sizes


def bytes_of(said: str) -> int | None:
    """A size of Proxmox's, ``32G``, in bytes."""
    found = _SIZE.fullmatch(said.strip())
    return int(float(found["number"]) * _UNITS[found["unit"].upper()]) if found else None


def disk_size(value: object) -> int | None:
    """The size that a drive of a configuration says."""
    for part in str(value).split(",")[1:]:
        if part.startswith("size="):
            return bytes_of(part[5:])
    return None


def total_size(config: Mapping[str, Any]) -> int | None:
    """Of all disks of a guest; ``None`` where one does not say."""
    sizes = [disk_size(config[key]) for key in volumes_of(config) if not key.startswith("unused")]
    return None if None in sizes or not sizes else sum(one for one in sizes if one is not None)


def first_disk(config: Mapping[str, Any]) -> str | None:
    """The disk a guest starts from, which is the one that is meant when nobody says which."""
    disks = [key for key in volumes_of(config) if not key.startswith(("unused", "efidisk", "tpmstate", "vmstate"))]
    if "rootfs" in disks:
        return "rootfs"
    boot = str(config.get("boot") or "")
    order = boot.removeprefix("order=").split(";") if boot.startswith("order=") else []
    for key in [*order, str(config.get("bootdisk") or "")]:
        if key in disks:
            return key
    ranked = ("scsi", "virtio", "sata", "ide")
    disks.sort(key=lambda key: (next((n for n, one in enumerate(ranked) if key.startswith(one)), 9), len(key), key))
    return disks[0] if disks else None


def growth(config: Mapping[str, Any], said: str, *, where: str = "--disk") -> Growth | None:
    """How the first disk is to grow; ``None`` when it has that size. Raises ConfigurationError for less."""
    found = _SIZE.fullmatch(said.strip())
    if found is None:
        raise ConfigurationError(
            f"'{clean(said)}' is no size", where=where, todo="it reads 32G, or +10G for so much more"
        )
    disk = first_disk(config)
    if disk is None:
        raise Unsupported("it has no disk that could grow", where=where)
    wanted = f"{found['more']}{found['number']}{(found['unit'] or 'G').upper()}"
    now = disk_size(config[disk])
    if not found["more"] and now is not None:
        asked = bytes_of(wanted) or 0
        if asked < now:
            what = f"{disk} has {size_text(now)} already, and disks only grow"
            raise ConfigurationError(what, where=where, todo="give more, or leave it out")
        if asked == now:
            return None
    return Growth(disk, wanted)


def memory_mib(said: str, *, where: str = "--memory") -> int:
    """An amount of memory in MiB; raises ConfigurationError for what is none."""
    try:
        found = pieces.size(said)
    except ValueError as error:
        raise ConfigurationError(f"'{clean(said)}': {error}", where=where) from None
    if found < 16:
        raise ConfigurationError(f"{found} MiB of memory start nothing", where=where, todo="give at least 16M")
    return found


def check_cores(cores: int, *, where: str = "--cores") -> int:
    """A number of cores; raises ConfigurationError for one that nobody has."""
    if not 1 <= cores <= 8192:
        raise ConfigurationError(f"{cores} cores cannot be", where=where, todo="give 1 or more")
    return cores


def tags_with(config: Mapping[str, Any], more: Iterable[str]) -> str:
    """The tags of a configuration and further ones, as Proxmox writes them."""
    return ";".join(check_tags({*words(config.get("tags")), *more}))


# -- who may, and what it takes


def needs(recipe_pool: str | None, client: Client, vmid: int | None, *privileges: str) -> list[Need]:
    """What is needed on a guest that is to be made; what is granted on the pool holds for the guests in it."""
    path = f"/vms/{vmid}" if vmid is not None else "/vms"
    wanted = [Need(path, (one,)) for one in privileges]
    if recipe_pool is None:
        return wanted
    return [need for need in wanted if client.may(f"/pool/{recipe_pool}", need.any_of[0]) is not True]


def check_node(known: Mapping[str, str], node: str, cluster: str) -> None:
    """Refuse a node that its cluster does not have, or that is away; ``known`` are their states by name."""
    if node not in known:
        names = ", ".join(clean(one) for one in sorted(known))
        raise Missing(f"{clean(cluster)} has no node '{clean(node)}'", where="--to", todo=f"its nodes: {names}")
    if known[node] == "offline":
        raise Refused(f"{clean(node)} is offline", where="--to", todo="name another node")
