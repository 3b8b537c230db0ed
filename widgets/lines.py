"""A widget that draws by the line and repaints only lines that changed."""

from __future__ import annotations

from typing import cast

from rich.style import Style
from textual.app import App
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from widgets.palette import PLAIN, Palette, palette_of


class Lines(Widget):
    """Base of everything here that is drawn by the line.

    A subclass draws all its lines in ``draw``; ``redraw`` compares them with what is on the screen and asks for a
    repaint of those that differ, so that equal data costs no byte on the line.
    """

    ALLOW_SELECT = False
    BLANK = False

    DEFAULT_CSS = """
    Lines { width: 1fr; height: 1; }
    """

    _drawn: list[Strip]
    _drawn_size: Size | None = None
    _ground: Style = PLAIN
    _palette: Palette | None = None

    def draw(self, width: int, height: int) -> list[Strip]:
        """At most ``height`` lines of ``width`` cells each."""
        raise NotImplementedError

    @property
    def palette(self) -> Palette:
        """The styles of the theme in force."""
        if self._palette is None:
            self._palette = palette_of(self._application)
        return self._palette

    def on_mount(self) -> None:
        """Draw anew whenever the theme changes."""
        self._application.theme_changed_signal.subscribe(self, self._restyle)

    @property
    def _application(self) -> App[object]:
        return cast("App[object]", self.app)  # pyright: ignore[reportUnknownMemberType]  # whatever it returns at exit

    def _restyle(self, theme: Theme) -> None:
        self._palette = None
        self.restyled()
        self._drawn_size = None
        self.refresh()

    def restyled(self) -> None:
        """Hook: another palette holds; forget what was drawn with the old one."""

    def redraw(self) -> None:
        """Draw, and repaint the lines that are not as they were."""
        size = self.size
        if not self.is_mounted or size.width <= 0 or size.height <= 0:
            return
        if size != self._drawn_size:
            self._drawn_size = None
            self.refresh()
            return
        old, self._drawn = self._drawn, self._lines(size)
        changed = [y for y, strip in enumerate(self._drawn) if strip is not old[y] and strip != old[y]]
        if changed:
            self.refresh(*(Region(0, y, size.width, 1) for y in changed))

    def _lines(self, size: Size) -> list[Strip]:
        lines = self.draw(size.width, size.height)[: size.height]
        blank = Strip.blank(size.width)
        return [*lines, *([blank] * (size.height - len(lines)))]

    def render_line(self, y: int) -> Strip:
        """The line as last drawn; draws first where the size or the theme changed meanwhile."""
        size = self.size
        if self._drawn_size != size:
            self._drawn = self._lines(size)
            self._drawn_size = size
            self._ground = Style(bgcolor=self.background_colors[1].rich_color)
        strip = self._drawn[y] if y < len(self._drawn) else Strip.blank(size.width)
        return strip.apply_style(self._ground)
