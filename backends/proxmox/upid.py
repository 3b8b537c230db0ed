"""The name of a task of Proxmox VE, and what the word says that it ended with. Pure.

``UPID:node:pid:pstart:starttime:type:id:user:`` with numbers in hexadecimal; the colon at the end belongs to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.errors import BadAnswer
from backends.proxmox import wire
from backends.proxmox.failures import words

_UPID = re.compile(
    r"UPID:(?P<node>[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):(?P<pstart>[0-9A-Fa-f]{8,9}):"
    r"(?P<starttime>[0-9A-Fa-f]{8}):(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)
_WARNINGS = re.compile(r"WARNINGS: (\d+)")


class TaskEnd(StrEnum):
    """How a task ended."""

    OK = "ok"
    WARNING = "warning"
    """It worked, and has something to say."""
    ERROR = "error"
    UNKNOWN = "unknown"
    """It was killed, or its log was cut short."""


@dataclass(frozen=True, slots=True)
class Upid:
    """A task: where it runs, what it does, to what and for whom."""

    text: str
    node: str
    pid: int
    pstart: int
    starttime: int
    """Seconds since 1970."""
    type: str
    """``qmstart``, ``qmclone``, ``vzdump``."""
    id: str
    """Mostly the guest's number; may be empty."""
    user: str
    """``root@pam`` or ``ops@pve!deck``."""

    @classmethod
    def parse(cls, text: Any) -> Upid:
        """Take a UPID apart; raises BadAnswer for what is none."""
        found = _UPID.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise BadAnswer(f"'{words(text)[:100]}' is not the name of a task")
        numbers = {name: int(found[name], 16) for name in ("pid", "pstart", "starttime")}
        return cls(found[0], found["node"], **numbers, type=found["type"], id=found["id"], user=found["user"])

    @property
    def only_asks(self) -> bool:
        """High availability was asked to do it: the task ends at once, what it asked for comes later."""
        return self.type.startswith("ha")

    def path(self, *rest: str) -> str:
        """Where the API has it: at the node that it names."""
        return wire.path("nodes", self.node, "tasks", self.text, *rest)

    def __str__(self) -> str:
        return self.text


def is_upid(text: Any) -> bool:
    """Whether an answer is the name of a task; some calls answer nothing, as they are done already."""
    return isinstance(text, str) and _UPID.fullmatch(text) is not None


def end_of(exitstatus: str) -> TaskEnd:
    """What a task's last word means: only ``OK`` and ``WARNINGS: n`` are success."""
    if exitstatus == "OK":
        return TaskEnd.OK
    if _WARNINGS.fullmatch(exitstatus):
        return TaskEnd.WARNING
    return TaskEnd.UNKNOWN if exitstatus == "unexpected status" else TaskEnd.ERROR


def warnings_of(exitstatus: str) -> int:
    """How many warnings a task ended with."""
    found = _WARNINGS.fullmatch(exitstatus)
    return int(found[1]) if found else 0
