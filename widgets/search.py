"""The palette: every verb and view that the rows at hand offer, every pane, theme and word of the frame, by letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from textual.app import App, ComposeResult
from textual.fuzzy import FuzzySearch
from textual.widgets import Input

from app.column import Token, clean
from widgets.fit import fit_text
from widgets.page import Line, Page, Span
from widgets.pane import KeyHint
from widgets.sheet import Field, Row, Sheet, Words

LINES = 14
"""Lines found that are in view at most."""
_KEY = 9
_WIDEST = 44


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that can be done here and now."""

    line: str
    """As it may be typed after ``:``."""
    key: str
    """As people read it; empty where there is none."""
    help: str
    run: Callable[[], Any]


class Offers(Protocol):
    """What the palette asks of the console."""

    def offers(self) -> Iterator[Offer]:
        """Everything that can be done here and now."""
        ...


class Palette(Sheet[Offer]):
    """Letters narrow the list, arrows choose, ``enter`` does what the chosen line says."""

    DEFAULT_CSS = f"""
    Palette .prompt {{ width: 3; }}
    Palette .sheet > Page {{ height: {LINES}; max-height: 60vh; }}
    """

    def __init__(self, offers: Sequence[Offer]) -> None:
        super().__init__()
        self._offers = offers
        self._search = FuzzySearch()
        self.field = Field(placeholder="what to do")
        self.page = Page(cursor=True)
        self.page.can_focus = False
        self.page.at_hand = True
        self.page.make_lines = self._lines
        self.page.empty = ("Nothing has these letters.", "backspace takes one away")
        self.found: list[tuple[Offer, Sequence[int]]] = [(one, ()) for one in offers]
        """What passes, best first, with the places of the letters in its line."""

    def prompt(self) -> ComposeResult:
        """Where letters are typed."""
        with Row():
            yield Words(((" > ", "key"),), classes="prompt")
            yield self.field

    def ready(self) -> None:
        """Show everything."""
        self.page.rearrange()

    def hints(self) -> Sequence[KeyHint]:
        """Do it, choose, leave."""
        return (KeyHint("enter", "do it"), KeyHint("↑↓", "choose"), KeyHint("escape", "leave"))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Find what has these letters."""
        event.stop()
        typed = event.value.strip()
        if not typed:
            self.found = [(one, ()) for one in self._offers]
        else:
            scored = [(self._search.match(typed, one.line), one) for one in self._offers]
            scored = sorted((pair for pair in scored if pair[0][0] > 0), key=lambda pair: -pair[0][0])
            self.found = [(one, places) for (_, places), one in scored]
        self.page.cursor = 0
        self.page.rearrange()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do what is chosen."""
        event.stop()
        self.choose(self.page.cursor)

    def choose(self, number: int) -> None:
        """Do what a line says."""
        if number < len(self.found):
            self.dismiss(self.found[number][0])

    def press(self, key: str) -> bool:
        """Arrows choose while letters are typed."""
        moves = {"down": 1, "up": -1, "ctrl+n": 1, "ctrl+p": -1, "pagedown": LINES - 1, "pageup": 1 - LINES}
        if key == "escape":
            self.dismiss(None)
        elif key in moves:
            self.page.move(moves[key])
        elif key != "tab":
            return False
        return True

    def on_page_opened(self, event: Page.Opened) -> None:
        """Two clicks do it as well."""
        event.stop()
        self.choose(event.number)

    def _lines(self, width: int) -> list[Line]:
        """One line each: what to type, with the letters found, its key, what it does."""
        longest = max((len(clean(offer.line)) for offer in self._offers), default=0)
        column = min(longest, _WIDEST, max(10, width - _KEY - 12))
        return [_line(offer, set(places), column) for offer, places in self.found]


def _line(offer: Offer, places: set[int], width: int) -> Line:
    text = fit_text(clean(offer.line), width)
    spans: list[Span] = []
    for place, char in enumerate(text):
        meaning = Token.ACCENT if place in places else Token.TITLE
        if spans and spans[-1][1] is meaning:
            spans[-1] = (spans[-1][0] + char, meaning)
        else:
            spans.append((char, meaning))
    return (*spans, (f"  {clean(offer.key):<{_KEY}}", "key"), (clean(offer.help), Token.MUTED))


def open_palette(app: App[Any]) -> None:
    """Show it over the place at hand; what was chosen is done once it is gone."""

    def chosen(offer: Offer | None) -> None:
        if offer is not None:
            offer.run()

    app.push_screen(Palette(list(cast("Offers", app).offers())), chosen)  # pyright: ignore[reportUnknownMemberType]


__all__ = ["Offer", "Palette", "open_palette"]
