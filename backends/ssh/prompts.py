"""Passwords and passphrases: asked for once, one prompt at a time, and kept in memory only."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from app.backend import AskSecret, nobody

_DECLINED_SECONDS = 300.0
"""A prompt that was declined does not come back with every attempt to reconnect."""


class Secrets:
    """What the operator typed, by what it is for: ``password of ops@pi:22``, ``passphrase of ~/.ssh/id_rsa``.

    Fifty hosts that need one secret cause one prompt; fifty secrets are asked for one after the other.
    """

    def __init__(self, ask: AskSecret = nobody) -> None:
        self._ask = ask
        self._held: dict[str, str] = {}
        self._declined: dict[str, float] = {}
        self._each: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._screen = asyncio.Lock()

    async def get(self, what: str, prompt: str) -> str | None:
        """The secret, asked for where it is not held; ``None`` when nobody answers."""
        async with self._each[what]:
            if what in self._held:
                return self._held[what]
            if time.monotonic() < self._declined.get(what, 0.0):
                return None
            answer = await self.once(what, prompt)
            if answer is None:
                self._declined[what] = time.monotonic() + _DECLINED_SECONDS
            else:
                self._held[what] = answer
            return answer

    async def once(self, what: str, prompt: str) -> str | None:
        """Ask for something that is good for one time, such as a code; it is not kept."""
        async with self._screen:
            return await self._ask(what, prompt)

    def wrong(self, what: str, value: str) -> None:
        """Forget a secret that was refused, unless another one has been given meanwhile."""
        if self._held.get(what) == value:
            del self._held[what]

    def forget(self) -> None:
        """Forget everything, refusals to answer included."""
        self._held.clear()
        self._declined.clear()
