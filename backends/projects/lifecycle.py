"""``project start``, ``stop``, ``restart`` and ``remove``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.errors import ConfigurationError, Missing, Refused
from app.plan import Plan, Step
from backends.kinds.project import Project
from backends.projects.base import Known, OnProjects, chosen
from backends.projects.container_config import Place
from backends.projects.definition import Definition
from backends.projects.ground import Container
from backends.projects.launch import Launch, busy_ports
from backends.projects.stopping import Stopping, backwards
from backends.projects.work import Work

_LONGEST_S = 24 * 3600
_AGAIN_S = 1.0
"""Before a port that is in use is looked at once more."""


class LifeVerbs(OnProjects):
    """From registered to running and back."""

    async def start(self, target: Project, *, service: tuple[str, ...] = (), timeout: int = 120) -> Plan:
        """Launch its services in the order of their dependencies and wait until each is healthy."""
        _check_time(timeout)
        known = await self.known(target, anew=True)
        services = known.definition.with_needs(chosen(known.definition, service))
        work = Work(known.ground, known.name, launches=known.definition.as_json())
        launch = Launch(work, target, _place(known), services, timeout=timeout)
        running = {c.service: c for c in known.left.containers if c.state == "running"}
        await self._refuse_busy(known, services)
        notes = [*known.notes, *_undefined(known)]
        if running:
            notes.append(f"what runs as it is defined stays: {', '.join(one for one in services if one in running)}")
        return Plan(*launch.steps(), notes=notes)

    async def stop(self, target: Project, *, service: tuple[str, ...] = ()) -> Plan:
        """Stop and remove its containers; its data volumes stay."""
        known = await self.known(target)
        doomed = _those(known, service)
        network = not service and known.left.network is not None
        if not doomed and not network:
            return Plan(notes=[f"{target.id}: it does not run"])
        work = Work(known.ground, known.name)
        stopping = Stopping(work, target, known.name, doomed, known.definition)
        return Plan(
            *stopping.steps(),
            *stopping.end(known.left, network=network),
            notes=[*known.notes, *_dependents(known, service)],
        )

    async def restart(self, target: Project, *, service: tuple[str, ...] = (), timeout: int = 120) -> Plan:
        """Stop it and launch it again."""
        _check_time(timeout)
        known = await self.known(target, anew=True)
        doomed = _those(known, service)
        services = known.definition.with_needs(chosen(known.definition, service))
        work = Work(known.ground, known.name, launches=known.definition.as_json())
        stopping = Stopping(work, target, known.name, doomed, known.definition)
        launch = Launch(work, target, _place(known), services, timeout=timeout)
        await self._refuse_busy(known, services)
        steps: list[Step] = [*stopping.steps(), *launch.steps(after=stopping.names)]
        return Plan(*steps, notes=[*known.notes, *_dependents(known, service)])

    async def remove(self, target: Project, *, volumes: bool = False) -> Plan:
        """Stop it, release its ports and forget it; its folder stays, and its data unless --volumes."""
        known = await self._known_anyhow(target)
        doomed = backwards(known.left.containers, known.definition)
        work = Work(known.ground, known.name)
        stopping = Stopping(work, target, known.name, doomed, known.definition)
        loses = [f"{one.name}  {one.state}" for one in doomed]
        notes = [f"its folder stays: {known.path}"] if known.path else []
        if volumes:
            loses += [f"{name}  its data" for name in sorted(known.left.volumes)]
            loses.append("its secrets")
        elif known.left.volumes:
            notes.append(f"its data stays, and its secrets with it: {', '.join(sorted(known.left.volumes))}")
        steps = [
            *stopping.steps(),
            *stopping.end(known.left, network=known.left.network is not None, forget=True, volumes=volumes),
        ]
        return Plan(*steps, loses=loses, notes=notes)

    async def _known_anyhow(self, target: Project) -> Known:
        """For removing: a definition that cannot be read must not keep anybody from it."""
        try:
            return await self.known(target)
        except (ConfigurationError, Missing):
            pass
        ground = self.ground(target.source)
        return Known(
            ground=ground,
            left=await ground.left(target.name),
            name=target.name,
            path=target.path,
            first_port=target.first_port or 0,
            defined_by=target.definition,
            definition=Definition(services={}),
            registered=None,
        )

    async def _refuse_busy(self, known: Known, services: Sequence[str]) -> None:
        """Raises Refused where somebody else listens on a port that is about to be published.

        Looks twice: a container of its own that another console starts just now listens before it is seen to run.
        """
        left, busy = known.left, list[str]()
        for pause in (0.0, _AGAIN_S):
            if pause:
                await asyncio.sleep(pause)
                left = await known.ground.left(known.name)
            runs = {one.service for one in left.containers if one.runs}  # these ports are its own
            busy = await busy_ports(known.ground, _place(known), [one for one in services if one not in runs])
            if not busy:
                return
        raise Refused(
            "; ".join(busy),
            where=f"{known.ground.node}/{known.name}",
            todo="end that, or remove the project and add it again for other ports",
        )


def _place(known: Known) -> Place:
    return Place(
        node=known.ground.node,
        project=known.name,
        path=known.path,
        first_port=known.first_port,
        host=known.ground.host,
        definition=known.definition,
        defined_by=known.defined_by,
    )


def _those(known: Known, services: tuple[str, ...]) -> list[Container]:
    """The containers of some services, or all, in the order in which they are stopped."""
    there = {c.service for c in known.left.containers}
    wanted = chosen(known.definition, tuple(one for one in services if one not in there)) + services
    containers = [c for c in known.left.containers if not services or c.service in wanted]
    return backwards(containers, known.definition)


def _undefined(known: Known) -> list[str]:
    lost = [c.service for c in known.left.containers if c.service not in known.definition.services]
    return [f"no longer defined, and left as it is: {', '.join(lost)}"] if lost else []


def _dependents(known: Known, services: tuple[str, ...]) -> list[str]:
    """Which running services need one of those that stop."""
    runs = {c.service for c in known.left.containers if c.runs}
    needing = [
        name
        for name, spec in known.definition.services.items()
        if name in runs and name not in services and any(need in services for need in spec.depends_on)
    ]
    return [f"needed by {', '.join(needing)}"] if needing else []


def _check_time(timeout: int) -> None:
    if not 1 <= timeout <= _LONGEST_S:
        raise ConfigurationError(f"{timeout} is no time to wait", where="--timeout", todo="give 1 to 86400 seconds")
