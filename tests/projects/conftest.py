"""Engines and hosts for the tests of this folder."""

from __future__ import annotations

from tests.servers.dockerd import engine, engine_at, engine_of_session
from tests.servers.sshd import sshd, sshd_at

__all__ = ["engine", "engine_at", "engine_of_session", "sshd", "sshd_at"]
