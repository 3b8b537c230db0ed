"""Waiting until a stack's containers are well: driven by the engine's events, looked up in its list."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.column import clean
from app.errors import QuarterdeckError, Unreachable
from app.plan import Report
from backends.compose.configured import Configured
from backends.compose.rows import ONE_OFF, PROJECT, SERVICE
from backends.docker import lists
from backends.docker.contract import Engine, Engines
from backends.docker.summary import ContainerSummary, Seen

HEALTHY_S = 120.0
"""How long containers may take where nobody says otherwise."""
STEADY_S = 2.0
"""A container without a health check that was just started is well when it has run for so long."""
LOOK_S = 1.0
"""Between two looks while no event comes."""
_MOST_RESTARTS = 2


@dataclass(slots=True)
class Standing:
    """What is known of a stack's containers while it is waited for."""

    services: Mapping[str, int]
    """Service -> containers wanted."""
    once: Collection[str] = ()
    """Services that are to end well, and not to stay."""
    steady: Collection[str] = ()
    """Ids of containers that ran before, undisturbed: they need not prove themselves."""
    running_since: dict[str, float] = field(default_factory=dict[str, float])
    """Container -> when it was first seen running without a health check."""

    def judge(
        self, containers: Sequence[ContainerSummary], restarts: Mapping[str, int], now: float
    ) -> tuple[list[str], list[str]]:
        """(services that are not well yet, what has failed in words) at a moment on any clock that moves on."""
        waiting: list[str] = []
        failed: list[str] = []
        for service, count in self.services.items():
            own = [one for one in containers if one.labels.get(SERVICE) == service]
            verdicts = [self._one(service, one, restarts.get(one.id, 0), now) for one in own]
            failed += [words for words in verdicts if words]
            if len(own) < count or None in verdicts:
                waiting.append(service)
        return waiting, failed

    def _one(self, service: str, one: ContainerSummary, restarts: int, now: float) -> str | None:
        """Empty when it is well, ``None`` while that is not known, words when it failed."""
        shown = clean(service)
        code = "" if one.exit_code is None else f" (exit code {one.exit_code})"
        if restarts >= _MOST_RESTARTS:
            return f"{shown} keeps restarting{code}"
        if one.state == "exited":
            if one.exit_code == 0:
                return ""
            return f"{shown} exited with {one.exit_code}"
        if one.state == "dead":
            return f"{shown} is dead"
        if one.state != "running":
            self.running_since.pop(one.id, None)
            return None
        if one.health is not None:
            return {"healthy": "", "unhealthy": f"{shown} is unhealthy"}.get(one.health)
        if service in self.once:
            return None
        if one.id in self.steady and not restarts:
            return ""
        if restarts:
            self.running_since.setdefault(f"{one.id}/{restarts}", now)
            since = self.running_since[f"{one.id}/{restarts}"]
        else:
            since = self.running_since.setdefault(one.id, now)
        return "" if now - since >= STEADY_S else None


async def containers_of(engine: Engine, project: str) -> tuple[ContainerSummary, ...]:
    """A project's containers as the engine lists them now; those of ``run`` are left out."""

    def ask(client: Any) -> Any:
        return client.containers(all=True, filters={"label": f"{PROJECT}={project}"})

    found = lists.containers(await engine.call(ask), time.time())
    return tuple(one for one in found.values() if one.labels.get(ONE_OFF, "").lower() != "true")


@dataclass(frozen=True, slots=True)
class Well:
    """How waiting ended."""

    ok: bool
    words: str
    waiting: tuple[str, ...] = ()


async def wait_well(
    engines: Engines,
    node: str,
    project: str,
    wanted: Mapping[str, int],
    report: Report,
    *,
    once: Collection[str] = (),
    steady: Collection[str] = (),
    timeout: float = HEALTHY_S,
) -> Well:
    """Wait until every wanted service is running and healthy; ends early where one cannot become so.

    Raises what the engine raises when it cannot be asked for longer than a few looks.
    """
    standing = Standing(wanted, once, steady)
    engine = engines.of(node)
    changed = asyncio.Event()
    seen: list[Seen] = []
    begun = time.time()

    def hear(said: Seen | QuarterdeckError | None) -> None:
        if isinstance(said, Seen):
            seen[:] = [said]
            changed.set()

    end = engines.subscribe(node, hear)
    deadline = time.monotonic() + timeout
    faults = 0
    waiting: list[str] = list(wanted)
    try:
        while True:
            changed.clear()
            try:
                containers = await containers_of(engine, project)
            except Unreachable:
                faults += 1
                if faults > 5:
                    raise
                containers = None
            if containers is not None:
                faults = 0
                waiting, failed = standing.judge(containers, _restarts(seen, begun), time.monotonic())
                report.progress(len(wanted) - len(waiting), len(wanted), "services")
                if failed:
                    return Well(False, "; ".join(failed), tuple(waiting))
                if not waiting:
                    return Well(True, f"{_count(len(wanted))} well")
            left = deadline - time.monotonic()
            if left <= 0:
                named = ", ".join(clean(one) for one in waiting)
                return Well(False, f"not well after {timeout:.0f} s: {named}", tuple(waiting))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_S, left)):
                    await changed.wait()
    finally:
        end()


def _count(services: int) -> str:
    return "1 service is" if services == 1 else f"{services} services are"


def _restarts(seen: Sequence[Seen], begun: float) -> dict[str, int]:
    """Restarts nobody asked for, by container, since a moment on the engine's clock (one second of grace)."""
    if not seen:
        return {}
    since = begun + seen[0].ahead_s - 1.0
    return {one: sum(at >= since for at in moments) for one, moments in seen[0].restarts.items()}


def wanted_of(configured: Configured, chosen: Collection[str] = ()) -> dict[str, int]:
    """Service -> containers, of all enabled services or of the chosen ones."""
    return {
        one.name: one.replicas for one in configured.services if one.replicas > 0 and (not chosen or one.name in chosen)
    }
