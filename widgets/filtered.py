"""A place with a ``/`` filter: typed in place of the keys, followed letter by letter."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from app.column import Token, clean
from widgets.filter import EVERYTHING, BadFilter, RowFilter, parse
from widgets.page import Line, take_keys
from widgets.pane import FilterLine, FilterRow
from widgets.place import Place


class Filtered(Place):
    """Base of places whose lines can be filtered; ``filtered`` is called with each new filter."""

    DEFAULT_CSS = """
    Filtered.-filtering > FilterRow { display: block; }
    Filtered.-filtering > KeyLine { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.filter: RowFilter = EVERYTHING
        self.complaint = ""
        self._filter_line = FilterLine()

    def compose(self) -> ComposeResult:
        """As every place, and the line to type in."""
        yield from super().compose()
        yield FilterRow(self._filter_line)

    def filtered(self) -> None:
        """Another filter holds."""

    def filter_words(self) -> Line:
        """What the title says of the filter."""
        if self.complaint:
            return ((f"   {clean(self.complaint)}", Token.WARN),)
        return () if self.filter.empty else ((f"   /{clean(self.filter.typed)[:40]}", Token.ACCENT),)

    def press(self, ident: str) -> bool:
        """``/`` begins a filter."""
        if ident != "console.filter":
            return super().press(ident)
        self.add_class("-filtering")
        self._filter_line.value = self.filter.typed
        self._filter_line.cursor_position = len(self.filter.typed)
        take_keys(self._filter_line)
        return True

    def back(self) -> bool:
        """``esc`` takes the filter away first."""
        if self.filter.empty:
            return False
        self.set_filter("")
        return True

    def set_filter(self, typed: str) -> None:
        """Filter as typed; what is no filter is told in the title, and the last good one stays."""
        try:
            self.filter = parse(typed)
            self.complaint = ""
        except BadFilter as error:
            self.complaint = error.what
        else:
            self.filtered()
        self.retitle()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.has_class("-filtering"):
            self.set_filter(event.value)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_filter(event.value)
        self.complaint = ""
        self.remove_class("-filtering")
        self.focus_body()
        self.retitle()


__all__ = ["Filtered"]
