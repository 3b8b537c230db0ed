"""Every table and screen of the command line, drawn once with something in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.registry import PARTS
from app.witness import Draft, Phase, Witness
from tests.cli.conftest import Quarterdeck


def test_everything_known_about_a_node_is_drawn_with_its_small_tables(quarterdeck: Quarterdeck) -> None:
    said = quarterdeck("node show pi1 --demo --nodes 2 --output table", parts=PARTS)
    assert said.code == 0, said.err
    assert said.out.startswith("pi1\n")
    assert "MOUNT" in said.out.upper(), "the table of file systems"


def test_what_was_begun_and_has_no_outcome_is_drawn(quarterdeck: Quarterdeck, home: Path) -> None:
    async def begin() -> None:
        witness = Witness(home / "quarterdeck" / "state" / "witness")
        await witness.record(
            Draft(verb="node reboot", target="node:pi", trace="t1", phase=Phase.INTENT, why="a new kernel")
        )
        await witness.close()

    asyncio.run(begin())
    said = quarterdeck("job list --output table")
    assert said.code == 0, said.err
    head, line = said.out.splitlines()
    assert head.split() == ["TRACE", "VERB", "TARGET", "AGE", "HANDLE", "OPERATOR", "WHY"]
    for word in ("t1", "node reboot", "node:pi", "a new kernel"):
        assert word in line


@pytest.mark.parametrize("view", ["top", "services", "journal", "tunnels"])
def test_each_view_of_a_node_is_drawn(quarterdeck: Quarterdeck, view: str) -> None:
    said = quarterdeck(f"node {view} pi1 --demo --nodes 2 --output table", parts=PARTS)
    assert said.code == 0, said.err
    assert said.out.strip() or view == "tunnels"
