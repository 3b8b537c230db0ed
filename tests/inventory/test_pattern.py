"""Which nodes and resources a pattern means."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError
from app.inventory import load, matches, select
from tests.inventory.conftest import Write

FLEET = (
    "nodes:\n  pi: {ssh: a, tags: [arm, edge]}\n  hp: {ssh: b, tags: [edge]}\n  n1: {ssh: c, tags: [prod]}\n"
    "  n2: {ssh: d, tags: [prod, arm]}\n  old: {ssh: e, tags: [lab]}\n  web: {ssh: f}\n  other: {ssh: g, tags: [web]}\n"
    "groups: {racks: [n1, n2], none: []}\n"
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("pi", ["pi"]),
        ("hp,pi", ["pi", "hp"]),
        ("n*", ["n1", "n2"]),
        ("n[12]", ["n1", "n2"]),
        ("x*", []),
        ("racks", ["n1", "n2"]),
        ("@edge", ["pi", "hp"]),
        ("@e*", ["pi", "hp"]),
        ("@racks", ["n1", "n2"]),
        ("@none", []),
        ("!old", ["pi", "hp", "n1", "n2", "web", "other"]),
        ("@edge,!pi", ["hp"]),
        ("!@edge,!@prod", ["old", "web", "other"]),
        ("@arm,&@prod", ["n2"]),
        ("@arm:&@prod", ["n2"]),
        ("@edge:!hp", ["pi"]),
        (" pi , , hp ", ["pi", "hp"]),
        ("*", ["pi", "hp", "n1", "n2", "old", "web", "other"]),
        ("web", ["web"]),
        ("@web", ["other"]),
    ],
)
def test_select(pattern: str, expected: list[str], write: Write) -> None:
    assert select(load(write(FLEET)), pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("pj", "no node or group is called 'pj'; the nearest is pi"),
        ("@prd", "no tag is called 'prd'; the nearest is @prod"),
        ("*,!@prd", "no tag is called 'prd'"),
        ("lab", "no node or group is called 'lab'; the nearest is @lab"),
        ("", "the pattern is empty"),
        (",", "the pattern is empty"),
    ],
)
def test_a_word_that_names_nothing_is_an_error(pattern: str, words: str, write: Write) -> None:
    inventory = load(write(FLEET))
    with pytest.raises(ConfigurationError) as caught:
        select(inventory, pattern)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "name", "tags", "expected"),
    [
        ("pi", "pi", (), True),
        ("pi", "pi/web", (), True),
        ("pi/web", "pi/web", (), True),
        ("pi/*", "pi/web", (), True),
        ("p?", "pi/web", (), True),
        ("*/web", "hp/web", (), True),
        ("pi/web", "pi", (), False),
        ("web", "pi/web", (), False),
        ("lab", "pi", ("lab",), True),
        ("@lab", "pi/web", ("lab",), True),
        ("@lab", "lab", (), False),
        ("!pi", "pi/web", (), False),
        ("!pi", "hp/web", (), True),
        ("*,!@prod", "hp", ("prod",), False),
        ("@a,&@b", "x", ("a",), False),
        ("@a,&@b", "x", ("a", "b"), True),
        ("PI", "pi", (), False),
        ("", "pi", ("x",), False),
    ],
)
def test_matches(pattern: str, name: str, tags: tuple[str, ...], expected: bool) -> None:
    assert matches(pattern, name, tags) is expected
