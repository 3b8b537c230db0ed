"""What a stack's configuration says once compose has resolved it: its project, services, images and volumes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from app.errors import BadAnswer
from backends.compose.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One service as configured."""

    name: str
    image: str = ""
    """As written; empty where it is only built."""
    built: bool = False
    fetched: bool = True
    """Its image comes from a registry as it is: not built, for no other platform, and not kept from being fetched."""
    profiles: tuple[str, ...] = ()
    replicas: int = 1
    once: bool = False
    """Another service waits for it to have ended well: it is not to stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A stack as compose resolves it with its files, env files and profiles."""

    project: str
    services: tuple[Wanted, ...] = ()
    """The enabled ones."""

    def service(self, name: str) -> Wanted | None:
        """One of its services."""
        return next((one for one in self.services if one.name == name), None)


def plain_project(folder: str) -> str:
    """The project's name that compose makes of a folder's: its last part, in lower case, without anything odd."""
    last = folder.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^a-z0-9_-]", "", last.lower()).lstrip("_-")


def old_project(folder: str, said: str) -> str:
    """The same as 1.29 makes it; ``said`` is ``COMPOSE_PROJECT_NAME``, empty where nobody set it."""
    name = said or folder.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^-_a-z0-9]", "", name.lower()) or "default"


def parse(said: bytes, program: Program, *, project: str, profiles: tuple[str, ...], where: str) -> Configured:
    """Read what ``config`` printed; ``project`` is its name where that is not said there.

    Raises BadAnswer where it cannot be read.
    """
    document = load(said, program, where)
    services = document.get("services")
    found: list[Wanted] = []
    if isinstance(services, dict):
        once = _awaited(cast("dict[str, Any]", services))
        for name, one in cast("dict[str, Any]", services).items():
            wanted = _service(str(name), one, once)
            enabled = not wanted.profiles or "*" in profiles or set(wanted.profiles) & set(profiles)
            if program.v2 or enabled:  # 1.29 prints the others as well
                found.append(wanted)
    name = document.get("name")
    return Configured(project=name if isinstance(name, str) and name else project, services=tuple(found))


def load(said: bytes, program: Program, where: str) -> Mapping[str, Any]:
    """The document itself; raises BadAnswer where it is none."""
    try:
        document: Any
        if program.v2:
            document = json.loads(said)
        else:
            import yaml

            document = yaml.safe_load(said)
    except Exception as error:  # yaml raises many; whatever it is, the answer cannot be read
        raise BadAnswer(
            f"the answer of '{' '.join(program.argv)} config' cannot be read: {type(error).__name__}", where=where
        ) from None
    if not isinstance(document, dict):
        raise BadAnswer(f"'{' '.join(program.argv)} config' answered something else", where=where)
    return cast("dict[str, Any]", document)


def _service(name: str, said: Any, once: frozenset[str]) -> Wanted:
    keys = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    profiles = keys.get("profiles")
    deploy = keys.get("deploy")
    replicas: Any = keys.get("scale")
    if replicas is None and isinstance(deploy, dict):
        replicas = cast("dict[str, Any]", deploy).get("replicas")
    image, built = str(keys.get("image") or ""), keys.get("build") is not None
    return Wanted(
        name=name,
        image=image,
        built=built,
        fetched=bool(image)
        and not built
        and keys.get("platform") is None
        and keys.get("pull_policy") not in ("never", "build"),
        profiles=tuple(str(one) for one in cast("list[Any]", profiles)) if isinstance(profiles, list) else (),
        replicas=replicas if isinstance(replicas, int) else 1,
        once=name in once,
    )


def _awaited(services: Mapping[str, Any]) -> frozenset[str]:
    """The services that others wait for to have ended well."""
    found: set[str] = set()
    for one in services.values():
        needs = cast("dict[str, Any]", one).get("depends_on") if isinstance(one, dict) else None
        if isinstance(needs, dict):
            for name, how in cast("dict[str, Any]", needs).items():
                condition = cast("dict[str, Any]", how).get("condition") if isinstance(how, dict) else None
                if condition == "service_completed_successfully":
                    found.add(str(name))
    return frozenset(found)
