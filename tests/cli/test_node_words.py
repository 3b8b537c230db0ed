"""Which nodes the words of a command line mean: who is left out is not asked, and known all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.registry import PARTS
from tests.cli.conftest import Quarterdeck


@pytest.fixture
def real(hosts: Path) -> None:
    """A hosts.yaml with this machine under three names."""
    hosts.write_text(
        "version: 1\nnodes:\n"
        "  one: {local: true, tags: [edge]}\n"
        "  two: {local: true, tags: [edge]}\n"
        "  tre: {local: true}\n"
        "groups: {both: [one, two]}\n"
    )


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["@edge,!two"], ["one"]),
        (["both", "!one"], ["two"]),
        (["t*,!tre"], ["two"]),
        (["one,!tre"], ["one"]),
        (["!@edge"], ["tre"]),
        (["--on", "@edge", "t*"], ["two"]),
    ],
)
def test_a_node_that_is_left_out_is_no_unknown_one(
    quarterdeck: Quarterdeck, words: list[str], meant: list[str]
) -> None:
    said = quarterdeck("node", "mute", *words, "--off", parts=PARTS)
    assert (said.code, [item["id"] for item in said.items]) == (0, meant), said.err


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["t*", "--on", "one"], "'t*' is outside of --on one"),
        (["@edge", "--on", "tre"], "'@edge' is outside of --on tre"),
        (["one,!twoo"], "there is no node 'twoo' (nearest valid name: two)"),
        (["one,!one"], "no node is left of 'one,!one'"),
        (["!one,!two,!tre"], "no node is left of '!one,!two,!tre'"),
    ],
)
def test_words_that_leave_nothing_to_act_on_are_usage(
    quarterdeck: Quarterdeck, words: list[str], complaint: str
) -> None:
    said = quarterdeck("node", "mute", *words, "--off", parts=PARTS)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err
