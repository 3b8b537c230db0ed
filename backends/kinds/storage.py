"""Storages of hypervisors: where disks of guests, images and backups are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from app import column
from app.column import Cell, Column, Section, Token, Worry
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind, plain_json
from app.verb import Help, Rows, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage(Resource):
    """One storage; ``id`` is ``cluster/node/name``, of a shared one ``cluster/name``, of libvirt ``node/name``.

    ``state``: available, inactive, or unknown.
    """

    NOUN: ClassVar[str] = "storage"

    type: str = ""
    """Its driver: dir, lvmthin, zfspool, nfs, rbd …"""
    host: str | None = None
    """The hypervisor it is on; ``None`` where all share it."""
    shared: bool = False
    content: tuple[str, ...] = ()
    """What it may hold: images, rootdir, backup, iso, vztmpl, snippets, import."""
    used_bytes: int | None = None
    total_bytes: int | None = None
    """Of a thin pool this is the pool: what guests were promised may be more."""

    @property
    def used_percent(self) -> float | None:
        """How full it is."""
        if not self.total_bytes or self.used_bytes is None:
            return None
        return 100 * self.used_bytes / self.total_bytes

    @property
    def thin(self) -> bool:
        """A pool that stops every guest on it when it is full."""
        return self.type in ("lvmthin", "zfspool", "rbd")


def mood(storage: Storage) -> Mood:
    """Up while it can be reached; a nearly full one wants a person, a thin pool sooner."""
    if storage.state == STALE:
        return Mood.STALE
    if storage.state == "inactive":
        return Mood.DOWN
    share = storage.used_percent
    if storage.fault or (share is not None and share >= (90 if storage.thin else 95)):
        return Mood.ATTENTION
    return Mood.UP if storage.state == "available" else Mood.UNKNOWN


def worry(storage: Storage) -> Worry | None:
    """Its fault, that it is away, and how full it is."""
    if storage.fault:
        return Worry(140, storage.fault, Token.CRIT)
    if storage.state == "inactive":
        return Worry(130, "inactive", Token.CRIT)
    share = storage.used_percent
    if share is not None and share >= 80:
        bad = share >= (90 if storage.thin else 95)
        pool = "thin pool" if storage.thin else "storage"
        return Worry(20 + share, f"{pool} {share:.0f} % full", Token.CRIT if bad else Token.WARN)
    return None


def _fill(storage: Storage) -> Cell:
    share = storage.used_percent
    if share is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    limits = (80.0, 90.0) if storage.thin else (85.0, 95.0)
    return Cell(f"{column.bar_text(share / 100, 8)} {share:3.0f} %", column.level(share, limits), share)


def _on(storage: Storage) -> Cell:
    if storage.shared or not storage.host:
        return Cell("shared" if storage.shared else column.UNKNOWN_TEXT, Token.MUTED)
    return column.text(storage.host)


COLUMNS: tuple[Column[Storage], ...] = (
    Column("NAME", lambda s: column.text(s.name), 16, priority=0, help="as its cluster calls it"),
    Column("ON", _on, 8, priority=1, help="its hypervisor, or shared by all"),
    Column("CLUSTER", lambda s: column.text(s.source), 8, priority=2, help="where it was seen"),
    Column("STATE", lambda s: column.state(s.state, mood(s)), 11, priority=0, help="whether it can be used"),
    Column("TYPE", lambda s: column.text(s.type), 8, priority=2, help="its driver"),
    Column("FULL", _fill, 14, priority=0, help="share in use"),
    Column("USED", lambda s: column.size(s.used_bytes), 6, "right", priority=2, help="in use"),
    Column("SIZE", lambda s: column.size(s.total_bytes), 6, "right", priority=1, help="all there is"),
    Column("CONTENT", lambda s: column.text(" ".join(s.content)), 16, priority=3, flex=True, help="what it may hold"),
)


def describe(storage: Storage) -> Sequence[Section]:
    """What is known of it without asking."""
    shown = [
        ("state", column.state(storage.state, mood(storage))),
        ("fault", Cell(column.clean(storage.fault or ""), Token.CRIT)),
        ("cluster", column.text(storage.source)),
        ("on", column.text(storage.host or "shared by all hypervisors")),
        ("type", column.text(storage.type)),
        ("content", column.text(", ".join(storage.content))),
        ("full", _fill(storage)),
        ("used", column.size(storage.used_bytes)),
        ("size", column.size(storage.total_bytes)),
    ]
    known = tuple((label, cell) for label, cell in shown if cell.text not in ("", column.UNKNOWN_TEXT))
    return (Section("Storage", known),)


def as_json(storage: Storage) -> dict[str, Any]:
    """Every field, and how full it is in percent."""
    return {**plain_json(storage), "used_percent": storage.used_percent}


class StorageVerbs:
    """What an operator can do with a storage."""

    @view(key="v")
    async def content(
        self,
        target: Storage,
        *,
        only: Annotated[str | None, Help("one kind of content", "backup, images, iso")] = None,
    ) -> Rows:
        """Show what it holds: disks, backups, images, and whose they are."""
        raise Unsupported


KIND: Kind[Storage] = Kind(
    noun="storage",
    plural="storages",
    type=Storage,
    columns=COLUMNS,
    verbs=StorageVerbs,
    mood=mood,
    worry=worry,
    describe=describe,
    under="vm",
    alarms=True,
    short=lambda s: f"{s.host or s.source}/{s.name}",
    figures={"used": lambda s: None if s.used_bytes is None else float(s.used_bytes)},
    json=as_json,
    empty=(
        "No storages were found.",
        "Name clusters under 'proxmox:' in hosts.yaml; libvirt is found by itself.",
    ),
)
