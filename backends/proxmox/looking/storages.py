"""``content`` of a storage: disks, backups, images, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app import column
from app.column import Cell, Column, Token
from app.errors import Unreachable
from app.verb import Rows
from backends.kinds import vm_lists
from backends.kinds.storage import Storage, StorageVerbs
from backends.proxmox import wire
from backends.proxmox.lenient import flag, real, rows, size, text, whole
from backends.proxmox.looking.parts import Laid

WITHIN_S = 30.0
"""A storage of many volumes, or one that lies far away, takes its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One thing a storage holds."""

    volume: str
    """As Proxmox calls it: ``local-lvm:vm-101-disk-0``."""
    content: str
    """images, rootdir, backup, iso, vztmpl, snippets, import."""
    size_bytes: int | None = None
    used_bytes: int | None = None
    """Where the storage gives room only as it is used."""
    format: str = ""
    guest: str = ""
    """``lab/101``; empty where it is nobody's."""
    name: str = ""
    """What that guest is called."""
    made_at: float | None = None
    """Seconds since the epoch."""
    protected: bool = False
    parent: str = ""
    """What it is a linked clone of."""
    notes: str = ""


COLUMNS: tuple[Column[Volume], ...] = (
    Column("VOLUME", lambda v: column.text(v.volume), 38, flex=True, help="as Proxmox calls it"),
    Column("CONTENT", lambda v: column.text(v.content), 8, help="what it is"),
    Column("FORMAT", lambda v: column.text(v.format or None), 8),
    Column("SIZE", lambda v: column.size(v.size_bytes), 6, "right", help="as it was promised"),
    Column("USED", lambda v: column.size(v.used_bytes), 6, "right", help="as it lies there, where told"),
    Column("GUEST", lambda v: column.text(v.guest or None), 10, help="whose it is"),
    Column("NAME", lambda v: column.text(v.name or None), 14, help="what that guest is called"),
    Column("MADE", lambda v: vm_lists.ago(v.made_at), 6, "right", help="how long ago"),
    Column("KEPT", lambda v: Cell("protected" if v.protected else "", Token.ACCENT), 9, help="may not be removed"),
    Column("NOTES", lambda v: column.text(v.notes or None), 16, help="kept with it"),
)


class StorageViews(Laid, StorageVerbs):
    """What can be read of a storage."""

    async def content(self, target: Storage, *, only: str | None = None) -> Rows:
        """Show what it holds, by kind and name."""
        layout = await self.layout(target.source)
        nodes = next((layout.storages.nodes_of(one) for one in layout.storages.rows if one.id == target.id), ())
        if not nodes:
            raise Unreachable("no hypervisor reaches it just now", where=target.id, todo="look after its hypervisor")
        path = wire.path("nodes", nodes[0], "storage", target.name, "content")
        found = rows(await self.client(target).get(path, content=only, within=WITHIN_S))
        names = {vmid: name for vmid, (name, _, _) in layout.guests.items()}
        items = [_volume(target.source, row, names) for row in found]
        items.sort(key=lambda one: (one.content, one.volume))
        kinds = ", ".join(target.content)
        empty = f"nothing of that kind; it may hold {kinds}" if only and kinds else "it holds nothing"
        return Rows(COLUMNS, tuple(items), (), "" if items else empty)


def _volume(cluster: str, row: Mapping[str, Any], names: Mapping[int, str]) -> Volume:
    vmid = whole(row.get("vmid"))
    return Volume(
        volume=text(row.get("volid")),
        content=text(row.get("content")),
        size_bytes=size(row.get("size")),
        used_bytes=size(row.get("used")),
        format=text(row.get("format")),
        guest=f"{cluster}/{vmid}" if vmid else "",
        name=names.get(vmid, "") if vmid else "",
        made_at=real(row.get("ctime")),
        protected=flag(row.get("protected")),
        parent=text(row.get("parent")),
        notes=text(row.get("notes")).strip(),
    )
