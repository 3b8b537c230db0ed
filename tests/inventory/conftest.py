"""Writing a hosts.yaml and asking what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.inventory import validate

Write = Callable[[str], Path]
Mistakes = Callable[[str], list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts a text into ``hosts.yaml`` and returns its path."""

    def put(text: str) -> Path:
        path = tmp_path / "hosts.yaml"
        path.write_bytes(text.encode())
        return path

    return put


@pytest.fixture
def mistakes(write: Write) -> Mistakes:
    """The mistakes of a text, as an operator reads them after the name of the file."""

    def ask(text: str) -> list[str]:
        path = write(text)
        return [str(mistake).removeprefix(f"{path}:") for mistake in validate(path)]

    return ask
