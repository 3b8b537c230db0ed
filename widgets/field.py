"""One line to type in."""

from __future__ import annotations

from textual.geometry import Region
from textual.widgets import Input


class Field(Input):
    """A text input without a border and without a blinking cursor, whose cursor is always in view."""

    DEFAULT_CSS = """
    Field, Field:focus { height: 1; width: 1fr; border: none; padding: 0; background: $surface; }
    Field:focus { background: $boost; }
    """

    def __init__(
        self, value: str = "", *, placeholder: str = "", password: bool = False, id: str | None = None
    ) -> None:
        super().__init__(value, placeholder=placeholder, password=password, id=id, select_on_focus=False)
        self.cursor_blink = False

    def watch_value(self, value: str) -> None:
        """A pasted text is longer than what can be scrolled to before it is laid out: show its end after that."""
        self.call_after_refresh(self._show_cursor)

    def _show_cursor(self) -> None:
        at = self._cursor_offset  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        self.scroll_to_region(Region(at, 0, 1, 1), force=True, animate=False)


__all__ = ["Field"]
