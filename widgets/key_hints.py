"""Which verb keys the last line shows for the rows at hand."""

from __future__ import annotations

from collections.abc import Sequence

from app.backend import Refuse
from app.deck import Deck
from app.fleet import Resource
from app.keys import Keymap
from widgets.pane import FRAME, MORE, KeyHint

LOOKED_AT = 20
"""Rows that decide whether a key is greyed."""


def verb_hints(deck: Deck, keymap: Keymap, noun: str | None, targets: Sequence[Resource]) -> tuple[KeyHint, ...]:
    """The keys of what the rows' backend offers, greyed where a rule refuses it; a read-only console has none."""
    if noun is None:
        return ()
    # The keys are greyed by the first of many marked rows; pressing one judges all of them.
    targets = targets[:LOOKED_AT]
    able = [*(deck.offered(targets[0]) if targets else ()), *deck.offered_by_kind(noun)]
    hints: list[KeyHint] = []
    for verb in deck.catalog.on(noun):
        binding = keymap.of(verb.id)
        if verb not in able or binding is None or not binding.keys:
            continue
        refused = isinstance(deck.permitted(verb, targets if verb.takes_target else ()), Refuse)
        if not (refused and deck.read_only):
            hints.append(KeyHint(binding.keys[0], verb.name, not refused))
    return tuple(hints)


def frame_hint(keymap: Keymap, name: str, label: str = "", *, enabled: bool = True) -> KeyHint:
    """One of the console's own bindings, by its name (``clear-marks``), with the key it has now."""
    binding = keymap.of(f"console.{name}")
    key = binding.keys[0] if binding is not None and binding.keys else ""
    return KeyHint(key, label or name, enabled)


def pane_hints(keymap: Keymap) -> tuple[tuple[KeyHint, ...], KeyHint]:
    """What a pane shows after its verbs, and what at the end where not all of it fits; as remapped."""
    return tuple(frame_hint(keymap, hint.label) for hint in FRAME), frame_hint(keymap, "help", MORE.label)


def split_alt(key: str) -> tuple[bool, str]:
    """Whether the key was held with alt, which asks for the verb's form; and the key itself."""
    return (True, key.removeprefix("alt+")) if key.startswith("alt+") else (False, key)


__all__ = ["frame_hint", "pane_hints", "split_alt", "verb_hints"]
