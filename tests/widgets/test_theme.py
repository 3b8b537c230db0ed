"""Themes as files: the shipped ones can be read by people, broken ones do no harm, changed ones show at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.color import Color
from rich.style import Style

from app.column import Token
from app.errors import ConfigurationError
from tests.widgets.screens import PaneApp
from widgets.palette import PARTS, palette_of_theme
from widgets.theme import DEFAULT, SHIPPED, Themes, read_look, wear

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))
READ = [token for token in Token if token is not Token.STALE]


def brightness(color: Color | str) -> float:
    """Relative luminance, as WCAG defines it."""
    triplet = (Color.parse(color) if isinstance(color, str) else color).get_truecolor()
    parts = [value / 255 for value in triplet]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style: Style, ground: Color | str) -> float:
    """Contrast ratio of a style on a ground, as WCAG defines it."""
    assert style.color is not None
    one, other = brightness(style.color), brightness(ground)
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_five_and_more_are_shipped() -> None:
    themes = Themes()
    assert themes.refresh().faults == ()
    assert sorted(themes.looks) == NAMES
    assert len(NAMES) >= 5
    assert DEFAULT in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_meaning_and_part_has_a_style_and_can_be_read(name: str) -> None:
    look = read_look(SHIPPED / f"{name}.toml")
    least = 7.0 if "contrast" in name else 4.5
    ground = look.background or ""
    assert set(look.palette.tokens) == set(Token)
    assert set(look.palette.parts) == set(PARTS)
    cursor = look.palette.part("cursor").bgcolor
    assert cursor is not None
    for token in READ:
        assert contrast(look.palette[token], ground) >= least, token
        assert contrast(look.palette[token], cursor) >= min(least, 4.0), token
    assert contrast(look.palette[Token.STALE], ground) >= (7.0 if "contrast" in name else 4.0)
    for part in ("name", "header", "sorted", "key", "clock"):
        assert contrast(look.palette.part(part), ground) >= 4.0, part


def test_monochrome_has_no_colour() -> None:
    look = read_look(SHIPPED / "quarterdeck-mono.toml")
    styles = [*look.palette.tokens.values(), *look.palette.parts.values()]
    for color in [c for style in styles for c in (style.color, style.bgcolor) if c is not None]:
        assert len(set(color.get_truecolor())) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "not TOML"),
        ("", r"\[frame\] lacks primary"),
        ('[frame]\nprimry = "#fff"', "did you mean primary"),
        ('colour = "x"', "'colour' means nothing here"),
        ('base = "quarterdeck-drak"', "did you mean quarterdeck-dark"),
        ('base = "quarterdeck-dark"\n[frame]\naccent = "bluish"', "frame.accent 'bluish' is no colour"),
        ('base = "quarterdeck-dark"\n[tokens]\nok = "bold on on"', "tokens.ok .* is no style"),
        ('base = "quarterdeck-dark"\n[tokens]\nok = 3', "tokens.ok is no text"),
        ('base = "quarterdeck-dark"\n[tokens]\nok = "link http://x"', "links or blinks"),
        ('base = "quarterdeck-dark"\n[tokens]\nok = "blink red"', "links or blinks"),
        ('base = "quarterdeck-dark"\ntokens = 1', "tokens is no table"),
        ('base = "quarterdeck-dark"\ndark = "yes"', "dark is neither"),
        ("#" * 70_000, "too large"),
    ],
)
def test_a_broken_file_says_what_and_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    themes = Themes()
    themes.refresh()
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_look(path, themes.looks)
    assert caught.value.where == str(path)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_look(path)


def touch(path: Path, text: str, at: int) -> None:
    """Write with a time stamp of its own: file systems are too coarse for a test."""
    path.write_text(text)
    os.utime(path, (at, at))


def test_a_broken_file_is_told_once_and_the_last_good_one_kept(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    touch(mine, 'base = "quarterdeck-dark"\n[tokens]\nok = "#010203"', 1)
    themes = Themes(tmp_path)
    assert "mine" in {look.name for look in themes.refresh().looks}
    assert themes.refresh().looks == ()
    touch(mine, "broken =", 2)
    assert len(themes.refresh().faults) == 1
    assert themes.refresh().faults == ()
    color = themes.looks["mine"].palette[Token.OK].color
    assert color is not None
    assert color.get_truecolor() == (1, 2, 3)
    touch(mine, 'base = "quarterdeck-light"', 3)
    assert [look.dark for look in themes.refresh().looks] == [False]


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert Themes(tmp_path / "none").refresh().faults == ()


async def test_a_changed_theme_shows_at_once(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    touch(mine, 'base = "quarterdeck-dark"\n[frame]\nbackground = "#000010"', 1)
    app = PaneApp()
    async with app.run_test(size=(100, 20)) as pilot:
        themes = Themes(tmp_path)
        wear(app, themes, "mine")
        await pilot.pause()
        await pilot.pause()
        assert backgrounds(app) == {(0, 0, 16)}
        touch(mine, 'base = "quarterdeck-dark"\n[frame]\nbackground = "#002000"', 2)
        wear(app, themes)
        await pilot.pause()
        await pilot.pause()
        assert backgrounds(app) == {(0, 32, 0)}
        wear(app, themes, "no-such-theme")
        await pilot.pause()
        assert app.theme == DEFAULT


def backgrounds(app: PaneApp) -> set[tuple[int, int, int]]:
    """The grounds of the table's header."""
    found: set[tuple[int, int, int]] = set()
    for segment in app.table.render_line(0):
        assert segment.style is not None
        assert segment.style.bgcolor is not None
        found.add(tuple(segment.style.bgcolor.get_truecolor()))  # pyright: ignore[reportArgumentType]
    return found


@pytest.mark.parametrize("name", NAMES)
async def test_every_theme_can_be_worn(name: str) -> None:
    app = PaneApp()
    app.look = name
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.theme == name


async def test_themes_that_bring_no_palette_work_too() -> None:
    app = PaneApp()
    async with app.run_test(size=(80, 24)) as pilot:
        for name in ("textual-light", "nord"):
            app.theme = name
            await pilot.pause()
            assert any("ws1" in line for line in app.lines)
            assert set(palette_of_theme(app.current_theme).parts) == set(PARTS)
