"""Inventories as they were last resolved, kept in the cache folder so that the same files need not be checked again.

Reading hosts.yaml means importing a YAML parser and pydantic and checking every value, which costs more than the rest
of a command line's start; the resolved inventory of files whose content has not changed is the same one. What is kept
is a pickle: it is only ever read from a file that is the operator's own and that nobody else may write to, below a
folder of which the same holds.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import stat
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.inventory.find import Found, distrusted, find
from app.inventory.model import CHECKS, SHAPES, Inventory
from app.paths import Paths, private_folder

LARGEST = 64 << 20
"""Bytes of a kept inventory that are still read."""


def load(path: Path | None = None) -> Inventory:
    """As ``app.inventory.loading.load``, from the cache where every file it was read from is unchanged."""
    found = find(path)
    if found.path is None or not found.path.exists():
        return _read(path)
    place = Paths.find().cache / "inventory" / f"{_name(found)}.pickle"
    kept = _kept(place)
    if kept is not None and _digests(kept.watched) == kept.digests:
        return replace(kept, trusted=not distrusted(found.path))
    inventory = _read(path)
    if not inventory.private:  # a secret that stands in hosts.yaml stands nowhere else
        _keep(place, inventory)
    return inventory


def _read(path: Path | None) -> Inventory:
    from app.inventory import loading

    return loading.load(path)


def _name(found: Found) -> str:
    """Everything but the files' content that the result depends on: who asks, from where, and by which program."""
    folder = Path(__file__).parent
    program = sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(folder) if entry.is_file())
    for shape in sorted({*SHAPES.values(), *CHECKS.values()}):
        file = folder.parent.parent.joinpath(*shape.partition(":")[0].split(".")).with_suffix(".py")
        program.append((str(file), file.stat().st_mtime_ns))
    env = [os.environ.get(name, "") for name in ("HOME", "XDG_CONFIG_HOME", "QUARTERDECK_HOME")]
    asked = [str(Path.cwd()), str(found.path), found.file, found.how, os.geteuid(), env, program]
    return hashlib.sha256(repr(asked).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _digests(paths: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(_digest(path) for path in paths)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _kept(place: Path) -> Inventory | None:
    try:
        if _open_to_others(os.lstat(place.parent)):
            return None
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            if _open_to_others(os.fstat(file.fileno())):
                return None
            found = pickle.loads(file.read(LARGEST))  # noqa: S301  (our own file, see above)
    except Exception:  # whatever is wrong with a cache, the files themselves are there to be read
        return None
    return found if isinstance(found, Inventory) else None


def _open_to_others(status: os.stat_result) -> bool:
    return status.st_uid != os.geteuid() or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _keep(place: Path, inventory: Inventory) -> None:
    """Best effort: a full disk or a folder that cannot be written costs time, nothing else."""
    temporary = place.with_suffix(f".{os.getpid()}")
    try:
        private_folder(place.parent)
        written = io.BytesIO()
        pickler = pickle.Pickler(written, protocol=5)
        pickler.dispatch_table = {MappingProxyType: _frozen}
        pickler.dump(inventory)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(written.getvalue())
        temporary.replace(place)
        _tidy(place)
    except (OSError, pickle.PicklingError, TypeError, AttributeError):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _tidy(place: Path) -> None:
    """Keep the twenty newest: names change with the program and with the folder it is called from."""
    files = sorted(place.parent.glob("*.pickle"), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in files[20:]:
        old.unlink(missing_ok=True)


def _frozen(view: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    return proxy, (dict(view),)


def proxy(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """A read-only view again; named in what is kept."""
    return MappingProxyType(mapping)


__all__ = ["load", "proxy"]
