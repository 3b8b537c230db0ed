"""What an engine says of itself when one meets it: its name, the API both sides know, its clock and its folders."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.column import clean
from app.errors import BadAnswer, Unreachable, Unsupported
from backends.docker.client import NEWEST_API, EngineClient
from backends.docker.lists import moment, parts, text

OLDEST_API = "1.41"
"""Docker 20.10, Podman 4."""


@dataclass(frozen=True, slots=True)
class Hello:
    """An engine as it introduced itself."""

    engine: str
    """Such as ``Docker 20.10.24``."""
    api: str
    """The version that is spoken with it."""
    now: float
    """Its clock when it was asked, seconds since the epoch."""
    ahead_s: float
    """How far its clock is ahead of ours."""
    cgroup_driver: str
    root_dir: str


def version(words: str) -> tuple[int, int]:
    """``1.41`` as two numbers; raises BadAnswer on anything else."""
    major, _, minor = words.partition(".")
    try:
        return int(major), int(minor)
    except ValueError:
        raise BadAnswer(f"the engine's API version is {clean(words)[:40]!r}") from None


def agreed(newest: str, oldest: str, node: str) -> str:
    """The API to speak with an engine that knows those from ``oldest`` to ``newest``; raises Unsupported for none."""
    if version(newest) < version(OLDEST_API):
        raise Unsupported(
            f"the engine speaks API {clean(newest)}, and at least {OLDEST_API} is needed",
            where=node,
            todo="update the engine there (Docker 20.10 or Podman 4 and later)",
        )
    ours = min(newest, NEWEST_API, key=version)
    return max(ours, oldest, key=version) if oldest else ours


def greet(path: str, node: str, timeout: float, hold: Callable[[EngineClient], bool]) -> tuple[Hello, EngineClient]:
    """Ask an engine who it is; blocks. The client speaks the version that was agreed on.

    ``hold`` is given each client before it is used, so that it can be ended from outside; false: nobody wants it.
    """
    first = EngineClient(path, OLDEST_API, timeout)
    try:
        _wanted(hold(first), node)
        told: Any = first.api.version(api_version=False)
        if not isinstance(told, dict):
            raise BadAnswer("it answers, and not as a container engine does", where=node)
        api = agreed(text(told, "ApiVersion"), text(told, "MinAPIVersion"), node)  # pyright: ignore[reportUnknownArgumentType]
    except BaseException:
        first.close()
        raise
    if api == OLDEST_API:
        client = first
    else:
        first.close()
        client = EngineClient(path, api, timeout)
    try:
        _wanted(hold(client), node)
        before = time.time()
        info: Any = client.api.info()
        ours = (before + time.time()) / 2
    except BaseException:
        client.close()
        raise
    if not isinstance(info, dict):
        info = {}
    now = moment(text(info, "SystemTime"))
    hello = Hello(
        engine=_name(told),
        api=api,
        now=ours if now is None else now,
        ahead_s=0.0 if now is None else now - ours,
        cgroup_driver=text(info, "CgroupDriver"),
        root_dir=text(info, "DockerRootDir"),
    )
    return hello, client


def _wanted(wanted: bool, node: str) -> None:
    if not wanted:
        raise Unreachable("given up", where=node)


def _name(told: Any) -> str:
    number = text(told, "Version")
    names = [text(one, "Name") for one in parts(told, "Components")]
    return f"{'Podman' if any('podman' in name.lower() for name in names) else 'Docker'} {number}".strip()
