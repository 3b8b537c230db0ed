"""Many targets that ended alike and said the same are one entry: failures first, identical outputs folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.job import Ended, Outcome


@dataclass(slots=True)
class Fold:
    """Targets that ended in the same way and said the same."""

    ended: Ended
    exit_code: int
    message: str
    stdout: str
    stderr: str
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    """At least one; they differ in their target alone."""

    @property
    def ids(self) -> list[str]:
        """The targets, in the order in which they came."""
        return [outcome.id for outcome in self.outcomes]


def fold(outcomes: Sequence[Outcome]) -> list[Fold]:
    """One fold per distinct ending and output: what failed first, then the largest; targets in their order."""
    folds: dict[tuple[Any, ...], Fold] = {}
    for outcome in outcomes:
        stdout, stderr, *tried = (str(outcome.data.get(name) or "") for name in ("stdout", "stderr", "plan", "checks"))
        ending = (outcome.outcome, outcome.exit_code, outcome.message, stdout, stderr)
        folds.setdefault((*ending, *tried), Fold(*ending)).outcomes.append(outcome)
    return sorted(folds.values(), key=lambda one: (one.ended is Ended.DONE, -len(one.outcomes)))


__all__ = ["Fold", "fold"]
