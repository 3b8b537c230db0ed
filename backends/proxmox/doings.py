"""What our own verbs are doing at a cluster just now, for whoever reads it: lists of Proxmox lag 10 s behind."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager


class Doings:
    """One cluster's: guests that were acted on and want a look of their own, and what is being done to each."""

    def __init__(self) -> None:
        self._acted_on: dict[int, None] = {}
        self._told: dict[int, list[Doing]] = {}
        self._look: Callable[[], None] | None = None
        self._said: Callable[[int], None] | None = None

    def listen(self, look: Callable[[], None], said: Callable[[int], None]) -> Callable[[], None]:
        """For whoever reads the cluster: be asked for a look now, and be told whose words changed; returns the end."""
        self._look, self._said = look, said

        def end() -> None:
            if self._look is look:
                self._look = self._said = None

        return end

    def look(self) -> None:
        """Ask for a look at the cluster now."""
        if self._look is not None:
            self._look()

    def acted_on(self, vmid: int) -> None:
        """Its own status is to be read at the next look, for the list may still tell the old one."""
        self._acted_on[vmid] = None

    def take(self) -> tuple[int, ...]:
        """The guests acted on since this was last asked."""
        taken, self._acted_on = tuple(self._acted_on), {}
        return taken

    @contextmanager
    def doing(self, vmid: int, words: str) -> Generator[Doing]:
        """Say what is being done to a guest, for as long as that takes; ``words`` stand in its row at once."""
        doing = Doing(words, lambda: self._changed(vmid))
        told = self._told.setdefault(vmid, [])
        told.append(doing)
        self._changed(vmid)
        try:
            yield doing
        finally:
            told.remove(doing)
            if not told and self._told.get(vmid) is told:
                del self._told[vmid]
            self.acted_on(vmid)
            self._changed(vmid)
            self.look()

    def words(self, vmid: int) -> str | None:
        """What is being done to a guest by us; ``None`` while nothing is."""
        told = self._told.get(vmid)
        return told[-1].words if told else None

    def _changed(self, vmid: int) -> None:
        if self._said is not None:
            self._said(vmid)


class Doing:
    """One thing that is being done to a guest."""

    def __init__(self, words: str, changed: Callable[[], None]) -> None:
        self.words = words
        """As its row has them."""
        self._changed = changed

    def say(self, words: str) -> None:
        """How far it is by now: ``clone 62 %``."""
        if words != self.words:
            self.words = words
            self._changed()
