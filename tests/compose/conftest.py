"""Engines, registries, both composes and hosts for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.compose.berth import Berth, OpenBerth, opened
from tests.servers.compose import Composes, Version, composes
from tests.servers.dockerd import Dockerd, engine, engine_at, engine_of_session
from tests.servers.registry import registry, registry_at
from tests.servers.sshd import StartSshd, sshd, sshd_at


@pytest.fixture
async def berth(
    engine: Dockerd,
    composes: Composes,
    sshd_at: StartSshd,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[OpenBerth]:
    """Opens decks over nodes with a compose of one kind: ``await berth("v2")``, ``await berth("v1", ssh=True)``."""
    async with AsyncExitStack() as stack:

        async def start(version: Version = "v2", *, ssh: bool = False, **more: Any) -> Berth:
            made = opened(engine, composes, sshd_at, tmp_path, home, monkeypatch, version, ssh=ssh, **more)
            return await stack.enter_async_context(made)

        yield start


__all__ = [
    "berth",
    "composes",
    "engine",
    "engine_at",
    "engine_of_session",
    "registry",
    "registry_at",
    "sshd",
    "sshd_at",
]
