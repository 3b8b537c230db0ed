"""What an engine's lists say, as values: one object per container, image, volume and network.

Field names follow the Docker Engine API (v1.41) that they are read from; strings are as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from backends.kinds.container import Port


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount of a container."""

    type: str
    """bind, volume, tmpfs …"""
    name: str = ""
    """Of a volume."""
    source: str = ""
    destination: str = ""
    writable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSummary:
    """One item of ``GET /containers/json?all=1``, kept up to date by events."""

    id: str
    name: str
    """Without the leading slash."""
    image: str
    image_id: str
    command: str
    created_at: float
    """Seconds since the epoch."""
    state: str
    """created, running, paused, restarting, removing, exited or dead."""
    status: str
    """The engine's words, such as ``Up 3 hours (healthy)``."""
    health: str | None = None
    """healthy, unhealthy, starting; ``None`` without a health check."""
    exit_code: int | None = None
    started_at: float | None = None
    """Seconds since the epoch, where an event told; ``None`` where only the status words are known."""
    uptime_s: float | None = None
    """As the status words have it, at the moment of the list: coarse."""
    ports: tuple[Port, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    mounts: tuple[Mount, ...] = ()
    networks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Name of the network -> address of the container in it, empty while it has none."""
    listed_at: float = field(default=0.0, compare=False)
    """When ``status`` and ``uptime_s`` were read: seconds since the epoch by the engine's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSummary:
    """One item of ``GET /images/json``."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int = 0
    created_at: float = 0.0
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSummary:
    """One item of ``GET /volumes``."""

    name: str
    driver: str
    mountpoint: str
    created_at: float | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSummary:
    """One item of ``GET /networks``."""

    id: str
    name: str
    driver: str
    subnets: tuple[str, ...] = ()
    internal: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything an engine holds, as known at one moment. Unchanged parts are the same objects as before."""

    taken_at: float
    """``time.monotonic()``."""
    containers: tuple[ContainerSummary, ...] = ()
    restarts: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Container id -> moments (seconds since the epoch) of restarts nobody asked for, oldest first."""
    images: tuple[ImageSummary, ...] = ()
    volumes: tuple[VolumeSummary, ...] = ()
    networks: tuple[NetworkSummary, ...] = ()
    engine: str = ""
    """Such as ``Docker 20.10.24`` or ``Podman 4.3.1``."""
    api: str = ""
    """The API version in use, such as ``1.41``."""
    cgroup_driver: str = ""
    """cgroupfs or systemd, as ``GET /info`` says; empty while unknown."""
    root_dir: str = ""
    """The engine's folder, such as ``/var/lib/docker``."""
    ahead_s: float = 0.0
    """How far the engine's clock is ahead of this machine's; every moment that an engine tells is by its own clock."""
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """images, volumes or networks -> why its list could not be read; what stands there then is older."""
