"""What virsh says when it does not do something, as errors of ours; its own words are in them."""

from __future__ import annotations

import re

from app.column import clean
from app.errors import (
    BadAnswer,
    Busy,
    Denied,
    Missing,
    QuarterdeckError,
    Refused,
    TimedOut,
    Unreachable,
    Unsupported,
)


class NoLibvirt(Unreachable):
    """There is none: no daemon listens, or there is no program to ask it by."""


_LONGEST = 500
_ERROR = re.compile(r"^error: *", re.MULTILINE)

_NO_SOCKET = re.compile(r"Failed to connect socket to '([^']*)': (No such file or directory|Connection refused)")
_CLOSED_SOCKET = re.compile(r"Failed to connect socket to '([^']*)': Permission denied")
_DENIED = re.compile(r"authentication (unavailable|failed|cancelled)|access denied|polkit|not authorized", re.I)
_GONE = re.compile(r"Domain not found|failed to get domain|no domain with matching", re.I)
_NOTHING = re.compile(r"(Domain snapshot|Storage pool|Storage volume|Network) not found|no storage (vol|pool)")
_HELD = re.compile(r"cannot acquire state change lock|Failed to get \"write\" lock|another job", re.I)
_LOST = re.compile(r"Disconnected from|client socket is closed|Cannot recv data|End of file|Failed to reconnect")
_UNABLE = re.compile(r"not supported|unsupported|unknown (command|option)|argument unsupported|doesn't support")
_STATE = re.compile(r"is not running|already active|already running|Requested operation is not valid", re.I)


def words_of(text: str) -> str:
    """virsh's own reason on one line: what follows ``error:``, the last of them being the deepest."""
    lines = [clean(part).strip() for part in _ERROR.split(text)]
    said = list(dict.fromkeys(line for line in lines if line))
    return ": ".join(said)[:_LONGEST] or "no reason given"


def classified(text: str, where: str) -> QuarterdeckError:
    """An error of virsh as one of ours; ``where`` is the node or the guest it is about."""
    socket = _NO_SOCKET.search(text)
    if socket is not None:
        what = f"libvirt is not running: nobody listens at {clean(socket[1])}"
        return NoLibvirt(what, where=where, todo="start libvirtd or virtqemud there, or say libvirt: false")
    if "command not found" in text or "virsh: not found" in text:
        return NoLibvirt("there is no virsh", where=where, todo="install libvirt-clients there")
    closed = _CLOSED_SOCKET.search(text)
    if closed is not None or _DENIED.search(text):
        what = f"this account may not use libvirt: {words_of(text)}"
        todo = "add the account to the group libvirt there (sudo usermod -aG libvirt $USER) and log in again"
        return Denied(what, where=where, todo=todo)
    if _HELD.search(text):
        return Busy(f"something else holds it: {words_of(text)}", where=where, todo="try again when that is done")
    if _GONE.search(text):
        return Missing("the guest is gone", where=where, todo="if one of that name is there, it is another one")
    if _LOST.search(text):
        return Unreachable(f"libvirt ended the connection: {words_of(text)}", where=where)
    if "agent" in text and ("not connected" in text or "not configured" in text or "not responding" in text):
        return Unsupported(
            f"its guest agent does not answer: {words_of(text)}", where=where, todo="install qemu-guest-agent in it"
        )
    if _NOTHING.search(text):
        return Missing(words_of(text), where=where)
    if "timed out" in text.lower() or "timeout" in text.lower():
        return TimedOut(words_of(text), where=where)
    if _UNABLE.search(text):
        return Unsupported(words_of(text), where=where)
    if _STATE.search(text):
        return Refused(words_of(text), where=where)
    return BadAnswer(f"virsh: {words_of(text)}", where=where)
