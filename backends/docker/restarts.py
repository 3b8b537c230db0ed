"""Restarts nobody asked for, told from the order of an engine's events: pure.

No event says "restarted by policy": a container dies and starts again, without a stop or a signal from a client. Nor
does an event say who started it, so the wait tells: an engine waits 100 ms before the first restart and twice as long
before each further one, a minute at most, and begins anew after a run of ten seconds (Docker, ``restartmanager``).
Podman says ``restart`` before it starts a container again, and says nothing of stops.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

REMEMBERED = 512
"""Restarts kept per container."""
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 60.0
_GOOD_RUN_S = 10.0
_SLACK_S = 5.0
"""What starting takes beyond the wait, on a slow machine."""
_HARMLESS = {"1", "10", "12", "18", "19", "28"}
"""Signals that a container usually lives on after: HUP, USR1, USR2, CONT, STOP, WINCH."""


@dataclass(slots=True)
class Course:
    """What is known of one container's starts and ends; moments by the engine's clock."""

    started_at: float | None = None
    died_at: float | None = None
    wait_s: float | None = None
    """What the engine is expected to wait before it starts it again; ``None`` while no whole run was seen."""
    asked: bool = False
    """A client stopped or killed it."""
    announced: bool | None = None
    """Whether ``restart`` was said since its end; ``None`` of an engine that does not say it before a start."""
    restarts: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def kill(self, signal: str) -> None:
        """A client sent a signal."""
        self.asked = self.asked or signal not in _HARMLESS

    def stop(self) -> None:
        """A client stopped it; told after the end."""
        self.asked = True

    def create(self) -> None:
        """It was made: its first start is a client's."""
        self.wait_s = 0.0

    def die(self, at: float) -> None:
        """Its process ended."""
        self.died_at = at
        if self.announced is not None:
            self.announced = False
        if self.started_at is None:
            self.wait_s = None
        elif at - self.started_at >= _GOOD_RUN_S:
            self.wait_s = _FIRST_WAIT_S
        elif self.wait_s is not None:
            self.wait_s = min(max(_FIRST_WAIT_S, 2 * self.wait_s), _LONGEST_WAIT_S)

    def rests(self) -> None:
        """The engine says that it has ended and will not be started again: who starts it next is a client."""
        if self.died_at is not None:
            self.asked = True

    def start(self, at: float) -> bool:
        """Its process began; says whether nobody asked for that."""
        unasked = False
        if self.died_at is not None:
            expected = _LONGEST_WAIT_S if self.wait_s is None else self.wait_s
            unasked = not self.asked and at - self.died_at <= expected + _SLACK_S and self.announced is not False
            if unasked:
                self.restarts.append(at)
            else:
                self.wait_s = 0.0
        self.started_at, self.asked, self.died_at = at, False, None
        return unasked

    def restart(self, at: float) -> bool:
        """It was restarted, before or after the start; says whether that start was counted and is not any more."""
        if self.announced is not None:
            self.announced = True
            return False
        # Docker says so after the start, and only when a client asked for it.
        if self.restarts and self.restarts[-1] == self.started_at and at - self.restarts[-1] < 1.0:
            self.restarts.pop()
            return True
        return False
