"""How far the making of a template has come, as its own notes say: a run that broke is gone on with. Pure.

The mark is the first line of the guest's notes for as long as it is being made: ``quarterdeck builds agent-machine:
booting``. Who else has the number is never touched.
"""

from __future__ import annotations

import re
from enum import IntEnum

_MARK = re.compile(r"quarterdeck builds (?P<name>\S+): (?P<stage>\w+)")


class Stage(IntEnum):
    """What is done already."""

    MADE = 1
    """The guest is there; it may have run, and may be running."""
    BOOTED = 2
    """It was started, and switches itself off when it is done: there is no agent to ask."""
    CLEANED = 3
    """It ran, everything is installed, and nothing of that run is left in it."""


def marked(name: str, stage: Stage, notes: str) -> str:
    """The notes of a guest that is being made into a template."""
    return f"quarterdeck builds {name}: {stage.name.lower()}\n\n{notes}".rstrip()


def stage_of(description: str, name: str) -> Stage | None:
    """How far it has come; ``None`` for a guest that is not being made into that template."""
    found = _MARK.match(description.lstrip())
    if found is None or found["name"] != name:
        return None
    return next((stage for stage in Stage if stage.name.lower() == found["stage"]), None)
