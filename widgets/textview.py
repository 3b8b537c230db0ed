"""Text as it came, to read and to copy."""

from __future__ import annotations

from collections.abc import Sequence

from app.column import Token, clean
from widgets.filtered import Filtered
from widgets.page import Line, said
from widgets.pane import KeyHint
from widgets.place import heading

LONGEST = 100_000
"""Lines shown; what is beyond is counted."""


class TextPlace(Filtered):
    """A view that is text."""

    def __init__(self, name: str, about: str, text: str) -> None:
        super().__init__()
        self.name_of = f"{name} {about}"
        self._called = name
        self._about = about
        self._lines = text.splitlines()

    def title(self) -> tuple[Line, Line]:
        """What it is, and how long."""
        left = (*heading(self._called, self._about), *self.filter_words())
        return left, ((f"{len(self._lines)} lines", Token.MUTED),)

    def hints(self) -> Sequence[KeyHint]:
        """Filter and copy."""
        return (self.key("filter"), self.key("copy"), self.key("back"))

    def ready(self) -> None:
        """Show it."""
        self.filtered()

    def filtered(self) -> None:
        """Show the lines that pass."""
        passing = [line for line in self._lines if self.filter.empty or self.filter.matches(line)]
        lines = [said(f" {line}") for line in passing[:LONGEST]]
        if len(passing) > LONGEST:
            lines.append(said(f" … {len(passing) - LONGEST} more lines are not shown", Token.WARN))
        if not passing:
            words = "No line passes the filter." if self._lines else "It said nothing."
            self.page.empty = (words, "esc takes the filter away" if self._lines else "")
        self.page.set_lines(lines)

    def words(self) -> str:
        """The text as it came, without what terminals would act on."""
        return "\n".join(clean(line) for line in self._lines)


__all__ = ["TextPlace"]
