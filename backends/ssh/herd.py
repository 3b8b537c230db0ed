"""How many handshakes go on at once: a fleet that starts must neither trip sshd's MaxStartups nor hold up the keys."""

from __future__ import annotations

import asyncio
from collections import defaultdict

PER_PEER = 8
"""sshd drops new connections by chance from ten unauthenticated ones on (MaxStartups 10:30:100)."""
ALTOGETHER = 24
"""Each costs some milliseconds of computing here, in one piece; so many may stand in one keystroke's way."""


class Herd:
    """Turns for handshakes, per peer (a server, or the jump host in front of it) and altogether."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(ALTOGETHER)
        self._peers: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_PEER))

    async def turn(self, peer: str) -> Turn:
        """Wait for a turn; the caller ends it."""
        own = self._peers[peer]
        await own.acquire()
        try:
            await self._all.acquire()
        except BaseException:
            own.release()
            raise
        return Turn((self._all, own))


class Turn:
    """The right to one handshake."""

    def __init__(self, held: tuple[asyncio.Semaphore, ...]) -> None:
        self._held = held

    def end(self) -> None:
        """Let the next one in; a second call does nothing, so that a prompt may end a turn early."""
        held, self._held = self._held, ()
        for semaphore in held:
            semaphore.release()
