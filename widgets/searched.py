"""A place with a ``#`` search beside its filter: it hides nothing, ``n`` and ``N`` go from one find to the next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from textual import on
from textual.widgets import Input

from app.column import Token, clean
from app.errors import ConfigurationError
from app.pattern import LONGEST, compiled
from widgets.filtered import Filtered
from widgets.page import Line
from widgets.pane import KeyHint

_PLACEHOLDER = "regex to search for"


class Searched(Filtered):
    """Base of places whose lines can be searched; subclasses say how to ``find`` and what to do when ``searched``."""

    def __init__(self) -> None:
        super().__init__()
        self.search = ""
        self.pattern: re.Pattern[str] | None = None
        self._searching = False
        self._usual_placeholder = self._filter_line.placeholder

    def searched(self) -> None:
        """Another search holds, or none."""

    def find(self, step: int) -> None:
        """Go to the next find, to the one before for a negative step."""

    def typing(self) -> None:
        """A letter was typed."""

    def finds(self, text: str) -> bool:
        """Whether the search finds something in a text."""
        return self.pattern is not None and self.pattern.search(text[:LONGEST]) is not None

    def places(self, text: str) -> Iterable[tuple[int, int]]:
        """Where it finds something."""
        return () if self.pattern is None else (found.span() for found in self.pattern.finditer(text[:LONGEST]))

    def search_words(self) -> Line:
        """What the title says of the search."""
        return ((f"   #{clean(self.search)[:40]}", Token.MARK),) if self.search else ()

    def search_hints(self) -> Sequence[KeyHint]:
        """The keys of the search."""
        more = (KeyHint("n", "next"), KeyHint("N", "previous")) if self.search else ()
        return (KeyHint("#", "search"), *more)

    def own_key(self, key: str) -> bool:
        """``#`` begins a search; ``n`` and ``N`` go on with it."""
        if key == "#":
            self._searching = True
            super().press("console.filter")
            self._filter_line.placeholder = _PLACEHOLDER
            self._filter_line.value = self.search
            self._filter_line.cursor_position = len(self.search)
            return True
        if key in ("n", "N") and self.search:
            self.find(1 if key == "n" else -1)
            return True
        return super().own_key(key)

    def back(self) -> bool:
        """``esc`` takes the search away first, then the filter."""
        if self.search:
            self.set_search("")
            return True
        return super().back()

    def set_search(self, typed: str) -> None:
        """Search as typed; what is no pattern is told in the title, and the last good one stays."""
        try:
            self.pattern = compiled(typed, where="#") if typed else None
            self.search, self.complaint = typed, ""
        except ConfigurationError as error:
            self.complaint = error.what
        else:
            self.searched()
        self.retitle()

    @on(Input.Changed)
    def _letter(self, event: Input.Changed) -> None:
        self.typing()
        if self._searching:
            event.stop()
            event.prevent_default()
            if self.has_class("-filtering"):
                self.set_search(event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if not self._searching:
            return
        event.stop()
        event.prevent_default()
        self._searching = False
        self.set_search(event.value)
        self.complaint = ""
        self.remove_class("-filtering")
        self._filter_line.placeholder = self._usual_placeholder
        self.focus_body()
        if self.search:
            self.find(-1)


__all__ = ["Searched"]
