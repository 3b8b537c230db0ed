"""A widget that draws by the line and repaints only lines that changed."""

from __future__ import annotations

from typing import ClassVar, cast
from weakref import WeakSet

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from widgets.drawn_line import DrawnLine, Finish
from widgets.palette import PLAIN, Palette, palette_of


class Lines(Widget):
    """Base of everything here that is drawn by the line.

    A subclass draws all its lines in ``draw``; ``redraw`` compares them with what is on the screen and asks for a
    repaint of those that differ, so that equal data costs no byte on the line.
    """

    ALLOW_SELECT = False
    BLANK = False

    repainted: ClassVar[WeakSet[Widget]] = WeakSet()
    """Widgets that asked for a repaint since the last look; ``TerminalApp.paint_now`` spares them the wait."""

    DEFAULT_CSS = """
    Lines { width: 1fr; height: 1; }
    """

    _drawn: list[Strip]
    _drawn_size: Size | None = None
    _ground: Style = PLAIN
    _plain = False
    """Whether nothing is drawn around the lines or over them."""
    _finish: Finish | None = None
    """What every line goes through last, while that stays the same."""
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
            self.repainted.add(self)

    def _lines(self, size: Size) -> list[Strip]:
        lines = self.draw(size.width, size.height)[: size.height]
        return [*lines, *([DrawnLine([Segment(" " * size.width)], size.width)] * (size.height - len(lines)))]

    def _drawn_now(self) -> list[Strip]:
        """The lines as last drawn; draws first where the size or the theme changed meanwhile."""
        size = self.size
        if self._drawn_size != size:
            self._drawn = self._lines(size)
            self._drawn_size = size
            self._ground = Style(bgcolor=self.background_colors[1].rich_color)
            styles = self.styles
            self._finish = None
            whole = self.outer_size == size and not styles.has_rule("outline")
            self._plain = whole and self.opacity == 1 and styles.text_opacity == 1 and styles.tint.is_transparent
        return self._drawn

    def render_line(self, y: int) -> Strip:
        """One line on the widget's ground."""
        drawn = self._drawn_now()
        strip = drawn[y] if y < len(drawn) else Strip.blank(self.size.width)
        return strip.apply_style(self._ground)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in a region, without the frame and the effects that Textual would look for at each of them."""
        drawn = self._drawn_now()
        if not self._plain:
            return super().render_lines(crop)
        finish = self._finishing()
        strips = [
            line.finished(finish) if isinstance(line, DrawnLine) else _finished(line, finish)
            for line in drawn[crop.y : crop.bottom]
        ]
        if crop.column_span != (0, self._drawn[0].cell_length if self._drawn else 0):
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def _finishing(self) -> Finish:
        """What every line goes through last; the same object as long as it is the same."""
        filters = tuple(self.get_line_filters())
        if self._finish is None or self._finish[1] != filters:
            self._finish = (self._ground, filters, self.background_colors[1])
        return self._finish

    def prepare(self, strip: Strip) -> None:
        """Do ahead of time what it takes to bring a line to the terminal."""
        if isinstance(strip, DrawnLine) and self._drawn_size is not None:
            strip.finished(self._finishing()).render(self._application.console)

    def notify_style_update(self) -> None:
        """Look at the ground again: another class, another theme."""
        super().notify_style_update()
        self._drawn_size = None


def _finished(strip: Strip, finish: Finish) -> Strip:
    """A strip of Textual's making, finished as a drawn line is."""
    ground, filters, background = finish
    strip = strip.apply_style(ground)
    for line_filter in filters:
        strip = strip.apply_filter(line_filter, background)
    return strip
