"""What stands under a path in a container, by the head of the engine's archive request."""

from __future__ import annotations

import base64
import binascii
import json
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.column import clean
from app.errors import BadAnswer, Denied, Missing
from backends.docker.contract import Client

_DIR = 1 << 31
_LINK = 1 << 27
_IRREGULAR = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
"""Devices, pipes, sockets and what else is no file (Go's ``io/fs.FileMode``)."""
_MOST_LINKS = 16


@dataclass(frozen=True, slots=True)
class Place:
    """What stands under a path: ``folder``, ``file``, ``link`` (that leads nowhere), ``other`` or ``none``."""

    kind: str
    path: str
    """Where it really is: links are followed."""
    size: int = 0
    mode: int = 0
    """Permission bits."""

    @property
    def there(self) -> bool:
        """Whether anything stands there."""
        return self.kind != "none"

    @property
    def words(self) -> str:
        """For a sentence."""
        return {
            "folder": "a folder",
            "file": "a file",
            "link": "a link that leads nowhere",
            "none": "not there",
        }.get(self.kind, "something else")


def place(client: Client, container: str, path: str) -> Place:
    """What stands under an absolute path, links followed. Blocking; raises what the engine's refusal means."""
    at = posixpath.normpath(path)
    found: dict[str, Any] | None = None
    for _ in range(_MOST_LINKS):
        found = _stat(client, container, at)
        if found is None:
            break
        mode = int(found.get("mode", 0))
        if not mode & _LINK:
            kind = "folder" if mode & _DIR else "other" if mode & _IRREGULAR else "file"
            return Place(kind, at, int(found.get("size", 0)), mode & 0o777)
        at = posixpath.normpath(posixpath.join(posixpath.dirname(at), str(found.get("linkTarget") or at)))
    if posixpath.normpath(path) != at:
        return Place("link", posixpath.normpath(path))
    return Place("none" if found is None else "other", at)


def first_there(client: Client, container: str, paths: Sequence[str]) -> str | None:
    """The first of some paths at which something stands. Blocking."""
    return next((path for path in paths if _stat(client, container, path) is not None), None)


def _through_a_file(client: Client, container: str, path: str) -> bool:
    """Whether the engine cannot look there because a part of the path is no folder; a head has no words for it."""
    url = client._url("/containers/{0}/archive", container)
    with client.get(url, params={"path": path}, stream=True, timeout=client.timeout) as answer:
        return "not a directory" in answer.text.lower() if answer.status_code == 500 else False


def _stat(client: Client, container: str, path: str) -> dict[str, Any] | None:
    """The engine's words on one path; ``None`` where nothing is."""
    answer = client.head(
        client._url("/containers/{0}/archive", container), params={"path": path}, timeout=client.timeout
    )
    if answer.status_code == 404:
        # The head has no words: whether the file or the container is missing, only the container itself can tell.
        client.inspect_container(container)
        return None
    if answer.status_code == 500 and _through_a_file(client, container, path):
        return None
    if answer.status_code in (401, 403):
        raise Denied(f"the engine does not show {clean(path)}")
    if answer.status_code != 200:
        raise BadAnswer(f"the engine answered {answer.status_code} about {clean(path)}")
    try:
        said: Any = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    except (KeyError, ValueError, binascii.Error):
        raise BadAnswer(f"the engine's words on {clean(path)} cannot be read") from None
    if not isinstance(said, dict):
        raise Missing(f"there is no {clean(path)}")
    return said  # pyright: ignore[reportUnknownVariableType]
