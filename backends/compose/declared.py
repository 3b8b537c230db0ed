"""The stacks that hosts.yaml declares under a node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from app.errors import ConfigurationError
from app.inventory.model import NodeEntry
from backends.compose.paths import NodePath

KEYS = ("dir", "project", "files", "profiles", "env_files", "order")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NAME = re.compile(r"[^\s/,*?\[\]!@&\x00-\x1f\x7f][^\s/,*?\[\]\x00-\x1f\x7f]*")
"""What can be named as a target on the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One entry of a node's ``stacks``. ``fault`` says what is wrong with it; such a stack is shown and not touched."""

    name: str
    dir: NodePath = field(default_factory=lambda: NodePath.literal("."))
    project: str | None = None
    """Where it is not compose's own choice."""
    files: tuple[NodePath, ...] = ()
    """Relative ones belong to ``dir``."""
    profiles: tuple[str, ...] = ()
    env_files: tuple[NodePath, ...] = ()
    """Later ones win; relative ones belong to ``dir``. None: compose's own ``.env``."""
    order: int = 0
    fault: str | None = None


def declared(entry: NodeEntry) -> tuple[Declared, ...]:
    """The stacks of a node, in the order of the file; mistakes become faults of the stacks they are in.

    Raises ConfigurationError where ``stacks`` is no mapping at all.
    """
    found = entry.extra.get("stacks")
    if found is None:
        return ()
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            "'stacks' must be a mapping of names", where=entry.name, todo="write stacks: {shop: {dir: ~/shop}}"
        )
    stacks = cast("Mapping[Any, Any]", found)
    return tuple(_one(str(name), said) for name, said in stacks.items())


def _one(name: str, said: Any) -> Declared:
    try:
        return _read(name, said)
    except ConfigurationError as error:
        return Declared(name=name, fault=f"hosts.yaml, stack '{name}': {error}")


def _read(name: str, said: Any) -> Declared:
    if not _NAME.fullmatch(name):
        raise ConfigurationError("a stack's name cannot hold blanks, slashes, commas or wildcards")
    if isinstance(said, str):
        said = {"dir": said}
    if not isinstance(said, Mapping):
        raise ConfigurationError("it needs at least dir", todo=f"write {name}: {{dir: ~/{name}}}")
    keys = cast("Mapping[Any, Any]", said)
    for key in keys:
        if key not in KEYS:
            raise ConfigurationError(f"unknown key '{key}'", todo=f"there are: {', '.join(KEYS)}")
    if not isinstance(keys.get("dir"), str):
        raise ConfigurationError("'dir' must be the folder of the compose file", todo=f"write dir: ~/{name}")
    project = keys.get("project")
    if project is not None and not (isinstance(project, str) and _PROJECT.fullmatch(project)):
        raise ConfigurationError("'project' must be of a-z, 0-9, - and _, and begin with a letter or digit")
    order = keys.get("order", 0)
    if isinstance(order, bool) or not isinstance(order, int):
        raise ConfigurationError("'order' must be a whole number")
    profiles = _texts(keys, "profiles")
    for profile in profiles:
        if profile != "*" and not _PROFILE.fullmatch(profile):
            raise ConfigurationError(f"'{profile}' cannot be a profile")
    return Declared(
        name=name,
        dir=NodePath.parse(keys["dir"]),
        project=project,
        files=tuple(NodePath.parse(one) for one in _texts(keys, "files")),
        profiles=profiles,
        env_files=tuple(NodePath.parse(one) for one in _texts(keys, "env_files")),
        order=order,
    )


def _texts(keys: Mapping[Any, Any], key: str) -> tuple[str, ...]:
    said = keys.get(key)
    if said is None:
        return ()
    if isinstance(said, str):
        return (said,)
    if not isinstance(said, list) or not all(isinstance(one, str) for one in cast("list[Any]", said)):
        raise ConfigurationError(f"'{key}' must be a list of texts")
    return tuple(cast("list[str]", said))
