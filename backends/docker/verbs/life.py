"""Starting, stopping and what is between: ``start``, ``stop``, ``restart``, ``pause``, ``unpause``, ``kill``."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import ConfigurationError, Refused
from app.plan import Plan, Report, Result, Risk, Step
from backends.docker.contract import Client
from backends.docker.verbs.neighbours import Neighbours
from backends.docker.verbs.target import ACT_S, Inspected, alive
from backends.kinds.container import Container, Signal

_LONGEST_S = 24 * 3600
_ENDING = frozenset({"KILL", "TERM", "INT", "QUIT", "HUP"})


class LifeVerbs(Neighbours):
    """From running to stopped and back."""

    async def start(self, target: Container) -> Plan:
        """Start it."""
        now = await self.fresh(target)
        if now.state in ("running", "restarting"):
            return _nothing(target, f"is {now.words} already")
        if now.state == "paused":
            raise Refused("it is paused, and has processes already", where=target.id, todo="unpause it")
        _refuse_going(target, now)
        step = self._call(target, now, "start", lambda c: c.start(now.id), "started", undo="stop")
        return Plan(step, notes=await self.waiting_for(target, now), preconditions=[alive(now, "it does not run yet")])

    async def stop(self, target: Container, *, timeout: int = 10) -> Plan:
        """Stop it, and kill it if it does not stop in time."""
        _check_time(timeout)
        now = await self.fresh(target)
        if not now.runs:
            return _nothing(target, f"is {now.words} already")
        step = self._call(
            target,
            now,
            f"stop?t={timeout}",
            lambda c: c.stop(now.id, timeout=timeout),
            "stopped",
            within=timeout,
            undo="" if now.goes_when_stopped else "start",
        )
        return await self._ending(target, now, step)

    async def restart(self, target: Container, *, timeout: int = 10) -> Plan:
        """Stop the container and start it again; one that does not run is started."""
        _check_time(timeout)
        now = await self.fresh(target)
        _refuse_going(target, now)
        notes = await self.dependents(target, now)
        if not now.runs:
            notes = [f"{target.id}: is {now.words}, and is started", *notes]
        step = self._call(
            target,
            now,
            f"restart?t={timeout}",
            lambda c: c.restart(now.id, timeout=timeout),
            "restarted",
            within=timeout,
        )
        return Plan(step, notes=notes, preconditions=[alive(now)])

    async def pause(self, target: Container) -> Plan:
        """Freeze every process in it."""
        now = await self.fresh(target)
        if now.state == "paused":
            return _nothing(target, "is paused already")
        if now.state != "running":
            raise Refused(f"only one that runs can be paused, and it is {now.words}", where=target.id)
        step = self._call(target, now, "pause", lambda c: c.pause(now.id), "paused", undo="unpause")
        notes = await self.dependents(target, now)
        return Plan(step, notes=notes, preconditions=[alive(now, "it runs")])

    async def unpause(self, target: Container) -> Plan:
        """Let it go on."""
        now = await self.fresh(target)
        if now.state == "running":
            return _nothing(target, "is running already")
        if now.state != "paused":
            raise Refused(f"it is not paused but {now.words}", where=target.id)
        step = self._call(target, now, "unpause", lambda c: c.unpause(now.id), "goes on", undo="pause")
        return Plan(step, preconditions=[alive(now, "it is paused")])

    async def kill(self, target: Container, *, signal: Signal = "KILL") -> Plan:
        """Send a signal to its first process."""
        now = await self.fresh(target)
        if not now.runs:
            raise Refused(f"it has no process to get a signal: it is {now.words}", where=target.id)
        ends = signal in _ENDING
        step = self._call(
            target,
            now,
            f"kill?signal=SIG{signal}",
            lambda c: c.kill(now.id, signal=f"SIG{signal}"),
            f"SIG{signal} sent",
            undo="start" if ends and not now.goes_when_stopped else "",
        )
        if ends:
            return await self._ending(target, now, step)
        return Plan(step, preconditions=[alive(now, "it runs")])

    # -- what they share

    def _call(
        self,
        target: Container,
        now: Inspected,
        what: str,
        work: Callable[[Client], object],
        said: str,
        *,
        within: float = 0,
        undo: str = "",
    ) -> Step:
        """One request about a container as a step; ``within``: seconds the request itself gives it."""

        async def run(report: Report) -> Result:
            await self.of(target, work, timeout=within + ACT_S)
            return Result(0, said)

        undone = f"quarterdeck container {undo} {target.id}" if undo else ""
        return Step(target, f"POST /containers/{now.short}/{what}", run, lane=lane(target), undo=undone)

    async def _ending(self, target: Container, now: Inspected, step: Step) -> Plan:
        notes = await self.dependents(target, now)
        if now.goes_when_stopped:
            return Plan(
                step,
                loses=[f"{target.id} itself and what it wrote: it was started with --rm, and goes when it ends"],
                notes=notes,
                preconditions=[alive(now, "it runs")],
                risk=Risk.DESTROYS,
            )
        return Plan(step, notes=notes, preconditions=[alive(now, "it runs")])


def lane(target: Container) -> str:
    """What is done to one container is done one after the other."""
    return f"container@{target.source}:{target.container_id}"


def _nothing(target: Container, why: str) -> Plan:
    return Plan(notes=[f"{target.id}: {why}"])


def _refuse_going(target: Container, now: Inspected) -> None:
    if now.state in ("removing", "dead"):
        raise Refused(f"it is {now.words}, and cannot be started any more", where=target.id, todo="remove it")


def _check_time(timeout: int) -> None:
    if not 0 <= timeout <= _LONGEST_S:
        raise ConfigurationError(
            f"{timeout} is no time to wait", where="--timeout", todo=f"give 0 to {_LONGEST_S} seconds"
        )
