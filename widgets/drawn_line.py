"""A drawn line that goes to the terminal in few bytes, and is turned into them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.strip import Strip

_RESET = "\x1b[0m"


class _Forgetful:
    """A cache that keeps nothing, in place of the eight that Textual makes for each strip."""

    def get(self, key: object, default: object = None) -> Any:
        """Never known."""
        return default

    def __setitem__(self, key: object, value: object) -> None:
        """Let go of at once."""


_FORGETFUL: Any = _Forgetful()

Finish = tuple[Style, tuple[LineFilter, ...], Color]
"""The ground a line is laid on, the filters of the application, and the colour that these take for the ground."""


class DrawnLine(Strip):
    """A strip that says at each change of style only what changes.

    Textual says every style whole and takes it back after each piece, which is twice as many bytes over a slow line.
    It is also lighter to make, since lines are made by the screenful and cut or looked through hardly ever.
    """

    __slots__ = ("_finished",)

    def __init__(self, segments: Iterable[Segment], cell_length: int) -> None:  # pyright: ignore[reportMissingSuperCall]
        self._segments = list(segments)
        self._cell_length = cell_length
        self._divide_cache = self._crop_cache = self._style_cache = self._filter_cache = _FORGETFUL
        self._line_length_cache = self._crop_extend_cache = self._offsets_cache = _FORGETFUL
        self._render_cache = None
        self._link_ids = None
        self._cell_count = None
        self._finished: tuple[Finish, DrawnLine] | None = None

    def finished(self, finish: Finish) -> DrawnLine:
        """The line as it goes to the screen: on its ground and through the filters; made once."""
        if self._finished is None or self._finished[0] is not finish:
            ground, filters, background = finish
            segments = list(Segment.apply_style(self._segments, ground))
            for line_filter in filters:
                segments = line_filter.apply(segments, background)
            self._finished = (finish, DrawnLine(segments, self.cell_length))
        return self._finished[1]

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """Pieces between the cuts; most lines are not cut at all."""
        cuts = list(cuts)
        return [self] if cuts == [self._cell_length] else super().divide(cuts)

    def render(self, console: Console) -> str:
        """The line as the terminal gets it: begins and ends without any style."""
        if self._render_cache is None:
            system = console._color_system or ColorSystem.TRUECOLOR  # pyright: ignore[reportPrivateUsage]
            parts: list[str] = []
            last = _NOTHING
            for text, style, _ in self._segments:
                style = style or _NOTHING
                if style is not last and not (text.isspace() and _alike_on_blanks(last, style)):
                    parts.append(_change(last, style, system))
                    last = style
                parts.append(text)
            parts.append(_change(last, _NOTHING, system))
            self._render_cache = "".join(parts)
        return self._render_cache


_NOTHING = Style.null()

_ATTRIBUTES = (
    ("bold", "1"),
    ("dim", "2"),
    ("italic", "3"),
    ("underline", "4"),
    ("blink", "5"),
    ("reverse", "7"),
    ("conceal", "8"),
    ("strike", "9"),
    ("underline2", "21"),
    ("overline", "53"),
)


@lru_cache(4096)
def _said(style: Style, system: ColorSystem) -> tuple[frozenset[str], str, str]:
    """The attributes, the colour and the ground of a style, as parameters of SGR; empty for the terminal's own."""
    attributes = frozenset(code for name, code in _ATTRIBUTES if getattr(style, name))
    colour, ground = style.color, style.bgcolor
    fore = "" if colour is None or colour.is_default else ";".join(colour.downgrade(system).get_ansi_codes())
    back = "" if ground is None or ground.is_default else ";".join(ground.downgrade(system).get_ansi_codes(False))
    return attributes, fore, back


@lru_cache(16384)
def _alike_on_blanks(one: Style, other: Style) -> bool:
    """Whether blanks look the same in both."""
    if one.bgcolor != other.bgcolor:
        return False
    return not any(s.underline or s.underline2 or s.reverse or s.strike or s.overline for s in (one, other))


@lru_cache(16384)
def _change(old: Style, new: Style, system: ColorSystem) -> str:
    """What turns one style into another on a terminal (ECMA-48, SGR)."""
    before, fore_before, back_before = _said(old, system)
    after, fore, back = _said(new, system)
    if not (after or fore or back):
        return _RESET if before or fore_before or back_before else ""
    codes: list[str] = []
    if before - after:
        codes.append("0")
        before, fore_before, back_before = frozenset[str](), "", ""
    codes += sorted(after - before)
    if fore != fore_before:
        codes.append(fore or "39")
    if back != back_before:
        codes.append(back or "49")
    return f"\x1b[{';'.join(codes)}m" if codes else ""


__all__ = ["DrawnLine", "Finish"]
