"""Project stacks: database, cache, backend and frontend of a project, launched from a definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from app import column
from app.column import Cell, Column, Section, Token, Worry
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind, plain_json
from app.plan import Plan, Risk
from app.verb import Help, Rows, Stream, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One service of a project."""

    name: str
    image: str
    state: str = "absent"
    """healthy, unhealthy, starting, up, exited, created or absent."""
    port: int | None = None
    """On the host; ``None`` where it publishes none."""
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Resource):
    """A name, a folder and a block of ports on one node; ``source`` is the node, ``id`` is ``node/name``.

    ``state``: running, starting, partial, unhealthy, stopped, unfinished (a launch was cut short) or unknown.
    """

    NOUN: ClassVar[str] = "project"

    path: str
    """The project's folder on the node."""
    definition: str = "default"
    """``default``, or the file that defines its services."""
    first_port: int | None = None
    """The lowest port of its block."""
    parts: tuple[Part, ...] = ()
    registered: bool = True
    """This console's registry holds it; else it was found by its labels alone."""
    note: str | None = None

    @property
    def running(self) -> int:
        """Services that run."""
        return sum(1 for part in self.parts if part.state in ("up", "healthy", "unhealthy", "starting"))


def mood(project: Project) -> Mood:
    """Up while all required services are well."""
    if project.state == STALE:
        return Mood.STALE
    return {
        "running": Mood.UP,
        "starting": Mood.BUSY,
        "partial": Mood.ATTENTION,
        "unhealthy": Mood.ATTENTION,
        "unfinished": Mood.ATTENTION,
        "stopped": Mood.MUTED,
    }.get(project.state, Mood.UNKNOWN)


def worry(project: Project) -> Worry | None:
    """What is not well about it."""
    if project.fault:
        return Worry(130, project.fault)
    if project.state in ("partial", "unhealthy", "unfinished"):
        bad = [p for p in project.parts if p.state in ("unhealthy", "exited", "absent") and p.required]
        named = ", ".join(f"{column.clean(p.name)} {p.state}" for p in bad[:2])
        return Worry(120, named or project.state, Token.CRIT)
    return None


def _services(project: Project) -> Cell:
    total = len(project.parts)
    if not total:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    token = Token.TEXT if project.running == total else Token.MUTED if project.state == "stopped" else Token.WARN
    return Cell(f"{project.running}/{total}", token, project.running / total)


def _entrance_first(parts: Sequence[Part]) -> Sequence[Part]:
    """Definitions begin with what the others need, so what people open stands at their end."""
    return parts[::-1]


def _ports(project: Project) -> Cell:
    return column.text(" ".join(f"{column.clean(p.name)}:{p.port}" for p in _entrance_first(project.parts) if p.port))


def _note(project: Project) -> Cell:
    found = worry(project)
    if found is not None:
        return Cell(column.clean(found.text), found.token)
    return Cell(column.clean(project.note or ""), Token.MUTED)


COLUMNS: tuple[Column[Project], ...] = (
    Column("NAME", lambda p: column.text(p.name), 14, priority=0, help="as it was added"),
    Column("NODE", lambda p: column.text(p.source), 8, priority=1, help="whose engine runs it"),
    Column(
        "STATE", lambda p: column.state(p.state, mood(p)), 12, priority=0, help="running once all required are well"
    ),
    Column("SERVICES", _services, 8, "right", priority=1, help="running, of all"),
    Column("PORTS", _ports, 19, priority=3, flex=True, help="on the host, what people open first"),
    Column("PATH", lambda p: column.text(p.path), 20, priority=4, help="the project's folder"),
    Column("DEFINITION", lambda p: column.text(p.definition), 10, priority=7, wide=True, help="what defines it"),
    Column("NOTE", _note, 20, priority=5, help="what is wrong with it, in words"),
)


def describe(project: Project) -> Sequence[Section]:
    """What it is, and its services with their ports."""
    shown = [
        ("state", column.state(project.state, mood(project))),
        ("fault", Cell(column.clean(project.fault or ""), Token.CRIT)),
        ("node", column.text(project.source)),
        ("folder", column.text(project.path)),
        ("definition", column.text(project.definition)),
        ("ports from", column.number(project.first_port)),
        ("registered", Cell("yes" if project.registered else "no: found by its labels")),
        ("note", column.text(project.note)),
    ]
    rows = tuple(
        (column.text(p.name), column.text(p.state), column.number(p.port), column.text(p.image)) for p in project.parts
    )
    return (
        Section("Project", tuple((label, cell) for label, cell in shown if cell.text not in ("", column.UNKNOWN_TEXT))),
        Section("Services", header=("SERVICE", "STATE", "PORT", "IMAGE"), rows=rows),
    )


def as_json(project: Project) -> dict[str, Any]:
    """Every field; services as objects."""
    from dataclasses import asdict

    said = plain_json(project)
    said["parts"] = [asdict(part) for part in project.parts]
    return said


OneService = Annotated[tuple[str, ...], Help("one service only; may be repeated", "backend")]


class ProjectVerbs:
    """What an operator can do to project stacks."""

    @verb(key="a", risk=Risk.SAFE)
    async def add(
        self,
        name: Annotated[str, Help("what to call it")],
        path: Annotated[str, Help("the project's folder on the node", "~/src/shop")],
        *,
        to: Annotated[str | None, Help("which node's engine; this machine where it is left out")] = None,
        definition: Annotated[
            Path | None, Help("a YAML or Python file that says which services; built in where it is left out")
        ] = None,
    ) -> Plan:
        """Register a project and reserve its block of ports; nothing is started."""
        raise Unsupported

    @verb(key="u", risk=Risk.SAFE)
    async def start(
        self,
        target: Project,
        *,
        service: OneService = (),
        timeout: Annotated[int, Help("seconds for each service to become healthy")] = 120,
    ) -> Plan:
        """Launch its services in the order of their dependencies and wait until each is healthy."""
        raise Unsupported

    @verb(key="x", risk=Risk.DISRUPTS)
    async def stop(self, target: Project, *, service: OneService = ()) -> Plan:
        """Stop and remove its containers; its data volumes stay."""
        raise Unsupported

    @verb(key="r", risk=Risk.DISRUPTS)
    async def restart(
        self,
        target: Project,
        *,
        service: OneService = (),
        timeout: Annotated[int, Help("seconds for each service to become healthy")] = 120,
    ) -> Plan:
        """Stop it and launch it again."""
        raise Unsupported

    @view(key="v")
    async def status(self, target: Project) -> Rows:
        """Show its services, their health and ports."""
        raise Unsupported

    @view(key="l")
    async def logs(
        self,
        targets: Sequence[Project],
        *,
        service: OneService = (),
        follow: Annotated[bool, Help("go on as lines come")] = False,
        lines: Annotated[int, Help("how many of the last lines of each service")] = 200,
        since: Annotated[str | None, Help("not older than", "10m, 2h, 2026-01-31T08:00")] = None,
        grep: Annotated[str | None, Help("only lines that match this regular expression")] = None,
        invert: Annotated[bool, Help("only lines that do not match it")] = False,
        timestamps: Annotated[bool, Help("the moment before each line")] = False,
    ) -> Stream:
        """Read what its services write, merged in order of time; it may hold secrets."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DESTROYS)
    async def remove(
        self, target: Project, *, volumes: Annotated[bool, Help("its data volumes and secrets as well")] = False
    ) -> Plan:
        """Stop it, release its ports and forget it; its folder stays, and its data unless --volumes."""
        raise Unsupported


KIND: Kind[Project] = Kind(
    noun="project",
    plural="projects",
    type=Project,
    columns=COLUMNS,
    verbs=ProjectVerbs,
    mood=mood,
    worry=worry,
    describe=describe,
    foremost=("start", "stop", "restart", "logs", "describe", "status", "add", "mark", "filter", "remove"),
    figures={},
    json=as_json,
    under="container",
    empty=("No projects are registered.", "a adds one; so does: quarterdeck project add NAME PATH"),
)

__all__ = ["COLUMNS", "KIND", "Part", "Project", "ProjectVerbs", "describe", "mood", "worry"]
