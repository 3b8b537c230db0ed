"""Whether a source that fails is to be called down yet: the same rule for every way a node is reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from app.errors import Denied, QuarterdeckError, Unreachable


@dataclass(slots=True)
class Standing:
    """What is known of a source's answering.

    A source that never answered is down at its first failure. One that did keeps its rows (the feed greys them) and
    is down after 30 s or ten intervals of failing, whichever is longer. A failure that is ours, such as a refused
    key, says nothing about the source: it is unknown.
    """

    interval: float
    clock: Callable[[], float] = time.monotonic
    answered: bool = False
    _failing_since: float | None = field(default=None)

    def works(self) -> None:
        """It answered."""
        self.answered = True
        self._failing_since = None

    def fails(self, error: QuarterdeckError) -> Literal["down", "unknown"] | None:
        """The state its row has now; ``None`` while the last rows still stand."""
        now = self.clock()
        if self._failing_since is None:
            self._failing_since = now
        patient = self.answered and now - self._failing_since < max(30.0, 10 * self.interval)
        if ours(error):
            return None if patient and not isinstance(error, Denied) else "unknown"
        return None if patient else "down"


def ours(error: QuarterdeckError) -> bool:
    """Whether a failure is on our side: configuration, a refusal, an answer that cannot be read."""
    return isinstance(error, Denied) or not isinstance(error, Unreachable)
