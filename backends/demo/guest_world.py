"""The pretend cluster: hypervisors, guests, storages and backups, as a world that verbs can change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from app.backend import Context
from backends.demo.machines import machines, noise
from backends.demo.world import DAY, MIB

GIB = 1 << 30
CLUSTER = "lab"
HOUR = 3600.0


@dataclass(slots=True)
class PretendSnapshot:
    """One snapshot of a pretend guest."""

    name: str
    at: float
    """On the pretend clock."""
    description: str = ""
    memory: bool = False


@dataclass(slots=True)
class PretendGuest:
    """One pretend guest and what has been done to it."""

    vmid: int
    name: str
    host: str
    type: Literal["vm", "ct"] = "vm"
    cores: int = 2
    memory: int = 2 * GIB
    disk: int = 32 * GIB
    state: str = "stopped"
    template: bool = False
    started_at: float = 0.0
    lock: str | None = None
    ha: str | None = None
    labels: tuple[str, ...] = ()
    pool: str | None = None
    backup_at: float | None = None
    """On the pretend clock; ``None`` where there is none."""
    pending: bool = False
    node: str | None = None
    """The pretend machine that it is."""
    base: int | None = None
    """The template its disk is linked to."""
    protected: bool = False
    notes: str = ""
    storage: str = "local-lvm"
    busy: float = 20.0
    snapshots: list[PretendSnapshot] = field(default_factory=list[PretendSnapshot])
    rules: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Action, direction, what for."""

    @property
    def id(self) -> str:
        """``lab/101``."""
        return f"{CLUSTER}/{self.vmid}"

    def starts(self, at: float) -> None:
        """It runs from now on."""
        self.state, self.started_at, self.pending = "running", at, False


@dataclass(slots=True)
class PretendTask:
    """One task of the pretend cluster."""

    upid: str
    host: str
    what: str
    vmid: int
    at: float
    took: float
    status: str


@dataclass(slots=True)
class PretendStore:
    """One pretend storage."""

    name: str
    type: str
    content: tuple[str, ...]
    size: int
    used: int
    host: str | None = None
    """``None`` where all share it."""

    @property
    def id(self) -> str:
        """``lab/pve1/local-lvm``, or ``lab/nas``."""
        return f"{CLUSTER}/{self.host}/{self.name}" if self.host else f"{CLUSTER}/{self.name}"


@dataclass(slots=True)
class GuestWorld:
    """The whole pretend cluster."""

    hosts: dict[str, str | None]
    """Hypervisor -> the pretend machine that it is."""
    guests: dict[int, PretendGuest]
    stores: list[PretendStore]
    began: float
    tasks: list[PretendTask] = field(default_factory=list[PretendTask])
    changes: int = 0

    def named(self, name: str) -> Iterator[PretendGuest]:
        """The guests of a name."""
        return (guest for guest in self.guests.values() if guest.name == name)

    def next_id(self) -> int:
        """The lowest number above 100 that is free."""
        number = 100
        while number in self.guests:
            number += 1
        return number

    def did(self, at: float, guest: PretendGuest, what: str, took: float = 2.0, status: str = "OK") -> None:
        """Keep a task in the history."""
        number = len(self.tasks)
        when = f"{4096 + number:08X}:{number:08X}:{int(at) & 0xFFFFFFFF:08X}"
        upid = f"UPID:{guest.host}:{when}:{what}:{guest.vmid}:ops@pam:"
        self.tasks.append(PretendTask(upid, guest.host, what, guest.vmid, at, took, status))


def guest_world(context: Context) -> GuestWorld:
    """The one pretend cluster of a deck; a factory for ``Context.shared``."""
    names = [machine.name for machine in machines(min(context.demo, 24))]
    hypervisors = [name for name in names if name.startswith("pve")]
    hosts = {host: host if host in hypervisors else None for host in ("pve1", "pve2", "pve3")}
    world = GuestWorld(hosts, {}, _stores(), context.clock())
    if not context.demo:
        return world
    for guest in _guests(next((name for name in names if name.startswith("edge")), None)):
        world.guests[guest.vmid] = guest
    for number, vmid in enumerate((120, 121, 130, 131, 140)):
        world.did(-HOUR * (number + 1), world.guests[vmid], "vzdump", 95 + 40 * noise(vmid, 5))
    world.did(-HOUR / 2, world.guests[130], "qmsnapshot", 3, "snapshot feature is not available")
    return world


def _stores() -> list[PretendStore]:
    made = [PretendStore("nas", "nfs", ("backup", "iso", "vztmpl"), 8 * 1024 * GIB, 5100 * GIB)]
    for number, host in enumerate(("pve1", "pve2", "pve3")):
        made.append(
            PretendStore("local", "dir", ("iso", "vztmpl", "snippets"), 94 * GIB, (31 + 9 * number) * GIB, host)
        )
        full = (612, 803, 240)[number]
        made.append(PretendStore("local-lvm", "lvmthin", ("images", "rootdir"), 880 * GIB, full * GIB, host))
    return made


def _guests(edge: str | None) -> Iterator[PretendGuest]:
    """Templates, services, workers and a router; some of them want a person."""
    yield PretendGuest(100, "agent-machine", "pve1", cores=4, memory=4 * GIB, template=True, labels=("template",))
    yield PretendGuest(101, "hub", "pve1", cores=4, memory=8 * GIB, template=True, labels=("template",))
    yield PretendGuest(9000, "debian-12-cloud", "pve2", memory=GIB, disk=3 * GIB, template=True, labels=("template",))
    services = (
        (110, "gitea", "pve1", 2, 2, 9, 40.0, ("prod",)),
        (111, "postgres", "pve1", 4, 16, 30, 120.0, ("prod", "db")),
        (112, "grafana", "pve2", 2, 2, 6, 16.0, ("prod",)),
        (113, "build", "pve2", 8, 16, 88, 120.0, ("ci",)),
    )
    for vmid, name, host, cores, memory, busy, disk, labels in services:
        guest = PretendGuest(vmid, name, host, cores=cores, memory=memory * GIB, disk=int(disk * GIB), labels=labels)
        guest.busy, guest.pool, guest.backup_at = busy, "services", -(6 + vmid % 7) * HOUR
        guest.starts(-(3 + 40 * noise(vmid, 2)) * DAY)
        yield guest
    for number in range(4):
        host = "pve1" if number % 2 else "pve2"
        agent = PretendGuest(120 + number, f"agent-{number + 1}", host, cores=4, memory=4 * GIB, base=100)
        agent.labels, agent.pool, agent.busy = ("agents",), "machines", 30 + 15 * number
        agent.snapshots = [PretendSnapshot("before-run-7", -2 * DAY, "checkpoint before-run-7: 4 guests")]
        if number < 3:
            agent.starts(-(2 + number) * HOUR)
        yield agent
    windows = PretendGuest(130, "win-build", "pve2", cores=4, memory=8 * GIB, disk=120 * GIB, labels=("ci",))
    windows.starts(-12 * DAY)
    windows.backup_at, windows.pending, windows.busy = -23 * DAY, True, 14
    yield windows
    dns = PretendGuest(
        131, "dns", "pve3", "ct", cores=1, memory=512 * MIB, disk=4 * GIB, labels=("prod",), ha="started"
    )
    dns.starts(-61 * DAY)
    dns.backup_at, dns.busy = -9 * HOUR, 2
    yield dns
    files = PretendGuest(132, "files", "pve3", "ct", cores=2, memory=2 * GIB, disk=200 * GIB, labels=("prod",))
    files.starts(-30 * DAY)
    files.backup_at, files.lock = -1 * DAY, "backup"
    yield files
    router = PretendGuest(
        140, edge or "router", "pve1", cores=4, memory=2 * GIB, disk=14 * GIB, ha="started", node=edge
    )
    router.starts(-5 * DAY)
    router.backup_at, router.busy, router.protected = -10 * HOUR, 8, True
    yield router
