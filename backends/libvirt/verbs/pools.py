"""``content`` of a storage pool: its volumes, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app import column
from app.column import Column
from app.verb import Rows
from backends.kinds.storage import Storage, StorageVerbs
from backends.libvirt.failures import classified
from backends.libvirt.markup import NotXml, document
from backends.libvirt.verbs.base import quoted
from backends.libvirt.verbs.storage import OnStorage

_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolVolume:
    """One volume of a pool."""

    name: str
    format: str
    size_bytes: int | None
    used_bytes: int | None
    """What it takes up there."""
    guest: str
    """Whose it is; empty where it is nobody's."""
    stands_on: str
    """The volume it is linked to."""


COLUMNS: tuple[Column[Any], ...] = (
    Column("NAME", lambda v: column.text(v.name), 30, help="as its pool calls it"),
    Column("FORMAT", lambda v: column.text(v.format), 8, help="how it is written"),
    Column("SIZE", lambda v: column.size(v.size_bytes), 6, "right", help="as its guest sees it"),
    Column("TAKES", lambda v: column.size(v.used_bytes), 6, "right", help="what it takes up"),
    Column("GUEST", lambda v: column.text(v.guest), 20, help="whose it is"),
    Column("STANDS ON", lambda v: column.text(v.stands_on), 30, flex=True, help="what it is linked to"),
)


class PoolVerbs(OnStorage, StorageVerbs):
    """Views of storage pools."""

    async def content(self, target: Storage, *, only: str | None = None) -> Rows:
        """Show what it holds: disks and images, and whose they are."""
        listed = await self.answer(target.source, f"vol-list --pool {quoted(target.name)}", target.id)
        # A table of name and path; paths begin with a slash, names hold none.
        paths = [f"/{line.partition('/')[2]}".strip() for line in listed.split("\n") if "/" in line][:_MOST]
        told = await self.answers(target.source, *(f"vol-dumpxml {quoted(path)}" for path in paths)) if paths else []
        owners = {
            disk.source: guest.name
            for guest in (await self.guests_on(target.source)).values()
            for disk in guest.disks
            if disk.source
        }
        rows: list[PoolVolume] = []
        for path, said in zip(paths, told, strict=True):
            if not said.startswith("error: "):
                rows.append(_volume(said, owners.get(path, "")))
        if only is not None:
            rows = [row for row in rows if only in (row.format, "images" if row.format != "iso" else "iso")]
        return Rows(COLUMNS, tuple(rows))


def _volume(text: str, guest: str) -> PoolVolume:
    try:
        root = document("<volume/>" if "<!" in text else text)
    except NotXml:
        raise classified("error: a volume's description cannot be read", guest) from None
    form = root.find("target/format")

    def size(tag: str) -> int | None:
        said = root.findtext(tag) or ""
        return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else None

    return PoolVolume(
        name=root.findtext("name") or "",
        format="" if form is None else form.get("type", ""),
        size_bytes=size("capacity"),
        used_bytes=size("allocation"),
        guest=guest,
        stands_on=root.findtext("backingStore/path") or "",
    )
