"""The pretend engines: what runs in them, as a world that verbs can change; shared by the backends of the demo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.backend import Context
from backends.demo.machines import EDGE, HP, PI, WS, Machine, machines, noise
from backends.kinds.container import Port

MIB = 1 << 20
DAY = 86400.0
ENGINES = 24
"""So many machines have an engine at most: large fleets are there to look at many nodes."""
UNUSED_IMAGE = "alpine:3.18"
UNUSED_VOLUME = "4f1c1d7b0a51f0e0a7"
UNUSED_NETWORK = "old_default"
"""What nothing uses on any pretend engine: something to prune."""
ANYWHERE = "0.0.0.0"  # noqa: S104 - shown, not bound


@dataclass(frozen=True, slots=True)
class Template:
    """One service of a pretend stack."""

    service: str
    image: str
    command: str
    busy: float
    """CPU at most, in percent of a core."""
    memory: int
    limit: int | None = None
    ports: tuple[tuple[int, int | None], ...] = ()
    checked: bool = True
    """It has a health check."""


STACKS: dict[str, tuple[str, tuple[Template, ...]]] = {
    "carbonac": (
        "~/carbonac",
        (
            Template("redis", "redis:7.2-alpine", "redis-server", 2, 12 * MIB, 128 * MIB, ((6379, None),)),
            Template("api", "carbonac/api:2.4.1", "node server.js", 30, 210 * MIB, 384 * MIB, ((3001, 3003),)),
        ),
    ),
    "carbonac-worker": (
        "~/projects/Carbonac",
        (
            Template("worker", "carbonac/worker:2.4.1", "node worker.js", 160, 840 * MIB, 2048 * MIB),
            Template("chromium", "chromedp/headless-shell:130", "headless-shell", 90, 420 * MIB, 1024 * MIB),
        ),
    ),
    "monitoring": (
        "/srv/monitoring",
        (
            Template("prometheus", "prom/prometheus:v2.54.1", "prometheus", 14, 380 * MIB, 512 * MIB, ((9090, 9090),)),
            Template("grafana", "grafana/grafana:11.2.0", "grafana server", 4, 140 * MIB, 256 * MIB, ((3000, 3000),)),
            Template("node-exporter", "prom/node-exporter:v1.8.2", "node_exporter", 1, 18 * MIB, None, (), False),
        ),
    ),
    "llm": (
        "/srv/llm",
        (
            Template("ollama", "ollama/ollama:0.4.1", "ollama serve", 700, 9200 * MIB, None, ((11434, 11434),), False),
            Template("webui", "open-webui/open-webui:0.3.35", "bash start.sh", 12, 760 * MIB, None, ((8080, 8088),)),
        ),
    ),
    "proxy": (
        "/opt/proxy",
        (
            Template("traefik", "traefik:v3.1", "traefik", 6, 64 * MIB, 128 * MIB, ((80, 80), (443, 443))),
            Template("whoami", "traefik/whoami:v1.10", "whoami", 1, 6 * MIB, 32 * MIB, ((80, None),), False),
        ),
    ),
}
"""Name -> folder and services."""
ON = {PI: ("carbonac",), HP: ("carbonac-worker", "monitoring"), WS: ("llm",), EDGE: ("proxy",)}
"""Which stacks a sort of machine runs."""


@dataclass(slots=True)
class PretendContainer:
    """One pretend container and what has been done to it."""

    number: int
    machine: Machine
    name: str
    stack: str | None
    template: Template
    state: str = "running"
    health: str | None = None
    exit_code: int | None = None
    started_at: float = 0.0
    """On the pretend clock."""
    created_at: float = 0.0
    restarts: int = 0
    looping: bool = False

    @property
    def id(self) -> str:
        """``machine/name``."""
        return f"{self.machine.name}/{self.name}"

    @property
    def ports(self) -> tuple[Port, ...]:
        """As the engine would tell them."""
        return tuple(
            Port(private=inside, public=out, address=ANYWHERE if out else "") for inside, out in self.template.ports
        )

    def starts(self, at: float) -> None:
        """It runs from now on."""
        self.state, self.started_at, self.exit_code = "running", at, None
        self.health = "healthy" if self.template.checked else None
        self.looping = False

    def ends(self, code: int = 0) -> None:
        """It has exited."""
        self.state, self.exit_code, self.health, self.looping = "exited", code, None, False


@dataclass(slots=True)
class PretendProject:
    """One pretend project stack."""

    name: str
    machine: str
    path: str
    first_port: int
    running: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class World:
    """All pretend engines."""

    machines: dict[str, Machine]
    containers: dict[str, PretendContainer]
    projects: dict[str, PretendProject]
    images: dict[str, dict[str, float]]
    """Machine -> image -> age in seconds at the beginning."""
    began: float
    updated: dict[str, float] = field(default_factory=dict[str, float])
    """Stack id -> seconds since the epoch of its last update."""
    newer: dict[str, bool] = field(default_factory=dict[str, bool])
    """Image id -> whether the pretend registry has a newer one."""
    removed: set[str] = field(default_factory=set[str])
    """``kind:id`` of what was removed."""
    changes: int = 0

    def of(self, machine: str, stack: str | None = None) -> Iterator[PretendContainer]:
        """The containers of a machine, or of one of its stacks."""
        for one in self.containers.values():
            if one.machine.name == machine and (stack is None or one.stack == stack):
                yield one


def world(context: Context) -> World:
    """The one pretend world of a deck; a factory for ``Context.shared``."""
    fleet = {machine.name: machine for machine in machines(min(context.demo, ENGINES))}
    made: dict[str, PretendContainer] = {}
    images: dict[str, dict[str, float]] = {}
    for machine in fleet.values():
        for stack in ON.get(machine.model, ()):
            for template in STACKS[stack][1]:
                one = _container(len(made), machine, stack, template)
                made[one.id] = one
                images.setdefault(machine.name, {})[template.image] = (3 + 40 * noise(one.number, 22)) * DAY
        if machine.name in images:
            images[machine.name][UNUSED_IMAGE] = 60 * DAY
    _trouble(made)
    first = next(iter(fleet), "")
    parts = {"postgres", "redis", "backend", "frontend"}
    shop = PretendProject("shop", first, "~/src/shop", 20000, parts)
    blog = PretendProject("blog", first, "~/src/blog", 20010)
    projects = {one.name: one for one in (shop, blog)}
    return World(fleet, made, projects if fleet else {}, images, context.clock())


def _container(number: int, machine: Machine, stack: str, template: Template) -> PretendContainer:
    age = (1 + 60 * noise(number, 21)) * DAY
    one = PretendContainer(number, machine, f"{stack}-{template.service}-1", stack, template, created_at=-age)
    one.starts(-age * noise(number, 23))
    return one


def _trouble(made: dict[str, PretendContainer]) -> None:
    """A loop, an unhealthy one and one that has failed, so that there is something to see."""
    workers = [one for one in made.values() if one.template.service == "worker"]
    apis = [one for one in made.values() if one.template.service == "api"]
    exporters = [one for one in made.values() if one.template.service == "node-exporter"]
    if workers:
        workers[0].looping, workers[0].restarts, workers[0].health = True, 14, None
    if apis:
        apis[-1].health = "unhealthy"
    if exporters:
        exporters[-1].ends(137)


def today() -> float:
    """Seconds since the epoch."""
    return time.time()
