"""Where a project stands: its node's engine and link, and what the engine has of it, asked anew for each plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from app.errors import Missing, Refused
from app.inventory.model import NodeEntry
from app.link import Link
from backends.docker.contract import Client, Engine, Engines
from backends.projects import names
from backends.projects.registry import Registry
from backends.projects.rows import first_port

T = TypeVar("T")

QUICK_S = 15.0
"""How long a question for a plan may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a project, as ``GET /containers/json`` has it."""

    id: str
    name: str
    service: str
    state: str
    labels: Mapping[str, str]

    @property
    def runs(self) -> bool:
        """Whether it has processes."""
        return self.state in ("running", "paused", "restarting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the engine has of a project."""

    containers: tuple[Container, ...] = ()
    volumes: Mapping[str, Mapping[str, str]]
    """Name -> labels."""
    network: Mapping[str, str] | None = None
    """Its labels; ``None`` where there is none."""

    @property
    def labels(self) -> dict[str, str]:
        """All that labels of any of it say of the project."""
        said: dict[str, str] = {}
        for labels in (*(c.labels for c in self.containers), *self.volumes.values(), self.network or {}):
            said |= labels
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One node, for whoever changes a project on it."""

    entry: NodeEntry
    engine: Engine
    engines: Engines
    link: Link
    registry: Registry

    @property
    def node(self) -> str:
        """The node's name."""
        return self.entry.name

    @property
    def host(self) -> str:
        """The node's address for a browser: that of its connection, ``localhost`` on this machine."""
        if self.entry.local:
            return "localhost"
        address = self.link.address
        if address:
            host = address.rpartition(":")[0]
            return host if host.count(":") < 2 or host.startswith("[") else f"[{host}]"
        return self.entry.ssh.host if self.entry.ssh is not None else self.entry.name

    async def ask(self, work: Callable[[Client], T], *, timeout: float = QUICK_S) -> T:
        """Ask the engine something."""
        return await self.engine.call(work, timeout=timeout)

    async def left(self, project: str) -> Left:
        """What the engine has of a project now; three lists in one call."""
        containers, volumes, networks = await self._labelled(f"{names.PROJECT}={project}")
        network = next((one for one in networks if one["Name"] == names.network(project)), None)
        return Left(
            containers=tuple(_container(one) for one in containers),
            volumes={str(one["Name"]): cast("dict[str, str]", one["Labels"] or {}) for one in volumes},
            network=None if network is None else cast("dict[str, str]", network["Labels"] or {}),
        )

    async def blocks(self) -> set[int]:
        """The first ports of all projects of which the engine has something, registered here or not."""
        found: set[int] = set()
        for listed in await self._labelled(names.PROJECT):
            for one in listed:
                first = first_port(cast("dict[str, str]", one["Labels"] or {}))
                if first is not None:
                    found.add(first)
        return found

    async def _labelled(self, label: str) -> tuple[list[Any], list[Any], list[Any]]:
        """Containers, volumes and networks with a label."""
        wanted = {"label": [label]}

        def work(client: Client) -> tuple[list[Any], list[Any], list[Any]]:
            volumes: list[Any] = client.volumes(filters=wanted)["Volumes"] or []
            return client.containers(all=True, filters=wanted), volumes, client.networks(filters=wanted)

        return await self.ask(work)

    async def publishers(self) -> dict[int, str]:
        """The ports of the host that containers publish now, with the containers' names."""

        def work(client: Client) -> list[Any]:
            found: list[Any] = client.containers()
            return found

        return {
            int(port["PublicPort"]): _container(one).name
            for one in await self.ask(work)
            for port in one["Ports"] or ()
            if port.get("PublicPort")
        }

    async def inspect(self, name: str) -> dict[str, Any] | None:
        """A container as it is; ``None`` where there is none of that name or id."""
        try:
            found: dict[str, Any] = await self.ask(lambda client: client.inspect_container(name))
        except Missing:
            return None
        return found

    @staticmethod
    def owns(found: dict[str, Any], project: str, service: str) -> bool:
        """Whether an inspected container is a service's of a project."""
        labels: dict[str, str] = found["Config"]["Labels"] or {}
        return labels.get(names.PROJECT) == project and labels.get(names.SERVICE) == service

    async def own(self, project: str, service: str) -> dict[str, Any] | None:
        """A service's container; raises Refused where one of its name belongs to somebody else."""
        name = names.container(project, service)
        found = await self.inspect(name)
        if found is None:
            return None
        if not self.owns(found, project, service):
            raise Refused(
                f"a container '{name}' stands in the way that is not this project's",
                where=self.node,
                todo="rename or remove it",
            )
        return found


def _container(one: Any) -> Container:
    labels: dict[str, str] = one["Labels"] or {}
    return Container(
        id=str(one["Id"]),
        name=str((one["Names"] or [one["Id"]])[0]).lstrip("/"),
        service=labels.get(names.SERVICE, ""),
        state=str(one["State"]),
        labels=labels,
    )
