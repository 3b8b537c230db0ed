"""Fixtures every test may use: a home of its own, and the rule about real servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL_REQUIRED = os.environ.get("QUARTERDECK_REAL") == "required"
"""Where set, a real server that is not installed fails its tests instead of skipping them."""


def need(present: object, what: str) -> None:
    """Skip, or fail where real servers are required, when ``present`` is not true."""
    if present:
        return
    if REAL_REQUIRED:
        pytest.fail(f"{what} is required here and was not found")
    pytest.skip(f"{what} was not found")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private HOME, QUARTERDECK_HOME and environment for every test: nobody's own files are touched."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("QUARTERDECK_HOME", str(folder / "quarterdeck"))
    for name in ("QUARTERDECK_HOSTS", "SSH_AUTH_SOCK", "NO_COLOR", "QUARTERDECK_TODAY"):
        monkeypatch.delenv(name, raising=False)
    return folder
