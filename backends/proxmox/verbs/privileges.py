"""Which privileges each verb needs, and where: asked before a call is made, and what greys keys.

From the API's own declarations (``permissions`` in the schema of 8.4 and 9.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.errors import QuarterdeckError, Refused
from app.verb import Verb
from backends.kinds.vm_row import Vm
from backends.proxmox import wire

if TYPE_CHECKING:
    from backends.proxmox.client import Client


@dataclass(frozen=True, slots=True)
class Need:
    """What must be held at one path: any one of these privileges."""

    path: str
    """``/vms/101``, ``/storage/nfs``."""
    any_of: tuple[str, ...]

    @property
    def words(self) -> str:
        """``VM.Snapshot or VM.Snapshot.Rollback on /vms/101``."""
        return f"{' or '.join(self.any_of)} on {self.path}"

    def missing(self, client: Client) -> bool:
        """Whether none of them is certainly held; False while nothing is known."""
        return len(client.missing(self.path, *self.any_of)) == len(self.any_of)


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


def on_guest(vmid: int | str, *any_of: str) -> Need:
    """A need at one guest."""
    return Need(wire.path("vms", vmid), any_of)


def on_storage(storage: str, *any_of: str) -> Need:
    """A need at one storage."""
    return Need(wire.path("storage", storage), any_of)


def of_verb(verb: str, vmid: int | str) -> tuple[Need, ...]:
    """What a verb of that name needs on a guest, whatever its options."""
    wanted = OF_GUEST.get(verb)
    return (on_guest(vmid, *wanted),) if wanted else ()


def unable(client: Client, verb: Verb, target: Vm) -> str | None:
    """What the login lacks for a verb, as far as it is known without asking; ``None`` where nothing is. Pure."""
    lacking = [need for need in of_verb(verb.name, target.key) if need.missing(client)]
    return f"needs {lacking[0].words}, which {_whose(client)} does not have" if lacking else None


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
