"""Names of keys, the keymap, and the words after ``:``; no screen."""

from __future__ import annotations

import pytest

from app.keys import Keymap, normal, shown
from app.verb import GLOBAL_KEYS, Catalog
from tests.console.lamp import LampVerbs


@pytest.mark.parametrize(
    ("key", "character", "name"),
    [
        ("ctrl+@", "\x00", "ctrl+space"),
        ("ctrl+space", None, "ctrl+space"),
        ("ctrl-space", None, "ctrl+space"),
        ("N", "N", "N"),
        ("upper_n", None, "N"),
        ("shift+n", "N", "N"),
        ("shift-n", None, "N"),
        ("greater_than_sign", ">", ">"),
        (">", None, ">"),
        ("full_stop", ".", "."),
        ("space", " ", "space"),
        (" ", None, "space"),
        ("ctrl-\\", None, "ctrl+backslash"),
        ("ctrl+backslash", "\x1c", "ctrl+backslash"),
        ("F9", None, "f9"),
        ("esc", None, "escape"),
        ("PgUp", None, "pageup"),
        ("ctrl-D", None, "ctrl+d"),
        ("-", None, "-"),
        ("+", None, "+"),
        ("minus", "-", "-"),
        ("alt+m", None, "alt+m"),
        ("ctrl+alt+delete", None, "ctrl+alt+delete"),
        ("ctrl+i", "\t", "tab"),
        ("left_square_bracket", "[", "["),
    ],
)
def test_a_key_has_one_name(key: str, character: str | None, name: str) -> None:
    assert normal(key, character) == name
    assert normal(name) == name


def test_names_for_people() -> None:
    assert [shown(key) for key in ("ctrl+d", "enter", "escape", "?", "ctrl+backslash")] == [
        "ctrl-d",
        "⏎",
        "esc",
        "?",
        "ctrl-\\",
    ]


def keymap(**remapped: str) -> Keymap:
    """The keymap of lamps."""
    return Keymap(Catalog({"lamp": LampVerbs}), ["lamp"], {k.replace("__", "."): v for k, v in remapped.items()})


def test_every_global_key_is_found_under_the_name_it_is_declared_by() -> None:
    table = keymap()
    for key, label in GLOBAL_KEYS.items():
        found = table.find(normal(key))
        assert found is not None
        assert found.label == label


def test_remapping_replaces_every_default_key() -> None:
    table = keymap(console__down="f5, n", lamp__tell="ctrl-t")
    assert table.mistakes == []
    assert table.find("j") is None
    assert table.find("down") is None
    found = table.find("n")
    assert found is not None
    assert found.id == "console.down"
    assert table.find("p", "lamp") is None
    assert table.key("lamp.tell") == "ctrl-t"


def test_two_bindings_may_change_places() -> None:
    table = keymap(lamp__tell="r", lamp__dim="p")
    assert table.mistakes == []
    assert table.key("lamp.tell") == "r"


@pytest.mark.parametrize(
    ("remapped", "words"),
    [
        ({"lamp__tell": "r"}, "keys.lamp.tell: 'r' is already 'dim'"),
        ({"lamp__tell": "q"}, "keys.lamp.tell: 'q' is already 'quit'"),
        ({"console__help": "p"}, "keys.console.help: 'p' is already 'tell'"),
        ({"lamp__tall": "f1"}, "nearest: lamp.tell"),
        ({"lamp__tell": "  "}, "no key is given"),
    ],
)
def test_a_clash_is_told_and_the_default_stays(remapped: dict[str, str], words: str) -> None:
    table = keymap(**remapped)
    assert len(table.mistakes) == 1
    assert words in table.mistakes[0]
    found = table.find("p", "lamp")
    assert found is not None
    assert found.id == "lamp.tell"
    assert table.key("console.help") == "?"
