"""Compose stacks: declared in hosts.yaml or found running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from app import column
from app.column import Cell, Column, Section, Token, Worry
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind, plain_json
from app.plan import Plan, Risk
from app.verb import Help, Rows, Sections, Stream, Text, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of a stack, as its containers are."""

    name: str
    image: str = ""
    running: int = 0
    total: int = 0
    """Containers there are, stopped ones included."""
    state: str = "absent"
    """healthy, unhealthy, starting, up, exited, restarting, paused, created or absent: the worst of its containers."""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Resource):
    """One compose project on one node; ``source`` is the node, ``id`` is ``node/name``.

    ``state``: up, partial, down, unhealthy, starting or unknown.
    """

    NOUN: ClassVar[str] = "stack"

    project: str | None = None
    """What compose calls it; ``None`` while the node has not told."""
    declared: bool = False
    """It stands in hosts.yaml; else it was found by its labels."""
    dir: str | None = None
    """The folder on the node: as resolved there, or as declared while that is not known."""
    files: tuple[str, ...] = ()
    """Compose files, where they are not the folder's own."""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    order: int = 0
    """Stacks of a lower order are started first and stopped last."""
    services: tuple[Service, ...] = ()
    cpu_percent: float | None = None
    """Of one core, of all its containers."""
    mem_used_bytes: int | None = None
    updated_at: float | None = None
    """Seconds since the epoch: the last update this console recorded."""
    note: str | None = None

    @property
    def running(self) -> int:
        """Services with a running container."""
        return sum(1 for service in self.services if service.running)


def mood(stack: Stack) -> Mood:
    """Up when everything that was started is well."""
    if stack.state == STALE:
        return Mood.STALE
    return {
        "up": Mood.UP,
        "partial": Mood.ATTENTION,
        "unhealthy": Mood.ATTENTION,
        "starting": Mood.BUSY,
        "down": Mood.MUTED,
    }.get(stack.state, Mood.UNKNOWN)


def worry(stack: Stack) -> Worry | None:
    """The services that are not well."""
    if stack.fault:
        return Worry(130, stack.fault)
    if stack.state in ("partial", "unhealthy"):
        bad = [s for s in stack.services if s.state in ("unhealthy", "exited", "restarting", "dead")]
        named = ", ".join(f"{column.clean(s.name)} {s.state}" for s in bad[:2]) or stack.state
        return Worry(120, named, Token.CRIT)
    return None


def _services(stack: Stack) -> Cell:
    total = len(stack.services)
    if not total:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    token = Token.TEXT if stack.running == total else Token.MUTED if stack.state == "down" else Token.WARN
    return Cell(f"{stack.running}/{total}", token, stack.running / total)


def _cpu(stack: Stack) -> Cell:
    value = stack.cpu_percent
    if value is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    return Cell(f"{value:.0f} %" if value >= 1000 else f"{value:.1f} %", Token.TEXT, value)


def _note(stack: Stack) -> Cell:
    if stack.fault:
        return Cell(column.clean(stack.fault), Token.WARN)
    found = worry(stack)
    if found is not None:
        return Cell(found.text, found.token)
    return Cell(column.clean(stack.note or ""), Token.MUTED)


COLUMNS: tuple[Column[Stack], ...] = (
    Column("NAME", lambda s: column.text(s.name), 18, priority=0, help="compose project, or as declared"),
    Column("NODE", lambda s: column.text(s.source), 8, priority=1, help="where it runs"),
    Column("STATE", lambda s: column.state(s.state, mood(s)), 12, priority=0, help="up, partial, unhealthy, down"),
    Column("SERVICES", _services, 8, "right", priority=1, help="running, of all"),
    Column("CPU", _cpu, 7, "right", priority=2, help="of one core, all its containers"),
    Column("MEM", lambda s: column.size(s.mem_used_bytes), 5, "right", priority=2, help="all its containers"),
    Column("ORDER", lambda s: column.number(s.order), 5, "right", priority=6, help="lower ones start first"),
    Column("DIR", lambda s: column.text(s.dir), 16, priority=4, flex=True, help="on the node"),
    Column("PROFILES", lambda s: column.text(" ".join(s.profiles)), 12, priority=5, help="as declared"),
    Column("NOTE", _note, 20, priority=3, flex=True, help="what is wrong with it, in words"),
    Column("ENV FILES", lambda s: column.text(" ".join(s.env_files)), 16, priority=8, wide=True, help="as declared"),
    Column(
        "DECLARED",
        lambda s: Cell("hosts.yaml" if s.declared else "found", Token.MUTED),
        10,
        priority=7,
        wide=True,
        help="in hosts.yaml, or found by its labels",
    ),
)


def describe(stack: Stack) -> Sequence[Section]:
    """What it is, and its services."""
    shown = [
        ("state", column.state(stack.state, mood(stack))),
        ("fault", Cell(column.clean(stack.fault or ""), Token.CRIT)),
        ("node", column.text(stack.source)),
        ("project", column.text(stack.project)),
        ("folder", column.text(stack.dir)),
        ("files", column.text(", ".join(stack.files))),
        ("profiles", column.text(", ".join(stack.profiles))),
        ("env files", column.text(", ".join(stack.env_files))),
        ("declared", Cell("in hosts.yaml" if stack.declared else "no: found by its labels")),
        ("order", column.number(stack.order)),
    ]
    rows = tuple(
        (
            column.text(s.name),
            column.text(s.state),
            Cell(f"{s.running}/{s.total}"),
            column.text(s.image),
        )
        for s in stack.services
    )
    return (
        Section("Stack", tuple((label, cell) for label, cell in shown if cell.text not in ("", column.UNKNOWN_TEXT))),
        Section("Services", header=("SERVICE", "STATE", "RUNNING", "IMAGE"), rows=rows),
    )


def as_json(stack: Stack) -> dict[str, Any]:
    """Every field; services as objects."""
    from dataclasses import asdict

    said = plain_json(stack)
    said["services"] = [asdict(service) for service in stack.services]
    return said


Targets = Sequence[Stack]
OneService = Annotated[tuple[str, ...], Help("one service only; may be repeated", "api")]


class StackVerbs:
    """What an operator can do to compose stacks; all targets of one command are one plan, in their order."""

    @view(key="v")
    async def status(self, target: Stack) -> Rows:
        """Show its services and their containers."""
        raise Unsupported

    @verb(key="u", risk=Risk.SAFE)
    async def up(
        self,
        targets: Targets,
        *,
        service: OneService = (),
        build: Annotated[bool, Help("build images first")] = False,
        health: Annotated[bool, Help("wait until all are healthy")] = True,
    ) -> Plan:
        """Create and start what is missing; images that are not there are pulled."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DISRUPTS)
    async def down(
        self, targets: Targets, *, volumes: Annotated[bool, Help("remove its named volumes and their data")] = False
    ) -> Plan:
        """Stop and remove its containers and networks."""
        raise Unsupported

    @verb(key="x", risk=Risk.DISRUPTS)
    async def stop(self, targets: Targets, *, service: OneService = ()) -> Plan:
        """Stop its containers and keep them."""
        raise Unsupported

    @verb(key="r", risk=Risk.DISRUPTS)
    async def restart(self, targets: Targets, *, service: OneService = ()) -> Plan:
        """Restart its containers in place; they and their logs stay."""
        raise Unsupported

    @verb(key="R", risk=Risk.DISRUPTS)
    async def recreate(self, targets: Targets, *, service: OneService = ()) -> Plan:
        """Make its containers anew from the configuration and the images that are there."""
        raise Unsupported

    @verb(key="p", risk=Risk.SAFE)
    async def pull(self, targets: Targets, *, service: OneService = ()) -> Plan:
        """Fetch newer images; nothing that runs changes."""
        raise Unsupported

    @verb(key="U", risk=Risk.DISRUPTS)
    async def update(
        self, targets: Targets, *, timeout: Annotated[int, Help("seconds to become healthy")] = 120
    ) -> Plan:
        """Pull, recreate and wait until healthy, as one unit; goes back to the old images where that fails."""
        raise Unsupported

    @verb(key="B", risk=Risk.DISRUPTS)
    async def rollback(
        self,
        targets: Targets,
        *,
        to: Annotated[int | None, Help("which entry of its history; the last but one")] = None,
    ) -> Plan:
        """Go back to the images that a recorded update had replaced."""
        raise Unsupported

    @view(key="H")
    async def history(self, target: Stack) -> Rows:
        """Show the recorded updates with the digests of their images."""
        raise Unsupported

    @view(key="l")
    async def logs(
        self,
        targets: Targets,
        *,
        service: OneService = (),
        follow: Annotated[bool, Help("go on as lines come")] = False,
        lines: Annotated[int, Help("how many of the last lines of each container")] = 200,
        tail: Annotated[int | None, Help("the same, as compose calls it")] = None,
        since: Annotated[str | None, Help("not older than", "10m, 2h, 2026-01-31T08:00")] = None,
        until: Annotated[str | None, Help("not newer than", "5m")] = None,
        grep: Annotated[str | None, Help("only lines that match this regular expression")] = None,
        invert: Annotated[bool, Help("only lines that do not match it")] = False,
        timestamps: Annotated[bool, Help("the moment before each line")] = False,
    ) -> Stream:
        """Read what its containers write, merged in order of time."""
        raise Unsupported

    @view(key="i")
    async def config(self, target: Stack) -> Text:
        """Show the configuration as compose resolves it, secrets masked."""
        raise Unsupported

    @view()
    async def details(self, target: Stack) -> Sections:
        """Show what compose on the node is, and the newest entries of the history."""
        raise Unsupported


KIND: Kind[Stack] = Kind(
    noun="stack",
    plural="stacks",
    type=Stack,
    columns=COLUMNS,
    verbs=StackVerbs,
    mood=mood,
    worry=worry,
    describe=describe,
    details="details",
    foremost=("update", "restart", "logs", "status", "describe", "up", "stop", "mark", "filter", "down", "pull"),
    figures={"cpu": lambda s: s.cpu_percent},
    json=as_json,
    under="container",
    empty=("No compose stacks are declared or running.", "Declare them in hosts.yaml: stacks: {shop: {dir: ~/shop}}"),
)

__all__ = ["COLUMNS", "KIND", "Service", "Stack", "StackVerbs", "describe", "mood", "worry"]
