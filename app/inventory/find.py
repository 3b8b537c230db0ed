"""Which hosts.yaml is meant: the one named, else the operator's own, else the current folder's if it can be trusted."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.paths import Paths, home

FILE = "hosts.yaml"


@dataclass(frozen=True, slots=True)
class Found:
    """The file to read, and what was passed over on the way to it."""

    path: Path | None
    """``None``: there is none, and the zero-configuration default holds."""
    file: str
    """What it is called in messages."""
    how: str
    """Why this one, in words."""
    default: Path
    """Where a new one belongs."""
    given: bool = False
    """Somebody named it, so that it must exist."""
    skipped: tuple[str, ...] = ()
    """Files that were there and not used, each with the reason."""
    candidates: tuple[Path, ...] = ()
    """The files whose appearance would change the answer."""


def find(given: Path | None = None, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Found:
    """Apply the rules: ``--hosts``, ``QUARTERDECK_HOSTS``, the config folder, the current folder."""
    env = os.environ if env is None else env
    own = Paths.find(env).hosts
    if given is not None:
        path = _expanded(given, env)
        return Found(path, str(given), "named by --hosts", path, given=True, candidates=(path,))
    if named := env.get("QUARTERDECK_HOSTS"):
        path = _expanded(Path(named), env)
        return Found(path, named, "named by QUARTERDECK_HOSTS", path, given=True, candidates=(path,))
    here = (cwd or Path.cwd()) / FILE
    candidates = (own, here)
    if os.path.lexists(own):
        return Found(own, str(own), "the config folder's", own, candidates=candidates)
    if not os.path.lexists(here):
        return Found(None, FILE, "built in: there is no hosts.yaml", own, candidates=candidates)
    if reason := distrusted(here):
        skipped = (f"{here}: {reason}",)
        return Found(
            None, FILE, "built in: there is no hosts.yaml of yours", own, skipped=skipped, candidates=candidates
        )
    return Found(here, FILE, "the current folder's", own, candidates=candidates)


def distrusted(path: Path) -> str:
    """Why a file somebody may have put in the operator's way is not used; empty when it is theirs alone to write."""
    try:
        link, real = path.lstat(), path.stat()
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if {link.st_uid, real.st_uid} != {os.getuid()}:
        return "not yours, so it is not used; name it with --hosts to use it all the same"
    if real.st_mode & stat.S_IWOTH:
        return "everybody may write it, so it is not used; chmod o-w it"
    return ""


def _expanded(path: Path, env: Mapping[str, str]) -> Path:
    text = str(path)
    return home(env) / text[2:] if text.startswith("~/") else path
