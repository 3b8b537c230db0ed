"""A place in the console: what stands between the header and the tray, and answers to the console's keys.

Panes are places that stay; every other screen (describe, journal, jobs, witness, help) is made when it is gone to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget

from app.column import Token, clean
from app.deck import Deck
from app.fleet import Fleet, Ref, Resource
from app.keys import Keymap
from app.verb import Verb
from app.witness import Entry
from widgets.key_hints import frame_hint
from widgets.lines import Lines
from widgets.page import Line, Page, pieces_of, take_keys
from widgets.pane import MORE, KeyHint, KeyLine, Rule
from widgets.pieces import spread


class Bridge(Protocol):
    """What a place may ask of the console it stands in."""

    deck: Deck
    keymap: Keymap

    def act(self, verb: Verb, targets: Sequence[Resource], arguments: Mapping[str, Any], *, hidden: int = 0) -> None:
        """Perform a verb as a background task; the outcome is told in a toast."""
        ...

    def begin(
        self,
        verb: Verb,
        targets: Sequence[Resource],
        *,
        arguments: Mapping[str, Any] | None = None,
        form: bool = False,
        hidden: int = 0,
    ) -> None:
        """Do what a verb's key does: open its form where something is required, read a view, or perform."""
        ...

    open_intents: Sequence[tuple[Entry, str]]
    """What another run of the console began and did not end, and what the system says of its target now."""

    def visit(self, make: Callable[[], Place]) -> None:
        """Go to a place; ``esc`` comes back from it. It is made anew whenever the operator comes back to it."""
        ...

    def swap(self, old: Place, new: Place) -> None:
        """Put a place where another one stands, as the same stop of the history."""
        ...

    def pane(self, noun: str) -> None:
        """Go to a numbered pane."""
        ...

    def leave(self) -> None:
        """Go back to where the operator came from."""
        ...

    def tell(self, words: str, *, bad: bool = False) -> None:
        """Say something in a toast."""
        ...

    def clip(self, text: str, what: str) -> None:
        """Put text into the operator's clipboard and say so."""
        ...


def bridge_of(widget: Widget) -> Bridge:
    """The console a widget stands in."""
    return cast("Bridge", widget.app)


class TitleLine(Lines):
    """The line of context above a place: what it is on the left, how it is shown on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.left: Line = ()
        self.right: Line = ()

    def put(self, left: Line, right: Line = ()) -> None:
        """Say something else; painted only where it differs."""
        self.left, self.right = left, right
        self.redraw()

    def draw(self, width: int, height: int) -> list[Strip]:
        """One line; the right end goes where both do not fit."""
        right = pieces_of((*self.right, (" ", Token.MUTED)), self.palette)
        return [spread(pieces_of(self.left, self.palette), right, width)]


class Place(Vertical):
    """Base of the places that are no panes: a title, a rule, a body, a rule, a line of keys.

    Subclasses give ``body`` and what they want of ``title``, ``hints``, ``press``, ``take`` and ``tick``.
    """

    DEFAULT_CSS = """
    Place { width: 1fr; height: 1fr; }
    Place.-low Rule { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.heading = TitleLine()
        self.key_line = KeyLine()
        self.page = self.make_page()

    # what subclasses say

    name_of = ""
    """Two places of one name are the same place to the history."""
    noun: str | None = None
    """The kind whose verbs have their keys here."""

    def make_page(self) -> Page:
        """The page that is the body."""
        return Page()

    def body(self) -> ComposeResult:
        """What stands between the rules."""
        yield self.page

    def title(self) -> tuple[Line, Line]:
        """The line of context: left and right."""
        return (), ()

    def hints(self) -> Sequence[KeyHint]:
        """The keys of this place, most important first."""
        return ()

    def key(self, name: str, label: str = "", *, enabled: bool = True) -> KeyHint:
        """The hint of one of the console's own bindings (``filter``), with the key it has now."""
        return frame_hint(self.bridge.keymap, name, label, enabled=enabled)

    def press(self, ident: str) -> bool:
        """Answer to one of the console's bindings; ``False`` lets the console do what it does everywhere."""
        return self.page.act(ident)

    def own_key(self, key: str) -> bool:
        """Answer to a key that only this place knows; asked before anything else."""
        return False

    def take(self, fleet: Fleet) -> None:
        """A newer fleet is there."""

    def tick(self) -> None:
        """Time passes."""

    def back(self) -> bool:
        """What ``esc`` undoes here before it leaves; ``False`` when there is nothing."""
        return False

    def targets(self) -> tuple[Resource, ...]:
        """What an action is for, by id, at this moment."""
        return ()

    hidden_marks = 0

    def refs_shown(self) -> frozenset[Ref]:
        """What it tells of, where that is one resource."""
        ref = getattr(self, "ref", None)
        return frozenset((ref,)) if isinstance(ref, Ref) else frozenset()

    def ready(self) -> None:
        """The place is on the screen: fill it."""

    def words(self) -> str:
        """What ``copy`` takes."""
        from widgets.page import plain

        return "\n".join(plain(line).rstrip() for line in self.page.lines)

    # what it does

    @property
    def bridge(self) -> Bridge:
        """The console."""
        return bridge_of(self)

    def compose(self) -> ComposeResult:
        """Title, body, keys."""
        yield self.heading
        yield Rule()
        yield from self.body()
        yield Rule()
        yield self.key_line

    def on_mount(self) -> None:
        """Fill it and send the keys to its body."""
        self.focus_body()
        self.ready()
        self.retitle()

    def focus_body(self) -> None:
        """Send the keys to its body."""
        take_keys(self.page)

    def retitle(self) -> None:
        """Say anew what it is and which keys it has."""
        self.heading.put(*self.title())
        hints = tuple(self.hints())
        if hints != self.key_line.hints:
            self.key_line.hints = hints
            self.key_line.more = self.key("help", MORE.label)
            self.key_line.redraw()

    def on_resize(self) -> None:
        """Leave the rules out where there are few lines."""
        self.set_class(self.size.height < 14, "-low")


def heading(name: str, *more: str) -> Line:
    """A title: what kind of place, and of what."""
    rest = "  ".join(clean(one) for one in more if one)
    return ((f" {clean(name).upper()}  ", Token.TITLE), (rest, Token.TEXT))


def short(ref: Ref) -> str:
    """A resource in a title."""
    return f"{ref.kind} {clean(ref.id)}"


__all__ = ["Bridge", "Place", "TitleLine", "bridge_of", "heading", "short"]
