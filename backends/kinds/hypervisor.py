"""Hypervisors: the nodes of clusters on which guests run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from app import column
from app.column import Cell, Column, Section, Token, Worry
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind, plain_json
from app.verb import Sections, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor(Resource):
    """One node of a cluster; ``source`` is the cluster, ``id`` is ``cluster/node``: ``lab/pve1``.

    ``state``: online, offline, or unknown. ``parent`` is the node of the fleet that it is, where hosts.yaml says so.
    """

    NOUN: ClassVar[str] = "hypervisor"

    cpu_percent: float | None = None
    """Of all its cores, 0 to 100."""
    cores: int | None = None
    mem_used_bytes: int | None = None
    mem_total_bytes: int | None = None
    disk_used_bytes: int | None = None
    """Of its root file system."""
    disk_total_bytes: int | None = None
    uptime_s: float | None = None
    guests: int = 0
    """Guests on it, templates left out."""
    running: int = 0
    """Guests on it that run."""
    version: str | None = None
    """Of its hypervisor software, where that was asked."""
    quorate: bool | None = None
    """Whether its cluster can decide; ``None`` where it stands alone or that is not known."""

    @property
    def mem_percent(self) -> float | None:
        """Share of its memory in use."""
        if not self.mem_total_bytes or self.mem_used_bytes is None:
            return None
        return 100 * self.mem_used_bytes / self.mem_total_bytes

    @property
    def disk_percent(self) -> float | None:
        """Share of its root file system in use."""
        if not self.disk_total_bytes or self.disk_used_bytes is None:
            return None
        return 100 * self.disk_used_bytes / self.disk_total_bytes


def mood(hypervisor: Hypervisor) -> Mood:
    """Up while it is online and its cluster has a quorum."""
    if hypervisor.state == STALE:
        return Mood.STALE
    if hypervisor.state == "offline":
        return Mood.DOWN
    if hypervisor.fault or hypervisor.quorate is False:
        return Mood.ATTENTION
    return Mood.UP if hypervisor.state == "online" else Mood.UNKNOWN


def worry(hypervisor: Hypervisor) -> Worry | None:
    """Offline, no quorum, its fault, a full root, full memory, then how busy it is."""
    if hypervisor.state == "offline":
        return Worry(160, "offline", Token.CRIT)
    if hypervisor.quorate is False:
        return Worry(155, "no quorum", Token.CRIT)
    if hypervisor.fault:
        return Worry(140, hypervisor.fault, Token.CRIT)
    for share, what in ((hypervisor.disk_percent, "disk"), (hypervisor.mem_percent, "mem")):
        if share is not None and share >= 92:
            return Worry(105 + share / 10, f"{what} {share:.0f} %", Token.CRIT)
    busy = hypervisor.cpu_percent
    if busy is not None and busy >= 0.5:
        return Worry(min(99.0, busy), f"cpu {column.bar_text(busy / 100, 8)} {busy:3.0f} %", Token.TEXT)
    return None


def _share(used: int | None, total: int | None, limits: tuple[float, float]) -> Cell:
    if total is None or used is None or not total:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    share = 100 * used / total
    said = f"{column.size_text(used)}/{column.size_text(total)}"
    return Cell(said, column.level(share, limits), share)


def _guests(hypervisor: Hypervisor) -> Cell:
    return Cell(f"{hypervisor.running}/{hypervisor.guests}", Token.TEXT, hypervisor.running)


def _note(hypervisor: Hypervisor) -> Cell:
    if hypervisor.fault:
        return Cell(column.clean(hypervisor.fault), Token.CRIT)
    return Cell("no quorum", Token.CRIT) if hypervisor.quorate is False else Cell("")


COLUMNS: tuple[Column[Hypervisor], ...] = (
    Column("NAME", lambda h: column.text(h.name), 14, priority=0, help="as its cluster calls it"),
    Column("CLUSTER", lambda h: column.text(h.source), 8, priority=1, help="whose node it is"),
    Column("STATE", lambda h: column.state(h.state, mood(h)), 9, priority=0, help="online or offline"),
    Column("CPU", lambda h: column.percent(h.cpu_percent, (90, 97)), 6, "right", priority=1, help="of all its cores"),
    Column("", lambda h: Cell(""), 5, priority=3, spark="cpu", spark_max=100, help="CPU of the last minutes"),
    Column("CORES", lambda h: column.number(h.cores), 5, "right", priority=4, help="how many it has"),
    Column(
        "MEM", lambda h: _share(h.mem_used_bytes, h.mem_total_bytes, (85, 95)), 9, "right", priority=1, help="in use"
    ),
    Column(
        "ROOT", lambda h: _share(h.disk_used_bytes, h.disk_total_bytes, (80, 92)), 9, "right", priority=3, help="in use"
    ),
    Column("GUESTS", _guests, 7, "right", priority=1, help="those that run of those on it, templates left out"),
    Column("UP", lambda h: column.duration(h.uptime_s), 5, "right", priority=2, help="since its last start"),
    Column("VERSION", lambda h: column.text(h.version), 7, priority=6, help="of its hypervisor software"),
    Column("NODE", lambda h: Cell(column.clean(h.parent.id if h.parent else "")), 10, priority=5, help="of the fleet"),
    Column("NOTE", _note, 12, priority=3, flex=True, help="what is wrong with it"),
)


def describe(hypervisor: Hypervisor) -> Sequence[Section]:
    """What is known of it without asking."""
    shown = [
        ("state", column.state(hypervisor.state, mood(hypervisor))),
        ("fault", Cell(column.clean(hypervisor.fault or ""), Token.CRIT)),
        ("cluster", column.text(hypervisor.source)),
        ("quorum", Cell("" if hypervisor.quorate is not False else "lost: the cluster cannot change", Token.CRIT)),
        ("node", column.text(hypervisor.parent.id if hypervisor.parent else None)),
        ("version", column.text(hypervisor.version)),
        ("cores", column.number(hypervisor.cores)),
        ("guests", column.text(f"{hypervisor.running} of {hypervisor.guests} run")),
        ("root", _share(hypervisor.disk_used_bytes, hypervisor.disk_total_bytes, (80, 92))),
        ("up", column.duration(hypervisor.uptime_s)),
    ]
    known = tuple((label, cell) for label, cell in shown if cell.text not in ("", column.UNKNOWN_TEXT))
    total = hypervisor.mem_total_bytes
    return (
        Section("Hypervisor", known),
        Section("CPU", (("now", column.percent(hypervisor.cpu_percent)),), graph="cpu", graph_max=100.0),
        Section(
            "Memory",
            (("now", column.size(hypervisor.mem_used_bytes)), ("of", column.size(total))),
            graph="mem",
            graph_max=float(total) if total else None,
        ),
    )


def as_json(hypervisor: Hypervisor) -> dict[str, Any]:
    """Every field, and the shares in percent."""
    shares = {"mem_percent": hypervisor.mem_percent, "disk_percent": hypervisor.disk_percent}
    return {**plain_json(hypervisor), **shares}


class HypervisorVerbs:
    """What an operator can do to a hypervisor as part of its cluster; as a machine it is a node."""

    @view(name="details")
    async def hypervisor_details(self, target: Hypervisor) -> Sections:
        """Show its software, load, memory, storages and network interfaces."""
        raise Unsupported


KIND: Kind[Hypervisor] = Kind(
    noun="hypervisor",
    plural="hypervisors",
    type=Hypervisor,
    columns=COLUMNS,
    verbs=HypervisorVerbs,
    mood=mood,
    worry=worry,
    describe=describe,
    details="details",
    under="vm",
    alarms=True,
    figures={
        "cpu": lambda h: h.cpu_percent,
        "mem": lambda h: None if h.mem_used_bytes is None else float(h.mem_used_bytes),
    },
    json=as_json,
    empty=(
        "No hypervisors were found.",
        "The nodes of clusters named under 'proxmox:' in hosts.yaml fill this pane.",
    ),
)
