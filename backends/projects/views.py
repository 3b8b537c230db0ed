"""``project status`` and ``project logs``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from app import column
from app.column import Cell, Column, Token
from app.errors import Missing
from app.verb import Rows, Stream
from backends.kinds.project import Project
from backends.projects import container_config, names
from backends.projects.base import OnProjects, chosen

_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """One service of a project, asked for at this moment."""

    name: str
    state: str
    check_ms: float | None = None
    """How long its last health check took, its program's own start included."""
    slow: bool = False
    """It works, and took longer than its definition calls fast."""
    address: str = ""
    """Where it is reached from outside: ``http://…`` is not assumed."""
    required: bool = True
    limits: str = ""
    restarts: int | None = None
    started_at: str = ""
    image: str = ""
    says: str = ""
    """Why it is not well."""


def _state(row: ServiceRow) -> Cell:
    bad = row.state in ("unhealthy", "exited", "restarting", "absent") and row.required
    token = Token.CRIT if bad else Token.OK if row.state in ("healthy", "up") else Token.BUSY
    if row.slow:
        return Cell(f"{row.state}, slow", Token.WARN)
    return Cell(row.state, token)


COLUMNS: tuple[Column[ServiceRow], ...] = (
    Column("SERVICE", lambda r: column.text(r.name), 16, priority=0),
    Column("STATE", _state, 16, priority=0),
    Column("CHECK", lambda r: Cell("–" if r.check_ms is None else f"{r.check_ms:.0f} ms"), 9, "right", priority=2),
    Column("ADDRESS", lambda r: column.text(r.address), 24, priority=1),
    Column("RESTARTS", lambda r: column.number(r.restarts), 8, "right", priority=4),
    Column("LIMITS", lambda r: column.text(r.limits), 18, priority=5),
    Column("IMAGE", lambda r: column.text(r.image), 22, priority=6),
    Column("SAYS", lambda r: column.text(r.says), 30, priority=3, flex=True),
)


class ProjectViews(OnProjects):
    """Reading."""

    async def status(self, target: Project) -> Rows:
        """Show its services, their health and ports."""
        known = await self.known(target)
        place_ports = known.definition.offsets()
        items: list[ServiceRow] = []
        for name, spec in known.definition.services.items():
            found = await known.ground.inspect(names.container(known.name, name))
            if found is not None and not known.ground.owns(found, known.name, name):
                found = None
            ports = [known.first_port + offset for offset in place_ports[name]]
            host = known.ground.host if spec.listen in ("0.0.0.0", "::") else spec.listen  # noqa: S104 - compared
            state, says, check_ms = _seen(found)
            items.append(
                ServiceRow(
                    name=name,
                    state=state,
                    check_ms=check_ms,
                    slow=bool(
                        spec.health is not None
                        and spec.health.slow_ms is not None
                        and check_ms is not None
                        and state == "healthy"
                        and check_ms > spec.health.slow_ms
                    ),
                    address=" ".join(f"{host}:{port}" for port in ports),
                    required=spec.required,
                    limits=container_config.limits(spec),
                    restarts=None if found is None else int(found.get("RestartCount") or 0),
                    started_at="" if found is None else str(found["State"].get("StartedAt") or ""),
                    image=spec.image,
                    says=says,
                )
            )
        return Rows(COLUMNS, tuple(items), every=_AGAIN_S, note="; ".join(known.notes))

    async def logs(
        self,
        targets: Sequence[Project],
        *,
        service: tuple[str, ...] = (),
        follow: bool = False,
        lines: int = 200,
        since: str | None = None,
        grep: str | None = None,
        invert: bool = False,
        timestamps: bool = False,
    ) -> Stream:
        """Read what its services write, merged in order of time; it may hold secrets.

        An open screen always follows: there, nobody waits for an end.
        """
        from backends.docker.logs import LogRequest, log_stream

        requests: list[LogRequest] = []
        for target in targets:
            ground = self.ground(target.source)
            containers = (await ground.left(target.name)).containers
            there = {one.service for one in containers}
            if service and not there.intersection(service):
                chosen((await self.known(target)).definition, service)
            requests += [
                LogRequest(target.source, one.id, f"{target.id}/{one.service}")
                for one in sorted(containers, key=lambda one: one.service)
                if not service or one.service in service
            ]
        if not requests:
            raise Missing(
                "it has no containers, and so no logs", where=targets[0].id, todo=f"project start {targets[0].name}"
            )
        return log_stream(
            self.engines,
            requests,
            follow=follow or not self.context.one_shot,
            lines=lines,
            since=since,
            grep=grep,
            invert=invert,
            timestamps=timestamps,
            title=targets[0].id if len(targets) == 1 else f"{len(targets)} projects",
        )


def _seen(found: dict[str, Any] | None) -> tuple[str, str, float | None]:
    """(state, why it is not well, how long the last check took in milliseconds) of an inspected container."""
    if found is None:
        return "absent", "", None
    state: dict[str, Any] = found["State"]
    status = str(state.get("Status"))
    if status != "running":
        says = ""
        if status in ("exited", "dead", "restarting"):
            says = "out of memory" if state.get("OOMKilled") else f"ended with {state.get('ExitCode')}"
        return status, says, None
    health = cast("dict[str, Any] | None", state.get("Health"))
    if health is None:
        return "up", "", None
    checks = cast("list[dict[str, Any]]", health.get("Log") or [])
    last = checks[-1] if checks else None
    says = ""
    if last is not None and last.get("ExitCode"):
        says = column.clean(str(last.get("Output", "")).strip())[:200] or f"its check ends with {last['ExitCode']}"
    return str(health["Status"]), says, None if last is None else _took(last)


def _took(check: dict[str, Any]) -> float | None:
    try:
        begun, over = (datetime.fromisoformat(_micro(str(check[name]))) for name in ("Start", "End"))
    except (KeyError, ValueError):
        return None
    return (over - begun).total_seconds() * 1000


def _micro(moment: str) -> str:
    """A moment of the engine, which has nine decimals, with the six that Python reads."""
    import re

    return re.sub(r"(\.\d{6})\d+", r"\1", moment)
