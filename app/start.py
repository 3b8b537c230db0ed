"""From folders and files to a deck: the one composition, used by the command line and the console alike."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import registry
from app.backend import AskSecret, Backend, Context, nobody
from app.deck import Deck
from app.inventory import Inventory, load
from app.paths import Paths, private_folder
from app.registry import DEMO, PARTS, Part
from app.witness import Witness, copies

LOG_BYTES = 4 << 20
"""Size at which a log file is set aside; one earlier file is kept."""
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class Hosts:
    """The configuration in force; calling it returns it, ``replace`` puts another in its place."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def __call__(self) -> Inventory:
        return self._inventory

    def replace(self, inventory: Inventory) -> None:
        """Put a newly read configuration in force; whoever watches sources is told by the caller."""
        self._inventory = inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a process wants of its deck."""

    hosts: Path | None = None
    """``--hosts``; ``None`` for the rules of ``app.inventory.find``."""
    read_only: bool = False
    one_shot: bool = False
    """A command line: first readings as soon as possible, nothing kept."""
    rows_only: bool = False
    """A command line that acts: names are enough, figures are not waited for."""
    demo: int = 0
    """Size of the pretend fleet; 0 for the real one."""
    only: Iterable[str] | None = None
    """Nouns whose backends are made; ``None`` for all."""
    acting: bool = False
    """Backends that have a say in the guard are made as well, whatever they fill."""


def open_deck(start: Start, *, parts: Sequence[Part] | None = None, inventory: Inventory | None = None) -> Deck:
    """Everything but the screen, with nothing watched yet: call ``deck.feed.configure`` for that.

    Raises ConfigurationError where hosts.yaml cannot be used.
    """
    paths = Paths.find()
    if inventory is None:
        inventory = Inventory() if start.demo else load(start.hosts)
    hosts = Hosts(inventory)
    if parts is None or parts is PARTS:
        parts = DEMO if start.demo else PARTS

    async def ask_secret(what: str, prompt: str) -> str | None:
        return await deck.front.secret(what, prompt)

    state = paths.state_of(pretend=bool(start.demo))
    links = registry.links(hosts, ask_secret, one_shot=start.one_shot, clock=time.monotonic)
    context = Context(
        inventory=hosts,
        links=links,
        fleet=lambda: deck.feed.fleet,
        ask_secret=ask_secret,
        state=state,
        cache=paths.cache,
        one_shot=start.one_shot,
        rows_only=start.rows_only,
        demo=start.demo,
    )
    awake = parts
    if start.only is None:  # a console: what has nothing to do is not imported before hosts.yaml gives it something
        idle = registry.idle(inventory, parts)
        awake = tuple(part for part in parts if part.backend not in idle)
    backends = registry.backends(context, awake, start.only, rules=start.acting)
    waiting = [part for part in parts if part not in awake]

    def woken(inventory: Inventory) -> list[Backend]:
        """The backends for which a changed hosts.yaml has something to do at last."""
        idle = registry.idle(inventory, waiting)
        ready = [part for part in waiting if part.backend not in idle]
        waiting[:] = [part for part in waiting if part.backend in idle]
        return registry.backends(context, ready)

    # Those that nobody here fills are not worth their import.
    filled = None if start.only is None else {*start.only, *(noun for backend in backends for noun in backend.nouns)}
    deck = Deck(
        context=context,
        kinds=registry.kinds(parts, filled),
        backends=backends,
        witness=Witness(
            state / "witness",
            every=inventory.witness.every,
            copy=copies.configured(lambda: hosts().witness, links),
        ),
        read_only=start.read_only,
        woken=woken,
    )
    return deck


@contextlib.asynccontextmanager
async def open_witness(
    folder: Path, hosts: Path | None = None, ask_secret: AskSecret = nobody
) -> AsyncGenerator[Witness]:
    """The witness of a folder without a deck; its checkpoints are copied where hosts.yaml says.

    Raises ConfigurationError where hosts.yaml cannot be used.
    """
    inventory = load(hosts)
    links = registry.links(lambda: inventory, ask_secret, one_shot=True, clock=time.monotonic)
    log = Witness(folder, copy=copies.configured(lambda: inventory.witness, links))
    try:
        yield log
    finally:
        await log.close()
        await links.close()


def log_to_file(*, rotate: bool = False) -> Path | None:
    """Send log records and tracebacks to the log file, 0600, and return it; ``None`` where it cannot be written.

    ``rotate`` keeps it bounded while a console runs for weeks; a command line sets a large one aside at its start.
    """
    folder = Paths.find().log
    file = folder / "quarterdeck.log"
    known = [one for one in logging.getLogger().handlers if getattr(one, "baseFilename", None) == str(file)]
    if known:
        return file
    try:
        private_folder(folder)
        if file.exists() and file.stat().st_size > LOG_BYTES:
            file.replace(file.with_suffix(".log.1"))
        file.touch(mode=0o600)
        handler = _handler(file, rotate)
    except OSError:
        return None
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False  # a full disk must not print tracebacks over the screen
    for chatty in ("asyncssh", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return file


def _handler(file: Path, rotate: bool) -> logging.Handler:
    if not rotate:
        return logging.FileHandler(file, encoding="utf-8", errors="backslashreplace", delay=True)
    from logging.handlers import RotatingFileHandler

    rest: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "delay": True}
    return RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, **rest)


__all__ = ["Hosts", "Start", "log_to_file", "open_deck", "open_witness"]
