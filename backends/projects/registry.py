"""Which projects there are and which ports they have: one SQLite file in the state folder, shared by all consoles.

Choosing a block of ports and keeping it are one transaction, so that two consoles never get the same one. Methods
block for the file: call them in a thread.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from app.errors import BadAnswer, QuarterdeckError, Refused
from app.paths import private_folder
from backends.projects.definition import BLOCK

LOWEST, HIGHEST = 20000, 32767
"""Blocks lie between these ports: below those that systems give to outgoing connections (Linux: from 32768)."""
_BUSY_S = 10.0
"""How long to wait for another console's transaction."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS projects (
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    defined_by TEXT NOT NULL,
    definition TEXT NOT NULL,
    first_port INTEGER NOT NULL,
    created_at REAL NOT NULL,
    launch_pid INTEGER,
    launch_began REAL,
    PRIMARY KEY (node, name),
    UNIQUE (node, first_port)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One project as it was added."""

    node: str
    name: str
    path: str
    """Its folder on the node, absolute."""
    defined_by: str = "default"
    """``default``, or the file (absolute, on this machine) that defines its services."""
    definition: str = ""
    """As JSON, as it was when last read; empty where nothing told."""
    first_port: int
    created_at: float = 0.0
    """Seconds since the epoch."""
    launch_pid: int | None = None
    """The process that is launching it, 0 for a launch that was cut short; ``None`` when none is under way."""
    launch_began: float | None = None
    """When that process began, in seconds since the epoch: ids are used again."""


class Registry:
    """``projects.sqlite`` in a state folder, 0600."""

    def __init__(self, state: Path) -> None:
        self.path = state / "projects.sqlite"

    def mark(self) -> tuple[object, ...]:
        """Changes when the file does; costs two ``stat``."""
        found: list[object] = []
        for path in (self.path, self.path.with_name(f"{self.path.name}-wal")):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)

    def all(self) -> dict[str, tuple[Registered, ...]]:
        """The projects of every node that has some, by name."""
        if not self.path.exists():
            return {}
        with self._open() as db:
            rows = db.execute("SELECT * FROM projects ORDER BY node, name").fetchall()
        found: dict[str, tuple[Registered, ...]] = {}
        for row in rows:
            one = _registered(row)
            found[one.node] = (*found.get(one.node, ()), one)
        return found

    def get(self, node: str, name: str) -> Registered | None:
        """One project; ``None`` where nobody added it here."""
        if not self.path.exists():
            return None
        with self._open() as db:
            row = db.execute("SELECT * FROM projects WHERE node = ? AND name = ?", (node, name)).fetchone()
        return _registered(row) if row is not None else None

    def add(self, wanted: Registered, taken: Iterable[int], busy: Callable[[int], str | None]) -> Registered:
        """Keep a project with the lowest free block of ports; returns it with its first port.

        ``taken`` are first ports of blocks that others hold; ``busy`` says of a first port why its block cannot be
        used now, ``None`` where it can. A ``first_port`` above 0 asks for that block. Raises Refused where the
        name or that block is taken, or no block is left.
        """
        with self._open(write=True) as db:
            known = db.execute(
                "SELECT path FROM projects WHERE node = ? AND name = ?", (wanted.node, wanted.name)
            ).fetchone()
            if known is not None:
                raise Refused(f"there is a project '{wanted.name}' already, in {known['path']}", where=wanted.node)
            rows = db.execute("SELECT name, first_port FROM projects WHERE node = ?", (wanted.node,)).fetchall()
            held = {int(row["first_port"]): str(row["name"]) for row in rows}
            first = wanted.first_port
            if first and first in held:
                raise Refused(f"its ports from {first} on belong to '{held[first]}' meanwhile", where=wanted.name)
            if not first:
                first = _lowest({*held, *taken}, busy)
            db.execute(
                "INSERT INTO projects (node, name, path, defined_by, definition, first_port, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (wanted.node, wanted.name, wanted.path, wanted.defined_by, wanted.definition, first, time.time()),
            )
            return _registered(
                db.execute("SELECT * FROM projects WHERE node = ? AND name = ?", (wanted.node, wanted.name)).fetchone()
            )

    def remove(self, node: str, name: str) -> bool:
        """Forget a project and release its ports; says whether it was there."""
        if not self.path.exists():
            return False
        with self._open(write=True) as db:
            return db.execute("DELETE FROM projects WHERE node = ? AND name = ?", (node, name)).rowcount > 0

    def launching(self, node: str, name: str, definition: str) -> None:
        """Note that this process launches it, and by which definition."""
        pid = os.getpid()
        self._set(node, name, "definition = ?, launch_pid = ?, launch_began = ?", definition, pid, _began(pid))

    def launched(self, node: str, name: str, *, cut: bool = False) -> None:
        """Note that the launch is over; ``cut`` where it was not brought to its end."""
        self._set(node, name, "launch_pid = ?, launch_began = NULL", 0 if cut else None)

    def _set(self, node: str, name: str, what: str, *values: object) -> None:
        if not self.path.exists():
            return
        with self._open(write=True) as db:
            db.execute(f"UPDATE projects SET {what} WHERE node = ? AND name = ?", (*values, node, name))  # noqa: S608 - our own words

    @contextlib.contextmanager
    def _open(self, *, write: bool = False) -> Generator[sqlite3.Connection]:
        """A connection, in a transaction of its own that is kept when all goes well."""
        try:
            private_folder(self.path.parent)
            if not self.path.exists():  # SQLite gives its side files the mode of this one
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            try:
                db.row_factory = sqlite3.Row
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.execute(_SCHEMA)
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            finally:
                db.close()
        except sqlite3.DatabaseError as error:
            todo = "move it away: what runs is found again by its labels, and 'project add' takes it over"
            broken = "locked" not in str(error)
            raise BadAnswer(
                f"the list of projects cannot be used: {error}",
                where=str(self.path),
                todo=todo if broken else "try again",
            ) from None
        except OSError as error:
            raise QuarterdeckError(
                f"the list of projects cannot be used: {error.strerror or error}", where=str(self.path)
            ) from None


def _lowest(taken: set[int], busy: Callable[[int], str | None]) -> int:
    last: str | None = None
    for first in range(LOWEST, HIGHEST - BLOCK + 2, BLOCK):
        if first in taken:
            continue
        why = busy(first)
        if why is None:
            return first
        last = why
    raise Refused("no block of ports is left", where=f"{LOWEST} to {HIGHEST}", todo=last or "remove a project")


def _registered(row: sqlite3.Row) -> Registered:
    return Registered(**{name: row[name] for name in Registered.__dataclass_fields__})


def _began(pid: int) -> float | None:
    """When a process of this machine began; ``None`` where there is none of that id."""
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def being_launched(project: Registered) -> bool:
    """Whether the process that launches it still runs."""
    if not project.launch_pid:
        return False
    began = _began(project.launch_pid)
    return began is not None and (project.launch_began is None or abs(began - project.launch_began) < 1.0)


def cut_short(project: Registered) -> bool:
    """Whether a launch of it began and was never brought to its end."""
    return project.launch_pid is not None and not being_launched(project)
