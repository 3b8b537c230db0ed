"""Which services of a compose project stand and fall with a container, by the labels compose gives its containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import QuarterdeckError
from backends.docker.verbs.target import Inspected, OnEngine, listed, part
from backends.kinds.container import Container

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
DEPENDS_ON = "com.docker.compose.depends_on"
"""``redis:service_healthy:true,db:service_started:false``: written by compose v2, absent with 1.29."""


class Neighbours(OnEngine):
    """What else an action on a container is felt by."""

    async def dependents(self, target: Container, now: Inspected) -> list[str]:
        """``3 services of carbonac depend on redis: api, web, worker``; nothing where none does or nobody says."""
        service = now.labels.get(SERVICE)
        if not service:
            return []
        siblings = await self._siblings(target, now)
        names = sorted({name for name, labels, runs in siblings if runs and service in needs(labels)})
        if not names:
            return []
        verb = "service depends" if len(names) == 1 else "services depend"
        project = now.labels.get(PROJECT, "")
        return [f"{len(names)} {verb} on {service} in {project}: {listed(names)}"]

    async def waiting_for(self, target: Container, now: Inspected) -> list[str]:
        """What it depends on and does not run; starting it alone starts none of that."""
        wanted = needs(now.labels)
        if not wanted:
            return []
        up = {name for name, _, runs in await self._siblings(target, now) if runs}
        down = sorted(wanted - up)
        return [f"{target.id}: depends on {listed(down)}, not running"] if down else []

    async def _siblings(self, target: Container, now: Inspected) -> Sequence[tuple[str, Mapping[str, str], bool]]:
        """(service, labels, runs) of the containers of its project; a note is no reason to fail, so none on error."""
        project = now.labels.get(PROJECT)
        if not project:
            return ()
        try:
            found: list[dict[str, Any]] = await self.ask(
                target.source,
                lambda client: client.containers(all=True, filters={"label": f"{PROJECT}={project}"}),
            )
        except QuarterdeckError:
            return ()
        return [
            (str(labels.get(SERVICE, "")), labels, one.get("State") in ("running", "paused", "restarting"))
            for one in found
            for labels in [part(one, "Labels")]
        ]


def needs(labels: Mapping[str, str]) -> set[str]:
    """The services a container's own label names as what it depends on."""
    return {name for part in labels.get(DEPENDS_ON, "").split(",") if (name := part.partition(":")[0].strip())}
