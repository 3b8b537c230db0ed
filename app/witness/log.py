"""The witness as the rest of the program sees it: nothing here blocks the event loop."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from app.errors import WitnessError
from app.witness.archive import archive_sealed
from app.witness.chain import Chain, Request
from app.witness.checkpoint import FILE
from app.witness.copies import Copy
from app.witness.entry import Draft, Entry, Phase, stamp
from app.witness.notary import Notary
from app.witness.operations import Operation
from app.witness.query import Damage, Filter, read
from app.witness.segments import SEGMENT_BYTES, chain_name, newest
from app.witness.unfinished import as_open_intent, open_operations

T = TypeVar("T")

CLOSE_TIMEOUT = 20.0
"""Seconds that copying and archiving have to end when the program does."""
WRITE_TIMEOUT = 30.0
"""Seconds a disk has for one write; a dead file server must not freeze an action for ever."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a chain had come at one look; two marks differ when something was written between."""

    segment: int
    size: int


def operator_name() -> str:
    """The Unix user this process runs as; its number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


class Witness:
    """One process's hold on the chain of its user and host; any number of processes share that chain.

    Coroutines run their disk work in threads of their own. ``entries`` blocks and is to be called in a thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every: int = 1000,
        segment_bytes: int = SEGMENT_BYTES,
        copy: Copy | None = None,
        operator: str | None = None,
        host: str | None = None,
        now: Callable[[], str] = stamp,
    ) -> None:
        """Nothing is touched yet; the folder is made by the first write.

        Every ``every`` entries a checkpoint is signed and handed to ``copy``. ``operator``, ``host`` and ``now``
        are what the system says unless given.
        """
        self.operator = operator or operator_name()
        self.host = host or socket.gethostname()
        self.folder = folder / chain_name(self.operator, self.host)
        """Where this chain lies."""
        self._every = max(1, every)
        self._chain = Chain(self.folder, self.operator, self.host, segment_bytes, now)
        self._threads = ThreadPoolExecutor(3, thread_name_prefix="witness")
        self._notary = Notary(self._chain, copy, self._thread)
        self._waiting: list[tuple[Request, asyncio.Future[int | WitnessError]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._behind: set[asyncio.Task[None]] = set()
        self._segment: Path | None = None
        self._wrote = False
        self._hurry = False
        self._closed = False

    @property
    def fault(self) -> str | None:
        """Why the last checkpoint could not be signed or copied; ``None`` while all is well."""
        return self._notary.fault

    async def begin(self, draft: Draft, *, outcomes: int = 1) -> int:
        """Put an intent on disk, with room for its outcomes, before anything is done; its number.

        Raises WitnessError, and leaves nothing behind, when that is not possible: the action must not run then.
        When the caller is cancelled while waiting, an intent that got written is followed by its outcome "cancelled".
        """
        future = self._submit(Request(replace(draft, phase=Phase.INTENT), reserve=max(1, outcomes)))
        try:
            return await self._answer(future)
        except (asyncio.CancelledError, TimeoutError) as error:
            future.add_done_callback(lambda done: self._withdraw(done, draft, max(1, outcomes)))
            if isinstance(error, TimeoutError):
                raise self._slow() from None
            raise

    async def record(self, draft: Draft) -> int:
        """Put any later entry on disk: a step, an outcome, a refusal, a note; its number. Raises WitnessError.

        An outcome or refusal settles one outcome that the intent of the same trace announced. A caller that is
        cancelled while waiting does not take the entry back.
        """
        ends = draft.phase in (Phase.OUTCOME, Phase.REFUSAL)
        try:
            return await self._answer(self._submit(Request(draft, settles=1 if ends else 0)))
        except TimeoutError:
            raise self._slow() from None

    async def checkpoint(self) -> Path:
        """Sign how long the chain is and how it ends, have that copied, and return the file it stands in.

        Raises WitnessError when it cannot be signed or the copy did not arrive.
        """
        await self._notary.attest()
        return self.folder / FILE

    async def close(self) -> None:
        """Finish what is being written, sign a last checkpoint if this process wrote anything, give room back."""
        if self._closed:
            return
        while self._writer is not None and not self._writer.done():
            if not (await asyncio.wait([self._writer], timeout=WRITE_TIMEOUT))[0]:
                break  # the disk does not answer: leave all the same
            await asyncio.sleep(0)  # an intent whose caller went away asks for its outcome now
        self._closed = True
        if self._wrote:
            await self._notary.attest_quietly()
        if self._behind:
            await asyncio.wait(self._behind, timeout=CLOSE_TIMEOUT)
        self._hurry = True
        await self._thread(self._chain.close)
        self._threads.shutdown(wait=False)

    async def open_intents(self) -> list[Entry]:
        """Intents whose outcomes have not all come, oldest first.

        ``handle`` holds what the outside calls what they started and has not been told the end of, one per line.
        """
        return [as_open_intent(operation) for operation in await self.open_operations()]

    async def open_operations(self) -> list[Operation]:
        """The same with every step and outcome that did come. Another console may be at work on some of them."""
        return await self._thread(lambda: open_operations(self.folder) if self.folder.is_dir() else [])

    def entries(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        verb: str | None = None,
        target: str | None = None,
        operator: str | None = None,
        outcome: str | None = None,
        text: str | None = None,
        trace: str | None = None,
        limit: int | None = None,
        reverse: bool = False,
        damage: Damage | None = None,
    ) -> Iterator[Entry]:
        """The chain's entries that match, oldest first or, with ``reverse``, newest first.

        Blocks. Lines that are no entries are passed over and told to ``damage``. Raises WitnessError where a file
        cannot be read.
        """
        wanted = Filter(
            since=since,
            until=until,
            verb=verb,
            target=target,
            operator=operator,
            outcome=outcome,
            text=text,
            trace=trace,
        )
        return read(self.folder, wanted, limit=limit, reverse=reverse, damage=damage)

    async def tail(self, n: int) -> list[Entry]:
        """The last ``n`` entries, oldest of them first; costs what they take, not what the chain holds."""
        return await self._thread(lambda: list(read(self.folder, limit=n, reverse=True))[::-1])

    def mark(self) -> Mark:
        """How far the chain has come, whoever wrote it: a few system calls, cheap enough for every second."""
        segment = newest(self.folder)
        if segment is None:
            return Mark(0, 0)
        try:
            return Mark(segment.first, segment.path.stat().st_size)
        except OSError:  # archived in this very moment
            return Mark(segment.first, -1)

    def _submit(self, request: Request) -> asyncio.Future[int | WitnessError]:
        """Queue an entry; everything queued while a write is under way goes out together, with one sync."""
        if self._closed:
            raise WitnessError("the witness is closed", where=str(self.folder))
        future: asyncio.Future[int | WitnessError] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="witness")
        return future

    async def _answer(self, future: asyncio.Future[int | WitnessError]) -> int:
        # Not wait_for: that of Python 3.11 swallows a cancel that comes with the answer, and the work would go on.
        async with asyncio.timeout(WRITE_TIMEOUT):
            answer = await asyncio.shield(future)
        if isinstance(answer, WitnessError):
            raise answer
        return answer

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            requests = [request for request, _ in batch]
            try:
                answers = await self._thread(lambda requests=requests: self._chain.append(requests))
            except WitnessError as error:
                answers = [error] * len(batch)
            except Exception as error:  # a defect must refuse the action, not leave it waiting
                answers = [WitnessError(f"could not be written: {error!r}", where=str(self.folder))] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
            numbers = [answer for answer in answers if isinstance(answer, int)]
            self._wrote = self._wrote or bool(numbers)
            if any(number % self._every == 0 for number in numbers):
                self._later(self._notary.attest_quietly())
            if self._chain.segment != self._segment:  # the first write, or one that began a new segment
                self._segment = self._chain.segment
                self._later(self._archive())

    def _withdraw(self, done: asyncio.Future[int | WitnessError], draft: Draft, outcomes: int) -> None:
        """Nobody waits for this intent any more: end it."""
        if done.cancelled() or isinstance(done.result(), WitnessError) or self._closed:
            return
        ended = replace(draft, phase=Phase.OUTCOME, outcome="cancelled", message="cancelled before the first step")
        self._submit(Request(ended, settles=outcomes))

    async def _archive(self) -> None:
        await self._thread(lambda: archive_sealed(self.folder, lambda: self._hurry))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="witness, behind the scenes")
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    def _slow(self) -> WitnessError:
        return WitnessError(
            f"the disk of the witness did not answer within {WRITE_TIMEOUT:.0f} s",
            where=str(self.folder),
            todo="see whether its file system still answers: df",
        )

    async def _thread(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread of the witness's own: the shared pool may be full of slow lookups."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
