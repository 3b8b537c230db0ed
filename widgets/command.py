"""The ``:`` line: typed at the lower edge, completed with ``tab``, with the lines typed before on the arrows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from app.column import Token, clean
from app.keys import normal
from widgets.page import Span, take_keys
from widgets.sheet import Field, Words

KEEP = 100
"""Lines remembered."""


class CommandLine(Vertical):
    """Hidden until asked for; tells of what was typed with ``Typed``."""

    DEFAULT_CSS = """
    CommandLine { dock: bottom; height: 2; display: none; background: $surface; }
    CommandLine.-open { display: block; }
    CommandLine Horizontal { height: 1; }
    CommandLine .prompt { width: 3; }
    """

    class Typed(Message):
        """A line was entered."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The operator left the line."""

    def __init__(self, complete: Callable[[str], Sequence[str]]) -> None:
        super().__init__()
        self._complete = complete
        self._field = Field()
        self._hints = Words()
        self._past: list[str] = []
        self._at = 0
        self._draft = ""
        self._found: Sequence[str] = ()
        self._turn = 0

    def compose(self) -> ComposeResult:
        """What may come next, above what is typed."""
        yield self._hints
        with Horizontal():
            yield Words(((" : ", "key"),), classes="prompt")
            yield self._field

    def open(self, text: str = "") -> None:
        """Show it and take the keys."""
        self.add_class("-open")
        self._field.value = text
        self._field.cursor_position = len(text)
        self._at = len(self._past)
        take_keys(self._field)
        self._suggest()

    def close(self) -> None:
        """Hide it; the console gives the keys back to the place."""
        self.remove_class("-open")

    def complain(self, words: str) -> None:
        """Say what is wrong with the line; it stays as typed."""
        self._hints.put(((f" ! {clean(words)}", Token.WARN),))

    def _suggest(self) -> None:
        self._found = self._complete(self._field.value)
        self._turn = 0
        spans: list[Span] = [(" ", Token.MUTED)]
        for number, word in enumerate(self._found[:12]):
            spans.append((f"{clean(word)}   ", Token.TEXT if number == 0 else Token.MUTED))
        if not self._found and not self._field.value:
            spans.append(("a pane, or a noun and a verb; tab completes", Token.MUTED))
        self._hints.put(tuple(spans))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Suggest what may come next."""
        event.stop()
        if self.has_class("-open"):
            self._suggest()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Hand the line on."""
        event.stop()
        text = event.value.strip()
        if not text:
            self.post_message(self.Left())
            return
        if not self._past or self._past[-1] != text:
            self._past = [*self._past, text][-KEEP:]
        self.post_message(self.Typed(text))

    def on_key(self, event: events.Key) -> None:
        """``tab`` completes, arrows go through the past, ``esc`` leaves."""
        key = normal(event.key, event.character)
        if key == "escape" or (key == "backspace" and not self._field.value):
            self.post_message(self.Left())
        elif key == "tab":
            self._take_next()
        elif key == "up":
            self._go(-1)
        elif key == "down":
            self._go(1)
        else:
            return
        event.stop()
        event.prevent_default()

    def _take_next(self) -> None:
        """Put the first suggestion in place of the last word."""
        if not self._found:
            return
        head, space, _ = self._field.value.rpartition(" ")
        self._field.value = head + space + self._found[0] + (" " if len(self._found) == 1 else "")
        self._field.cursor_position = len(self._field.value)

    def _go(self, by: int) -> None:
        if self._at == len(self._past):
            self._draft = self._field.value
        self._at = max(0, min(len(self._past), self._at + by))
        self._field.value = self._past[self._at] if self._at < len(self._past) else self._draft
        self._field.cursor_position = len(self._field.value)


__all__ = ["CommandLine"]
