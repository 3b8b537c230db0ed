"""What may be typed after the slash."""

from __future__ import annotations

import time

import pytest

from widgets.filter import BadFilter, parse

PI = "pi\npi\n● up\nDebian GNU/Linux\narm\nedge"
HP = "hp-2\nhp-2\n○ down\nno answer"


@pytest.mark.parametrize(
    ("typed", "passes"),
    [
        ("", (PI, HP)),
        ("   ", (PI, HP)),
        ("!", (PI, HP)),
        ("-f", (PI, HP)),
        ("pi", (PI,)),
        ("PI", ()),
        ("Debian", (PI,)),
        ("debian", (PI,)),
        ("pi|hp", (PI, HP)),
        ("^hp", (HP,)),
        ("^edge$", (PI,)),
        ("up$", (PI,)),
        ("!down", (PI,)),
        ("! down", (PI,)),
        ("!pi|hp", ()),
        ("-f dbnx", (PI,)),
        ("-f d b n x", (PI,)),
        ("-f hp2", (HP,)),
        ("!-f hp2", (PI,)),
        ("-f Debx", (PI,)),
        ("-f DEBX", ()),
        ("[(]", ()),
        (r"\(", ()),
    ],
)
def test_passes(typed: str, passes: tuple[str, ...]) -> None:
    row_filter = parse(typed)
    assert tuple(text for text in (PI, HP) if row_filter.matches(text)) == passes


def test_fuzzy_letters_stay_within_one_cell() -> None:
    assert not parse("-f pidebian").matches(PI)


@pytest.mark.parametrize("typed", ["[", "(", "*", "!(", "a{2,1}", "(?P<", "\\"])
def test_what_is_no_expression_is_told(typed: str) -> None:
    with pytest.raises(BadFilter, match="not a regular expression"):
        parse(typed)


@pytest.mark.parametrize("typed", ["(a+)+$", "((a*)b?)*", "(x{1,9}){9}", "(.*)+", "(?:(?:a+))+z"])
def test_repeats_of_repeats_are_refused(typed: str) -> None:
    with pytest.raises(BadFilter, match="for ever"):
        parse(typed)


@pytest.mark.parametrize("typed", ["(ab)+", "(a|b)*c", "[(+)]+", r"(\+)+", "a+b+", "(a)?"])
def test_single_repeats_are_not(typed: str) -> None:
    assert parse(typed).typed == typed


def test_a_hostile_row_costs_no_time() -> None:
    long = "a" * 100_000
    begin = time.perf_counter()
    assert not parse("-f aaab").matches(long)
    assert not parse("a+b").matches(long[:2000])
    assert time.perf_counter() - begin < 0.5
