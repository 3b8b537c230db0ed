"""What is asked of a cluster beside its list, each in a task of its own: none of them holds up or spoils a list."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from app.errors import QuarterdeckError
from backends.kinds.vm_row import Vm
from backends.proxmox import wire
from backends.proxmox.backups_seen import Shelf
from backends.proxmox.known_of import KnownOf
from backends.proxmox.lenient import mapping, rows
from backends.proxmox.on_cluster import state_of, type_of
from backends.proxmox.turns import AskBackups, AskPermissions, AskQuorum, Question, Turns, quorum, waiting

if TYPE_CHECKING:
    from backends.proxmox.client import Client

log = logging.getLogger(__name__)

WITHIN_S = 12.0
"""How long one may take."""
AT_ONCE = 4
"""Under way for one cluster at a time."""


class Questions:
    """Asks and takes in the answers; whoever is told then makes new rows of them."""

    def __init__(
        self,
        client: Callable[[], Client],
        known: KnownOf,
        turns: Turns,
        clock: Callable[[], float],
        told: Callable[[], None],
    ) -> None:
        self._client = client
        self._known = known
        self._turns = turns
        self._clock = clock
        self._told = told
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask these; each counts as asked from now on, whatever comes of it."""
        for question in questions:
            self._turns.taken(question, self._clock())
            self._begin(self._one(question))

    def look_at(self, vmids: Sequence[int]) -> None:
        """Ask these guests how they are; one that is not listed (yet) is left out."""
        found = [guest for vmid in vmids if (guest := self._known.guests.get(vmid)) is not None and guest.host]
        for guest in found:
            self._turns.acted_on(int(guest.key))
            self._known.pending.pop(int(guest.key), None)  # a restart may just have let them take effect
            self._begin(self._status(guest))

    async def settled(self, within: float) -> None:
        """Wait until all is answered, at most so many seconds."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=within)

    async def close(self) -> None:
        """Drop what is still under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._answered(work), name=f"ask {self._known.cluster}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._room:
                await work
        except QuarterdeckError as error:  # a node that is away, a right that is missing: the list stands without it
            log.debug("%s: %s", self._known.cluster, error)
        except Exception:
            log.exception("asking %s", self._known.cluster)
        finally:
            work.close()
        self._told()

    async def _one(self, question: Question) -> None:
        client, known = self._client(), self._known
        if isinstance(question, AskPermissions):
            await client.read_permissions()
        elif isinstance(question, AskQuorum):
            known.quorate = quorum(await client.get("/cluster/status", within=WITHIN_S))
        elif isinstance(question, AskBackups):
            await self._backups(client, question.shelf)
        else:
            guest = known.guests.get(question.vmid)
            if guest is not None and guest.host:
                answer = await client.get(_path(guest, "pending"), within=WITHIN_S)
                known.pending[question.vmid] = waiting(answer)

    async def _backups(self, client: Client, shelf: Shelf) -> None:
        path = wire.path("nodes", shelf.ask[0], "storage", shelf.storage, "content")
        try:
            found = rows(await client.get(path, content="backup", within=WITHIN_S))
        except QuarterdeckError:
            self._known.backups.failed(shelf)
            raise
        self._known.backups.read(shelf, found)

    async def _status(self, guest: Vm) -> None:
        current = mapping(await self._client().get(_path(guest, "status", "current"), within=WITHIN_S))
        if current:
            self._known.corrections.heard(int(guest.key), state_of(current), current, self._clock())


def _path(guest: Vm, *rest: str) -> str:
    return wire.path("nodes", guest.host or "", type_of(guest), guest.key, *rest)
