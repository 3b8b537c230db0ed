"""Every table and screen of the command line, drawn once with something in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.registry import PARTS
from app.witness import Draft, Phase, Witness
from tests.cli.conftest import Quarterdeck
from tests.servers.tcp import silent


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


@pytest.mark.parametrize("form", ["table", "json"])
def test_what_a_step_waits_for_is_told_on_stderr_as_it_comes(quarterdeck: Quarterdeck, form: str) -> None:
    said = quarterdeck(f"node reboot pi1 --demo --nodes 2 --yes --output {form}", parts=PARTS)
    assert said.code == 0, said.err
    assert said.err == "pi1: connection lost, waiting for it to come back\n"
    assert "waiting" not in said.out


def test_a_falsified_plan_tells_its_notes(quarterdeck: Quarterdeck) -> None:
    said = quarterdeck("node upgrade pi1 --demo --nodes 2 --mode falsify --output table", parts=PARTS)
    assert "  note: pi1: nothing is pending\n" in said.out


def test_where_there_is_nothing_to_do_the_outcome_says_why(quarterdeck: Quarterdeck) -> None:
    said = quarterdeck("node upgrade pi1 --demo --nodes 2 --yes --output table", parts=PARTS)
    assert (said.code, said.out) == (0, "● pi1  done: nothing to do: nothing is pending\n")


def _hardly_any(deck: object) -> float:
    return 0.3


@pytest.mark.parametrize("verb", ["list", "show"])
def test_a_row_that_nobody_read_in_time_says_so(
    quarterdeck: Quarterdeck, hosts: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr("app.cli.look.patience", _hardly_any)
    with silent() as port:
        hosts.write_text(f"version: 1\nnodes:\n  mum: {{ssh: {{host: 127.0.2.1, port: {port}, user: ops}}}}\n")
        said = quarterdeck(f"node {verb} mum --output table", parts=PARTS)
    assert said.code == 0, "a node that does not answer is no error of ours"
    assert "no answer within 0 s" in said.out
    assert said.err == "quarterdeck: mum: no answer within 0 s\n"


def test_what_is_done_to_a_pretend_fleet_is_witnessed_apart(quarterdeck: Quarterdeck) -> None:
    assert quarterdeck("node mute pi1 --demo --nodes 2 --yes", parts=PARTS).code == 0
    assert quarterdeck("witness query").items == []
    assert {entry["target"] for entry in quarterdeck("witness query --demo").items} == {"node:pi1"}
    assert quarterdeck("job list --demo").items == []
