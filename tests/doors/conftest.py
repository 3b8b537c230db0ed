"""A real server for the doors."""

from __future__ import annotations

from tests.servers.sshd import sshd, sshd_at

__all__ = ["sshd", "sshd_at"]
