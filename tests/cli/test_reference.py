"""The committed reference and key sheet say what the catalog says; completion knows what hosts.yaml knows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from app.cli import reference
from app.cli.options import RESERVED
from app.cli.root import Root
from app.registry import kinds
from app.verb import Catalog, Shape
from tests.cli.conftest import Quarterdeck
from tests.cli.test_process import PROGRAM, ROOT


@pytest.mark.parametrize(("file", "write"), [("cli.md", reference.cli), ("keys.md", reference.keys)])
def test_the_committed_pages_are_the_generated_ones(file: str, write: object) -> None:
    assert callable(write)
    assert (ROOT / "docs" / file).read_text(encoding="utf-8") == write(), "run: make docs"


def test_every_verb_of_every_kind_has_a_command_and_no_option_of_the_programs() -> None:
    catalog = Catalog({noun: kind.verbs for noun, kind in kinds().items()})
    page = reference.cli()
    for verb in catalog:
        assert f"### {verb.title}\n" in page
        for param in verb.params:
            if param.shape in (Shape.OPTION, Shape.FLAG):
                assert param.option not in RESERVED


def test_the_key_sheet_says_which_panes_stand_behind_a_number() -> None:
    page = reference.keys()
    assert "## On stacks\n\nBehind containers: their number again goes from pane to pane.\n" in page
    assert "## On containers\n\n| Key" in page


def completed(*words: str, incomplete: str = "") -> list[str]:
    """What bash would offer after ``quarterdeck WORDS``."""
    env = {
        **os.environ,
        "_QUARTERDECK_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["quarterdeck", *words, incomplete]),
        "COMP_CWORD": str(len(words) + 1),
    }
    done = subprocess.run(PROGRAM, env=env, capture_output=True, text=True, timeout=30, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_nouns_verbs_options_and_live_names_are_completed(hosts: Path) -> None:
    assert completed(incomplete="no") == ["node"]
    assert "witness" in completed()
    assert {"exec", "list", "show"} <= set(completed("node"))
    assert "--timeout" in completed("node", "exec", incomplete="--ti")
    assert completed("--output", incomplete="j") == ["json"]
    assert completed("node", "exec", incomplete="kit") == ["kitchen"]
    assert completed("node", "list", incomplete="@p") == ["@prod"]
    assert completed("node", "list", incomplete="here,off") == ["here,office"]
    assert completed("node", "list", incomplete="!ho") == ["!house"]
    other = hosts.with_name("other.yaml")
    other.write_text("version: 1\nnodes:\n  faraway: {ssh: 127.0.0.1}\n")
    assert completed("node", "exec", "--hosts", str(other), incomplete="far") == ["faraway"]
    hosts.write_text("nodes: [broken")
    assert completed("node", "exec", incomplete="kit") == []


def test_completion_scripts_are_printed(quarterdeck: Quarterdeck) -> None:
    for shell in ("bash", "zsh", "fish"):
        said = quarterdeck(f"completion {shell}")
        assert said.code == 0
        assert "_QUARTERDECK_COMPLETE" in said.out
    assert quarterdeck("completion tcsh").code == 2
    assert "eval" in quarterdeck("completion --help").out


def test_the_tools_own_commands_understand_the_global_options(quarterdeck: Quarterdeck) -> None:
    for words in ("config show", "witness query", "info", "job list"):
        assert quarterdeck(f"{words} --output json --no-color --hosts /dev/null --demo").code in (0, 2, 3)
        assert quarterdeck(f"{words} --bogus").code == 2
    assert isinstance(Root(), Root)
