"""What our own verbs are doing at a cluster just now, for whoever reads it: lists of Proxmox lag 10 s behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Doings:
    """One cluster's: guests that were acted on and want a look of their own, and what is being done to each."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        """Set to ask for a look now; whoever reads the cluster clears it."""
        self._acted_on: dict[int, None] = {}
        self._words: dict[int, list[str]] = {}

    def acted_on(self, vmid: int) -> None:
        """Its own status is to be read at the next look, for the list may still tell the old one."""
        self._acted_on[vmid] = None

    def take(self) -> tuple[int, ...]:
        """The guests acted on since this was last asked."""
        taken, self._acted_on = tuple(self._acted_on), {}
        return taken

    @contextmanager
    def doing(self, vmid: int, words: str) -> Iterator[Doing]:
        """Say what is being done to a guest, for as long as that takes; ``words`` stand in its row."""
        told = self._words.setdefault(vmid, [])
        told.append(words)
        self.wake.set()
        try:
            yield Doing(self, vmid, words)
        finally:
            told.pop()
            if not told:
                self._words.pop(vmid, None)
            self.acted_on(vmid)
            self.wake.set()

    def words(self, vmid: int) -> str | None:
        """What is being done to a guest by us; ``None`` while nothing is."""
        told = self._words.get(vmid)
        return told[-1] if told else None

    def say(self, vmid: int, before: str, words: str) -> None:
        """Other words for the same thing."""
        told = self._words.get(vmid, [])
        if before in told:
            told[told.index(before)] = words


class Doing:
    """One thing that is being done to a guest."""

    def __init__(self, doings: Doings, vmid: int, words: str) -> None:
        self._doings = doings
        self._vmid = vmid
        self._words = words

    def say(self, words: str) -> None:
        """How far it is by now: ``clone 62 %``; shown at the next look."""
        self._doings.say(self._vmid, self._words, words)
        self._words = words
