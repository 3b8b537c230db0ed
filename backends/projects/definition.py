"""What a project consists of, as typed code: services with images, ports, environment, volumes, checks and limits.

A definition is plain data, so that it can be written in Python, in YAML with the same fields, or read back from the
JSON that is kept with what was launched. Texts of ``env`` may refer to what is only known at the launch:

``${secret:NAME}``   a generated secret; put in inside the container, so that no inspection shows it
``${port:SERVICE}``  the port of the host on which a service's first port is published
``${host}``          the node's address, as a browser reaches it
``${project}``       the project's name
``$$``               a dollar sign
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

BLOCK = 10
"""Ports in a project's block, and so the most it may publish."""

Restart = Literal["no", "on-failure", "unless-stopped", "always"]


def _none() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the engine finds out, inside the container, whether a service works. Times in seconds."""

    test: str | tuple[str, ...]
    """A line for the container's shell, or a program and its arguments; exit code 0 is healthy."""
    interval: float = 30
    timeout: float = 10
    retries: int = 3
    """So many failures in a row are unhealthy."""
    start_period: float = 0
    """For so long after the start failures do not count."""
    slow_ms: float | None = None
    """A check that takes longer works, but is slow; its program's own start counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A part of the project's folder, seen in a container."""

    path: str = "."
    """Relative to the project's folder."""
    target: str
    """Absolute, in the container."""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One container of a project; others of the project reach it by its name."""

    image: str
    command: str | tuple[str, ...] = ()
    """A line for the container's shell, or a program and its arguments; the image's own where it is left out."""
    ports: tuple[int, ...] = ()
    """Of the container; each is published on the next port of the project's block."""
    listen: str = "127.0.0.1"
    """The node's address on which ports are published; ``0.0.0.0`` is all of them."""
    env: Mapping[str, str] = field(default_factory=_none)
    secrets: tuple[str, ...] = ()
    """Generated once per project; files ``/run/secrets/NAME`` in the container."""
    volumes: Mapping[str, str] = field(default_factory=_none)
    """Name -> absolute path in the container: data that outlives it."""
    mounts: tuple[Mount, ...] = ()
    health: Health | None = None
    depends_on: tuple[str, ...] = ()
    """Services that must be healthy before this one is started."""
    cpus: float | None = None
    """Most of so many cores."""
    memory_mb: int | None = None
    """Most MiB of memory."""
    required: bool = True
    """Whether the project is well only while this one is."""
    workdir: str | None = None
    user: str | None = None
    """``uid``, ``uid:gid`` or a name the image knows; the image's own where it is left out."""
    restart: Restart = "unless-stopped"
    stop_timeout: int = 10
    """Seconds to end by itself before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The services of a project, by name; their order is that of their ports."""

    services: Mapping[str, Service]

    def offsets(self) -> dict[str, tuple[int, ...]]:
        """Each service's places in the block of ports."""
        found: dict[str, tuple[int, ...]] = {}
        next_ = 0
        for name, service in self.services.items():
            found[name] = tuple(range(next_, next_ + len(service.ports)))
            next_ += len(service.ports)
        return found

    def in_order(self) -> tuple[str, ...]:
        """The services, each behind those it depends on; otherwise as they stand."""
        done: list[str] = []
        while len(done) < len(self.services):
            ready = [
                name
                for name, service in self.services.items()
                if name not in done and all(need in done for need in service.depends_on)
            ]
            if not ready:  # a circle; ``checking.faults`` names it
                return (*done, *(name for name in self.services if name not in done))
            done.append(ready[0])
        return tuple(done)

    def with_needs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Some services and all they depend on, in order; all services where none is named."""
        wanted = set(names or self.services)
        while True:
            more = {need for name in wanted for need in self.services[name].depends_on} - wanted
            if not more:
                return tuple(name for name in self.in_order() if name in wanted)
            wanted |= more

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret of every service, each once."""
        return tuple(dict.fromkeys(name for service in self.services.values() for name in service.secrets))

    def as_json(self) -> str:
        """The whole definition as one line, the same for equal ones; ``reading.from_json`` reads it back."""
        said = {
            "services": {
                name: {key: value for key, value in _plain(service).items() if value not in (None, {}, (), [])}
                for name, service in self.services.items()
            }
        }
        return json.dumps(_canonical(said), ensure_ascii=False, separators=(",", ":"))


def _plain(service: Service) -> dict[str, Any]:
    said = {spec.name: getattr(service, spec.name) for spec in fields(service)}
    for name in ("env", "volumes"):
        said[name] = dict(said[name])
    said["mounts"] = [asdict(mount) for mount in service.mounts]
    if service.health is not None:
        said["health"] = {key: value for key, value in asdict(service.health).items() if value is not None}
    return said


def _canonical(value: Any) -> Any:
    """Numbers in one way of writing: equal definitions are the same text whether 30 or 30.0 was said."""
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [_canonical(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return int(value) if isinstance(value, float) and value.is_integer() else value
