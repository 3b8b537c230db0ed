"""``backups``: what the storages of all clusters hold, or what they hold of one guest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from app.column import clean
from app.errors import ConfigurationError, QuarterdeckError
from app.verb import Rows
from backends.kinds import vm_lists
from backends.kinds.vm_lists import Backup
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs
from backends.proxmox import wire
from backends.proxmox.backups_seen import Shelf
from backends.proxmox.lenient import flag, mapping, real, rows, size, text, whole
from backends.proxmox.looking.parts import Laid, Layout, each, listed, notes, tried, why

WITHIN_S = 30.0
"""A storage that lies far away, or one of many backups, takes its time."""


class BackupViews(Laid, VmVerbs):
    """What could be restored."""

    async def backups(self, guest: str | None = None) -> Rows:
        """Show the backups there are, newest first."""
        cluster, vmid = self.guest_meant(guest) if guest else (None, None)
        told = await asyncio.gather(*(self._backups(one, vmid) for one in self.clusters_meant(cluster)))
        items = [one for found, _ in told for one in found]
        said = notes(*(note for _, note in told))
        return vm_lists.backup_rows(items, said or ("" if items else "no backups"))

    def guest_meant(self, said: str) -> tuple[str, int]:
        """(cluster, vmid) of ``lab/101``, a number or a name that only one guest has; raises ConfigurationError.

        A guest that is gone is meant by its id: its backups may still be there.
        """
        cluster, slash, key = said.rpartition("/")
        if slash and key.isascii() and key.isdecimal() and len(key) <= 9:
            return self.clusters_meant(cluster)[0], int(key)
        found = [
            one
            for one in self.context.fleet().of(Vm)
            if one.source in self.clusters_meant() and said in (one.key, one.name, f"{one.source}/{one.name}")
        ]
        if len(found) == 1:
            return found[0].source, int(found[0].key)
        what = f"'{clean(said)}' is more than one guest" if found else f"there is no guest '{clean(said)}'"
        names = listed([one.id for one in found])
        raise ConfigurationError(what, todo=f"name it by its id: {names or 'such as lab/101'}")

    async def _backups(self, cluster: str, vmid: int | None) -> tuple[list[Backup], str]:
        layout = await tried(self.layout(cluster))
        if isinstance(layout, QuarterdeckError):
            return [], f"{cluster}: {why(layout)}"
        client = self.client(cluster)
        shelves = layout.shelves
        asked = [one for one in shelves if one.ask]

        async def ask(shelf: Shelf) -> list[Backup]:
            path = wire.path("nodes", shelf.ask[0], "storage", shelf.storage, "content")
            found = rows(await client.get(path, content="backup", vmid=vmid, within=WITHIN_S))
            return [_backup(row, layout, shelf) for row in found if vmid is None or whole(row.get("vmid")) == vmid]

        items: list[Backup] = []
        failed = [f"{_name(one)} (away)" for one in shelves if not one.ask]
        for shelf, answer in zip(asked, await each(ask, asked), strict=True):
            if isinstance(answer, QuarterdeckError):
                failed.append(f"{_name(shelf)} ({why(answer)})")
            else:
                items += answer
        blind = [
            one.storage
            for one in asked
            if not items
            and client.may(f"/storage/{one.storage}", "Datastore.Allocate") is False
            and client.may("/vms", "VM.Backup") is False
        ]
        return items, notes(
            f"{cluster}: no storage takes backups" if not shelves else "",
            f"{cluster}: not read: {listed(failed)}" if failed else "",
            f"{cluster}: without VM.Backup on /vms Proxmox may not show those there are" if blind else "",
        )


def _name(shelf: Shelf) -> str:
    return f"{shelf.storage} on {shelf.node}" if shelf.node else shelf.storage


def _backup(row: Mapping[str, Any], layout: Layout, shelf: Shelf) -> Backup:
    vmid = whole(row.get("vmid"))
    state = text(mapping(row.get("verification")).get("state"))
    return Backup(
        guest=f"{layout.cluster}/{vmid}" if vmid is not None else "",
        name=layout.guests[vmid][0] if vmid in layout.guests else "",
        taken_at=real(row.get("ctime")),
        size_bytes=size(row.get("size")),
        cluster=layout.cluster,
        storage=shelf.storage,
        archive=text(row.get("volid")),
        protected=flag(row.get("protected")),
        verified=state == "ok" if state else None,
        notes=text(row.get("notes")).strip(),
    )
