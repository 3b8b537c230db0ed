"""The pretend backends of containers, stacks and projects: one source for each machine, told anew at every tick."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import ClassVar

from app.backend import Backend, Context, Emit, Source
from app.fleet import Reading, Ref, Resource
from app.inventory.model import Inventory
from backends.demo import container_rows
from backends.demo.container_verbs import DemoContainerVerbs, DemoImageVerbs, DemoNetworkVerbs, DemoVolumeVerbs
from backends.demo.project_verbs import DemoProjectVerbs, row
from backends.demo.stack_verbs import DemoStackVerbs
from backends.demo.world import STACKS, World, world
from backends.kinds.container import Container
from backends.kinds.stack import Service, Stack

INTERVAL_S = 2.0


class _Told(Backend):
    """A pretend backend that tells of all its rows every two seconds, and when it is nudged."""

    world: World

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.world = context.shared(world)

    def clock(self) -> float:
        """Seconds since the pretend fleet began, plus ten minutes so that it has a past."""
        return self.context.clock() - self.world.began + 600

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """One for each machine that has an engine."""
        return [Source(self.name, machine, INTERVAL_S, self.nouns) for machine in self.world.machines]

    def rows(self, topic: str, machine: str, at: float) -> Iterable[Resource]:
        """The rows of one topic, which is a noun, on one machine."""
        raise NotImplementedError

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell of everything, for ever."""
        while True:
            nudge.clear()
            at, now = self.clock(), self.context.clock()
            for topic in self.nouns:
                items = tuple(self.rows(topic, source.name, at))
                emit(
                    Reading(
                        backend=self.name,
                        source=source.name,
                        topic=topic,
                        items=items,
                        taken_at=now,
                        interval=INTERVAL_S,
                    )
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), INTERVAL_S)


class DemoContainers(_Told, DemoContainerVerbs, DemoImageVerbs, DemoVolumeVerbs, DemoNetworkVerbs):
    """Pretend containers, images, volumes and networks."""

    name: ClassVar[str] = "demo-containers"
    nouns: ClassVar[tuple[str, ...]] = ("container", "image", "volume", "network")

    def rows(self, topic: str, machine: str, at: float) -> Iterable[Resource]:
        """The rows of one kind."""
        if topic == "container":
            return [container_rows.container(one, at) for one in self.world.of(machine)]
        if topic == "image":
            return container_rows.images(self.world, machine, at)
        if topic == "volume":
            return container_rows.volumes(self.world, machine, at)
        return container_rows.networks(self.world, machine)


class DemoStacks(_Told, DemoStackVerbs):
    """Pretend compose stacks."""

    name: ClassVar[str] = "demo-stacks"
    nouns: ClassVar[tuple[str, ...]] = ("stack",)

    def rows(self, topic: str, machine: str, at: float) -> Iterable[Resource]:
        """One for each stack."""
        found: dict[str, list[Container]] = {}
        for one in self.world.of(machine):
            if one.stack is not None:
                found.setdefault(f"{one.machine.name}/{one.stack}", []).append(container_rows.container(one, at))
        return [self._stack(ident, rows) for ident, rows in found.items()]

    def _stack(self, ident: str, rows: list[Container]) -> Stack:
        machine, _, name = ident.partition("/")
        services = tuple(_service(one) for one in rows)
        running = [one for one in rows if one.state == "running"]
        if any(one.health == "unhealthy" for one in running):
            state = "unhealthy"
        else:
            state = "up" if len(running) == len(rows) else "partial" if running else "down"
        return Stack(
            id=ident,
            name=name,
            source=machine,
            state=state,
            parent=Ref("node", machine),
            tags=container_rows.TAGS,
            project=name,
            declared=name.startswith("carbonac"),
            dir=STACKS[name][0],
            profiles=("pi",) if name == "carbonac" else ("hp-worker",) if name == "carbonac-worker" else (),
            env_files=(".env",) if name.startswith("carbonac") else (),
            order=2 if name == "carbonac-worker" else 1,
            services=services,
            cpu_percent=round(sum(one.cpu_percent or 0 for one in running), 1),
            mem_used_bytes=sum(one.mem_used_bytes or 0 for one in running),
            updated_at=self.world.updated.get(ident),
        )


def _service(one: Container) -> Service:
    lives = one.state == "running"
    state = "restarting" if one.looping else (one.health or "up") if lives else one.state
    return Service(
        name=one.service or one.name,
        image=one.image,
        running=int(lives),
        total=1,
        state=state,
        exit_code=one.exit_code,
    )


class DemoProjects(_Told, DemoProjectVerbs):
    """Pretend project stacks."""

    name: ClassVar[str] = "demo-projects"
    nouns: ClassVar[tuple[str, ...]] = ("project",)

    def rows(self, topic: str, machine: str, at: float) -> Iterable[Resource]:
        """One for each project."""
        return [row(one) for one in self.world.projects.values() if one.machine == machine]


__all__ = ["DemoContainers", "DemoProjects", "DemoStacks"]
