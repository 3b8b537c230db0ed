"""Drawn lines say only what changes, and look on the terminal as Textual's own strips do."""

from __future__ import annotations

import re

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import Monochrome
from textual.strip import Strip

from widgets.drawn_line import DrawnLine

CONSOLE = Console(color_system="truecolor", force_terminal=True)
RED, BOLD, ON = Style.parse("#ff0000"), Style.parse("bold #ff0000"), Style.parse("#00ff00 on #101010")
UNDER = Style.parse("underline #00ff00 on #101010")
GROUND = Style.parse("on #202020")
PIECES = [
    Segment("a", RED),
    Segment("b", BOLD),
    Segment("  ", RED),
    Segment("c", ON),
    Segment("d", UNDER),
    Segment(" ", ON),
    Segment("e"),
    Segment("f", Style.parse("reverse")),
]


def cells(written: str) -> list[tuple[str, frozenset[str], str, str]]:
    """What a terminal would show: each character with its attributes, colour and ground; a blank's colour is none."""
    shown: list[tuple[str, frozenset[str], str, str]] = []
    attributes: set[str] = set()
    colour = ground = ""
    for codes, char in re.findall(r"\x1b\[([\d;]*)m|(.)", written):
        if char:
            visible = char != " " or attributes & {"4", "7"}
            kept = frozenset(attributes) if visible else frozenset[str]()
            shown.append((char, kept, colour if visible else "", ground))
            continue
        parts = codes.split(";")
        while parts:
            code = parts.pop(0)
            if code in ("0", ""):
                attributes, colour, ground = set[str](), "", ""
            elif code in ("38", "48"):
                said = ";".join(parts[:4])
                del parts[:4]
                colour, ground = (said, ground) if code == "38" else (colour, said)
            elif code == "39":
                colour = ""
            elif code == "49":
                ground = ""
            else:
                attributes.add(code)
    assert not attributes
    assert (colour, ground) == ("", "")
    return shown


def test_it_looks_as_a_strip_does_and_is_shorter() -> None:
    drawn, strip = DrawnLine(PIECES, 9), Strip(PIECES, 9)
    assert cells(drawn.render(CONSOLE)) == cells(strip.render(CONSOLE))
    finished = drawn.finished((GROUND, (), Color(32, 32, 32)))
    assert cells(finished.render(CONSOLE)) == cells(strip.apply_style(GROUND).render(CONSOLE))
    assert len(finished.render(CONSOLE)) < 0.8 * len(strip.apply_style(GROUND).render(CONSOLE))


def test_it_is_finished_once_and_again_when_the_finish_is_another() -> None:
    drawn = DrawnLine(PIECES, 9)
    finish = (GROUND, (), Color(32, 32, 32))
    assert drawn.finished(finish) is drawn.finished(finish)
    grey = drawn.finished((GROUND, (Monochrome(),), Color(32, 32, 32)))
    expected = Strip(PIECES, 9).apply_style(GROUND).apply_filter(Monochrome(), Color(32, 32, 32))
    assert cells(grey.render(CONSOLE)) == cells(expected.render(CONSOLE))


def test_it_can_be_cut_like_any_strip() -> None:
    drawn, strip = DrawnLine(PIECES, 9), Strip(PIECES, 9)
    assert drawn.divide([9]) == [drawn]
    assert [piece.text for piece in drawn.divide([2, 5, 9])] == [piece.text for piece in strip.divide([2, 5, 9])]
    assert drawn.crop(1, 4).text == strip.crop(1, 4).text
    assert drawn == DrawnLine(PIECES, 9)
