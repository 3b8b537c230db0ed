"""Where checkpoints can be copied to, out of reach of whoever can rewrite the log."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.errors import WitnessError
from app.witness.checkpoint import Checkpoint

Copy = Callable[[Checkpoint], Awaitable[None] | None]
"""Takes a fresh checkpoint elsewhere. A plain function runs in a thread, a coroutine function on the loop."""

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
MESSAGE_ID = "5c1b7c0f1f1f4f0d9a53c5e2f6f0a7d4"
"""Finds the copies again: ``journalctl MESSAGE_ID=…``."""


def journald(path: Path = JOURNAL_SOCKET, timeout: float = 2.0) -> Callable[[Checkpoint], None]:
    """A copy to the system's journal, by its native datagram protocol (systemd's ``JOURNAL_NATIVE_PROTOCOL``).

    The journal belongs to another user, so an operator cannot take back what it holds. Raises WitnessError where
    nobody listens.
    """

    def copy(checkpoint: Checkpoint) -> None:
        fields = {
            "MESSAGE": f"quarterdeck witness {checkpoint.origin}: {checkpoint.size} entries, head {checkpoint.head}",
            "MESSAGE_ID": MESSAGE_ID,
            "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "quarterdeck",
            "QUARTERDECK_CHECKPOINT": checkpoint.line(),
        }
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(timeout)
                sender.connect(str(path))
                sender.send(b"".join(_field(name, value) for name, value in fields.items()))
        except OSError as error:
            raise WitnessError(f"the checkpoint did not reach the journal: {error}", where=str(path)) from error

    return copy


def _field(name: str, value: str) -> bytes:
    """One field of the native protocol: ``NAME=value``, or a length and the bytes where the value has line breaks."""
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode("ascii") + b"=" + data + b"\n"
    return name.encode("ascii") + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
