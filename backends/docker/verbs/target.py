"""What the verbs of containers share: the engine of a target, and the container as it is now."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

from app.column import clean
from app.errors import Denied, Missing, QuarterdeckError, Refused, TimedOut
from backends.docker.contract import Client
from backends.docker.verbs.base import EngineVerbs
from backends.kinds.container import Container, ContainerVerbs

T = TypeVar("T")

QUICK_S = 15.0
"""How long a question for a plan may take."""
ACT_S = 60.0
"""How long an action may take beyond the time it gives the container."""
AT_ONCE = 3
"""Requests to one engine that these verbs have under way at a time."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A container as the engine has it at one moment: ``GET /containers/ID/json``."""

    id: str
    """The whole id: what acts acts on this one, whatever has its name by then."""
    whole: dict[str, Any]

    @property
    def short(self) -> str:
        """Enough of the id to name it in a request."""
        return self.id[:12]

    @property
    def name(self) -> str:
        """Without the leading slash."""
        return str(self.whole.get("Name", "")).lstrip("/")

    @property
    def config(self) -> dict[str, Any]:
        """``Config``: what it was made with."""
        return part(self.whole, "Config")

    @property
    def host_config(self) -> dict[str, Any]:
        """``HostConfig``: what it was made with for its host."""
        return part(self.whole, "HostConfig")

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return part(self.config, "Labels")

    @property
    def state(self) -> str:
        """The engine's word: created, running, paused, restarting, removing, exited, dead."""
        return str(part(self.whole, "State").get("Status", ""))

    @property
    def runs(self) -> bool:
        """Whether it has processes, frozen ones included."""
        return self.state in ("running", "paused", "restarting")

    @property
    def goes_when_stopped(self) -> bool:
        """Whether it was started with ``--rm``: stopping it removes it."""
        return bool(self.host_config.get("AutoRemove"))

    @property
    def words(self) -> str:
        """Its state for a sentence: ``exited with 3``."""
        if self.state == "exited":
            return f"exited with {part(self.whole, 'State').get('ExitCode')}"
        return self.state or "in no state the engine names"


class OnEngine(EngineVerbs, ContainerVerbs):
    """Base of the verb families; mixed into a ``Backend``, which brings ``context``."""

    @cached_property
    def _rooms(self) -> dict[str, asyncio.Semaphore]:
        return {}

    async def ask(self, node: str, work: Callable[[Client], T], *, timeout: float = QUICK_S) -> T:
        """Do something with the engine of a node; only so many of these are under way for one engine at a time."""
        async with self._rooms.setdefault(node, asyncio.Semaphore(AT_ONCE)):
            return await self.engine_at(node).call(work, timeout=timeout)

    async def of(self, target: Container, work: Callable[[Client], T], *, timeout: float = QUICK_S) -> T:
        """The same about one container; errors name it, and one that was removed is said to be gone."""
        try:
            return await self.ask(target.source, work, timeout=timeout)
        except Missing as error:
            raise gone(target) if "no such container" in error.what.lower() else named(error, target) from None
        except (Refused, Denied) as error:
            raise named(error, target) from None
        except TimedOut:
            what = f"the engine did not answer within {timeout:g} s"
            raise TimedOut(what, where=target.id, todo="it may still do what was asked; look again") from None

    async def fresh(self, target: Container) -> Inspected:
        """The container as it is now, by its id; raises Missing when it is gone."""
        whole: dict[str, Any] = await self.of(target, lambda client: client.inspect_container(target.container_id))
        return Inspected(str(whole.get("Id") or target.container_id), whole)

    async def running(self, target: Container, what: str) -> Inspected:
        """The same, for what needs processes in it; raises Refused when it does not run."""
        now = await self.fresh(target)
        if now.state == "paused":
            raise Refused(f"{what} needs it to run, and it is paused", where=target.id, todo="unpause it first")
        if now.state != "running":
            raise Refused(f"{what} needs it to run, and it is {now.words}", where=target.id, todo="start it first")
        return now


def part(whole: dict[str, Any], key: str) -> dict[str, Any]:
    """One object within an answer; empty where the engine says null or nothing."""
    value: Any = whole.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def mounts(now: Inspected) -> list[dict[str, Any]]:
    """What is mounted in it, as the engine tells."""
    found: Any = now.whole.get("Mounts")
    return list(found) if isinstance(found, list) else []  # pyright: ignore[reportUnknownArgumentType]


def gone(target: Container) -> Missing:
    """What is said of a container that is no more."""
    return Missing("the container is gone", where=target.id, todo="if one of that name is there, it is another one")


def named(error: QuarterdeckError, target: Container) -> QuarterdeckError:
    """The same error, about one container instead of its node."""
    return type(error)(error.what, where=target.id, todo=error.todo)


def alive(now: Inspected, what: str = "it is there") -> tuple[str, bool, str]:
    """The evidence of a fresh look, as a precondition that holds."""
    return what, True, f"{now.name} ({now.short}) is {now.words}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names for a sentence: the first ones, and how many more there are."""
    said = ", ".join(clean(one) for one in names[:most])
    return f"{said} and {len(names) - most} more" if len(names) > most else said


def word(text: str) -> str:
    """One word of a plan's text."""
    return shlex.quote(text)
