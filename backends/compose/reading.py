"""``stack status``, ``config``, ``logs`` and what a describe screen asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from app import column
from app.column import Cell, Column, Section, clean
from app.errors import Missing, QuarterdeckError
from app.verb import Rows, Sections, Stream, Text
from backends.compose.base import ComposeBase
from backends.compose.configured import load
from backends.compose.history import History
from backends.compose.look import look
from backends.compose.masked import shown
from backends.compose.rows import PROJECT, SERVICE, container_state, projects
from backends.docker.log_request import LogRequest
from backends.docker.logs import log_stream
from backends.docker.summary import ContainerSummary
from backends.kinds.stack import Stack

STATUS_EVERY_S = 5.0
_MOST_ENTRIES = 5


class Reading(ComposeBase):
    """What only looks."""

    async def status(self, target: Stack) -> Rows:
        """Show its services and their containers."""
        seen = self.engines.of(target.source).seen
        project = projects(seen).get(target.project or "")
        own = project.containers if project is not None else ()
        rows = [_status(one) for one in sorted(own, key=lambda c: (c.labels.get(SERVICE, ""), c.name))]
        there = {row.service for row in rows}
        rows += [
            StatusRow(service=one.name, container="", state="absent", image=one.image)
            for one in target.services
            if one.name not in there
        ]
        note = target.fault or ""
        return Rows(STATUS_COLUMNS, tuple(rows), note=clean(note), every=STATUS_EVERY_S)

    async def config(self, target: Stack) -> Text:
        """Show the configuration as compose resolves it, secrets masked."""
        link = self.context.links.of(target.source)
        program = await self.programs.of(link)
        (answer,) = await look(link, program, [self.where_of(target)])
        answer.configured(program)
        return Text(shown(load(answer.checked(), program, target.id)))

    async def logs(
        self,
        targets: Sequence[Stack],
        *,
        service: tuple[str, ...] = (),
        follow: bool = False,
        lines: int = 200,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        grep: str | None = None,
        invert: bool = False,
        timestamps: bool = False,
    ) -> Stream:
        """Read what its containers write, merged in order of time."""
        requests: list[LogRequest] = []
        for row in targets:
            self.chosen(row, service)
            seen = self.engines.of(row.source).seen
            for one in seen.containers if seen is not None else ():
                if one.labels.get(PROJECT) != row.project or (service and one.labels.get(SERVICE) not in service):
                    continue
                requests.append(LogRequest(row.source, one.id, f"{row.source}/{one.name}"))
        title = targets[0].id if len(targets) == 1 else f"{len(targets)} stacks"
        if not requests:
            raise Missing("there is no container whose log could be read", where=title, todo="quarterdeck stack up")
        return log_stream(
            self.engines,
            requests,
            follow=follow or not self.context.one_shot,
            lines=lines if tail is None else tail,
            since=since,
            until=until,
            grep=grep,
            invert=invert,
            timestamps=timestamps,
            title=title,
        )

    async def details(self, target: Stack) -> Sections:
        """Show what compose on the node is, and the newest entries of the history."""
        try:
            said = (await self.programs.of(self.context.links.of(target.source))).shown
            lines = [("program", Cell(said))]
        except QuarterdeckError as error:
            lines = [("program", column.text(str(error)))]
        entries = await asyncio.to_thread(History(self.context.state, target.id).entries)
        rows = tuple(
            (
                column.number(one.number),
                Cell(time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at))),
                column.text(one.verb),
                column.text(one.result),
                column.text(" ".join(f"{name}={ran.digest or ran.id}" for name, ran in sorted(one.after.items()))),
            )
            for one in reversed(entries[-_MOST_ENTRIES:])
        )
        sections = [Section("Compose", tuple(lines))]
        if rows:
            sections.append(Section("History", header=("#", "AT", "WHAT", "RESULT", "IMAGES"), rows=rows))
        return Sections(tuple(sections))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One container of a stack, or a service without any."""

    service: str
    container: str
    state: str
    """healthy, unhealthy, starting, up, exited, restarting, paused, created or absent."""
    status: str = ""
    """The engine's words."""
    exit_code: int | None = None
    ports: str = ""
    image: str = ""


def _status(one: ContainerSummary) -> StatusRow:
    ports = [
        f"{port.address}:{port.public}->{port.private}/{port.protocol}" for port in one.ports if port.public is not None
    ]
    return StatusRow(
        service=one.labels.get(SERVICE, ""),
        container=one.name,
        state=container_state(one),
        status=one.status,
        exit_code=one.exit_code if one.state == "exited" else None,
        ports=" ".join(ports),
        image=one.image,
    )


STATUS_COLUMNS: tuple[Column[StatusRow], ...] = (
    Column("SERVICE", lambda r: column.text(r.service), 16, priority=0, help="as the compose file calls it"),
    Column("STATE", lambda r: column.text(r.state), 11, priority=0, help="its health while it runs"),
    Column("CONTAINER", lambda r: column.text(r.container), 24, priority=1, help="its name"),
    Column("STATUS", lambda r: column.text(r.status), 28, priority=2, flex=True, help="the engine's words"),
    Column("PORTS", lambda r: column.text(r.ports), 24, priority=3, help="published on the host"),
    Column("IMAGE", lambda r: column.text(r.image), 20, priority=4, help="what it was made from"),
)
