"""Launching a project: secrets, network and volumes, then its services in the order of their needs, each until well.

Everything is looked at before it is made: a launch that was cut short is finished by another one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.column import clean
from app.errors import BadAnswer, Missing, QuarterdeckError, Refused
from app.fleet import Resource
from app.plan import Report, Result, Step
from backends.docker.contract import Client
from backends.projects import container_config, folder, names
from backends.projects.container_config import ImageRun, Place
from backends.projects.ground import Ground
from backends.projects.ports import NodePorts
from backends.projects.wellness import Unwell, tell_log, wait_until_well
from backends.projects.work import Work

_START_S = 60.0
_AGAIN_S = 0.2
PREPARE = "prepare"
FINISH = "finish"


class Launch:
    """The steps that launch services of a project; ``services`` are in the order of their needs."""

    def __init__(self, work: Work, target: Resource, place: Place, services: Sequence[str], *, timeout: float) -> None:
        self._work = work
        self._ground = work.ground
        self._target = target
        self._place = place
        self._services = tuple(services)
        self._timeout = timeout
        self._begun: dict[str, str] = {}
        """Service -> container that this launch started, in order."""
        self._made: set[str] = set()
        """Containers that this launch made and has not started yet."""
        self._failed: list[str] = []
        self._well: dict[str, str] = {}

    def steps(self, after: Sequence[str] = ()) -> list[Step]:
        """One for what all need, one for each service, one for the end, which comes however they ended."""
        project = self._place.project
        secrets = self._place.definition.secrets
        text = ", ".join(
            [
                *([f"secrets {' '.join(secrets)} (kept where they are)"] if secrets else []),
                f"network {names.network(project)}",
                *(f"volume {name}" for one in self._services for name in container_config.volumes(self._place, one)),
            ]
        )
        steps = [Step(self._target, text, self._work.step(self._prepare), name=PREPARE, after=tuple(after))]
        for service in self._services:
            needs = [need for need in self._place.definition.services[service].depends_on if need in self._services]
            steps.append(
                Step(
                    self._target,
                    self._text(service),
                    self._work.step(self._launching(service)),
                    name=service,
                    after=(PREPARE, *needs),
                    undo=f"project stop {project} --service {service}",
                )
            )
        ends = (PREPARE, *self._services)
        steps.append(
            Step(self._target, "tell what runs", self._work.step(self._finish), name=FINISH, behind=(*after, *ends))
        )
        return steps

    def _text(self, service: str) -> str:
        spec = self._place.definition.services[service]
        limits = container_config.limits(spec)
        ports = [
            f"{spec.listen}:{public}→{port}"
            for port, public in zip(spec.ports, self._place.ports(service), strict=True)
        ]
        wait = "wait until healthy" if spec.health is not None else "see that it stays up"
        said = ", ".join([clean(spec.image), *([limits] if limits else []), *ports])
        return f"POST /containers/create?name={names.container(self._place.project, service)} ({said}), start, {wait}"

    # -- steps

    async def _prepare(self, report: Report) -> Result:
        await self._work.begin(report)
        if self._place.definition.secrets:
            where = await folder.secrets(self._ground.link, self._place.project, self._place.definition.secrets)
            self._place = replace(self._place, secrets=where)
        await self._network()
        for service in self._services:
            for name in container_config.volumes(self._place, service):
                await self._volume(name, service)
        return Result()

    async def _network(self) -> None:
        name, project = names.network(self._place.project), self._place.project

        def work(client: Client) -> Mapping[str, str] | None:
            for one in client.networks(names=[name]):
                if one["Name"] == name:
                    found: dict[str, str] = one["Labels"] or {}
                    return found
            client.create_network(
                name, driver="bridge", labels=self._place.labels_with_definition, check_duplicate=True
            )
            return None

        try:
            labels = await self._ground.ask(work)
        except Refused:  # somebody was faster; whose it is will be seen
            labels = await self._ground.ask(work)
        if labels is None:
            return
        if labels.get(names.PROJECT) != project:
            raise Refused(
                f"a network '{name}' stands in the way that is not this project's",
                where=self._ground.node,
                todo="remove it",
            )
        self._refuse_other_secrets(labels)

    def _refuse_other_secrets(self, labels: Mapping[str, str]) -> None:
        """Raises Refused where what is there was made with the secrets of another login: ours would not open it."""
        there = labels.get(names.SECRETS)
        if there is not None and self._place.secrets and there != self._place.secrets:
            raise Refused(
                f"'{self._place.project}' was launched by another login, whose secrets are in {clean(there)}",
                where=self._ground.node,
                todo="start it as that login, or remove it with --volumes first",
            )

    async def _volume(self, name: str, service: str) -> None:
        labels = {**self._place.labels_with_definition, names.SERVICE: service}

        def work(client: Client) -> Mapping[str, str]:
            found: dict[str, str] = client.create_volume(name, labels=labels)["Labels"] or {}
            return found

        held = await self._ground.ask(work)  # one that is there is returned as it is
        if held.get(names.PROJECT, self._place.project) != self._place.project:
            raise Refused(
                f"the volume '{name}' belongs to the project '{clean(held[names.PROJECT])}'", where=self._ground.node
            )
        self._refuse_other_secrets(held)

    def _launching(self, service: str) -> Any:
        async def run(report: Report) -> Result:
            spec = self._place.definition.services[service]
            try:
                await self._image(spec.image, report)
                if container_config.secret_variables(spec):
                    await self._learn(spec.image)
                container = await self._started(service, report)
                word = await wait_until_well(self._ground, container, service, spec.health, self._timeout)
            except Unwell as error:
                await tell_log(self._ground, names.container(self._place.project, service), report)
                return self._unwell(service, error.what)
            except QuarterdeckError as error:
                return self._unwell(service, str(error))
            self._well[service] = word
            ports = "".join(f" :{port}" for port in self._place.ports(service))
            return Result(0, f"{service}{ports} {word}")

        return run

    def _unwell(self, service: str, why: str) -> Result:
        if not self._place.definition.services[service].required:
            self._failed.append(service)
            return Result(0, f"{why}; the project is well without it")
        self._failed.insert(0, service)
        return Result(1, f"{why}; what this start began is stopped again")

    async def _finish(self, report: Report) -> Result:
        self._work.tried()
        required = [one for one in self._failed if self._place.definition.services[one].required]
        skipped = [one for one in self._services if one not in self._well and one not in self._failed]
        if required or skipped:
            try:
                stopped = await self._take_back(report)
            finally:
                await self._work.end()
            return Result(0, f"stopped again: {', '.join(stopped)}" if stopped else "")
        await self._work.end()
        return Result(0, self._said(), {"ports": {one: list(self._place.ports(one)) for one in self._services}})

    def _said(self) -> str:
        told: list[str] = []
        for service in self._services:
            ports = "".join(f" :{port}" for port in self._place.ports(service))
            told.append(f"{service}{ports} {self._well.get(service, 'is not well')}")
        return f"{self._place.project}: {', '.join(told)}"

    async def _take_back(self, report: Report) -> list[str]:
        """Stop what this launch started, last first; it stays to be looked at. What never ran is removed."""
        stopped: list[str] = []
        for service, container in reversed(self._begun.items()):
            spec = self._place.definition.services[service]

            def stop(client: Client, one: str = container, seconds: int = spec.stop_timeout) -> None:
                client.stop(one, timeout=seconds)

            try:
                await self._ground.ask(stop, timeout=spec.stop_timeout + _START_S)
                stopped.append(service)
            except Missing:
                continue
            except QuarterdeckError as error:
                report.log(f"{service} could not be stopped: {error}")
        for container in self._made:

            def drop(client: Client, one: str = container) -> None:
                client.remove_container(one, v=True)

            try:
                await self._ground.ask(drop)
            except QuarterdeckError as error:
                report.log(f"what was made for it could not be removed: {error}")
        return stopped

    # -- one service

    async def _image(self, image: str, report: Report) -> None:
        """See that the image is there; fetch it where it is not."""
        try:
            await self._ground.ask(lambda client: client.inspect_image(image))
        except Missing:
            from backends.projects.images import fetch

            report.log(f"{image} is not there and is fetched")
            await fetch(self._ground, image, report)

    async def _learn(self, image: str) -> None:
        """What the image runs, to be run once variables are set."""
        if image in self._place.images:
            return
        found: dict[str, Any] = await self._ground.ask(lambda client: client.inspect_image(image))
        config: dict[str, Any] = found.get("Config") or {}
        run = ImageRun(tuple(config.get("Entrypoint") or ()), tuple(config.get("Cmd") or ()))
        self._place = replace(self._place, images={**self._place.images, image: run})

    async def _started(self, service: str, report: Report) -> str:
        """The service's container, running with the configuration it should have; returns its id."""
        project = self._place.project
        body = container_config.create(self._place, service)
        found = await self._ground.own(project, service)
        if found is not None and found["Config"]["Labels"].get(names.CONFIG) != body["Labels"][names.CONFIG]:
            report.log(f"{service} is made anew: it should be configured otherwise than it is")
            await self._drop(str(found["Id"]), self._place.definition.services[service].stop_timeout)
            found = None
        if found is None:
            container = await self._create(service, body)
        else:
            container = str(found["Id"])
            if found["State"]["Status"] == "running":
                report.log(f"{service} runs already")
                return container
        await report.handle(f"container {container[:12]}")
        try:
            await self._ground.ask(lambda client: client.start(container), timeout=_START_S)
        except BadAnswer as error:
            raise await self._explained(error, service) from None
        self._made.discard(container)
        self._begun[service] = container
        return container

    async def _create(self, service: str, body: dict[str, Any]) -> str:
        name = names.container(self._place.project, service)

        def work(client: Client) -> str:
            whole = container_config.checked_sooner(body, str(client.api_version))
            return str(client.create_container_from_config(whole, name)["Id"])

        deadline = time.monotonic() + _START_S
        while True:
            try:
                made = await self._ground.ask(work, timeout=_START_S)
            except Refused as refused:
                found = await self._ground.own(self._place.project, service)
                if found is not None:
                    return self._of_another(found, body, name)
                if "in use" not in refused.what or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_AGAIN_S)  # a name is taken a moment before its container can be seen
            else:
                self._made.add(made)
                return made

    def _of_another(self, found: dict[str, Any], body: dict[str, Any], name: str) -> str:
        """A container that another console made at the same moment: the same is as good as ours."""
        if found["Config"]["Labels"].get(names.CONFIG) == body["Labels"][names.CONFIG]:
            return str(found["Id"])
        raise Refused(
            f"somebody else has just made '{name}', configured otherwise",
            where=self._ground.node,
            todo="look at it, then start the project again",
        )

    async def _drop(self, container: str, seconds: int) -> None:
        def work(client: Client) -> None:
            client.stop(container, timeout=seconds)
            client.remove_container(container, v=True)

        try:
            await self._ground.ask(work, timeout=seconds + _START_S)
        except Missing:
            return

    async def _explained(self, error: BadAnswer, service: str) -> QuarterdeckError:
        """The engine's refusal to start, with who holds the port where that is the reason."""
        words = error.what.lower()
        if "already allocated" not in words and "address already in use" not in words:
            return BadAnswer(f"{service} cannot be started: {error.what}", where=self._ground.node)
        busy = await busy_ports(self._ground, self._place, (service,))
        said = "; ".join(busy) or f"one of the ports of {service} is in use: {error.what}"
        return Refused(said, where=self._ground.node, todo="end that, or remove the project and add it again")


async def busy_ports(ground: Ground, place: Place, services: Sequence[str]) -> list[str]:
    """The ports of services on which somebody listens, with who it is."""
    ports = NodePorts(ground.link, local=ground.entry.local)
    await ports.look()

    def look() -> dict[int, str]:
        return {
            public: service
            for service in services
            for public in place.ports(service)
            if ports.busy(place.definition.services[service].listen, public)
        }

    busy = await asyncio.to_thread(look)
    held = await ports.holders(busy, await ground.publishers()) if busy else {}
    return [f"port {port} ({service}) is held by {held[port]}" for port, service in busy.items()]
