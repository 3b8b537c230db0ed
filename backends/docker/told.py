"""What is known of one engine, as its lists and its events tell it: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from backends.docker.events import Event
from backends.docker.restarts import Course
from backends.docker.summary import ContainerSummary, ImageSummary, NetworkSummary, VolumeSummary

S = TypeVar("S", ImageSummary, VolumeSummary, NetworkSummary)

_IMAGES = {"pull", "tag", "untag", "delete", "remove", "import", "load", "build", "prune"}
_EXPECTED = {
    "create": ("",),
    "start": ("running",),
    "unpause": ("running",),
    "pause": ("paused",),
    "die": ("exited", "restarting", "removing", "dead", "stopped", "stopping"),
    "died": ("exited", "restarting", "removing", "dead", "stopped", "stopping"),
}
"""What a list may say after an event; empty for anything."""
_MOST_DOUBTS = 4
"""Lists that are not believed, one after another."""
_OURS = re.compile(r"Up|Exited( \(-?\d+\))?")
"""A status in words of ours, put together from an event; the engine always says how long, too."""
_COURSE = {"create", "start", "die", "died", "kill", "stop", "restart"}
_MADE_OR_GONE = {"create", "destroy", "remove", "prune", "update"}


@dataclass(slots=True)
class Stale:
    """What events made doubtful, to be listed again."""

    containers: set[str] = field(default_factory=set[str])
    """Ids."""
    images: bool = False
    volumes: bool = False
    networks: bool = False

    @property
    def others(self) -> list[str]:
        """Which lists but that of containers."""
        wanted = {"images": self.images, "volumes": self.volumes, "networks": self.networks}
        return [what for what, stale in wanted.items() if stale]

    def __bool__(self) -> bool:
        return bool(self.containers or self.images or self.volumes or self.networks)


class Told:
    """Everything one engine holds, as its lists and events tell of it."""

    def __init__(self) -> None:
        self.containers: dict[str, ContainerSummary] = {}
        self.images: tuple[ImageSummary, ...] = ()
        self.volumes: tuple[VolumeSummary, ...] = ()
        self.networks: tuple[NetworkSummary, ...] = ()
        self.faults: dict[str, str] = {}
        """images, volumes or networks -> why its list could not be read."""
        self.courses: dict[str, Course] = {}
        self.stale = Stale()
        self._expected: dict[str, tuple[tuple[str, ...], int]] = {}
        """Id -> the states that its last event leaves possible, and how many lists did not know of it yet."""
        self.announces = False
        """The engine says ``restart`` before it starts a container again by itself, as Podman does."""
        self.last_at = 0.0
        """Of the newest event, by the engine's clock."""

    def listed(self, found: Mapping[str, ContainerSummary], newer: set[str]) -> None:
        """All containers were listed: what is not among them is gone, but for those events have told of since."""
        asked = (self.containers.keys() | found.keys()) - newer
        self.listed_some(asked, found)
        for gone in [key for key in self.courses if key not in self.containers and key not in newer]:
            del self.courses[gone]

    def listed_some(self, asked: Iterable[str], found: Mapping[str, ContainerSummary]) -> None:
        """Some containers were listed again; those that are not among ``found`` are gone."""
        for key in asked:
            one = found.get(key)
            if not self._believed(key, one):
                self.stale.containers.add(key)
                if one is not None:
                    self.containers.setdefault(key, one)
                continue
            if one is None:
                self._forget(key)
                continue
            self.containers[key] = self._kept(one)
            # Podman says "exited" of one that it is about to start again, too.
            if one.state in ("exited", "dead") and key in self.courses and not self.announces:
                self.courses[key].rests()

    def _believed(self, key: str, one: ContainerSummary | None) -> bool:
        """Whether a list is to be believed where events told otherwise: engines tell before their lists know."""
        states, doubts = self._expected.pop(key, ((), 0))
        if not states or doubts >= _MOST_DOUBTS or (one is not None and (one.state in states or "" in states)):
            return True
        self._expected[key] = states, doubts + 1
        return False

    def _forget(self, key: str) -> ContainerSummary | None:
        self.courses.pop(key, None)
        self._expected.pop(key, None)
        return self.containers.pop(key, None)

    def _kept(self, one: ContainerSummary) -> ContainerSummary:
        """The object that is known already, where the new one says nothing but that time goes by."""
        one = self._dated(one)
        old = self.containers.get(one.id)
        if old is None:
            return one
        younger = one.uptime_s is not None and old.uptime_s is not None and one.uptime_s < old.uptime_s
        if younger or _OURS.fullmatch(old.status) or one != replace(old, status=one.status, uptime_s=one.uptime_s):
            return one
        return old

    def _dated(self, one: ContainerSummary) -> ContainerSummary:
        """With the moment of its start, where an event told one that fits what the list says."""
        course = self.courses.get(one.id)
        if course is None or course.started_at is None or one.uptime_s is None:
            return one
        doubt = abs(one.listed_at - one.uptime_s - course.started_at)
        return replace(one, started_at=course.started_at) if doubt <= 60 + one.uptime_s else one

    def heard(self, event: Event, *, past: bool = False) -> bool:
        """Fold one event in; says whether something is to be told. ``past``: from before the lists."""
        if event.type == "container":
            return self._container(event, past)
        if past:
            return False
        if event.type == "image":
            self.stale.images = self.stale.images or event.action in _IMAGES
        elif event.type == "volume":
            self.stale.volumes = self.stale.volumes or event.action in _MADE_OR_GONE
        elif event.type == "network":
            self.stale.networks = self.stale.networks or event.action in _MADE_OR_GONE
            if event.action in ("connect", "disconnect") and event.attributes.get("container") in self.containers:
                self.stale.containers.add(event.attributes["container"])
        return False

    def _container(self, event: Event, past: bool) -> bool:
        key, action = event.id, event.action
        old = self.containers.get(key)
        if not key or (past and old is None):
            return False
        if action in ("destroy", "remove"):
            return not past and self._forget(key) is not None
        counted = action in _COURSE and self._course(event)
        if not past and action in _EXPECTED:
            self._expected[key] = _EXPECTED[action], 0
        if old is None:
            self.stale.containers.add(key)
            return counted
        if past:
            new = self._dated(old)
        else:
            new = self._changed(old, event)
            if action in ("start", "die", "died"):
                self.stale.containers.add(key)
        if new == old:
            return counted
        self.containers[key] = new
        return True

    def _course(self, event: Event) -> bool:
        """Follow its starts and ends; says whether the count of its restarts is another now."""
        course = self.courses.get(event.id)
        if course is None:
            course = self.courses[event.id] = Course(announced=False if self.announces else None)
        match event.action:
            case "create":
                course.create()
            case "start":
                return course.start(event.at)
            case "die" | "died":
                course.die(event.at)
            case "kill":
                course.kill(event.attributes.get("signal", ""))
            case "stop":
                course.stop()
            case _:
                return course.restart(event.at)
        return False

    def _changed(self, old: ContainerSummary, event: Event) -> ContainerSummary:
        match event.action:
            case "start":
                health = "starting" if old.health is not None else None
                return replace(
                    old, state="running", status="Up", health=health, exit_code=None, started_at=event.at, uptime_s=0.0,
                    listed_at=event.at,
                )  # fmt: skip
            case "die" | "died":
                code = _whole(event.attributes.get("exitCode") or event.attributes.get("containerExitCode"))
                words = "Exited" if code is None else f"Exited ({code})"
                # Ports and addresses are let go of with the process.
                return replace(
                    old, state="exited", status=words, health=None, exit_code=code, started_at=None, uptime_s=None,
                    listed_at=event.at,
                )  # fmt: skip
            case "pause":
                return replace(old, state="paused")
            case "unpause":
                return replace(old, state="running")
            case "rename":
                name = event.attributes.get("name", "").removeprefix("/")
                return replace(old, name=name) if name else old
            case "health_status":
                word = event.detail or event.attributes.get("health_status", "")
                return replace(old, health=word) if word in ("healthy", "unhealthy", "starting") else old
            case _:
                return old

    def restarts(self) -> Mapping[str, tuple[float, ...]]:
        """Container id -> moments of restarts nobody asked for."""
        return MappingProxyType(
            {key: tuple(course.restarts) for key, course in self.courses.items() if course.restarts}
        )


def reused(old: Sequence[S], new: tuple[S, ...]) -> tuple[S, ...]:
    """``new`` with the objects of ``old`` where they say the same."""
    known = {_key(one): one for one in old}
    merged = tuple(known[_key(one)] if known.get(_key(one)) == one else one for one in new)
    return tuple(old) if merged == tuple(old) else merged


def _key(one: ImageSummary | VolumeSummary | NetworkSummary) -> str:
    return one.name if isinstance(one, VolumeSummary) else one.id


def _whole(words: str | None) -> int | None:
    try:
        return int(words or "")
    except ValueError:
        return None
