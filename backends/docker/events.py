"""An engine's events as values: pure, and wary of what stands in them. Shape: ``GET /events``, API 1.41 and later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from backends.docker.lists import fields, number, text

CONTAINER_ACTIONS = (
    "create", "start", "die", "died", "stop", "kill", "restart", "pause", "unpause", "rename", "destroy", "remove",
    "health_status", "update", "oom",
)  # fmt: skip
"""``died`` and ``remove`` are Podman's words for ``die`` and ``destroy``."""
OTHER_ACTIONS = (
    "pull", "push", "tag", "untag", "delete", "import", "load", "build", "prune", "connect", "disconnect", "mount",
    "unmount",
)  # fmt: skip
FILTERS: Mapping[str, list[str]] = {
    "type": ["container", "image", "volume", "network"],
    "event": [*CONTAINER_ACTIONS, *(one for one in OTHER_ACTIONS if "mount" not in one)],
}
"""For ``GET /events``: without the ``exec_*`` that health checks cause every few seconds."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on an engine."""

    type: str
    """container, image, volume or network."""
    action: str
    """The word before a colon."""
    detail: str
    """What stands behind the colon: ``health_status: healthy``."""
    id: str
    at: float
    """Seconds since the epoch by the engine's clock."""
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def event(item: Any) -> Event | None:
    """One item of ``GET /events``; ``None`` for what is none."""
    kind, action = text(item, "Type"), text(item, "Action") or text(item, "status")
    actor = fields(item, "Actor")
    identity = text(actor, "ID") or text(item, "id")
    nanoseconds, seconds = number(item, "timeNano"), number(item, "time")
    at = nanoseconds / 1e9 if nanoseconds else float(seconds or 0)
    if not kind or not action or at <= 0:
        return None
    word, _, detail = action.partition(":")
    said = {key: one for key, one in fields(actor, "Attributes").items() if isinstance(one, str)}
    return Event(kind, word.strip(), detail.strip(), identity, at, MappingProxyType(said))
