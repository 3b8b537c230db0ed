"""What a cluster is asked at each beat: one request while nobody looks, so that sixty seconds hold six of them.

The list of everything has every beat. What it does not tell (whether the cluster has a quorum, when guests were backed
up) takes the place of a list now and then; who looks at the rows is worth further requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.proxmox.backups_seen import BackupsSeen, Shelf
from backends.proxmox.lenient import flag, rows, text, whole

PERMISSIONS_EVERY_S = 1800.0
QUORUM_EVERY_S = 300.0
BACKUPS_EVERY_S = 600.0
BACKUPS_LOOKED_AT_S = 120.0
"""The same while somebody looks."""
PENDING_EVERY_S = 120.0
"""Changes that wait are asked for only of guests that somebody looks at, so often."""
PENDING_KEPT_S = 900.0
"""So long an answer counts that nobody asked for again."""
AT_ONCE = 6
"""Further requests at one beat, at most, while somebody looks."""


@dataclass(frozen=True, slots=True)
class AskQuorum:
    """``GET /cluster/status``."""


@dataclass(frozen=True, slots=True)
class AskPermissions:
    """What the login may do."""


@dataclass(frozen=True, slots=True)
class AskBackups:
    """A storage's ``content?content=backup``."""

    shelf: Shelf


@dataclass(frozen=True, slots=True)
class AskPending:
    """What waits for a guest's restart."""

    vmid: int


Question = AskPermissions | AskQuorum | AskBackups | AskPending


class Turns:
    """Whose turn it is, for one cluster."""

    def __init__(self, backups: BackupsSeen) -> None:
        self._backups = backups
        self._quorum_at = self._permissions_at = float("-inf")
        self._pending_at: dict[int, float] = {}
        self._listed = False
        """The last beat was a list's: what is due beside it may have the next."""

    def listed(self) -> None:
        """A list was asked for."""
        self._listed = True

    def odd(self) -> None:
        """A node came or went, or something was refused for want of a quorum: ask about it soon."""
        self._quorum_at = float("-inf")

    def connected(self) -> None:
        """The cluster answers (again): it may be another server, and the login may hold other privileges."""
        self._permissions_at = self._quorum_at = float("-inf")

    def outdated(self, now: float) -> tuple[int, ...]:
        """Guests whose waiting changes were asked for too long ago to be told of; they are forgotten."""
        old = tuple(vmid for vmid, at in self._pending_at.items() if now - at >= PENDING_KEPT_S)
        for vmid in old:
            del self._pending_at[vmid]
        return old

    def acted_on(self, vmid: int) -> None:
        """What was known of a guest's waiting changes may be old."""
        self._pending_at.pop(vmid, None)

    def instead(self, now: float) -> Question | None:
        """What takes the place of the list at this beat, while nobody looks; never twice in a row."""
        if not self._listed:
            return None
        due = self._due(now, BACKUPS_EVERY_S)
        return due[0] if due else None

    def beside(self, now: float, guests: Sequence[int], most: int, *, backups: bool) -> tuple[Question, ...]:
        """What is asked beside the list while somebody looks at these guests."""
        due = self._due(now, BACKUPS_LOOKED_AT_S if backups else None)
        due += [AskPending(one) for one in guests if now - self._pending_at.get(one, -1e9) >= PENDING_EVERY_S]
        return tuple(due[:most])

    def taken(self, question: Question, now: float) -> None:
        """A question is being asked."""
        if isinstance(question, AskPermissions):
            self._permissions_at = now
        elif isinstance(question, AskQuorum):
            self._quorum_at = now
        elif isinstance(question, AskBackups):
            self._backups.tried(question.shelf, now)
        else:
            self._pending_at[question.vmid] = now

    def not_listed(self) -> None:
        """Something else had the beat: the next is the list's again."""
        self._listed = False

    def _due(self, now: float, backups_every: float | None) -> list[Question]:
        found: list[Question] = []
        if now - self._permissions_at >= PERMISSIONS_EVERY_S:
            found.append(AskPermissions())
        if now - self._quorum_at >= QUORUM_EVERY_S:
            found.append(AskQuorum())
        if backups_every is not None:
            found += [AskBackups(shelf) for shelf in self._backups.due(now, backups_every)]
        return found


def quorum(answer: Any) -> bool | None:
    """Whether the cluster of a ``/cluster/status`` can decide; ``None`` for a server that stands alone."""
    for row in rows(answer):
        if text(row.get("type")) == "cluster" and row.get("quorate") is not None:
            return flag(row.get("quorate"))
    return None


def waiting(answer: Any) -> bool:
    """Whether changes wait in a guest's ``pending``."""
    return any("pending" in row or (whole(row.get("delete")) or 0) > 0 for row in rows(answer))


def sees_no_guests(permissions: Mapping[str, Any] | None) -> bool:
    """Whether what a login may do, by path, lets it see guests nowhere; False while that is not known."""
    return permissions is not None and not any("VM.Audit" in granted for granted in permissions.values())
