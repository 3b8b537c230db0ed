"""Containers: every one of every engine."""

from __future__ import annotations

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
from app.verb import Help, Rows, Sections, Stream, Text, verb, view

LOOP_RESTARTS = 3
"""So many restarts nobody asked for within ``LOOP_WITHIN_S`` are a restart loop."""
LOOP_WITHIN_S = 600.0

Signal = Literal["TERM", "INT", "HUP", "KILL", "QUIT", "STOP", "CONT", "USR1", "USR2", "WINCH"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Port:
    """One port of a container, published on the host or only exposed."""

    private: int
    protocol: str = "tcp"
    public: int | None = None
    """``None`` where it is not published."""
    address: str = ""
    """The host's address it is published on; ``0.0.0.0`` and ``::`` are all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container(Resource):
    """One container of one engine; ``source`` is the node, ``id`` is ``node/name``. ``None`` is unknown, never 0.

    ``state`` is the engine's word: created, running, paused, restarting, removing, exited, dead.
    """

    NOUN: ClassVar[str] = "container"

    container_id: str
    """The engine's full id."""
    image: str
    """As it was asked for: ``redis:7``; the digest or id where it has no name any more."""
    image_id: str = ""
    command: str = ""
    stack: str | None = None
    """The compose project or the project stack it belongs to."""
    service: str | None = None
    """Which service of its stack it is."""
    health: Literal["healthy", "unhealthy", "starting"] | None = None
    """``None`` where it has no health check."""
    exit_code: int | None = None
    """Of one that has exited."""
    cpu_percent: float | None = None
    """Of one core, 0 to 100 × cores."""
    mem_used_bytes: int | None = None
    """Less the page cache that is given back at need."""
    mem_limit_bytes: int | None = None
    """``None`` where there is no limit."""
    net_rx_bytes_per_s: float | None = None
    net_tx_bytes_per_s: float | None = None
    block_read_bytes_per_s: float | None = None
    block_write_bytes_per_s: float | None = None
    pids: int | None = None
    ports: tuple[Port, ...] = ()
    restarts: int | None = None
    """Restarts nobody asked for, as far back as the engine remembers."""
    restarts_per_hour: float | None = None
    looping: bool = False
    """It restarts over and over."""
    uptime_s: float | None = None
    """Since its last start; ``None`` unless it runs."""
    created_s: float | None = None
    """Since it was made."""
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    """Names of the volumes it mounts."""

    @property
    def mem_percent(self) -> float | None:
        """Share of its own limit in use; ``None`` without a limit."""
        if not self.mem_limit_bytes or self.mem_used_bytes is None:
            return None
        return 100 * self.mem_used_bytes / self.mem_limit_bytes

    @property
    def word(self) -> str:
        """What the state column says: the health of one that runs, the exit code of one that failed.

        A loop is called one while it runs and while it waits for its next turn; one that gave up is not.
        """
        if self.looping and self.state in ("running", "restarting"):
            return "loops"
        if self.state == "running":
            return self.health or "up"
        if self.state == "exited" and self.exit_code:
            return f"exit {self.exit_code}"
        return self.state


def mood(container: Container) -> Mood:
    """Up while it runs and is well; exited on purpose is muted, exited with an error is down."""
    if container.state == STALE:
        return Mood.STALE
    if container.looping or container.health == "unhealthy" or container.state == "dead":
        return Mood.ATTENTION
    if container.state == "running":
        return Mood.BUSY if container.health == "starting" else Mood.UP
    if container.state in ("restarting", "removing"):
        return Mood.BUSY
    if container.state == "exited":
        return Mood.DOWN if container.exit_code else Mood.MUTED
    return Mood.MUTED if container.state in ("created", "paused") else Mood.UNKNOWN


def worry(container: Container) -> Worry | None:
    """Loops, then ill health, then full memory, then a failed end, then how busy it is."""
    if container.looping:
        rate = container.restarts_per_hour
        return Worry(150, "restarts over and over" if rate is None else f"restarts {rate:.0f}/h", Token.CRIT)
    if container.health == "unhealthy" and container.state == "running":
        return Worry(140, "unhealthy", Token.CRIT)
    if container.state == "dead":
        return Worry(130, "dead", Token.CRIT)
    share = container.mem_percent
    if share is not None and share >= 95:
        return Worry(110 + share / 10, f"mem {share:.0f} % of its limit", Token.CRIT)
    if container.state == "exited" and container.exit_code:
        return Worry(105, f"exit {container.exit_code}", Token.WARN)
    if container.fault:
        return Worry(102, container.fault)
    if container.cpu_percent and container.cpu_percent >= 0.5:
        busy = f"cpu {column.bar_text(container.cpu_percent / 100, 8)} {container.cpu_percent:3.0f} %"
        return Worry(min(99.0, container.cpu_percent / 4), busy, Token.TEXT)
    return None


def _state(container: Container) -> Cell:
    return column.state(STALE if container.state == STALE else container.word, mood(container))


def _cpu(container: Container) -> Cell:
    value = container.cpu_percent
    if value is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    return Cell(f"{value:.0f} %" if value >= 1000 else f"{value:.1f} %", Token.TEXT, value)


def _memory(container: Container) -> Cell:
    used, limit = container.mem_used_bytes, container.mem_limit_bytes
    if used is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    said = column.size_text(used) + (f"/{column.size_text(limit)}" if limit else "")
    return Cell(said, column.level(container.mem_percent, (80, 95)) if limit else Token.TEXT, used)


def restarts(container: Container) -> Cell:
    """How many nobody asked for, and how many an hour; a loop stands out."""
    count, rate = container.restarts, container.restarts_per_hour
    if count is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    if not count:
        return Cell("0", Token.MUTED, 0)
    said = f"{count}" + (f"  {rate:.0f}/h" if rate and rate >= 0.5 else f"  {rate:.1f}/h" if rate else "")
    return Cell(said, Token.CRIT if container.looping else Token.TEXT, rate or 0.0)


def ports_text(ports: Sequence[Port]) -> str:
    """``8080→80 5432 53/udp``: published ones first; one address family is enough to say."""
    said: dict[str, None] = {}
    for port in sorted(ports, key=lambda p: (p.public is None, p.public or p.private, p.private)):
        kind = "" if port.protocol == "tcp" else f"/{port.protocol}"
        if port.public is None:
            said.setdefault(f"{port.private}{kind}")
        else:
            where = "" if port.address in ("", "0.0.0.0", "::") else f"{port.address}:"  # noqa: S104 - shown, not bound
            said.setdefault(f"{where}{port.public}→{port.private}{kind}")
    return " ".join(said)


def _net(container: Container) -> Cell:
    down, up = container.net_rx_bytes_per_s, container.net_tx_bytes_per_s
    if down is None or up is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    return Cell(f"↓{column.size_text(down):>4} ↑{column.size_text(up):>4}", Token.TEXT, down + up)


COLUMNS: tuple[Column[Container], ...] = (
    Column("NAME", lambda c: column.text(c.name), 22, priority=0, help="as the engine calls it"),
    Column("STACK", lambda c: column.text(c.stack), 12, priority=3, help="compose project or project stack"),
    Column("NODE", lambda c: column.text(c.source), 8, priority=1, help="whose engine runs it"),
    Column("STATE", _state, 12, priority=0, help="healthy, unhealthy, up without a check, or how it ended"),
    Column("CPU", _cpu, 7, "right", priority=1, help="of one core"),
    Column("", lambda c: Cell(""), 5, priority=3, spark="cpu", spark_max=100, help="CPU of the last minutes"),
    Column("MEM", _memory, 9, "right", priority=1, help="in use, and its limit"),
    Column("RESTARTS", restarts, 9, "right", priority=2, help="restarts nobody asked for, and how many an hour"),
    Column("PORTS", lambda c: column.text(ports_text(c.ports)), 11, priority=4, flex=True, help="host→container"),
    Column("UP", lambda c: column.duration(c.uptime_s), 5, "right", priority=2, help="since its last start"),
    Column("IMAGE", lambda c: column.text(c.image), 18, priority=5, help="as it was asked for"),
    Column("AGE", lambda c: column.duration(c.created_s), 5, "right", priority=6, help="since it was made"),
    Column("NET", _net, 11, priority=8, wide=True, help="bytes per second in and out"),
    Column("READ", lambda c: column.rate(c.block_read_bytes_per_s), 7, "right", priority=8, wide=True, help="blocks"),
    Column("WRITE", lambda c: column.rate(c.block_write_bytes_per_s), 7, "right", priority=8, wide=True, help="blocks"),
    Column("PIDS", lambda c: column.number(c.pids), 5, "right", priority=8, wide=True, help="processes and threads"),
    Column("ID", lambda c: column.text(c.container_id[:12]), 12, priority=9, wide=True, help="as the engine knows it"),
)


def describe(container: Container) -> Sequence[Section]:
    """What is known of it without asking."""
    from backends.kinds.container_screen import sections

    return sections(container)


def as_json(container: Container) -> dict[str, Any]:
    """Every field; ports as objects."""
    from dataclasses import asdict

    said = plain_json(container)
    said["ports"] = [asdict(port) for port in container.ports]
    said["mem_percent"] = container.mem_percent
    return said


class ContainerVerbs:
    """What an operator can do to a container; an engine defines those it can do."""

    @verb(key="u", risk=Risk.SAFE)
    async def start(self, target: Container) -> Plan:
        """Start it."""
        raise Unsupported

    @verb(key="x", risk=Risk.DISRUPTS)
    async def stop(
        self, target: Container, *, timeout: Annotated[int, Help("seconds before it is killed")] = 10
    ) -> Plan:
        """Stop it, and kill it if it does not."""
        raise Unsupported

    @verb(key="r", risk=Risk.DISRUPTS)
    async def restart(
        self, target: Container, *, timeout: Annotated[int, Help("seconds before it is killed")] = 10
    ) -> Plan:
        """Stop the container and start it again."""
        raise Unsupported

    @verb(key="p", risk=Risk.DISRUPTS)
    async def pause(self, target: Container) -> Plan:
        """Freeze every process in it."""
        raise Unsupported

    @verb(key="P", risk=Risk.SAFE)
    async def unpause(self, target: Container) -> Plan:
        """Let it go on."""
        raise Unsupported

    @verb(key="K", risk=Risk.DISRUPTS)
    async def kill(self, target: Container, *, signal: Annotated[Signal, Help("which")] = "KILL") -> Plan:
        """Send a signal to its first process."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DESTROYS)
    async def remove(
        self,
        target: Container,
        *,
        force: Annotated[bool, Help("also while it runs")] = False,
        volumes: Annotated[bool, Help("its anonymous volumes as well")] = False,
    ) -> Plan:
        """Remove it; what it wrote outside of volumes is lost."""
        raise Unsupported

    @verb(key="n", risk=Risk.SAFE)
    async def rename(self, target: Container, name: Annotated[str, Help("the new name")]) -> Plan:
        """Give it another name."""
        raise Unsupported

    @verb(key="X", risk=Risk.DISRUPTS, name="exec")
    async def exec_(
        self,
        target: Container,
        *command: str,
        user: Annotated[str | None, Help("as whom")] = None,
        workdir: Annotated[str | None, Help("in which folder")] = None,
        timeout: Annotated[float | None, Help("seconds after which it is given up")] = None,
    ) -> Plan:
        """Run a command in it and show what it says.

        One word behind -- is a shell command line for its own sh: -- 'ls | wc -l'. Several words are a program and its
        arguments and reach it as they are.
        """
        raise Unsupported

    @verb(key="s", risk=Risk.SAFE)
    async def shell(
        self,
        target: Container,
        *,
        user: Annotated[str | None, Help("as whom")] = None,
    ) -> Plan:
        """Open a shell in it: bash where there is one, else sh."""
        raise Unsupported

    @verb(key="a", risk=Risk.DISRUPTS)
    async def attach(self, target: Container) -> Plan:
        """Attach the terminal to its first process; ctrl-p ctrl-q leaves it running."""
        raise Unsupported

    @view(key="l")
    async def logs(
        self,
        targets: Sequence[Container],
        *,
        follow: Annotated[bool, Help("go on as lines come")] = False,
        lines: Annotated[int, Help("how many of the last lines of each")] = 200,
        since: Annotated[str | None, Help("not older than", "10m, 2h, 2026-01-31T08:00")] = None,
        until: Annotated[str | None, Help("not newer than", "5m, 2026-01-31T08:00")] = None,
        grep: Annotated[str | None, Help("only lines that match this regular expression")] = None,
        invert: Annotated[bool, Help("only lines that do not match it")] = False,
        timestamps: Annotated[bool, Help("the moment before each line")] = False,
    ) -> Stream:
        """Read what they write, those of several containers merged in order of time."""
        raise Unsupported

    @view(key="t")
    async def top(self, target: Container) -> Rows:
        """Show its processes."""
        raise Unsupported

    @view(key="i")
    async def inspect(self, target: Container) -> Text:
        """Show all that the engine knows of it, secrets masked."""
        raise Unsupported

    @view()
    async def details(self, target: Container) -> Sections:
        """Show environment (secrets masked), mounts, networks, labels, health checks, processes and changed files."""
        raise Unsupported

    @verb(key="E", risk=Risk.SAFE, shows=True)
    async def reveal(
        self, target: Container, *, name: Annotated[str | None, Help("one variable only", "POSTGRES_PASSWORD")] = None
    ) -> Plan:
        """Show its environment with the secrets in it; that it was looked at is witnessed, what was seen is not."""
        raise Unsupported

    @verb(key="<", risk=Risk.SAFE)
    async def get(
        self,
        target: Container,
        path: Annotated[str, Help("file or folder in the container")],
        *,
        to: Annotated[Path, Help("where here; several containers each get a folder of their own")] = Path(),
    ) -> Plan:
        """Copy a file or folder out of it."""
        raise Unsupported

    @verb(key=">", risk=Risk.DISRUPTS)
    async def put(
        self,
        target: Container,
        path: Annotated[Path, Help("file or folder here")],
        *,
        to: Annotated[str, Help("where in the container; a folder ends in /")] = "/tmp/",  # noqa: S108 - in the container
    ) -> Plan:
        """Copy a file or folder into it."""
        raise Unsupported

    @verb(key="o", risk=Risk.SAFE, name="open")
    async def open_(
        self,
        target: Container,
        *,
        port: Annotated[int | None, Help("which of its ports, as the container counts")] = None,
        local: Annotated[int, Help("the port to listen on here; 0 lets the system choose")] = 0,
    ) -> Plan:
        """Open a published port here, through a tunnel where the engine is elsewhere."""
        raise Unsupported

    @verb(risk=Risk.DESTROYS)
    async def prune(self, node: Annotated[str, Help("whose engine")]) -> Plan:
        """Remove all stopped containers of a node; what goes and how large it is stands in the question."""
        raise Unsupported


KIND: Kind[Container] = Kind(
    noun="container",
    plural="containers",
    type=Container,
    columns=COLUMNS,
    verbs=ContainerVerbs,
    mood=mood,
    word=lambda c: STALE if c.state == STALE else c.word,
    worry=worry,
    describe=describe,
    details="details",
    short=lambda c: f"{c.source}/{c.service}" if c.service else c.id,
    foremost=("restart", "shell", "logs", "describe", "stop", "mark", "filter", "remove", "start", "exec", "top"),
    figures={
        "cpu": lambda c: c.cpu_percent,
        "mem": lambda c: None if c.mem_used_bytes is None else float(c.mem_used_bytes),
    },
    json=as_json,
    empty=(
        "No containers were found on any node.",
        "Nodes with a Docker or Podman socket fill this pane; ? says more.",
    ),
)

__all__ = [
    "COLUMNS",
    "KIND",
    "LOOP_RESTARTS",
    "LOOP_WITHIN_S",
    "Container",
    "ContainerVerbs",
    "Port",
    "describe",
    "mood",
    "ports_text",
    "restarts",
    "worry",
]
