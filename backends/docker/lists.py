"""An engine's lists as values: pure, and wary of what stands in them.

Shapes: Docker Engine API 1.41 and later (``GET /containers/json``, ``/images/json``, ``/volumes``, ``/networks``).
An item without an identity is left out; a field of the wrong type is as good as missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, cast

from app.errors import BadAnswer
from backends.docker.summary import ContainerSummary, ImageSummary, Mount, NetworkSummary, VolumeSummary
from backends.kinds.container import Port

_UNTAGGED = {"<none>:<none>", "<none>@<none>"}
_EXITED = re.compile(r"\((-?\d+)\)")
_NUMBER = re.compile(r"(\d+) (second|minute|hour|day|week|month|year)s?\b")
_SECONDS = {
    "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2592000.0,
    "year": 31536000.0,
}  # fmt: skip
_ABOUT = (("Less than a second", 0.5), ("About a minute", 60.0), ("About an hour", 3600.0))
_FRACTION = re.compile(r"\.(\d+)")

# -- pieces ---------------------------------------------------------------------------------------------------------


def text(item: Any, key: str) -> str:
    """A field that should be text; empty where it is not."""
    value = cast("Mapping[str, Any]", item).get(key) if isinstance(item, Mapping) else None
    return value if isinstance(value, str) else ""


def number(item: Any, key: str) -> int | None:
    """A field that should be a whole number."""
    value = cast("Mapping[str, Any]", item).get(key) if isinstance(item, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def items(value: Any, what: str) -> list[Any]:
    """A list of the engine's; ``null`` is an empty one. Raises BadAnswer for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadAnswer(f"the engine's list of {what} is no list")
    return cast("list[Any]", value)


def parts(item: Any, key: str) -> list[Any]:
    """A field that should be a list; empty where it is not."""
    value = cast("Mapping[str, Any]", item).get(key) if isinstance(item, Mapping) else None
    return cast("list[Any]", value) if isinstance(value, list) else []


def fields(item: Any, key: str) -> Mapping[str, Any]:
    """A field that should be an object; empty where it is not."""
    value = cast("Mapping[str, Any]", item).get(key) if isinstance(item, Mapping) else None
    if not isinstance(value, dict):
        return {}
    return {key: one for key, one in cast("dict[Any, Any]", value).items() if isinstance(key, str)}


def labels(item: Any, key: str = "Labels") -> Mapping[str, str]:
    """Labels; those whose value is no text are left out."""
    return MappingProxyType({name: one for name, one in fields(item, key).items() if isinstance(one, str)})


def moment(words: str) -> float | None:
    """``2026-08-01T10:00:00.123456789+02:00`` in seconds since the epoch; ``None`` for anything else."""
    if not words:
        return None
    try:
        found = datetime.fromisoformat(_FRACTION.sub(lambda m: f".{m[1][:6]:0<6}", words, count=1))
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    seconds = found.timestamp() if found.year > 1 else None
    return seconds if seconds is not None and seconds > 0 else None


# -- the words of a container's status ------------------------------------------------------------------------------


def health(status: str) -> str | None:
    """``Up 3 hours (unhealthy)`` -> ``unhealthy``; ``None`` without a health check."""
    if not status.startswith("Up"):
        return None
    if status.endswith("(healthy)"):
        return "healthy"
    if status.endswith("(unhealthy)"):
        return "unhealthy"
    return "starting" if status.endswith(("(health: starting)", "(starting)")) else None


def exit_code(status: str) -> int | None:
    """``Exited (137) 2 hours ago`` -> 137; also of one that waits to be restarted."""
    if not status.startswith(("Exited", "Restarting")):
        return None
    found = _EXITED.search(status)
    return int(found[1]) if found else None


def uptime(status: str) -> float | None:
    """``Up About an hour (healthy)`` -> 3600: as coarse as the words."""
    if not status.startswith("Up"):
        return None
    for words, seconds in _ABOUT:
        if words in status:
            return seconds
    found = _NUMBER.search(status)
    return int(found[1]) * _SECONDS[found[2]] if found else None


# -- the four lists -------------------------------------------------------------------------------------------------


def containers(answer: Any, listed_at: float) -> dict[str, ContainerSummary]:
    """``GET /containers/json`` by id; ``listed_at`` is the engine's clock."""
    found = (container(one, listed_at) for one in items(answer, "containers"))
    return {one.id: one for one in found if one is not None}


def container(item: Any, listed_at: float) -> ContainerSummary | None:
    """One container; ``None`` for what has no identity."""
    identity = text(item, "Id")
    if not identity:
        return None
    status = text(item, "Status")
    state = text(item, "State").lower()
    return ContainerSummary(
        id=identity,
        name=_name(item) or identity[:12],
        image=text(item, "Image"),
        image_id=text(item, "ImageID"),
        command=text(item, "Command") or " ".join(one for one in parts(item, "Command") if isinstance(one, str)),
        created_at=float(number(item, "Created") or moment(text(item, "Created")) or 0),
        state=state or "unknown",
        status=status,
        health=health(status) if state in ("running", "paused") else None,
        exit_code=exit_code(status) if state in ("exited", "restarting", "dead") else None,
        uptime_s=uptime(status) if state in ("running", "paused") else None,
        ports=ports(item),
        labels=labels(item),
        mounts=tuple(mount(one) for one in parts(item, "Mounts") if isinstance(one, dict)),
        networks=MappingProxyType(
            {
                name: text(one, "IPAddress") or text(one, "GlobalIPv6Address")
                for name, one in fields(fields(item, "NetworkSettings"), "Networks").items()
            }
        ),
        listed_at=listed_at,
    )


def _name(item: Any) -> str:
    """The own name among those that links of other containers gave it: the one without a further slash."""
    names = [one.removeprefix("/") for one in parts(item, "Names") if isinstance(one, str)]
    return next((one for one in names if one and "/" not in one), names[0] if names else "")


def ports(item: Any) -> tuple[Port, ...]:
    """The ports of a container, in order and each once."""
    found: set[tuple[int, str, int, str]] = set()
    for one in parts(item, "Ports"):
        private = number(one, "PrivatePort")
        if private is not None:
            public = number(one, "PublicPort") or 0
            found.add((private, text(one, "Type") or "tcp", public, text(one, "IP") if public else ""))
    return tuple(
        Port(private=private, protocol=protocol, public=public or None, address=address)
        for private, protocol, public, address in sorted(found)
    )


def mount(item: Any) -> Mount:
    """One mount of a container."""
    writable = item.get("RW", True)
    return Mount(
        type=text(item, "Type"),
        name=text(item, "Name"),
        source=text(item, "Source"),
        destination=text(item, "Destination"),
        writable=writable if isinstance(writable, bool) else True,
    )


def images(answer: Any) -> tuple[ImageSummary, ...]:
    """``GET /images/json``, newest first."""
    found = [
        ImageSummary(
            id=text(one, "Id"),
            tags=_names(one, "RepoTags"),
            digests=_names(one, "RepoDigests"),
            size_bytes=number(one, "Size") or 0,
            created_at=float(number(one, "Created") or 0),
            labels=labels(one),
        )
        for one in items(answer, "images")
        if text(one, "Id")
    ]
    return tuple(sorted(found, key=lambda one: (-one.created_at, one.id)))


def _names(item: Any, key: str) -> tuple[str, ...]:
    return tuple(one for one in parts(item, key) if isinstance(one, str) and one and one not in _UNTAGGED)


def volumes(answer: Any) -> tuple[VolumeSummary, ...]:
    """``GET /volumes``, by name."""
    if not isinstance(answer, Mapping):
        raise BadAnswer("the engine's list of volumes is no list")
    found = [
        VolumeSummary(
            name=text(one, "Name"),
            driver=text(one, "Driver"),
            mountpoint=text(one, "Mountpoint"),
            created_at=moment(text(one, "CreatedAt")),
            labels=labels(one),
        )
        for one in items(cast("Mapping[str, Any]", answer).get("Volumes"), "volumes")
        if text(one, "Name")
    ]
    return tuple(sorted(found, key=lambda one: one.name))


def networks(answer: Any) -> tuple[NetworkSummary, ...]:
    """``GET /networks``, by name."""
    found = [
        NetworkSummary(
            id=text(one, "Id") or text(one, "Name"),
            name=text(one, "Name") or text(one, "Id")[:12],
            driver=text(one, "Driver"),
            subnets=tuple(subnet for part in parts(fields(one, "IPAM"), "Config") if (subnet := text(part, "Subnet"))),
            internal=isinstance(one, dict) and cast("dict[str, Any]", one).get("Internal") is True,
            labels=labels(one),
        )
        for one in items(answer, "networks")
        if text(one, "Id") or text(one, "Name")
    ]
    return tuple(sorted(found, key=lambda one: (one.name, one.id)))
