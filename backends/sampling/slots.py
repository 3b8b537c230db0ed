"""Which script runs when: one begins per tick, few run side by side, and one that hangs keeps only its slot."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from app.link import Probe, Tier
from backends.sampling.script import SLOTS

PATIENCE_S = 30.0
"""After so long without an answer a script is said to hang."""
BETWEEN_S = 0.2
"""At least so long after another probe begins the one that is to come after it."""

_NOW = float("-inf")


@dataclass(slots=True)
class _Turn:
    probe: Probe[Any]
    due: float
    """On the caller's clock; infinite when it is never to run again."""
    slot: int | None = None
    began: float = float("inf")
    """Infinite until it has begun in this session."""
    told: bool = False


class Slots:
    """The turns of one node's scripts.

    A probe is due at once, then every ``probe.every`` seconds, a tenth more or less, so that hosts do not move in
    step, whatever becomes of the session meanwhile. A ONCE probe runs once a session, one that is ``first`` at its
    beginning as well.
    """

    def __init__(self, probes: Iterable[Probe[Any]], jitter: Callable[[], float] = random.random) -> None:
        self._turns: dict[str, _Turn] = {}
        self._free = list(range(SLOTS))
        self._running: dict[int, _Turn] = {}
        self._jitter = jitter
        self.want(probes)

    def want(self, probes: Iterable[Probe[Any]]) -> None:
        """Replace the list of probes; those that stay keep their turn, new ones are due at once."""
        wanted = {probe.name: probe for probe in probes if probe.tier is not Tier.FAST}
        for name in [name for name in self._turns if name not in wanted]:
            del self._turns[name]
        for name, probe in wanted.items():
            if name not in self._turns:
                # What is asked once or waited for comes first; then the order in which they were given.
                self._turns[name] = _Turn(probe, _NOW if _early(probe) else 0.0)

    def again(self) -> None:
        """A new session: what ran is gone, what is asked once is asked anew, other turns stay as they are."""
        for turn in self._running.values():
            turn.slot, turn.due = None, 0.0
        self._running.clear()
        self._free = list(range(SLOTS))
        for turn in self._turns.values():
            turn.began = float("inf")
            if _early(turn.probe):
                turn.due = _NOW

    def hurry(self, name: str) -> None:
        """A probe is due now, whenever it ran last; nothing for one that runs, or that nobody asked for."""
        turn = self._turns.get(name)
        if turn is not None and turn.slot is None:
            turn.due = _NOW

    def begin(self, now: float, *, waited_for: bool = False) -> tuple[int, Probe[Any]] | None:
        """The slot and probe to start at this tick, if one is due and a slot is free.

        ``waited_for``: only one that somebody waits for now, which may begin beside another.
        """
        if not self._free:
            return None
        ready = [
            turn
            for turn in self._turns.values()
            if turn.slot is None
            and turn.due <= now
            and self._may(turn, now)
            and (not waited_for or (turn.probe.first and turn.due == _NOW))
        ]
        if not ready:
            return None
        turn = min(ready, key=lambda one: one.due)
        turn.slot, turn.began, turn.told = self._free.pop(0), now, False
        self._running[turn.slot] = turn
        return turn.slot, turn.probe

    def _may(self, turn: _Turn, now: float) -> bool:
        """What it is to come after has begun, and not just now."""
        other = self._turns.get(turn.probe.after)
        return other is None or now - other.began >= BETWEEN_S

    def end(self, slot: int, now: float) -> Probe[Any] | None:
        """Free a slot whose script has ended; returns its probe, ``None`` when nothing ran there."""
        turn = self._running.pop(slot, None)
        if turn is None:
            return None
        self._free.append(slot)
        turn.slot = None
        once = turn.probe.tier is Tier.ONCE
        turn.due = float("inf") if once else turn.began + turn.probe.every * (0.9 + 0.2 * self._jitter())
        return turn.probe

    def hanging(self, now: float) -> list[Probe[Any]]:
        """Probes found to hang since the last call; each is told once a run."""
        late = [turn for turn in self._running.values() if not turn.told and now - turn.began > PATIENCE_S]
        for turn in late:
            turn.told = True
        return [turn.probe for turn in late]

    @property
    def settled(self) -> bool:
        """Every probe has run at least once."""
        return all(turn.due > 0 for turn in self._turns.values())


def _early(probe: Probe[Any]) -> bool:
    """Whether a session begins with it."""
    return probe.first or probe.tier is Tier.ONCE
