"""What the views of a guest list: snapshots, checkpoints, backups, tasks, firewall rules; alike for all hypervisors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app import column
from app.column import Cell, Column, Token
from app.verb import RowAction, Rows

CHECKPOINT = re.compile(r"checkpoint (?P<name>\S+): (?P<guests>\d+) guests?\b")
"""What ``checkpoint_words`` writes."""
CURRENT = "current"
"""What the row is called that stands for the guest as it is now; it is no snapshot and nothing can be done to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One snapshot of a guest, or where the guest stands among them."""

    name: str
    depth: int = 0
    """How far down the tree it stands."""
    current: bool = False
    """The guest as it is now: no snapshot."""
    taken_at: float | None = None
    """Seconds since the epoch."""
    memory: bool | None = None
    size_bytes: int | None = None
    state: str = ""
    """Of one that is being made or removed."""
    description: str = ""

    @property
    def there(self) -> bool:
        """Whether it is a snapshot that can be gone back to or removed."""
        return not self.current


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One name under which several guests were snapshotted together."""

    name: str
    guests: int
    """How many have it now."""
    of: int | None = None
    """How many had it when it was made; ``None`` where that is not known."""
    taken_at: float | None = None
    """Seconds since the epoch, of the first of them."""
    members: str = ""
    """Their ids, as words of a shell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup of a guest."""

    guest: str
    """``lab/101``."""
    name: str = ""
    """What the guest was called, where that is known."""
    taken_at: float | None = None
    """Seconds since the epoch."""
    size_bytes: int | None = None
    cluster: str = ""
    storage: str = ""
    archive: str = ""
    """As its storage calls it; what ``vm restore`` takes."""
    protected: bool = False
    verified: bool | None = None
    """``None`` where nobody checked."""
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of a cluster."""

    upid: str
    cluster: str
    node: str
    type: str
    """As its cluster calls it: qmclone, vzdump …"""
    guest: str = ""
    """What it is about; mostly a vmid."""
    user: str = ""
    started_at: float | None = None
    """Seconds since the epoch."""
    ended_at: float | None = None
    """``None`` while it runs."""
    status: str = ""
    """``running``, ``OK``, ``WARNINGS: 2``, or what went wrong."""

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        return self.status == "running"

    @property
    def good(self) -> bool:
        """Whether it ended well, warnings included."""
        return self.status == "OK" or self.warned

    @property
    def warned(self) -> bool:
        """Whether it ended well, but with warnings."""
        return self.status.startswith("WARNINGS:")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallRule:
    """One rule of a guest's firewall, or its policy, which comes last."""

    pos: int | None
    """``None`` for a policy."""
    enabled: bool = True
    direction: str = ""
    action: str = ""
    protocol: str = ""
    source: str = ""
    dest: str = ""
    port: str = ""
    comment: str = ""


def ago(moment: float | None, now: float | None = None) -> Cell:
    """How long ago a moment was."""
    if moment is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    age = max(0.0, (time.time() if now is None else now) - moment)
    return Cell(column.duration_text(age), Token.TEXT, age)


def _snapshot_name(one: Snapshot) -> Cell:
    lead = "  " * one.depth
    if one.current:
        return Cell(f"{lead}▸ now", Token.ACCENT)
    return Cell(f"{lead}{column.clean(one.name)}")


def _snapshot_said(one: Snapshot) -> Cell:
    if one.state:
        return Cell(f"{column.clean(one.state)}: not finished", Token.BUSY)
    return Cell("you are here" if one.current else column.clean(one.description), Token.MUTED)


SNAPSHOT_COLUMNS: tuple[Column[Any], ...] = (
    Column("NAME", _snapshot_name, 26, priority=0, help="indented below the one it was taken after"),
    Column("TAKEN", lambda s: Cell("") if s.current else ago(s.taken_at), 6, "right", priority=0, help="how long ago"),
    Column(
        "MEMORY",
        lambda s: Cell("" if s.current or not s.memory else "yes"),
        6,
        priority=2,
        help="whether it goes on where it was",
    ),
    Column("WHAT FOR", _snapshot_said, 24, priority=1, flex=True, help="its description, or that it is not finished"),
)
CHECKPOINT_COLUMNS: tuple[Column[Any], ...] = (
    Column("NAME", lambda c: column.text(c.name), 24, priority=0, help="what the snapshots are called"),
    Column(
        "GUESTS", lambda c: _share(c.guests, c.of), 8, "right", priority=0, help="that have it now, of those that had"
    ),
    Column("TAKEN", lambda c: ago(c.taken_at), 6, "right", priority=1, help="how long ago"),
    Column("MEMBERS", lambda c: column.text(c.members), 20, priority=1, flex=True, help="the guests"),
)
BACKUP_COLUMNS: tuple[Column[Any], ...] = (
    Column("GUEST", lambda b: column.text(b.guest), 11, priority=0, help="whose"),
    Column("NAME", lambda b: column.text(b.name), 14, priority=1, help="what it was called"),
    Column("TAKEN", lambda b: ago(b.taken_at), 6, "right", priority=0, help="how long ago"),
    Column("SIZE", lambda b: column.size(b.size_bytes), 6, "right", priority=1, help="as it lies there"),
    Column("STORAGE", lambda b: column.text(b.storage), 8, priority=1, help="where"),
    Column(
        "KEPT", lambda b: Cell("protected" if b.protected else "", Token.ACCENT), 9, priority=3, help="not removable"
    ),
    Column("CHECKED", lambda b: _checked(b.verified), 7, priority=3, help="whether it was verified"),
    Column("NOTES", lambda b: Cell(column.clean(b.notes)), 12, priority=4, flex=True, help="kept with it"),
    Column("ARCHIVE", lambda b: column.text(b.archive), 52, priority=5, flex=True, help="what 'vm restore' takes"),
)
TASK_COLUMNS: tuple[Column[Any], ...] = (
    Column("STARTED", lambda t: ago(t.started_at), 7, "right", priority=0, help="how long ago"),
    Column("TYPE", lambda t: column.text(t.type), 11, priority=0, help="as its cluster calls it"),
    Column("GUEST", lambda t: Cell(column.clean(t.guest)), 6, priority=1, help="what it is about"),
    Column("NODE", lambda t: column.text(t.node), 8, priority=3, help="which hypervisor did it"),
    Column("TOOK", lambda t: _took(t), 5, "right", priority=2, help="how long it took"),
    Column("BY", lambda t: column.text(t.user), 18, priority=4, help="who began it"),
    Column("CLUSTER", lambda t: column.text(t.cluster), 8, priority=5, help="where"),
    Column("ENDED", lambda t: _ended(t), 24, priority=0, flex=True, help="how it ended"),
    Column("UPID", lambda t: column.text(t.upid), 66, wide=True, help="what 'vm task-log' takes"),
)
RULE_COLUMNS: tuple[Column[Any], ...] = (
    Column(
        "POS",
        lambda r: column.number(r.pos) if r.pos is not None else Cell("last", Token.MUTED),
        4,
        "right",
        priority=0,
    ),
    Column("ON", lambda r: Cell("on" if r.enabled else "off", Token.OK if r.enabled else Token.MUTED), 3, priority=0),
    Column("DIR", lambda r: column.text(r.direction), 4, priority=0, help="in, out, or forwarded"),
    Column("ACTION", lambda r: _action(r.action), 7, priority=0, help="what happens to it"),
    Column("PROTO", lambda r: _any(r.protocol), 6, priority=1, help="protocol or macro"),
    Column("SOURCE", lambda r: _any(r.source), 18, priority=2, help="from where"),
    Column("DEST", lambda r: _any(r.dest), 18, priority=2, help="to where"),
    Column("PORT", lambda r: _any(r.port), 9, priority=1, help="destination ports"),
    Column("COMMENT", lambda r: Cell(column.clean(r.comment), Token.MUTED), 16, priority=3, flex=True, help="what for"),
)


def _any(said: str) -> Cell:
    """What a rule is narrowed down to; one that is not says so."""
    return column.text(said) if said else Cell("any", Token.MUTED)


def _share(have: int, of: int | None) -> Cell:
    if of is None:
        return column.number(have)
    return Cell(f"{have}/{of}", Token.TEXT if have >= of else Token.WARN, have)


def _checked(verified: bool | None) -> Cell:
    if verified is None:
        return Cell("")
    return Cell("ok" if verified else "FAILED", Token.OK if verified else Token.CRIT)


def _took(task: Task) -> Cell:
    if task.started_at is None or task.ended_at is None:
        return Cell("" if task.running else column.UNKNOWN_TEXT, Token.MUTED)
    return column.duration(task.ended_at - task.started_at)


def _ended(task: Task) -> Cell:
    if task.running:
        return Cell("running", Token.BUSY)
    token = Token.WARN if task.warned else Token.OK if task.good else Token.CRIT
    return Cell(column.clean(task.status) or column.UNKNOWN_TEXT, token if task.status else Token.MUTED)


def _action(action: str) -> Cell:
    tokens = {"ACCEPT": Token.OK, "DROP": Token.CRIT, "REJECT": Token.WARN}
    return Cell(column.clean(action), tokens.get(action.upper(), Token.TEXT))


def snapshot_rows(items: Sequence[Snapshot], note: str = "") -> Rows:
    """The tree of snapshots, with the keys that go back to one and remove one."""
    actions = (
        RowAction(key="r", verb="rollback", label="rollback", take={"name": "name"}, where="there"),
        RowAction(key="x", verb="delete-snapshot", label="delete", take={"name": "name"}, where="there"),
    )
    none = "" if any(one.there for one in items) else "no snapshot yet"
    return Rows(SNAPSHOT_COLUMNS, tuple(items), actions, note or none)


def checkpoint_rows(items: Sequence[Checkpoint], note: str = "") -> Rows:
    """The checkpoints, newest first, with the key that takes all guests that have one back to it."""
    back = RowAction(key="r", verb="rollback", label="rollback", take={"name": "name"}, on="members", where="members")
    return Rows(CHECKPOINT_COLUMNS, joined(items), (back,), note, join=joined, none="no checkpoints")


def joined(items: Sequence[Checkpoint]) -> tuple[Checkpoint, ...]:
    """One row per name, newest first: a checkpoint may be one of guests of several hypervisors."""
    found: dict[str, Checkpoint] = {}
    for one in items:
        other = found.get(one.name)
        if other is not None:
            moments = [at for at in (one.taken_at, other.taken_at) if at is not None]
            one = replace(
                one,
                guests=one.guests + other.guests,
                of=None if one.of is None or other.of is None else one.of + other.of,
                taken_at=min(moments, default=None),
                members=" ".join(filter(None, (other.members, one.members))),
            )
        found[one.name] = one
    return _newest(tuple(found.values()), lambda one: one.taken_at)


def checkpoint_words(name: str, guests: int) -> str:
    """How the description of a snapshot begins that was taken of several guests at once."""
    return f"checkpoint {name}: {guests} guest{'s' if guests > 1 else ''}"


def backup_rows(items: Sequence[Backup], note: str = "") -> Rows:
    """The backups, newest first, with the key that makes a new guest of one."""
    restore = RowAction(key="r", verb="restore", label="restore", take={"archive": "archive", "cluster": "cluster"})
    return Rows(BACKUP_COLUMNS, _newest(items, lambda one: one.taken_at), (restore,), note)


def task_rows(items: Sequence[Task], note: str = "", every: float | None = None) -> Rows:
    """The tasks, those that run first and then the newest, with the keys that read the log of one and stop it."""
    actions = (
        RowAction(key="l", verb="task-log", label="log", take={"upid": "upid"}),
        RowAction(key="x", verb="task-stop", label="stop", take={"upid": "upid"}, where="running"),
    )
    newest = _newest(items, lambda one: one.started_at)
    return Rows(TASK_COLUMNS, tuple(sorted(newest, key=lambda one: not one.running)), actions, note, every)


def rule_rows(items: Sequence[FirewallRule], note: str = "") -> Rows:
    """The rules in the order in which they are tried."""
    return Rows(RULE_COLUMNS, tuple(items), (), note)


def _newest(items: Sequence[Any], moment: Callable[[Any], float | None]) -> tuple[Any, ...]:
    return tuple(sorted(items, key=lambda one: -(moment(one) or 0.0)))
