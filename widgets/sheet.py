"""A sheet: what asks the operator something at the lower edge, over the place at hand, without a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from app.column import Token
from app.keys import normal
from widgets.field import Field
from widgets.fit import fit_text
from widgets.lines import Lines
from widgets.page import Line, Page, pieces_of, take_keys
from widgets.pane import KeyHint, KeyLine, Rule
from widgets.pieces import strip_of
from widgets.place import TitleLine

T = TypeVar("T")


class Words(Lines):
    """One line that says something beside something else."""

    def __init__(self, line: Line = (), *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.line = line

    def put(self, line: Line) -> None:
        """Say something else."""
        self.line = line
        self.redraw()

    def draw(self, width: int, height: int) -> list[Strip]:
        """One line; words that have no room end in ``…``."""
        *before, last = self.line or (("", Token.TEXT),)
        room = width - sum(cell_len(text) for text, _ in before)
        fitted = fit_text(last[0], room).rstrip() if cell_len(last[0]) > room else last[0]
        return [strip_of(pieces_of((*before, (fitted, last[1])), self.palette), width)]


class Row(Horizontal):
    """A label, a field and what is wrong with it."""

    DEFAULT_CSS = """
    Row { height: 1; width: 1fr; }
    Row > .label { width: 18; }
    Row > .beside { width: 46%; margin-left: 2; }
    Row.-broad > .beside { width: 17; }
    """


class Sheet(ModalScreen[T]):
    """Base of all sheets: a title, a body that scrolls where it must, fields, and the keys that answer."""

    AUTO_FOCUS = None

    DEFAULT_CSS = """
    Sheet { align: left bottom; background: transparent; }
    Sheet > .sheet { dock: bottom; width: 1fr; height: auto; max-height: 90%; background: $surface; }
    Sheet .sheet > Page { height: auto; max-height: 60vh; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.heading = TitleLine()
        self.page: Page = SheetPage()
        self.key_line = KeyLine()

    def prompt(self) -> ComposeResult:
        """What stands above the body in place of the title."""
        yield self.heading

    def fields(self) -> ComposeResult:
        """What stands between the body and the keys."""
        yield from ()

    def hints(self) -> Sequence[KeyHint]:
        """The keys that answer."""
        return ()

    def compose(self) -> ComposeResult:
        """Title, body, fields, keys."""
        with Vertical(classes="sheet"):
            yield Rule()
            yield from self.prompt()
            yield self.page
            yield from self.fields()
            yield self.key_line

    def ready(self) -> None:
        """The sheet is on the screen: fill it."""

    def first_focus(self) -> Widget:
        """What has the keys at first."""
        return next(iter(self.query(Field)), None) or self.page

    def on_mount(self) -> None:
        """Fill it, say the keys, and send them to the first field."""
        self.ready()
        take_keys(self.first_focus())
        self.rehint()

    def rehint(self) -> None:
        """Say anew which keys answer."""
        self.key_line.hints = tuple(self.hints())
        self.key_line.redraw()

    @property
    def typing(self) -> bool:
        """Whether letters go into a field."""
        return isinstance(self.focused, Input)

    def press(self, key: str) -> bool:
        """Answer to a key by its normal name; ``False`` leaves it to the field."""
        return False

    def on_key(self, event: events.Key) -> None:
        """Keys of the sheet come first where they are no letters being typed."""
        key = normal(event.key, event.character)
        if self.press(key) or self._everywhere(key):
            event.stop()
            event.prevent_default()

    def _everywhere(self, key: str) -> bool:
        if key == "tab":
            self.focus_next()
        elif key == "shift+tab":
            self.focus_previous()
        elif not self.typing:
            return self.page.act(_MOVES.get(key, ""))
        else:
            return False
        return True

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Letters mean something else in a field."""
        self.rehint()


_MOVES = {
    "down": "console.down",
    "up": "console.up",
    "j": "console.down",
    "k": "console.up",
    "pagedown": "console.page-down",
    "pageup": "console.page-up",
    "left": "console.scroll-left",
    "right": "console.scroll-right",
}


class SheetPage(Page):
    """A page as tall as its lines."""

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """Lines there are."""
        if self.make_lines is not None:
            self.lines = self.make_lines(width)
        return max(1, len(self.lines))


def label(text: str) -> Words:
    """What stands before a field."""
    return Words(((f"   {text} ", Token.MUTED),), classes="label")


__all__ = ["Field", "Row", "Sheet", "Words", "label"]
