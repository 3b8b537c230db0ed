"""Signing a chain's end and having the statement taken elsewhere, without any action waiting for it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from app.errors import WitnessError
from app.witness.chain import Chain
from app.witness.checkpoint import FILE, Checkpoint, latest, sign, stored
from app.witness.copies import Copy

COPY_TIMEOUT = 20.0
"""Seconds a copy of a checkpoint has to get elsewhere."""


class Threads(Protocol):
    """Runs blocking work off the event loop."""

    def __call__(self, work: Callable[[], Any], /) -> Awaitable[Any]: ...


class Notary:
    """Signs checkpoints of one chain and hands them to the copier, if there is one."""

    def __init__(self, chain: Chain, copy: Copy | None, threads: Threads) -> None:
        self.fault: str | None = None
        """Why the last checkpoint could not be signed or copied; ``None`` while all is well."""
        self._chain = chain
        self._copy = copy
        self._threads = threads
        self._copied: Checkpoint | None = None

    async def attest(self) -> None:
        """Sign the chain's present end, unless the last checkpoint says just that, and have it copied once.

        A copy that failed is tried again the next time. Raises WitnessError when it cannot be signed or the copy did
        not arrive.
        """
        try:
            signed: Checkpoint | None = await self._threads(self._sign)
            if signed is not None and signed != self._copied:
                await self._take_elsewhere(signed)
                self._copied = signed
        except WitnessError as error:
            self.fault = str(error)
            raise
        self.fault = None

    async def attest_quietly(self) -> None:
        """The same where nobody waits for the answer: what went wrong is kept in ``fault``."""
        try:
            await self.attest()
        except WitnessError:
            return

    def _sign(self) -> Checkpoint | None:
        chain = self._chain
        if not chain.folder.is_dir():
            return None
        with chain.locked():
            head = chain.head()
            last = latest(stored(chain.folder / FILE)[0])
            if head.seq == 0 or (last is not None and (last.size, last.head) == (head.seq, head.hash)):
                return last
            return sign(chain.folder, origin=f"{chain.operator}@{chain.host}", size=head.seq, head=head.hash)

    async def _take_elsewhere(self, checkpoint: Checkpoint) -> None:
        copy = self._copy
        if copy is None:
            return
        try:
            async with asyncio.timeout(COPY_TIMEOUT):
                on_loop = inspect.iscoroutinefunction(copy)
                result = copy(checkpoint) if on_loop else await self._threads(lambda: copy(checkpoint))
                if inspect.isawaitable(result):
                    await result
        except TimeoutError:
            raise WitnessError(f"the copy of a checkpoint did not arrive within {COPY_TIMEOUT:.0f} s") from None
        except Exception as error:  # the copier is somebody else's: whatever it does must stop no action
            raise WitnessError(f"a checkpoint was signed here, but not copied: {error}") from error
