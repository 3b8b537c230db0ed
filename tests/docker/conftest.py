"""Engines and registries for the tests of this folder."""

from __future__ import annotations

from tests.servers.dockerd import engine, engine_at, engine_of_session
from tests.servers.registry import registry, registry_at
from tests.servers.sshd import sshd, sshd_at

__all__ = ["engine", "engine_at", "engine_of_session", "registry", "registry_at", "sshd", "sshd_at"]
