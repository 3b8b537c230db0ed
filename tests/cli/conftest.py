"""A fresh world for every test of the command line, and a way to call it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from app.registry import Part
from tests.frame import galley
from tests.frame.decks import ALL
from tests.frame.galley import Purse, World


@pytest.fixture(autouse=True)
def world() -> World:
    """Two galleys, three kettles, one mug, and ten coins."""
    galley.PURSE.__dict__.update(vars(Purse()))
    return galley.reset()


@pytest.fixture(autouse=True)
def hosts(home: Path) -> Path:
    """A hosts.yaml in which the galleys stand on nodes of their names; the kitchen is tagged."""
    path = home / "quarterdeck" / "config" / "hosts.yaml"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(
        "version: 1\nnodes:\n"
        "  kitchen: {ssh: 127.0.0.1, tags: [prod]}\n"
        "  office: {ssh: 127.0.0.1}\n"
        "  here: {local: true}\n"
        "groups: {house: [kitchen, office]}\n"
    )
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def fresh_log() -> Iterator[None]:
    """No log file of one test is left open for the next."""
    before = list(logging.getLogger().handlers)
    yield
    for handler in logging.getLogger().handlers[:]:
        if handler not in before:
            logging.getLogger().removeHandler(handler)
            handler.close()


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules can be imported from for the length of one test."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder
    for file in folder.glob("*.py"):
        sys.modules.pop(file.stem, None)


@dataclass
class Said:
    """What one command line left behind."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    @property
    def items(self) -> list[dict[str, Any]]:
        """Its items."""
        return self.object["items"]


Quarterdeck = Callable[..., Said]


@pytest.fixture
def quarterdeck(capsys: pytest.CaptureFixture[str]) -> Quarterdeck:
    """Run a command line in this process: ``quarterdeck("kettle list")`` or with words apart."""

    def run(*words: str, parts: Sequence[Part] = ALL) -> Said:
        capsys.readouterr()
        code = call(words[0].split() if len(words) == 1 else words, parts)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run
