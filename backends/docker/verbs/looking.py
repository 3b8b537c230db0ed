"""``top``, ``inspect``, ``details`` and ``reveal``: reading what a container is and does."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from app import column
from app.column import Cell, Column, Token
from app.errors import BadAnswer, Missing, Refused
from app.plan import Plan, Report, Result, Step
from app.verb import Rows, Sections, Text
from backends.docker.contract import Client
from backends.docker.secret_words import is_secret, split
from backends.docker.verbs.details import gathered
from backends.docker.verbs.inspected import inspected
from backends.docker.verbs.target import Inspected, OnEngine
from backends.kinds.container import Container

PS = "-eo pid,ppid,user,pcpu,rss,stat,args"
"""What the engine hands to the ``ps`` of its host."""
EVERY_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerProcess:
    """One process of a container. ``None`` is unknown."""

    pid: int
    """As the node counts."""
    ppid: int | None
    user: str
    cpu_percent: float | None
    """Of one core, since its start."""
    mem_bytes: int | None
    """Resident."""
    state: str
    command: str
    """As it calls itself; hostile."""


def _cpu(process: ContainerProcess) -> Cell:
    value = process.cpu_percent
    return column.text(None) if value is None else Cell(f"{value:.1f} %", Token.TEXT, value)


PROCESS_COLUMNS: tuple[Column[ContainerProcess], ...] = (
    Column("PID", lambda p: Cell(str(p.pid), Token.MUTED, p.pid), 8, "right", priority=0, help="as the node counts"),
    Column("USER", lambda p: column.text(p.user), 12, priority=3),
    Column("CPU", _cpu, 8, "right", priority=1, help="of one core, since its start"),
    Column("MEM", lambda p: column.size(p.mem_bytes), 7, "right", priority=2, help="resident"),
    Column("S", lambda p: column.text(p.state), 4, priority=5, help="state"),
    Column("COMMAND", lambda p: column.text(p.command), 40, priority=0, flex=True),
)


class LookingVerbs(OnEngine):
    """Views, and the one look that is witnessed."""

    async def top(self, target: Container) -> Rows:
        """Show its processes."""
        try:
            found = await self.processes(target, target.container_id)
        except Refused as error:  # it does not run
            return Rows(PROCESS_COLUMNS, (), note=error.what, every=EVERY_S)
        return Rows(PROCESS_COLUMNS, found, note=f"{len(found)} processes", every=EVERY_S)

    async def processes(self, target: Container, container: str) -> tuple[ContainerProcess, ...]:
        """Busiest first; raises Refused for a container that does not run."""

        def ask(client: Client) -> Any:
            try:
                return client.top(container, PS)
            except Exception as error:  # a host whose ps is another one; what is wrong else is said by the plain form
                if getattr(getattr(error, "response", None), "status_code", 0) != 500:
                    raise
                return client.top(container)

        return parsed(await self.of(target, ask))

    async def inspect(self, target: Container) -> Text:
        """Show all that the engine knows of it, secrets masked."""
        now = await self.fresh(target)
        return inspected(now.whole)

    async def details(self, target: Container) -> Sections:
        """Show environment (secrets masked), mounts, networks, labels, health checks, processes and changed files."""
        return Sections(await gathered(self, target))

    async def reveal(self, target: Container, *, name: str | None = None) -> Plan:
        """Show its environment with the secrets in it; that it was looked at is witnessed, what was seen is not."""
        now = await self.fresh(target)
        names = [split(one)[0] for one in environment(now)]
        if name is not None and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise Missing(
                f"it has no variable '{column.clean(name)}'",
                where=target.id,
                todo=f"did you mean '{column.clean(near[0])}'?" if near else "see 'container show'",
            )
        secret = sum(1 for one in environment(now) if is_secret(*split(one)))

        async def run(report: Report) -> Result:
            again = await self.fresh(target)
            shown = [one for one in environment(again) if name is None or split(one)[0] == name]
            for one in shown:
                report.output("stdout", f"{one}\n")
            return Result(0, f"{len(shown)} variables shown" if name is None else f"{name} shown")

        what = f"Config.Env of {name}" if name is not None else "all of Config.Env"
        if not names:
            return Plan(notes=[f"{target.id}: it has no environment of its own"])
        note = f"{len(names)} variables, {secret} of them secret by their names" if name is None else ""
        return Plan(Step(target, f"GET /containers/{now.short}/json: show {what}", run), notes=[note] if note else ())


def environment(now: Inspected) -> list[str]:
    """``NAME=value`` each, as the engine tells."""
    found: Any = now.config.get("Env")
    return [str(one) for one in found] if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


_NUMBER = re.compile(r"\d+(\.\d+)?")
_TITLES = {"CMD": "COMMAND", "ARGS": "COMMAND", "UID": "USER", "%CPU": "CPU", "C": "CPU", "STAT": "STAT", "S": "STAT"}


def parsed(said: Any) -> tuple[ContainerProcess, ...]:
    """What ``GET /containers/ID/top`` says, whatever titles the host's ``ps`` has; raises BadAnswer."""
    if not isinstance(said, dict):
        raise BadAnswer("the engine's list of processes cannot be read")
    told: dict[str, Any] = said  # pyright: ignore[reportUnknownVariableType]
    titles = [_TITLES.get(str(one).upper(), str(one).upper()) for one in told.get("Titles") or ()]
    if "PID" not in titles or "COMMAND" not in titles:
        raise BadAnswer("the engine's list of processes has no PID or no command")
    found: list[ContainerProcess] = []
    for line in told.get("Processes") or ():
        words = dict(zip(titles, (str(one) for one in line), strict=False))
        if not words.get("PID", "").isdecimal():
            continue
        ppid, cpu, rss = words.get("PPID", ""), words.get("CPU", ""), words.get("RSS", "")
        found.append(
            ContainerProcess(
                pid=int(words["PID"]),
                ppid=int(ppid) if ppid.isdecimal() else None,
                user=words.get("USER", ""),
                cpu_percent=float(cpu) if _NUMBER.fullmatch(cpu) else None,
                mem_bytes=int(rss) << 10 if rss.isdecimal() else None,
                state=words.get("STAT", ""),
                command=words.get("COMMAND", ""),
            )
        )
    return tuple(sorted(found, key=lambda one: (-(one.cpu_percent or 0), -(one.mem_bytes or 0), one.pid)))
