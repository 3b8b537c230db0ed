"""Every verb of project stacks, done to pretend ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app import column
from app.column import Column
from app.errors import ConfigurationError, Missing
from app.fleet import Ref
from app.plan import Plan, Step
from app.verb import Rows, Stream
from backends.demo.container_verbs import Pretending
from backends.demo.pretending import doing, spoken, step
from backends.demo.world import PretendProject
from backends.kinds.project import Part, Project, ProjectVerbs

PARTS = tuple(
    zip(
        ("postgres", "redis", "backend", "frontend"),
        ("postgres:15-alpine", "redis:7-alpine", "python:3.11-slim", "node:18-alpine"),
        strict=True,
    )
)
"""Services of a pretend project and their images, in the order of their start."""


def row(one: PretendProject) -> Project:
    """One project as it stands."""
    parts = tuple(
        Part(name=name, image=image, state="healthy" if name in one.running else "absent", port=one.first_port + number)
        for number, (name, image) in enumerate(PARTS)
    )
    state = "running" if len(one.running) == len(PARTS) else "partial" if one.running else "stopped"
    return Project(
        id=f"{one.machine}/{one.name}",
        name=one.name,
        source=one.machine,
        state=state,
        parent=Ref("node", one.machine),
        tags=frozenset({"demo"}),
        path=one.path,
        first_port=one.first_port,
        parts=parts,
    )


class DemoProjectVerbs(ProjectVerbs, Pretending):
    """The verbs of pretend projects."""

    def _project(self, target: Project) -> PretendProject:
        found = self.world.projects.get(target.name)
        if found is None:
            raise Missing("no such pretend project", where=target.id)
        return found

    async def add(self, name: str, path: str, *, to: str | None = None, definition: Path | None = None) -> Plan:
        """Pretend to register a project."""
        machine = self.machine(to)
        if name in self.world.projects:
            raise ConfigurationError("there is a project of that name", where=name, todo="choose another")
        taken = {one.first_port for one in self.world.projects.values()}
        first = next(port for port in range(20000, 30000, 10) if port not in taken)

        def change() -> None:
            self.world.projects[name] = PretendProject(name, machine, path, first)

        text = f"register {name} at {path} with ports {first} to {first + 9}"
        return Plan(step(self.world, Ref("project", f"{machine}/{name}"), text, change))

    async def start(self, target: Project, *, service: tuple[str, ...] = (), timeout: int = 120) -> Plan:
        """Pretend to launch it."""
        one = self._project(target)
        return Plan(*self._launch(target, one, service))

    def _launch(self, target: Project, one: PretendProject, service: Sequence[str], first: str = "") -> list[Step]:
        made: list[Step] = []
        before = first
        for name, image in PARTS:
            if service and name not in service:
                continue
            run = doing(self.world, lambda name=name: one.running.add(name), f"{name} is healthy", 4)
            after = (before,) if before else ()
            made.append(
                Step(target, f"POST /containers/create?name={one.name}-{name} ({image}); start", run, name, after)
            )
            before = name
        return made

    async def stop(self, target: Project, *, service: tuple[str, ...] = ()) -> Plan:
        """Pretend to stop it."""
        return Plan(self._stopping(target, service))

    def _stopping(self, target: Project, service: Sequence[str]) -> Step:
        one = self._project(target)
        names = set(service) or {name for name, _ in PARTS}

        def change() -> None:
            one.running.difference_update(names)

        said = ", ".join(name for name, _ in reversed(PARTS) if name in names)
        return Step(target, f"stop and remove {said}", doing(self.world, change), "stop")

    async def restart(self, target: Project, *, service: tuple[str, ...] = (), timeout: int = 120) -> Plan:
        """Pretend to stop it and launch it again."""
        one = self._project(target)
        return Plan(self._stopping(target, service), *self._launch(target, one, service, "stop"))

    async def status(self, target: Project) -> Rows:
        """Show the pretend services."""
        columns: tuple[Column[Part], ...] = (
            Column("SERVICE", lambda p: column.text(p.name), 14),
            Column("STATE", lambda p: column.text(p.state), 10),
            Column("PORT", lambda p: column.number(p.port), 6, "right"),
            Column("IMAGE", lambda p: column.text(p.image), 30, flex=True),
        )
        return Rows(columns, target.parts)

    async def logs(
        self,
        targets: Sequence[Project],
        *,
        service: tuple[str, ...] = (),
        follow: bool = False,
        lines: int = 200,
        since: str | None = None,
        grep: str | None = None,
        invert: bool = False,
        timestamps: bool = False,
    ) -> Stream:
        """Read pretend logs."""
        origins = [f"{t.name}/{p.name}" for t in targets for p in t.parts if not service or p.name in service]
        return Stream(spoken(origins, count=lines, follow=follow, grep=grep, invert=invert), "logs")

    async def remove(self, target: Project, *, volumes: bool = False) -> Plan:
        """Pretend to forget it."""
        self._project(target)

        def change() -> None:
            self.world.projects.pop(target.name, None)

        lost = [f"{target.name}: its block of ports" + (", data and secrets" if volumes else "")]
        return Plan(step(self.world, target, f"stop and forget {target.name}", change), loses=lost)
