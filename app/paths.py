"""Where things live on this machine: configuration, state, cache and log, by the XDG rules.

``QUARTERDECK_HOME`` moves all of them below one folder. Nothing is created until something is written.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NAME = "quarterdeck"


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders in use; absolute, and not necessarily there yet."""

    config: Path
    """hosts.yaml and themes of the operator's own."""
    state: Path
    """The witness, histories and whatever must survive."""
    cache: Path
    """What may be deleted at any time."""
    log: Path
    """Log files, where tracebacks go."""

    @property
    def hosts(self) -> Path:
        """The operator's hosts.yaml, which need not exist."""
        return self.config / "hosts.yaml"

    def state_of(self, *, pretend: bool) -> Path:
        """The state folder; what is done to a pretend fleet is kept apart, for it never happened to anybody."""
        return self.state / "demo" if pretend else self.state

    @classmethod
    def find(cls, env: Mapping[str, str] | None = None) -> Paths:
        """The folders that an environment asks for; the process's own one where none is given.

        A relative ``XDG_*`` value is ignored, as the XDG Base Directory Specification demands.
        """
        env = os.environ if env is None else env
        if own := env.get("QUARTERDECK_HOME"):
            top = Path(_expanded(own, env)).absolute()
            return cls(top / "config", top / "state", top / "cache", top / "state" / "log")
        state = _xdg(env, "XDG_STATE_HOME", ".local/state")
        return cls(_xdg(env, "XDG_CONFIG_HOME", ".config"), state, _xdg(env, "XDG_CACHE_HOME", ".cache"), state / "log")


def home(env: Mapping[str, str] | None = None) -> Path:
    """The operator's home folder: ``HOME``, else what the user database says, else the root folder."""
    said = (os.environ if env is None else env).get("HOME", "")
    if said.startswith("/"):
        return Path(said)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container may run as a user nobody has heard of
        return Path("/")


def private_folder(path: Path) -> Path:
    """Make a folder, with those above it that are missing, readable by the operator only; returns it."""
    missing: list[Path] = []
    at = path
    while not at.exists():
        missing.append(at)
        at = at.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)  # complains where a file stands in the way
    return path


def _xdg(env: Mapping[str, str], variable: str, default: str) -> Path:
    said = env.get(variable, "")
    return (Path(said) if said.startswith("/") else home(env) / default) / _NAME


def _expanded(path: str, env: Mapping[str, str]) -> str:
    return str(home(env)) + path[1:] if path == "~" or path.startswith("~/") else path
