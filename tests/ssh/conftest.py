"""The servers that the tests of the SSH link use."""

from __future__ import annotations

from tests.servers.sshd import sshd, sshd_at

__all__ = ["sshd", "sshd_at"]
