"""Stopping services of a project, last started first, and taking away what it has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.errors import Missing, Refused
from app.fleet import Resource
from app.plan import Report, Result, Step
from backends.docker.contract import Client
from backends.projects import folder, names
from backends.projects.definition import Definition
from backends.projects.ground import Container, Left
from backends.projects.work import Work

_BEYOND_S = 30.0
"""How long an engine may take beyond the time that a container is given."""
HOLD = "hold"
END = "end"


def backwards(containers: Sequence[Container], definition: Definition | None) -> list[Container]:
    """Containers so that each comes before those it depends on; those no longer defined come first."""
    order = definition.in_order() if definition is not None else ()
    place = {service: number for number, service in enumerate(order)}
    return sorted(containers, key=lambda one: (-place.get(one.service, len(place)), one.name))


class Stopping:
    """The steps that stop and remove containers; ``containers`` in the order in which they go."""

    def __init__(
        self, work: Work, target: Resource, name: str, containers: Sequence[Container], definition: Definition | None
    ) -> None:
        self._work = work
        self._ground = work.ground
        self._target = target
        self._name = name
        self._containers = tuple(containers)
        self._definition = definition
        self._stopped: list[str] = []

    def steps(self) -> list[Step]:
        """Taking hold of the project, then one for each container, those that need another before that one."""
        steps = [Step(self._target, f"hold {self._name}", self._work.step(self._hold), name=HOLD)]
        before: tuple[str, ...] = ()
        for container in self._containers:
            seconds = self._seconds(container)
            text = f"POST /containers/{container.name}/stop?t={seconds}, DELETE /containers/{container.name}"
            name = f"stop {container.name}"
            run = self._work.step(lambda report, one=container: self._stop(one, report))
            steps.append(Step(self._target, text, run, name=name, after=(HOLD,), behind=before))
            before = (name,)
        return steps

    @property
    def names(self) -> tuple[str, ...]:
        """What the steps are called."""
        return (HOLD, *(f"stop {container.name}" for container in self._containers))

    def end(self, left: Left, *, network: bool, forget: bool = False, volumes: bool = False) -> list[Step]:
        """The last steps: what else goes once all are stopped, and letting go of the project however it went."""
        doomed = sorted(left.volumes) if volumes else []
        texts = [
            *([f"DELETE /networks/{names.network(self._name)}"] if network else []),
            *(f"DELETE /volumes/{name}" for name in doomed),
            *(["delete its secrets"] if volumes else []),
            *([f"forget {self._name} and release its ports"] if forget else []),
        ]
        done = self.names
        steps: list[Step] = []

        async def clear(report: Report) -> Result:
            if network:
                await self._remove_network()
            for name in doomed:
                await self._remove_volume(name)
            if volumes:
                await folder.forget(self._ground.link, self._name)
            if forget:
                await asyncio.to_thread(self._ground.registry.remove, self._ground.node, self._name)
            return Result()

        if texts:
            steps.append(Step(self._target, ", ".join(texts), self._work.step(clear), name="clear", after=done))
            done = (*done, "clear")

        async def end(report: Report) -> Result:
            self._work.tried()
            await self._work.end()
            gone = f"{self._name} is removed" if forget else f"stopped: {', '.join(self._stopped) or 'nothing ran'}"
            return Result(0, gone)

        steps.append(Step(self._target, f"let go of {self._name}", self._work.step(end), name=END, behind=done))
        return steps

    async def _hold(self, report: Report) -> Result:
        await self._work.begin(report)
        return Result()

    def _seconds(self, container: Container) -> int:
        spec = self._definition.services.get(container.service) if self._definition is not None else None
        return spec.stop_timeout if spec is not None else 10

    async def _stop(self, container: Container, report: Report) -> Result:
        seconds = self._seconds(container)
        found = await self._ground.own(self._name, container.service)
        if found is None:
            return Result(0, f"{container.service} is gone already")

        def work(client: Client) -> None:
            client.stop(found["Id"], timeout=seconds)
            client.remove_container(found["Id"], v=True)

        try:
            await self._ground.ask(work, timeout=seconds + _BEYOND_S)
        except Missing:
            return Result(0, f"{container.service} is gone already")
        self._stopped.append(container.service)
        return Result()

    async def _remove_network(self) -> None:
        def work(client: Client) -> None:
            client.remove_network(names.network(self._name))

        try:
            await self._ground.ask(work)
        except Missing:
            return
        except Refused as error:
            raise Refused(
                f"its network stays, for something else is in it: {error.what}", where=self._ground.node
            ) from None

    async def _remove_volume(self, name: str) -> None:
        def work(client: Client) -> None:
            client.remove_volume(name)

        try:
            await self._ground.ask(work)
        except Missing:
            return
