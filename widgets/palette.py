"""How each meaning looks: the styles that widgets draw with, taken from the theme in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.style import Style
from textual.app import App
from textual.theme import Theme

from app.column import Token

PARTS = ("name", "cursor", "cursor_away", "header", "sorted", "rule", "thumb", "spark", "key", "clock")
"""Pieces of the screen that are no meaning of a figure; a theme may style each."""

PLAIN = Style.null()


@dataclass(frozen=True)
class Palette:
    """Styles by token and by part of the screen; a style may set colours, weight, both or neither."""

    tokens: Mapping[Token, Style] = field(default_factory=dict[Token, Style])
    parts: Mapping[str, Style] = field(default_factory=dict[str, Style])

    def __getitem__(self, token: Token) -> Style:
        return self.tokens.get(token, PLAIN)

    def part(self, name: str) -> Style:
        """The style of one of ``PARTS``."""
        return self.parts.get(name, PLAIN)


def _style(words: str, colour: str | None = None, background: str | None = None) -> Style:
    said = " ".join(part for part in (words, colour or "", f"on {background}" if background else "") if part)
    return Style.parse(said) if said else PLAIN


def palette_of_theme(theme: Theme) -> Palette:
    """A palette for a theme that brings none of its own, such as Textual's: its named colours stand for meanings."""
    muted = "#8a8a8a" if theme.dark else "#666666"
    return Palette(
        {
            Token.TEXT: _style("", theme.foreground),
            Token.MUTED: _style("", muted),
            Token.ACCENT: _style("", theme.accent or theme.primary),
            Token.OK: _style("", theme.success or "green"),
            Token.WARN: _style("", theme.warning or "yellow"),
            Token.CRIT: _style("bold", theme.error or "red"),
            Token.STALE: _style("", muted),
            Token.BUSY: _style("", theme.secondary or theme.primary),
            Token.TITLE: _style("bold", theme.foreground),
            Token.MARK: _style("bold", theme.accent or theme.primary),
        },
        {
            "name": _style("bold", theme.foreground),
            "cursor": _style("", None, "#303a48" if theme.dark else "#d0dcec"),
            "cursor_away": PLAIN,
            "header": _style("", muted),
            "sorted": _style("bold", theme.foreground),
            "rule": _style("", "#444444" if theme.dark else "#bbbbbb"),
            "thumb": _style("", muted),
            "spark": _style("", theme.primary),
            "key": _style("bold", theme.accent or theme.primary),
            "clock": _style("", muted),
        },
    )


class Look(Theme):
    """A theme that knows the meanings: Textual's colours for the frame, a palette for what is drawn by the line."""

    palette: Palette
    title: str

    @classmethod
    def of(cls, theme: Theme, palette: Palette, title: str) -> Look:
        """``theme`` with the palette at hand."""
        look = cls(**vars(theme))
        look.palette = palette
        look.title = title
        return look


def palette_of(app: App[object]) -> Palette:
    """The palette of the theme in force."""
    theme = app.current_theme
    return theme.palette if isinstance(theme, Look) else palette_of_theme(theme)
