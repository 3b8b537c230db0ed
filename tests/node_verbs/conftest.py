"""One bench per test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.node_verbs.bench import Bench, make_bench


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """Verbs on a node that is this machine behind a shell."""
    one = make_bench(tmp_path, monkeypatch)
    yield one
    await one.verbs.close_tunnels()
    await one.verbs.context.links.close()
