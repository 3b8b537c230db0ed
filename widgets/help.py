"""``?``: every key and verb that holds here, generated from the catalog and the keymap, as remapped."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from app.column import Token, clean
from app.kind import AnyKind, families
from app.plan import Risk
from app.verb import Param, Shape, Verb
from widgets.filtered import Filtered
from widgets.page import Line, plain, wrapped
from widgets.pane import KeyHint
from widgets.place import heading

_KEYS = 22
_NAME = 16
_RISKS = {Risk.SAFE: "", Risk.DISRUPTS: "asks", Risk.DESTROYS: "name typed"}


class HelpPlace(Filtered):
    """What can be done with the rows at hand first, then the keys of the frame, then the words after ``:``."""

    name_of = "help"

    def __init__(self, noun: str | None) -> None:
        super().__init__()
        self._first = noun
        self._all: list[Line] = []

    def title(self) -> tuple[Line, Line]:
        """What this is."""
        return (*heading("help"), *self.filter_words()), (("remap with keys: in hosts.yaml", Token.MUTED),)

    def hints(self) -> Sequence[KeyHint]:
        """Read and leave."""
        return (self.key("filter"), self.key("copy"), self.key("back"))

    def ready(self) -> None:
        """Draw it from the catalog."""
        deck, keymap = self.bridge.deck, self.bridge.keymap
        lines: list[Line] = []
        nouns = sorted(deck.kinds, key=lambda noun: noun != self._first)
        for noun in nouns:
            lines.append(((f" {noun.upper()}", Token.MUTED),))
            lines += [verb_line(verb, keymap.key(verb.id)) for verb in deck.catalog.on(noun)]
            lines.append(())
        lines.append(((" EVERYWHERE", Token.MUTED),))
        numbered = {
            f"pane {n}": _family_words(family) for n, family in enumerate(families(deck.kinds.values()), start=1)
        }
        for binding in keymap.everywhere():
            if binding.label.startswith("pane ") and binding.label not in numbered:
                continue
            keys = " ".join(dict.fromkeys(binding.key_names))
            words = numbered.get(binding.label, binding.label)
            lines.append(((f"   {keys:<{_KEYS}} ", "key"), (f"{words:<34} ", Token.TEXT), (binding.id, Token.MUTED)))
        lines += [
            ((f"   {'alt-KEY':<{_KEYS}} ", "key"), ("the form of KEY's verb, with every option", Token.TEXT)),
            (),
            ((" AFTER :", Token.MUTED),),
        ]
        for typed, words in _COMMANDS:
            lines.append(((f"   {typed:<{_KEYS + 12}} ", "key"), (words, Token.TEXT)))
        self._all = lines
        self.filtered()

    def filtered(self) -> None:
        """Show the lines that pass."""
        lines = [line for line in self._all if self.filter.empty or self.filter.matches(plain(line))]
        self.page.empty = ("No line passes the filter.", "esc takes it away")
        self.page.make_lines = lambda width: [part for line in lines for part in _hanging(line, width - 2)]
        self.page.rearrange()


_COMMANDS = (
    ("nodes", "a pane, by its plural or noun"),
    ("nodes /REGEX", "a pane, filtered"),
    ("node reboot pi,hp", "a verb on targets: ids, names, globs, @tags"),
    ("node mute pi --until 2h", "with options, as on the command line"),
    ("node mute pi …", "with its form (three dots will do)"),
    ("node exec pi -- uptime", "with what follows --"),
    ("theme NAME", "another theme"),
    ("q", "quit"),
)


def _family_words(family: Sequence[AnyKind]) -> str:
    """What a number shows, and what it shows when it is pressed again."""
    first, *behind = [kind.plural for kind in family]
    return f"{first}; again: {', '.join(behind)}" if behind else first


def _hanging(line: Line, width: int) -> list[Line]:
    """A line of key, name and words; the words go on below themselves where they are too long."""
    head, words = line[:2], line[2:]
    indent = sum(cell_len(text) for text, _ in head)
    if not words or width - indent < 20:
        return [line]
    first, *more = wrapped(words, width - indent) or [()]
    return [(*head, *first), *(((" " * indent, Token.TEXT), *part) for part in more)]


def verb_line(verb: Verb, key: str) -> Line:
    """One verb: key, name, what it does, whether it asks, what it takes."""
    takes = " ".join(_param(param) for param in verb.params)
    risk = _RISKS[verb.risk]
    return (
        (f"   {key or ':':<{_KEYS - 16}} ", "key" if key else Token.MUTED),
        (f"{verb.name:<{_NAME}} ", Token.TITLE),
        (f"{clean(verb.help)}  ", Token.TEXT),
        (f"{risk}  " if risk else "", Token.WARN),
        (takes, Token.MUTED),
    )


def _param(param: Param) -> str:
    if param.shape is Shape.COMMAND:
        return "-- COMMAND"
    if param.shape is Shape.ARGUMENT:
        return param.name.upper()
    return param.option


__all__ = ["HelpPlace", "verb_line"]
