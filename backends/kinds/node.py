"""Nodes: machines, by whatever way they are reached."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from app import column
from app.column import Cell, Column, Section, Token, Worry
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind, plain_json
from app.plan import Plan, Risk
from app.verb import Help, Rows, Stream, View, verb, view

Limits = tuple[float, float]
"""(warning, critical), in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem:
    """One mounted file system with storage of its own."""

    mount: str
    device: str
    type: str
    total_bytes: int
    used_bytes: int
    used_percent: float
    """As ``df`` counts: used of what an ordinary user may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """One sensor."""

    label: str
    celsius: float
    critical_celsius: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """One process that uses a GPU."""

    pid: int
    name: str
    mem_used_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as ``nvidia-smi`` tells of it."""

    index: int
    name: str
    util_percent: float | None
    mem_used_bytes: int | None
    mem_total_bytes: int | None
    temp_celsius: float | None
    power_watts: float | None
    power_limit_watts: float | None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """A Raspberry Pi's ``get_throttled`` word, taken apart."""

    now: tuple[str, ...]
    """Such as ``under-voltage``, ``throttled``; what holds at this moment."""
    occurred: tuple[str, ...]
    """What has held at some time since the last boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Resource):
    """One machine; ``id`` and ``source`` are its configured name. ``None`` is unknown, never 0."""

    NOUN: ClassVar[str] = "node"

    transport: Literal["local", "ssh", "ping"] = "ssh"
    address: str | None = None
    """``host:port`` of the connection in use."""
    hostname: str | None = None
    os: str | None = None
    """Pretty name: ``Debian GNU/Linux 12 (bookworm)``."""
    kernel: str | None = None
    arch: str | None = None
    model: str | None = None
    """Board or product: ``Raspberry Pi 4 Model B Rev 1.4``."""
    cores: int | None = None
    cpu_percent: float | None = None
    """Of all cores, 0 to 100; waiting for disks counts as idle."""
    core_percents: tuple[float | None, ...] = ()
    load_1: float | None = None
    load_5: float | None = None
    load_15: float | None = None
    mem_total_bytes: int | None = None
    mem_used_bytes: int | None = None
    """Total less what the kernel calls available."""
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    net_rx_bytes_per_s: float | None = None
    net_tx_bytes_per_s: float | None = None
    disk_read_bytes_per_s: float | None = None
    disk_write_bytes_per_s: float | None = None
    uptime_s: float | None = None
    filesystems: tuple[Filesystem, ...] | None = None
    temperatures: tuple[Temperature, ...] | None = None
    gpus: tuple[Gpu, ...] | None = None
    failed_units: tuple[str, ...] | None = None
    updates_pending: int | None = None
    updates_security: int | None = None
    restart_needed: bool | None = None
    throttling: Throttling | None = None
    slow_at: float | None = None
    """``time.monotonic()`` of the last costly figures; they age apart from the rest."""
    latency_ms: float | None = None
    """Round trip of the last check or sample."""
    sudo: str = "none"
    rate_per_hour: float | None = None
    cpu_limits: Limits = (70, 90)
    mem_limits: Limits = (80, 95)
    disk_limits: Limits = (80, 92)
    note: str | None = None
    """What the operator should know and is no fault: ``sampling paused while exec runs (MaxSessions 1)``."""
    muted_until: float | None = None
    """Seconds since the epoch; no alarms before then."""
    muted_why: str | None = None
    console_cost: tuple[tuple[str, int], ...] = ()
    """What this console itself caused there: bytes in and out, channels, commands."""

    @property
    def mem_percent(self) -> float | None:
        """Share of memory in use, 0 to 100."""
        if not self.mem_total_bytes or self.mem_used_bytes is None:
            return None
        return 100 * self.mem_used_bytes / self.mem_total_bytes

    @property
    def swap_percent(self) -> float | None:
        """Share of swap in use; ``None`` without swap."""
        if not self.swap_total_bytes or self.swap_used_bytes is None:
            return None
        return 100 * self.swap_used_bytes / self.swap_total_bytes

    @property
    def worst_filesystem(self) -> Filesystem | None:
        """The fullest one."""
        return max(self.filesystems, key=lambda f: f.used_percent) if self.filesystems else None

    @property
    def gpu_percent(self) -> float | None:
        """The busiest GPU."""
        return max((g.util_percent for g in self.gpus or () if g.util_percent is not None), default=None)


def alarms(node: Node) -> tuple[Worry, ...]:
    """Everything about a node that wants a person, worst first; empty while it is muted or not being read."""
    if node.muted_until is not None or node.state != "up":
        return ()
    found: list[Worry] = []
    if node.fault:
        found.append(Worry(150, node.fault))
    if node.throttling and node.throttling.now:
        found.append(Worry(140, ", ".join(node.throttling.now), Token.CRIT))
    # A tick at full speed is what processors are for; it is trouble once work is queueing as well.
    queueing = node.load_1 is None or node.cores is None or node.load_1 >= node.cores
    for words, value, limits, counts in (
        ("cpu", node.cpu_percent, node.cpu_limits, queueing),
        ("mem", node.mem_percent, node.mem_limits, True),
    ):
        if counts and value is not None and value >= limits[1]:
            found.append(Worry(100 + value / 10, f"{words} {value:.0f} %", Token.CRIT))
    for disk in node.filesystems or ():
        if disk.used_percent >= node.disk_limits[1]:
            words = f"disk {column.clean(disk.mount)} {disk.used_percent:.0f} %"
            found.append(Worry(110 + disk.used_percent / 10, words, Token.CRIT))
    if node.failed_units:
        count = len(node.failed_units)
        named = column.clean(node.failed_units[0])
        found.append(Worry(120, f"{named} failed" if count == 1 else f"{count} units failed"))
    for sensor in node.temperatures or ():
        if sensor.critical_celsius is not None and sensor.celsius >= sensor.critical_celsius:
            words = f"{column.clean(sensor.label)} {sensor.celsius:.0f} °C"
            found.append(Worry(130, words, Token.CRIT))
    return tuple(sorted(found, key=lambda worry: -worry.score))


def mood(node: Node) -> Mood:
    """Up, unless something wants a person; muted whatever it does, while an operator wants it so."""
    if node.muted_until is not None:
        return Mood.MUTED
    if node.state == STALE:
        return Mood.STALE
    if node.state == "down":
        return Mood.DOWN
    if node.state != "up":
        return Mood.UNKNOWN
    return Mood.ATTENTION if alarms(node) else Mood.UP


def worry(node: Node) -> Worry | None:
    """The worst alarm, or how loaded it is."""
    if node.state != "up" and node.muted_until is None:
        return Worry(200 if node.state == "down" else 180, node.fault or node.state, Token.CRIT)
    found = alarms(node)
    if found:
        return found[0]
    shares = [("cpu", node.cpu_percent), ("mem", node.mem_percent)]
    label, value = max(shares, key=lambda pair: pair[1] or 0.0)
    return Worry(value, f"{label} {column.bar_text(value / 100, 8)} {value:.0f} %", Token.TEXT) if value else None


def _state(node: Node) -> Cell:
    word = "muted" if node.muted_until is not None and node.state == "up" else node.state
    return column.state(word, mood(node))


def _disk(node: Node) -> Cell:
    worst = node.worst_filesystem
    if worst is None:
        return column.percent(None)
    token = column.level(worst.used_percent, node.disk_limits)
    sign = "!" if token is Token.CRIT else " "
    return Cell(f"{sign}{worst.used_percent:3.0f} % {column.clean(worst.mount)}", token, worst.used_percent)


def _net(node: Node) -> Cell:
    down, up = node.net_rx_bytes_per_s, node.net_tx_bytes_per_s
    if down is None or up is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    return Cell(f"↓{column.size_text(down):>4} ↑{column.size_text(up):>4}", Token.TEXT, down + up)


def _gpu(node: Node) -> Cell:
    if not node.gpus:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    count = f"{len(node.gpus)}× " if len(node.gpus) > 1 else ""
    share = node.gpu_percent
    return Cell(f"{count}{share:.0f} %" if share is not None else f"{count}?", Token.TEXT, share)


def _note(node: Node) -> Cell:
    if node.muted_until is not None:
        said = (node.muted_why and f"muted: {node.muted_why}", node.fault, node.note)
        return Cell(column.clean(", ".join(one for one in said if one) or "muted"), Token.MUTED)
    if node.fault:
        return Cell(column.clean(node.fault), Token.CRIT if node.state == "down" else Token.WARN)
    found = alarms(node)
    if found:
        return Cell(", ".join(one.text for one in found), found[0].token)
    return Cell(column.clean(node.note or ""), Token.MUTED)


COLUMNS: tuple[Column[Node], ...] = (
    Column("NAME", lambda n: column.text(n.name), 11, priority=0, help="configured name"),
    Column("STATE", _state, 9, priority=0, help="up, stale, down or unknown; ! wants a person"),
    Column("CPU", lambda n: column.bar(n.cpu_percent, n.cpu_limits, 4), 11, priority=1, help="of all cores"),
    Column("", lambda n: Cell(""), 8, priority=4, spark="cpu", spark_max=100, help="CPU of the last minutes"),
    Column("MEM", lambda n: column.bar(n.mem_percent, n.mem_limits, 4), 11, priority=1, help="in use"),
    Column("LOAD", lambda n: column.number(n.load_1, 2), 5, "right", priority=3, help="1-minute average"),
    Column("DISK", _disk, 9, priority=2, help="the fullest file system"),
    Column("NET", _net, 11, priority=5, help="bytes per second in and out"),
    Column("GPU", _gpu, 7, "right", priority=6, help="the busiest one"),
    Column("UP", lambda n: column.duration(n.uptime_s), 5, "right", priority=4, help="since the last boot"),
    Column("NOTE", _note, 8, priority=2, flex=True, help="what is wrong with it, in words"),
    Column("SWAP", lambda n: column.percent(n.swap_percent), 6, "right", priority=7, wide=True, help="in use"),
    Column("READ", lambda n: column.rate(n.disk_read_bytes_per_s), 7, "right", priority=8, wide=True, help="disks"),
    Column("WRITE", lambda n: column.rate(n.disk_write_bytes_per_s), 7, "right", priority=8, wide=True, help="disks"),
    Column(
        "UPD", lambda n: column.number(n.updates_pending), 5, "right", priority=7, wide=True, help="package updates"
    ),
    Column("ADDRESS", lambda n: column.text(n.address), 22, priority=6, wide=True, help="the connection in use"),
    Column("OS", lambda n: column.text(n.os), 24, priority=8, wide=True, help="operating system"),
)


def describe(node: Node) -> Sequence[Section]:
    """Everything known about a node, in the order an operator asks for it."""
    from backends.kinds.node_screen import sections

    return sections(node)


def as_json(node: Node) -> dict[str, Any]:
    """Every field, nested parts as objects, and the shares that are worked out from them."""
    from dataclasses import asdict

    said = plain_json(node)
    for part in ("filesystems", "temperatures", "gpus"):
        items = getattr(node, part)
        said[part] = None if items is None else [asdict(item) for item in items]
    said["throttling"] = asdict(node.throttling) if node.throttling else None
    said["console_cost"] = dict(node.console_cost)
    slow_at = said.pop("slow_at")
    said["slow_age_s"] = None if slow_at is None else round(time.monotonic() - slow_at, 1)
    said["mem_percent"] = node.mem_percent
    return said


Targets = Sequence[Node]


class NodeVerbs:
    """What an operator can do to a node; a backend defines those it can do."""

    @view(key="t")
    async def top(self, target: Node, *, limit: Annotated[int, Help("processes shown")] = 200) -> Rows:
        """Show the processes, busiest first."""
        raise Unsupported

    @view(key="v")
    async def services(self, target: Node, *, failed: Annotated[bool, Help("only failed units")] = False) -> Rows:
        """Show the systemd services."""
        raise Unsupported

    @view(key="l")
    async def journal(
        self,
        target: Node,
        *,
        unit: Annotated[str | None, Help("one unit only", "nginx.service")] = None,
        grep: Annotated[str | None, Help("only lines that match this regular expression")] = None,
        since: Annotated[str | None, Help("not older than", "2 hours ago")] = None,
        lines: Annotated[int, Help("how many of the last lines")] = 200,
        follow: Annotated[bool, Help("go on as lines come")] = False,
    ) -> Stream:
        """Read the system's journal."""
        raise Unsupported

    @verb(key="x", risk=Risk.DISRUPTS, name="exec")
    async def exec_(
        self,
        target: Node,
        *command: str,
        sudo: Annotated[bool, Help("run as root")] = False,
        timeout: Annotated[float | None, Help("seconds after which it is ended")] = None,
    ) -> Plan:
        """Run a command and show what it says.

        One word behind -- is a shell command line, as ssh takes it: -- 'df -h | tail -1'. Several words are a program
        and its arguments and reach it as they are: -- grep -r 'a b' /etc.
        """
        raise Unsupported

    @verb(key="s", risk=Risk.SAFE)
    async def shell(self, target: Node) -> Plan:
        """Open a shell with your own ssh, by the same route."""
        raise Unsupported

    @verb(key="p", risk=Risk.SAFE)
    async def ping(self, target: Node, *, count: Annotated[int, Help("how many times")] = 3) -> Plan:
        """Measure the time an answer takes, without changing anything."""
        raise Unsupported

    @verb(key="R", risk=Risk.DISRUPTS, carried=True)
    async def reboot(self, target: Node) -> Plan:
        """Restart the machine and wait until it is back."""
        raise Unsupported

    @verb(key="H", risk=Risk.DESTROYS, carried=True)
    async def shutdown(self, target: Node) -> Plan:
        """Switch the machine off; it needs a hand, or wake-on-LAN, to come back."""
        raise Unsupported

    @verb(risk=Risk.DISRUPTS)
    async def signal(
        self,
        target: Node,
        pid: Annotated[int, Help("process id")],
        *,
        signal: Annotated[
            Literal["TERM", "INT", "HUP", "KILL", "STOP", "CONT", "USR1", "USR2"], Help("which")
        ] = "TERM",
        sudo: Annotated[bool, Help("as root")] = False,
        started: Annotated[int | None, Help("only if it is the process that started then, as top tells it")] = None,
    ) -> Plan:
        """Send a signal to a process."""
        raise Unsupported

    @verb(risk=Risk.DISRUPTS)
    async def service(
        self,
        target: Node,
        action: Annotated[Literal["start", "stop", "restart", "reload", "enable", "disable"], Help("what to do")],
        unit: Annotated[str, Help("the unit", "nginx.service")],
    ) -> Plan:
        """Start, stop, restart, enable or disable a systemd unit."""
        raise Unsupported

    @verb(key="U", risk=Risk.DISRUPTS)
    async def upgrade(
        self,
        target: Node,
        *,
        refresh: Annotated[bool, Help("read the package lists anew first")] = False,
    ) -> Plan:
        """Install the pending package updates (apt, dnf or apk)."""
        raise Unsupported

    @verb(key="F", risk=Risk.SAFE)
    async def tunnel(
        self,
        target: Node,
        spec: Annotated[str, Help("[LISTEN:]HOST:PORT as seen from the node", "8080:localhost:80")],
    ) -> Plan:
        """Forward a port of this machine to one the node can reach.

        [[ADDRESS:]LISTEN:]HOST:PORT, IPv6 addresses in brackets. In the console it stays open until it is closed or the
        console ends; on the command line until it is interrupted.
        """
        raise Unsupported

    @view(key="f")
    async def tunnels(self, target: Node) -> Rows:
        """Show the open tunnels."""
        raise Unsupported

    @verb(risk=Risk.SAFE)
    async def untunnel(self, target: Node, port: Annotated[int, Help("the port listened on here")]) -> Plan:
        """Close a tunnel."""
        raise Unsupported

    @verb(key=">", risk=Risk.DISRUPTS)
    async def put(
        self,
        target: Node,
        path: Annotated[Path, Help("file or folder here")],
        *,
        to: Annotated[str, Help("where on the node; a folder ends in /")] = "./",
    ) -> Plan:
        """Copy a file or folder to the node.

        Where --to ends in / or is a folder there, it lands in it under its own name; anything else is the new name.
        Paths are relative to the home folder there. A folder is merged into one of the same name.
        """
        raise Unsupported

    @verb(key="<", risk=Risk.SAFE)
    async def get(
        self,
        target: Node,
        path: Annotated[str, Help("file or folder on the node")],
        *,
        to: Annotated[Path, Help("where here; several nodes each get a folder of their own")] = Path(),
    ) -> Plan:
        """Copy a file or folder from the node.

        Where --to is a folder, it lands in TO/NODE/NAME, whether one node is asked or many; anything else is the exact
        new name. What would be overwritten here is asked about first.
        """
        raise Unsupported

    @verb(key="m", risk=Risk.SAFE)
    async def mute(
        self,
        target: Node,
        *,
        until: Annotated[str, Help("how long or until when", "2h, 18:30, 2026-01-31T08:00")] = "1h",
        reason: Annotated[str, Help("why")] = "",
        off: Annotated[bool, Help("end it now")] = False,
    ) -> Plan:
        """Raise no alarms for a while."""
        raise Unsupported

    @verb(key="K", risk=Risk.DISRUPTS)
    async def trust(self, target: Node) -> Plan:
        """Show the host key's fingerprint and add it to known_hosts."""
        raise Unsupported

    @verb(key="a", risk=Risk.DISRUPTS)
    async def add(
        self,
        name: Annotated[str, Help("what to call it")],
        *,
        ssh: Annotated[str | None, Help("address or ssh_config alias", "ops@pi.local:22")] = None,
        ping: Annotated[str | None, Help("check only, no login", "192.0.2.7 or 192.0.2.7:443")] = None,
        tag: Annotated[tuple[str, ...], Help("a tag; may be repeated")] = (),
        sudo: Annotated[Literal["none", "nopasswd", "ask"] | None, Help("how to become root there")] = None,
    ) -> Plan:
        """Add a node to hosts.yaml."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DESTROYS)
    async def remove(self, target: Node) -> Plan:
        """Take a node out of hosts.yaml; nothing on the machine changes."""
        raise Unsupported


KIND: Kind[Node] = Kind(
    noun="node",
    plural="nodes",
    type=Node,
    columns=COLUMNS,
    verbs=NodeVerbs,
    mood=mood,
    worry=worry,
    describe=describe,
    figures={
        "cpu": lambda n: n.cpu_percent,
        "mem": lambda n: n.mem_percent,
        "net": lambda n: None if n.net_rx_bytes_per_s is None else n.net_rx_bytes_per_s + (n.net_tx_bytes_per_s or 0),
        "disk": lambda n: (
            None if n.disk_read_bytes_per_s is None else n.disk_read_bytes_per_s + (n.disk_write_bytes_per_s or 0)
        ),
    },
    json=as_json,
    foremost=("shell", "exec", "journal", "top", "describe", "services", "mark", "filter", "ping", "reboot"),
    by_source=True,
    empty=("No nodes are configured.", "a adds one; so does: quarterdeck node add NAME --ssh USER@HOST"),
)

__all__ = [
    "COLUMNS",
    "KIND",
    "Filesystem",
    "Gpu",
    "GpuProcess",
    "Limits",
    "Node",
    "NodeVerbs",
    "Temperature",
    "Throttling",
    "View",
    "alarms",
    "describe",
    "mood",
    "worry",
]
