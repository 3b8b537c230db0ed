"""Stacks as rows: what an engine holds, put together by labels, beside what hosts.yaml declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.fleet import Ref
from backends.compose.configured import Configured, plain_project
from backends.compose.declared import Declared
from backends.docker.summary import ContainerSummary, Seen
from backends.kinds.stack import Service, Stack

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
FOLDER = "com.docker.compose.project.working_dir"
FILES = "com.docker.compose.project.config_files"
ENV_FILES = "com.docker.compose.project.environment_file"
ONE_OFF = "com.docker.compose.oneoff"
NEEDS = "com.docker.compose.depends_on"

_WORST = ("dead", "restarting", "unhealthy", "exited", "created", "removing", "paused", "starting", "up", "healthy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One compose project of an engine, as its containers' labels tell."""

    name: str
    containers: tuple[ContainerSummary, ...] = ()
    """Without those of ``run``."""

    def label(self, name: str) -> str:
        """A label that all its containers share, as the newest has it."""
        told = [c for c in self.containers if c.labels.get(name)]
        return max(told, key=lambda c: c.created_at).labels[name] if told else ""

    @property
    def folder(self) -> str:
        """Where it was started; empty where the labels do not say."""
        return self.label(FOLDER)

    @property
    def files(self) -> tuple[str, ...]:
        """Its compose files: absolute with v2, as they were given with 1.29."""
        return tuple(one for one in self.label(FILES).split(",") if one)

    @property
    def env_files(self) -> tuple[str, ...]:
        """Those that v2 was given."""
        return tuple(one for one in self.label(ENV_FILES).split(",") if one)

    @property
    def once(self) -> frozenset[str]:
        """Services that are not to stay: others wait for them to have ended well."""
        found: set[str] = set()
        for container in self.containers:
            for need in container.labels.get(NEEDS, "").split(","):
                name, _, condition = need.partition(":")
                if condition.startswith("service_completed_successfully"):
                    found.add(name)
        return frozenset(found)


def projects(seen: Seen | None) -> dict[str, Project]:
    """The compose projects of an engine by name, in the order of the names."""
    by_name: dict[str, list[ContainerSummary]] = {}
    for container in seen.containers if seen else ():
        name = container.labels.get(PROJECT)
        if name and container.labels.get(ONE_OFF, "").lower() != "true":
            by_name.setdefault(name, []).append(container)
    return {name: Project(name=name, containers=tuple(by_name[name])) for name in sorted(by_name)}


def container_state(container: ContainerSummary) -> str:
    """One word for a container: its health while it runs, else what the engine says."""
    if container.state == "running":
        return container.health or "up"
    return container.state


def services(project: Project | None, configured: Configured | None) -> tuple[Service, ...]:
    """The services of a stack: those configured, and those that have containers all the same."""
    by_name: dict[str, list[ContainerSummary]] = {}
    for container in project.containers if project else ():
        by_name.setdefault(container.labels.get(SERVICE, "?"), []).append(container)
    names = [one.name for one in configured.services if one.replicas > 0] if configured else []
    found: list[Service] = []
    for name in [*names, *sorted(by_name.keys() - set(names))]:
        own = by_name.get(name, [])
        wanted = configured.service(name) if configured else None
        if not own:
            found.append(Service(name=name, image=wanted.image if wanted else ""))
            continue
        worst = min(own, key=lambda c: _rank(container_state(c)))
        found.append(
            Service(
                name=name,
                image=worst.image,
                running=sum(c.state in ("running", "paused") for c in own),
                total=len(own),
                state=container_state(worst),
                exit_code=worst.exit_code if worst.state == "exited" else None,
            )
        )
    return tuple(found)


def _rank(state: str) -> int:
    return _WORST.index(state) if state in _WORST else 0


def state_of(found: Sequence[Service], once: Iterable[str]) -> str:
    """One word for the stack: up, partial, down, unhealthy or starting."""
    ended = {s.name for s in found if s.name in once and s.state == "exited" and s.exit_code == 0}
    lasting = [s for s in found if s.name not in ended]
    states = {s.state for s in lasting}
    if not any(s.running for s in found) and "restarting" not in states:
        return "down"
    if states & {"unhealthy", "restarting", "dead"}:
        return "unhealthy"
    if states & {"exited", "created", "absent", "paused", "removing"}:
        return "partial"
    return "starting" if "starting" in states else "up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a node told of a declared stack; ``fault`` where it could not."""

    folder: str = ""
    configured: Configured | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything the rows of one node are made of."""

    node: str
    declared: tuple[Declared, ...] = ()
    resolved: Mapping[str, Resolved] = field(default_factory=dict[str, Resolved])
    """Stack -> what the node told."""
    seen: Seen | None = None
    usage: Mapping[str, tuple[float | None, int | None]] = field(
        default_factory=dict[str, "tuple[float | None, int | None]"]
    )
    """Project -> CPU in percent of a core, memory in bytes."""
    updated: Mapping[str, float] = field(default_factory=dict[str, float])
    """Stack -> seconds since the epoch."""
    fault: str | None = None
    """Why the engine is not heard."""
    state: str | None = None
    """Of every declared stack, while the engine is not heard."""


def project_of(one: Declared, resolved: Resolved | None, found: Mapping[str, Project]) -> str:
    """What compose calls a declared stack: as the node told, else as its running containers show, else as guessed."""
    if one.project is not None:
        return one.project
    if resolved is not None and resolved.configured is not None:
        return resolved.configured.project
    folder = resolved.folder if resolved is not None else ""
    if folder:
        running = next((p.name for p in found.values() if p.folder == folder), None)
        if running is not None:
            return running
    return plain_project(folder or one.dir.written)


def doubtful(known: Known) -> frozenset[str]:
    """The declared stacks that may be one of the running projects which are none's: their compose file may name it."""
    found = projects(known.seen)
    named = {one.name: project_of(one, known.resolved.get(one.name), found) for one in known.declared}
    if found.keys() <= set(named.values()):
        return frozenset()
    open_ = (one for one in known.declared if one.fault is None and one.project is None)
    return frozenset(one.name for one in open_ if one.name not in known.resolved and named[one.name] not in found)


def rows(known: Known) -> tuple[Stack, ...]:
    """One row per declared stack, then one per project that was found and is none of them."""
    found = projects(known.seen)
    made: list[Stack] = []
    taken: set[str] = set()
    for one in known.declared:
        resolved = known.resolved.get(one.name)
        name = project_of(one, resolved, found)
        taken.add(name)
        made.append(_declared_row(known, one, resolved, name, found.get(name)))
    ids = {row.id for row in made}
    for name, project in found.items():
        if name not in taken:
            shown = name if f"{known.node}/{name}" not in ids else f"{name}.found"
            made.append(_found_row(known, shown, project))
    return tuple(made)


def _declared_row(known: Known, one: Declared, resolved: Resolved | None, name: str, project: Project | None) -> Stack:
    configured = resolved.configured if resolved else None
    fault = one.fault or known.fault or (resolved.fault if resolved else None)
    own = services(project, configured)
    once = {w.name for w in configured.services if w.once} if configured else (project.once if project else ())
    if one.fault is not None or known.seen is None:
        state = "unknown" if one.fault is not None else known.state or "unknown"
    else:
        state = state_of(own, once)
    folder = resolved.folder if resolved else ""
    cpu, mem = known.usage.get(name, (None, None))
    note = None
    if project is not None and folder and project.folder not in ("", folder):
        note = f"runs from {project.folder}"
    return Stack(
        id=f"{known.node}/{one.name}",
        name=one.name,
        source=known.node,
        state=state,
        parent=Ref("node", known.node),
        fault=fault,
        project=None if one.fault is not None else name,
        declared=True,
        dir=folder or one.dir.written,
        files=tuple(file.written for file in one.files),
        profiles=one.profiles,
        env_files=tuple(file.written for file in one.env_files),
        order=one.order,
        services=own,
        cpu_percent=cpu,
        mem_used_bytes=mem,
        updated_at=known.updated.get(one.name),
        note=note,
    )


def _found_row(known: Known, shown: str, project: Project) -> Stack:
    own = services(project, None)
    cpu, mem = known.usage.get(project.name, (None, None))
    return Stack(
        id=f"{known.node}/{shown}",
        name=shown,
        source=known.node,
        state=state_of(own, project.once),
        parent=Ref("node", known.node),
        fault=known.fault,
        project=project.name,
        dir=project.folder or None,
        files=project.files,
        env_files=project.env_files,
        services=own,
        cpu_percent=cpu,
        mem_used_bytes=mem,
        updated_at=known.updated.get(shown),
    )
