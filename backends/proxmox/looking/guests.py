"""``details`` and ``inspect`` of guests: all that is asked about the one that somebody looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.column import clean
from app.errors import QuarterdeckError
from app.verb import Sections, Text
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs
from backends.proxmox.lenient import rows, text, whole
from backends.proxmox.looking import config, guest_details
from backends.proxmox.looking.parts import WITHIN_S, Laid, tried, why
from backends.proxmox.on_cluster import nameless, type_of, vmid_of

_HIDDEN = ("digest", "vmgenid")


class GuestViews(Laid, VmVerbs):
    """What can be read of one guest."""

    async def details(self, target: Vm) -> Sections:
        """Show settings, disks, networks, addresses, waiting changes, snapshots, backups, replication and notes."""
        return Sections(await guest_details.gathered(self, target))

    async def inspect(self, target: Vm) -> Text:
        """Show its configuration as Proxmox has it, secrets masked, with what waits for a restart."""
        guest = await self.guest(target.source, vmid_of(target), node=target.host, type=type_of(target))
        pending = await tried(self.client(guest.cluster).get(self.path(guest, "pending"), within=WITHIN_S))
        told = [f"# {clean(guest.name) or nameless(guest.vmid)} ({guest.id}), {guest.words}"]
        told += [_line(key, guest.config[key]) for key in sorted(guest.config) if key not in _HIDDEN]
        if isinstance(pending, QuarterdeckError):
            told += ["", f"# what waits for a restart is not known: {why(pending)}"]
        elif waits := list(_waits(rows(pending))):
            told += ["", "# waits for a restart", *waits]
        return Text("\n".join(told) + "\n")


def _line(key: str, value: Any) -> str:
    said = config.masked(key, value).replace("\r", "")
    if "\n" not in said:
        return f"{clean(key)}: {said}"
    return f"{clean(key)}:\n" + "\n".join(f"    {line}" for line in said.splitlines())


def _waits(found: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for row in found:
        key = text(row.get("key"))
        if (whole(row.get("delete")) or 0) > 0:
            yield f"{clean(key)}: removed"
        elif "pending" in row:
            yield _line(key, row["pending"])
