"""Which privileges each verb needs, and where: asked before a call is made, and what greys keys.

From the API's own declarations (``permissions`` in the schema of 8.4 and 9.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import QuarterdeckError, Refused
from app.verb import Verb
from backends.kinds.vm_row import Vm
from backends.proxmox import wire
from backends.proxmox.lenient import mapping, text

if TYPE_CHECKING:
    from backends.proxmox.client import Client


@dataclass(frozen=True, slots=True)
class Need:
    """What must be held at one path: any one of these privileges."""

    path: str
    """``/vms/101``, ``/storage/nfs``."""
    any_of: tuple[str, ...]
    or_at: tuple[str, ...] = ()
    """Paths at which it does as well."""

    @property
    def words(self) -> str:
        """``VM.Snapshot or VM.Snapshot.Rollback on /vms/101``."""
        return f"{' or '.join(self.any_of)} on {self.path}"

    def missing(self, client: Client) -> bool:
        """Whether none of them is certainly held; False while nothing is known."""
        paths = (self.path, *self.or_at)
        return all(len(client.missing(path, *self.any_of)) == len(self.any_of) for path in paths)


_POWER = ("VM.PowerMgmt",)
_CONFIG = ("VM.Config.Options", "VM.Config.CPU", "VM.Config.Memory")
OF_GUEST: dict[str, tuple[str, ...]] = {
    "start": _POWER,
    "shutdown": _POWER,
    "stop": _POWER,
    "reboot": _POWER,
    "reset": _POWER,
    "suspend": _POWER,
    "resume": _POWER,
    "clone": ("VM.Clone",),
    "spawn": ("VM.Clone",),
    "template": ("VM.Allocate",),
    "snapshot": ("VM.Snapshot",),
    "delete-snapshot": ("VM.Snapshot",),
    "checkpoint": ("VM.Snapshot",),
    "rollback": ("VM.Snapshot", "VM.Snapshot.Rollback"),
    "backup": ("VM.Backup",),
    "migrate": ("VM.Migrate",),
    "resize": ("VM.Config.Disk",),
    "set": _CONFIG,
    "destroy": ("VM.Allocate",),
    "console": ("VM.Console",),
    "viewer": ("VM.Console",),
    "isolate": ("VM.Config.Network",),
}
"""Verb -> any one of these is needed on the guest itself."""
OF_OPTION: dict[str, tuple[str, ...]] = {
    "name": ("VM.Config.Options",),
    "hostname": ("VM.Config.Network",),
    "cores": ("VM.Config.CPU",),
    "memory": ("VM.Config.Memory",),
    "tags": ("VM.Config.Options",),
    "description": ("VM.Config.Options",),
    "protection": ("VM.Config.Options",),
    "onboot": ("VM.Config.Options",),
}
"""Key of a guest's configuration -> what changing it needs (PVE::QemuServer and PVE::LXC, check_vm_modify_perm)."""


SOMEWHERE: dict[str, tuple[str, tuple[str, ...]]] = {
    "clone": ("VM.Allocate", ("/vms", "/pool")),
    "spawn": ("VM.Allocate", ("/vms", "/pool")),
    "backup": ("Datastore.AllocateSpace", ("/storage",)),
}
"""Verb -> what is needed as well, and below which paths it may be held: where is known only when it is planned."""


def on_guest(vmid: int | str, *any_of: str) -> Need:
    """A need at one guest."""
    return Need(wire.path("vms", vmid), any_of)


def on_storage(storage: str, *any_of: str) -> Need:
    """A need at one storage."""
    return Need(wire.path("storage", storage), any_of)


_CARD = re.compile(r"net\d+")
_BRIDGE = re.compile(r"(?:^|,)bridge=([^,]+)")
_TAG = re.compile(r"(?:^|,)tag=(\d+)")
_ZONES = "/sdn/zones"
_BRIDGES_SINCE = 8
"""The major version of Proxmox VE from which on bridges are asked about; older ones do not know the privilege."""


async def on_bridges(client: Client, config: Mapping[str, Any]) -> tuple[Need, ...]:
    """The needs at the bridges that the network cards of a configuration are on, each once (PVE::GuestHelpers).

    A right to the VLAN of a card alone does as well, and so does one in another zone: which one a bridge of that name
    is in only Proxmox knows. One request where a need is not met, and none otherwise.
    """
    found: dict[str, Need] = {}
    for key in sorted(config):
        bridge = _BRIDGE.search(str(config[key])) if _CARD.fullmatch(key) else None
        if bridge is None:
            continue
        tag = _TAG.search(str(config[key]))
        at = [wire.path("sdn", "zones", zone, bridge[1]) for zone in ("localnetwork", *_zones(client))]
        at += [f"{one}/{tag[1]}" for one in at] if tag else []
        found[key] = Need(at[0], ("SDN.Use",), tuple(at[1:]))
    needs = tuple(dict.fromkeys(found.values()))
    if any(need.missing(client) for need in needs) and not await _asks_about_bridges(client):
        return ()
    return needs


def _zones(client: Client) -> list[str]:
    """The zones that the login's rights name."""
    known = client.permissions.known or {}
    zones = {path.split("/")[3] for path in known if path.startswith(f"{_ZONES}/")}
    return sorted(zones - {"localnetwork"})


async def _asks_about_bridges(client: Client) -> bool:
    """Whether this version knows the privilege; where that cannot be told Proxmox itself decides."""
    try:
        version = text(mapping(await client.get("/version")).get("version"))
    except QuarterdeckError:
        return False
    major = version.partition(".")[0]
    return major.isdecimal() and int(major) >= _BRIDGES_SINCE


def of_verb(verb: str, vmid: int | str) -> tuple[Need, ...]:
    """What a verb of that name needs on a guest, whatever its options."""
    wanted = OF_GUEST.get(verb)
    return (on_guest(vmid, *wanted),) if wanted else ()


def unable(client: Client, verb: Verb, target: Vm) -> str | None:
    """What the login lacks for a verb, as far as it is known without asking; ``None`` where nothing is. Pure."""
    lacking = [need.words for need in of_verb(verb.name, target.key) if need.missing(client)]
    privilege, below = SOMEWHERE.get(verb.name, ("", ()))
    if below and not client.permissions.somewhere(privilege, *below):
        lacking.append(f"{privilege} on {' or '.join(below)}")
    return f"needs {lacking[0]}, which {_whose(client)} does not have" if lacking else None


async def check(client: Client, needs: Sequence[Need], *, where: str) -> tuple[tuple[str, bool, str], ...]:
    """The needs as preconditions that hold. Raises Refused for the first that does not.

    What the login may do is asked for where that is not known yet. Where that cannot be told Proxmox itself decides.
    """
    if client.permissions.known is None:
        try:
            await client.read_permissions()
        except QuarterdeckError:
            return ()
    for need in needs:
        if need.missing(client):
            what = f"{_whose(client)} may not do this: it needs {need.words}"
            todo = f"give it a role with {need.any_of[0]} on {need.path} (Datacenter → Permissions)"
            raise Refused(what, where=where, todo=todo)
    return tuple((f"the login has {need.words}", True, client.user or "yes") for need in needs)


def _whose(client: Client) -> str:
    return client.user or "the login"
