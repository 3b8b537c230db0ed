"""The typed inputs of a verb as a form: what the command line takes as arguments and options, with the same names."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from app.column import Token, clean
from app.fleet import Resource
from app.keys import normal
from app.kind import full_name
from app.verb import Param, Shape, Verb
from widgets.fit import fit_text
from widgets.lines import Lines
from widgets.page import Line, said, take_keys, wrapped
from widgets.pane import KeyHint
from widgets.pieces import Piece, strip_of
from widgets.sheet import Field, Row, Sheet, Words, label

Arguments = dict[str, Any]


class Wrong(ValueError):
    """What was typed is no value of the parameter; the text says why."""


def shown_default(param: Param, value: Any) -> str:
    """A value as it would be typed."""
    if value is None:
        return ""
    if param.shape is Shape.COMMAND and len(value) == 1:
        return str(value[0])
    if param.many:
        return shlex.join(str(one) for one in value)
    return str(value)


def read_one(param: Param, typed: str) -> Any:
    """One typed value. Raises ``Wrong`` with the words to show beside the field."""
    if param.choices:
        if typed not in param.choices:
            raise Wrong(f"one of {', '.join(param.choices)}")
        return typed
    if param.type is int:
        try:
            return int(typed)
        except ValueError:
            raise Wrong("a whole number") from None
    if param.type is float:
        try:
            number = float(typed)
        except ValueError:
            raise Wrong("a number") from None
        if number != number or number in (float("inf"), float("-inf")):
            raise Wrong("a finite number")
        return number
    return Path(typed).expanduser() if param.type is Path else typed


def read_typed(param: Param, typed: str) -> Any:
    """What a field holds, as the verb takes it; ``None`` where nothing was typed. Raises ``Wrong``."""
    text = typed if param.secret else typed.strip()
    if not text:
        if param.required:
            raise Wrong("required")
        return None
    if param.shape is Shape.COMMAND:
        return (text,)  # one word is a whole shell command line: pipes and quotes are the shell's there
    if not param.many:
        return read_one(param, text)
    try:
        words = shlex.split(text)
    except ValueError:
        raise Wrong("a quotation mark is not closed") from None
    return tuple(read_one(param, word) for word in words)


class Choice(Lines, can_focus=True):
    """One of a few values: left and right go through them; for a flag that is no and yes."""

    def __init__(self, values: Sequence[str], at: int = 0) -> None:
        super().__init__()
        self.values = tuple(values)
        self.at = at

    @property
    def value(self) -> str:
        """What is chosen; empty for none."""
        return self.values[self.at]

    def draw(self, width: int, height: int) -> list[Strip]:
        """The chosen value between arrows, the others behind it."""
        palette = self.palette
        chosen = self.value or "–"
        key = palette.part("key") if self.has_focus else palette[Token.MUTED]
        pieces: list[Piece] = [
            ("‹ ", key),
            (clean(chosen), palette[Token.TITLE if self.has_focus else Token.TEXT]),
            (" ›", key),
        ]
        others = "  ".join(clean(one) for one in self.values if one and one != self.value)
        room = width - len(chosen) - 7
        return [strip_of([*pieces, (f"   {fit_text(others, room).rstrip()}", palette[Token.MUTED])], width)]

    def turn(self, step: int) -> None:
        """To the next value or the one before."""
        self.at = (self.at + step) % len(self.values)
        self.redraw()

    def on_key(self, event: events.Key) -> None:
        """Left, right and blank choose; a letter goes to the next value that begins with it."""
        key = normal(event.key, event.character)
        if key in ("right", "space"):
            self.turn(1)
        elif key == "left":
            self.turn(-1)
        else:
            order = [(self.at + n) % len(self.values) for n in range(1, len(self.values) + 1)]
            found = next((n for n in order if len(key) == 1 and self.values[n].lower().startswith(key.lower())), None)
            if found is None:
                return
            self.at = found
            self.redraw()
        event.stop()
        event.prevent_default()

    def on_focus(self) -> None:
        """Arrows in the colour of keys."""
        self.redraw()

    def on_blur(self) -> None:
        """Arrows as quiet as the rest."""
        self.redraw()


class Form(Sheet[Arguments | None]):
    """Asks for a verb's inputs; gives the arguments that differ from their defaults, or ``None``."""

    def __init__(self, verb: Verb, targets: Sequence[Resource], given: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.verb = verb
        self._targets = targets
        self._given = given or {}
        self._inputs: dict[str, Field | Choice] = {}
        self._beside: dict[str, Words] = {}
        self._hints: dict[str, Line] = {}
        for param in verb.params:
            self._inputs[param.name] = self._input(param)
            self._hints[param.name] = ((clean(_hint(param)), Token.MUTED),)
            self._beside[param.name] = Words(self._hints[param.name], classes="beside")

    def _input(self, param: Param) -> Field | Choice:
        value = self._given.get(param.name, param.default)
        if param.type is bool:
            if param.default is None:  # left alone, it stays as it is
                return Choice(("", "no", "yes"), 0 if value is None else 2 if value else 1)
            return Choice(("no", "yes"), 1 if value else 0)
        if param.choices and not param.many:
            values = param.choices if param.required or param.default is not None else ("", *param.choices)
            return Choice(values, values.index(str(value)) if str(value) in values else 0)
        return Field(shown_default(param, value), placeholder=param.example, password=param.secret)

    def fields(self) -> ComposeResult:
        """One row a parameter, in the order of declaration."""
        for param in self.verb.params:
            # A command line is long, and what is said beside it is short.
            with Row(classes="-broad" if param.shape is Shape.COMMAND else None):
                yield label(("* " if param.required else "  ") + param.name.rstrip("_").replace("_", " "))
                yield self._inputs[param.name]
                yield self._beside[param.name]

    def ready(self) -> None:
        """Say what will be done, to what."""
        names = ", ".join(clean(full_name(one)) for one in self._targets[:6])
        more = f" and {len(self._targets) - 6} more" if len(self._targets) > 6 else ""
        self.heading.put(((f" {self.verb.title} ", Token.TITLE), (f" {names}{more}", Token.TEXT)))
        help_text = f"   {self.verb.help}"
        self.page.make_lines = lambda width: wrapped(said(help_text, Token.MUTED), width - 2)

    def first_focus(self) -> Widget:
        """The first input, whatever it looks like."""
        return next(iter(self._inputs.values()), self.page)

    def hints(self) -> Sequence[KeyHint]:
        """Go on or leave."""
        return (KeyHint("enter", "go on"), KeyHint("tab", "next"), KeyHint("escape", "leave"))

    def press(self, key: str) -> bool:
        """``esc`` leaves, ``enter`` goes on, up and down change the field."""
        if key == "escape":
            self.dismiss(None)
        elif key == "enter":
            self._go_on()
        elif key == "up":
            self.focus_previous()
        elif key == "down":
            self.focus_next()
        else:
            return False
        return True

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """``enter`` in a field."""
        event.stop()
        self._go_on()

    def _go_on(self) -> None:
        """Read every field; what is wrong is told beside it, and the first such field gets the keys."""
        arguments: Arguments = {}
        first_wrong: Widget | None = None
        for param in self.verb.params:
            given = self._inputs[param.name]
            try:
                value = self._value(param, given)
            except Wrong as wrong:
                self._beside[param.name].put(((f"! {wrong}", Token.CRIT),))
                first_wrong = first_wrong or given
                continue
            self._beside[param.name].put(self._hints[param.name])
            if value is not None and (param.required or value != param.default):
                arguments[param.name] = value
        if first_wrong is not None:
            take_keys(first_wrong)
            return
        self.dismiss(arguments)

    def _value(self, param: Param, given: Field | Choice) -> Any:
        if isinstance(given, Field):
            return read_typed(param, given.value)
        return given.value == "yes" if param.type is bool and given.value else given.value or None


def _hint(param: Param) -> str:
    """What a field is for; its example stands in the field itself."""
    words = param.help or ("the command line" if param.shape is Shape.COMMAND else "")
    if param.many and param.shape is not Shape.COMMAND:
        return f"{words.partition(';')[0]} (several: blanks between)"
    return words


def needs_form(verb: Verb, given: Mapping[str, Any] | None = None) -> bool:
    """Whether the verb's key must ask: it acts without a target but with inputs, or something required is not given."""
    if not verb.takes_target and verb.params and not verb.view:
        return True
    return any(param.required and param.name not in (given or {}) for param in verb.params)


__all__ = ["Choice", "Form", "Wrong", "needs_form", "read_typed", "shown_default"]
