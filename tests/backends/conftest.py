"""Real hosts for the backends: OpenSSH servers on loopback."""

from __future__ import annotations

from tests.servers.sshd import sshd, sshd_at

__all__ = ["sshd", "sshd_at"]
