"""Keys: one name for each, whatever the terminal calls it, and one table of what each does.

Terminals differ: ``ctrl-space`` arrives as ``ctrl+@`` without the kitty protocol, ``>`` as ``greater_than_sign``,
shift-n as ``N``. ``normal`` gives one name to all forms, so both are bound. Every binding has an id
(``console.filter``, ``node.reboot``) under which hosts.yaml can give it other keys::

    keys: {node.reboot: f9, console.help: "f1, ?"}
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.errors import Clash
from app.verb import GLOBAL_KEYS, Catalog

_CHARACTERS = {
    "ampersand": "&",
    "apostrophe": "'",
    "asterisk": "*",
    "at": "@",
    "backslash": "\\",
    "circumflex_accent": "^",
    "colon": ":",
    "comma": ",",
    "commercial_at": "@",
    "dollar_sign": "$",
    "equals_sign": "=",
    "exclamation_mark": "!",
    "full_stop": ".",
    "grave_accent": "`",
    "greater_than_sign": ">",
    "hyphen": "-",
    "hyphen_minus": "-",
    "left_curly_bracket": "{",
    "left_parenthesis": "(",
    "left_square_bracket": "[",
    "less_than_sign": "<",
    "low_line": "_",
    "minus": "-",
    "number_sign": "#",
    "percent_sign": "%",
    "plus": "+",
    "plus_sign": "+",
    "question_mark": "?",
    "quotation_mark": '"',
    "reverse_solidus": "\\",
    "right_curly_bracket": "}",
    "right_parenthesis": ")",
    "right_square_bracket": "]",
    "semicolon": ";",
    "slash": "/",
    "solidus": "/",
    "tilde": "~",
    "underscore": "_",
    "vertical_line": "|",
}
_NAMED = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "page_up": "pageup",
    "page_down": "pagedown",
    "left_arrow": "left",
    "right_arrow": "right",
    "up_arrow": "up",
    "down_arrow": "down",
}
_ALIASES = {
    "ctrl+@": "ctrl+space",
    "ctrl+\\": "ctrl+backslash",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+[": "escape",
    "ctrl+?": "backspace",
}
_SHOWN = {
    "escape": "esc",
    "enter": "⏎",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "ctrl+backslash": "ctrl-\\",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}
_MODIFIERS = ("ctrl", "alt", "shift", "super", "meta")


def normal(key: str, character: str | None = None) -> str:
    """The one name of a key: as an operator writes it (``ctrl-k``, ``N``, ``>``) or as a terminal reports it.

    ``character`` is what the key typed, where it typed something; it decides over the name.
    """
    typed = character is not None and len(character) == 1 and character.isprintable() and character != " "
    if typed and character and not key.startswith(("ctrl+", "alt+")):
        return character
    said = key if len(key) <= 1 else key.strip()
    if said == " ":
        return "space"
    if len(said) == 1:
        return said
    parts = re.split(r"[+-](?!$)", said)
    *modifiers, last = parts
    modifiers = [m.lower() for m in modifiers]
    if not all(m in _MODIFIERS for m in modifiers):
        modifiers, last = [], said
    if len(last) > 1:
        low = last.lower()
        upper = re.fullmatch(r"upper_([a-z])", low)
        last = upper[1].upper() if upper else _CHARACTERS.get(low, _NAMED.get(low, low))
    if "shift" in modifiers and len(last) == 1 and last.isalpha():
        modifiers.remove("shift")
        last = last.upper()
    if "ctrl" in modifiers and len(last) == 1:
        last = last.lower()
    if modifiers and last == " ":
        last = "space"
    name = "+".join([*(m for m in _MODIFIERS if m in modifiers), last])
    return _ALIASES.get(name, name)


def shown(key: str) -> str:
    """How a key is written for people: ``ctrl-d``, ``⏎``, ``?``."""
    return _SHOWN.get(key, key.replace("+", "-") if len(key) > 1 else key)


@dataclass(frozen=True, slots=True)
class Binding:
    """What one or more keys do."""

    id: str
    """``console.filter`` or the verb's id."""
    keys: tuple[str, ...]
    """Normal names; empty for a verb without a key."""
    label: str

    @property
    def key(self) -> str:
        """The first key as people read it; empty where there is none."""
        return shown(self.keys[0]) if self.keys else ""

    @property
    def key_names(self) -> tuple[str, ...]:
        """All keys as people read them."""
        return tuple(shown(key) for key in self.keys)


GLOBAL = "console"
"""The first part of the ids of bindings that hold in every pane."""


def _slug(label: str) -> str:
    return label.replace(" ", "-")


def global_bindings() -> tuple[Binding, ...]:
    """The console's own keys; those with one meaning are one binding with several keys."""
    keys: dict[str, list[str]] = {}
    for key, label in GLOBAL_KEYS.items():
        name = normal(key)
        if name not in keys.setdefault(label, []):
            keys[label].append(name)
    return tuple(Binding(f"{GLOBAL}.{_slug(label)}", tuple(names), label) for label, names in keys.items())


class Keymap:
    """Which binding a key stands for, per kind; the remapped keys of hosts.yaml are in it already."""

    def __init__(self, catalog: Catalog, nouns: Iterable[str], remapped: Mapping[str, str] | None = None) -> None:
        self.mistakes: list[str] = []
        """What is wrong with the remapped keys, one sentence each; a wrong one leaves its default in place."""
        self._by_id: dict[str, Binding] = {one.id: one for one in global_bindings()}
        self._nouns = tuple(nouns)
        for noun in self._nouns:
            for verb in catalog.on(noun):
                keys = (normal(verb.key),) if verb.key else ()
                self._by_id[verb.id] = Binding(verb.id, keys, verb.name)
        wanted = self._read(remapped or {})
        while (clash := self._apply(wanted)) is not None:
            if clash[0] not in wanted:
                raise Clash(f"key '{clash[1]}' of '{clash[0]}' is {clash[2]} as well")
            self.mistakes.append(f"keys.{clash[0]}: '{shown(clash[1])}' is already {clash[2]}; the default stays")
            del wanted[clash[0]]

    def _read(self, remapped: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        wanted: dict[str, tuple[str, ...]] = {}
        for ident, said in remapped.items():
            if ident not in self._by_id:
                near = difflib.get_close_matches(ident, self._by_id, 1)
                self.mistakes.append(
                    f"keys.{ident}: no binding has that id" + (f" (nearest: {near[0]})" if near else "")
                )
                continue
            parts = [said] if said.strip() == "," else said.split(",")
            names = tuple(
                normal(part if part == " " else part.strip()) for part in parts if part.strip() or part == " "
            )
            if not names:
                self.mistakes.append(f"keys.{ident}: no key is given; the default stays")
                continue
            wanted[ident] = names
        return wanted

    def _apply(self, wanted: Mapping[str, tuple[str, ...]]) -> tuple[str, str, str] | None:
        """Work the table out; returns (id, key, what has it already) of the first remapping that cannot be."""
        bindings = {i: replace(b, keys=wanted[i]) if i in wanted else b for i, b in self._by_id.items()}
        everywhere: dict[str, Binding] = {}
        for one in bindings.values():
            if one.id.startswith(f"{GLOBAL}."):
                for key in one.keys:
                    other = everywhere.get(key)
                    if other is not None:
                        blamed = one if one.id in wanted else other
                        return blamed.id, key, f"'{(other if blamed is one else one).label}'"
                    everywhere[key] = one
        per_noun: dict[str, dict[str, Binding]] = {}
        for noun in self._nouns:
            table: dict[str, Binding] = {}
            for one in bindings.values():
                if not one.id.startswith(f"{noun}."):
                    continue
                for key in one.keys:
                    other = table.get(key) or everywhere.get(key)
                    if other is not None:
                        blamed = one if one.id in wanted else other
                        return blamed.id, key, f"'{(other if blamed is one else one).label}'"
                    table[key] = one
            per_noun[noun] = table
        self._bindings, self._everywhere, self._per_noun = bindings, everywhere, per_noun
        return None

    def find(self, key: str, noun: str | None = None) -> Binding | None:
        """What a key (by its normal name) stands for in a pane of that kind; the console's own keys come first."""
        found = self._everywhere.get(key)
        if found is None and noun is not None:
            found = self._per_noun.get(noun, {}).get(key)
        return found

    def of(self, ident: str) -> Binding | None:
        """The binding with an id, with the keys it has now."""
        return self._bindings.get(ident)

    def key(self, ident: str) -> str:
        """The first key of a binding as people read it; empty where it has none."""
        found = self._bindings.get(ident)
        return found.key if found else ""

    def everywhere(self) -> Sequence[Binding]:
        """The console's own bindings, in the order they are declared."""
        return [one for one in self._bindings.values() if one.id.startswith(f"{GLOBAL}.")]

    def on(self, noun: str) -> Sequence[Binding]:
        """The bindings of a kind's verbs, in the order they are declared."""
        return [one for one in self._bindings.values() if one.id.startswith(f"{noun}.")]


__all__ = ["GLOBAL", "Binding", "Keymap", "global_bindings", "normal", "shown"]
