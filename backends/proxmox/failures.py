"""What Proxmox VE says no with, as errors of ours: its own words are in them, and what to do next.

The status code tells little: 500 is the answer to nearly every refusal, so most is read from the words. They stand in
``errors``, in ``message`` (8.4 and later) or in the reason phrase of the status line (always, but for proxies).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from app.column import clean
from app.errors import (
    BadAnswer,
    Busy,
    ChangedHostKey,
    ConfigurationError,
    Denied,
    Missing,
    QuarterdeckError,
    Refused,
    UnknownHostKey,
    Unreachable,
    Unsupported,
)

LONGEST = 1000
"""Characters of a message of Proxmox's that are kept."""


class WrongLogin(Denied, ConfigurationError):
    """The configured token or password is not accepted."""


class SecondFactor(WrongLogin):
    """The account wants a second factor: only a token gets by without one."""


class ExpiredTicket(Denied):
    """The session has ended and could not be renewed."""


class MissingPrivilege(Denied):
    """The account is known and may not do that."""

    def __init__(self, what: str, *, path: str = "", privileges: tuple[str, ...] = (), where: str = "") -> None:
        if privileges:
            todo = f"give it {' or '.join(privileges)} on {path} (Datacenter → Permissions)"
        else:
            todo = "give the token's user and, with privilege separation, the token itself a role that allows it"
        super().__init__(what, where=where, todo=todo)
        self.path = path
        """Where the privilege is wanted: ``/vms/100``; empty where Proxmox did not say."""
        self.privileges = privileges


_PASSING = {"", "clone", "create", "disk", "fstrim", "mounted", "rollback", "snapshot", "snapshot-delete"}


class Locked(Busy):
    """A guest, a storage or a configuration file is locked just now."""

    def __init__(self, what: str, *, lock: str = "", where: str = "") -> None:
        if lock:
            todo = f"wait for what holds the lock '{lock}' to end; quarterdeck vm tasks shows it"
        else:
            todo = "try again in a moment"
        super().__init__(what, where=where, todo=todo)
        self.lock = lock
        """The guest's lock: ``backup``, ``clone``; empty for the short lock of a file."""

    @property
    def passing(self) -> bool:
        """Whether it goes by itself within moments, so that trying again helps; a backup's takes hours."""
        return self.lock in _PASSING


class Gone(Missing):
    """A guest, snapshot, task or storage that is not there (any more)."""


class IdTaken(Refused):
    """The id asked for belongs to another guest by now."""

    def __init__(self, what: str, *, vmid: int | None = None, where: str = "") -> None:
        super().__init__(what, where=where, todo="take another id")
        self.vmid = vmid


class StorageFull(Refused):
    """There is no room left where the disk was to be put."""


class NoQuorum(Refused):
    """The cluster has lost its majority: it can be read and not changed."""


class NodeOffline(Unreachable):
    """The cluster answers, and one node of it does not."""

    def __init__(self, what: str, *, node: str, where: str = "") -> None:
        todo = f"look after node {node}; the rest of the cluster goes on" if node else "look after its nodes"
        super().__init__(what, where=where, todo=todo)
        self.node = node


class InvalidParameters(Refused):
    """Proxmox does not accept a value; ``fields`` says which, and why."""

    def __init__(self, what: str, *, fields: Mapping[str, str], where: str = "") -> None:
        super().__init__(what, where=where, todo="correct the value")
        self.fields: Mapping[str, str] = MappingProxyType(dict(fields))


class Rejected(Refused):
    """Proxmox refuses for a reason of its own."""


class NotProxmox(BadAnswer):
    """Something answers there that is not the API of Proxmox VE."""


class UnknownCertificate(UnknownHostKey):
    """The server's certificate is signed by nobody we trust and was never pinned."""


class ChangedCertificate(ChangedHostKey):
    """The server shows another certificate than the pinned one."""


def words(text: object) -> str:
    """A text of the server's on one line, bounded, without a full stop at its end."""
    return " ".join(clean(str(text)).split()).rstrip(".")[:LONGEST]


_CHECK = re.compile(r"Permission check failed(?: \((?P<path>/[^,)]*), (?P<privileges>[^)]+)\))?")
_FILE_LOCK = re.compile(
    r"can't lock file|got lock (?:request )?timeout|cfs-lock '[^']*' error|can't acquire lock|"
    r"unable to (?:get|acquire) lock",
    re.I,
)
_GUEST_LOCK = re.compile(r"\b(?:VM|CT|container)(?: \d+)? is locked(?: \((?P<lock>[\w-]+)\))?", re.I)
_NO_QUORUM = re.compile(r"no quorum", re.I)
_TAKEN = re.compile(r"(?:VM|CT)? ?(?P<vmid>\d+)?:? ?(?:config file )?already exists(?: on node)?", re.I)
_TAKEN_SIGNS = re.compile(r"(?:unable to create|\bVM|\bCT|vmid)\b.*already exists", re.I)
_GONE = re.compile(
    r"Configuration file '[^']*' does not exist|no such (?:task|VM|CT|user|pool|snapshot|vmid)|"
    r"(?:snapshot|storage|VM|CT|pool|volume) '?[^' ]*'? does not exist|unable to find (?:configuration file|guest)|"
    r"no such logical volume|unable to parse worker upid|hostname lookup '[^']*' failed",
    re.I,
)
_FULL = re.compile(
    r"no space left|not enough (?:free )?space|out of (?:free )?space|insufficient free (?:space|extents)|"
    r"free space in .*insufficient|exceeds? .*free|disk quota exceeded|not enough data space",
    re.I,
)
_NO_SUCH_CALL = re.compile(r"^Method '.*' not implemented$")


def of_words(said: str, *, where: str) -> QuarterdeckError:
    """What a refusal means, read from its words alone: of a 500, or of a task that ended in an error."""
    said = words(said) or "no reason given"
    if found := _CHECK.search(said):
        privileges = tuple(p.strip() for p in (found["privileges"] or "").split("|") if p.strip())
        return MissingPrivilege(said, path=found["path"] or "", privileges=privileges, where=where)
    if found := _GUEST_LOCK.search(said):
        return Locked(said, lock=found["lock"] or "unknown", where=where)
    if _NO_QUORUM.search(said):
        return NoQuorum(said, where=where, todo="bring back enough of its nodes: pvecm status on one of them says more")
    if _FILE_LOCK.search(said):
        return Locked(said, where=where)
    if _TAKEN_SIGNS.search(said):
        number = _TAKEN.search(said)
        return IdTaken(said, vmid=int(number["vmid"]) if number and number["vmid"] else None, where=where)
    if _GONE.search(said):
        return Gone(said, where=where, todo="it may have been removed meanwhile; list again")
    if _FULL.search(said):
        return StorageFull(said, where=where, todo="free some room there, or name another storage")
    return Rejected(said, where=where)


def refused(status: int, said: str, *, fields: Mapping[str, str], where: str, node: str = "") -> QuarterdeckError:
    """What an answer of 400 and above means.

    ``said`` is its words, ``fields`` what it says of single parameters, ``node`` the one that the path names. 401 is
    not read here: whether a token or a ticket was shown is for ``login`` to know.
    """
    said = words(said)
    if status in (595, 596, 599):
        slow = status == 596
        asked = f"node {node}" if node else "the node that knows"
        what = f"{asked} {'does not answer in time' if slow else 'cannot be reached'} ({status})"
        return NodeOffline(f"{what}: {said}" if said else what, node=node, where=where)
    if fields:
        known = {words(name): words(why) for name, why in fields.items()}
        line = "; ".join(f"{name}: {why}" for name, why in known.items())
        if isinstance(meant := of_words(line, where=where), IdTaken | Gone):
            return meant
        return InvalidParameters(line, fields=known, where=where)
    if status == 501:
        if _NO_SUCH_CALL.fullmatch(said):
            return Unsupported(f"this version of Proxmox VE has no such call: {said}", where=where)
        return BadAnswer(f"the server does not take such a request: {said or status}", where=where)
    if status == 403 and "Permission check failed" not in said:
        return MissingPrivilege(said or "not allowed", where=where)
    meant = of_words(said or f"answered {status} without a reason", where=where)
    if status == 400 and isinstance(meant, Rejected):
        return InvalidParameters(meant.what, fields={}, where=where)
    return meant
