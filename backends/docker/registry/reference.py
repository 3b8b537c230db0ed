"""Names of images, taken apart as engines do: ``registry/repository:tag@digest``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.column import clean
from app.errors import ConfigurationError

HUB = "docker.io"
"""The registry of names without one."""
_HUB_ACCOUNT = "https://index.docker.io/v1/"
_HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """One name of an image; with a digest, that decides."""

    repository: str
    """As it was given, its registry included: ``redis``, ``127.0.0.1:5000/team/app``."""
    tag: str = "latest"
    digest: str = ""

    @property
    def version(self) -> str:
        """What the engine's API calls the tag: the digest where there is one."""
        return self.digest or self.tag

    @property
    def name(self) -> str:
        """``repository:tag``, or ``repository@digest``."""
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"

    @property
    def registry(self) -> str:
        """Its registry's host, with a port where it has one."""
        first, slash, _ = self.repository.partition("/")
        return first if slash and _is_host(first) else HUB


def parse(text: str) -> Reference:
    """A name as an operator types it; raises ConfigurationError where no engine would take it."""
    rest, at, digest = text.partition("@")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, tag = rest, ""
    first, slash, path = head.partition("/")
    if not slash or not _is_host(first):
        first, path = "", head
    if at and not _DIGEST.fullmatch(digest):
        raise _wrong(text, "what follows @ is no digest", "a digest is written sha256: and 64 digits")
    if (colon and "/" not in rest.rpartition(":")[2]) and not _TAG.fullmatch(tag):
        raise _wrong(text, "what follows the last colon is no tag", "a tag is made of letters, digits, _ . and -")
    if first and not _HOST.fullmatch(first):
        raise _wrong(text, "what stands before the first / is no registry", "a registry is written host or host:port")
    if not _PATH.fullmatch(path) or len(head) > _LONGEST:
        lower = path.lower() != path and _PATH.fullmatch(path.lower())
        todo = f"names are in small letters: {clean(text.replace(path, path.lower()))}" if lower else ""
        raise _wrong(text, "this is no name of an image", todo or "write repository:tag, such as redis:7")
    return Reference(head, tag or "latest", digest)


def registry_host(text: str) -> str:
    """A registry as an operator types it, as its host; raises ConfigurationError where it can be none."""
    host = text.strip().removeprefix("https://").removeprefix("http://").removesuffix("/")
    if host.partition("/")[0] in _HUB_NAMES:
        return HUB
    if not _HOST.fullmatch(host):
        raise ConfigurationError(
            "this is no registry", where=clean(text), todo="write its host: registry.example.org, or host:5000"
        )
    return host


def account_key(registry: str) -> str:
    """Under which name the account of a registry is kept, as docker login has it."""
    return _HUB_ACCOUNT if registry in _HUB_NAMES else registry


def _is_host(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first.lower() != first


def _wrong(text: str, what: str, todo: str) -> ConfigurationError:
    return ConfigurationError(what, where=clean(text), todo=todo)
