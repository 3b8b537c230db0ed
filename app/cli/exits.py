"""Exit codes: what a script may rely on.

0 done · 1 failed · 2 usage or configuration · 3 partly failed · 4 refused, falsified or declined · 130 interrupted
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from app.errors import ConfigurationError, Declined, QuarterdeckError, Refused, Unsupported
from app.job import Ended, Outcome

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
PARTLY: Final = 3
REFUSED: Final = 4
INTERRUPTED: Final = 130


def of_outcomes(outcomes: Sequence[Outcome], mode: Literal["normal", "falsify"] = "normal") -> int:
    """The code for an action: mixed outcomes are partly failed, unless nothing was done to any target."""
    ended = {outcome.outcome for outcome in outcomes}
    if ended <= {Ended.DONE}:
        return DONE
    if mode == "falsify":
        return REFUSED  # whatever kind of no it was: the action would not succeed as asked
    if Ended.DONE in ended:
        return PARTLY
    if all(outcome.outcome is Ended.FAILED and outcome.exit_code == USAGE and not outcome.job for outcome in outcomes):
        return USAGE  # found while planning, before there was a job
    return REFUSED if ended <= {Ended.REFUSED, Ended.DECLINED} else FAILED


def of_error(error: QuarterdeckError) -> int:
    """The code for an error that ended a command."""
    if isinstance(error, ConfigurationError):
        return USAGE
    return REFUSED if isinstance(error, (Refused, Declined, Unsupported)) else FAILED
