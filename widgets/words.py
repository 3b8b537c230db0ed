"""What is typed after ``:``, read: panes, verbs with targets and options, themes, and the few words of the frame."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.deck import Deck
from app.errors import ConfigurationError
from app.fleet import Resource
from app.inventory.pattern import Term, names_of, nearest, terms
from app.inventory.pattern import meant as by_term
from app.kind import AnyKind
from app.verb import Param, Shape, Verb
from widgets.form import Wrong, read_one

FRAME = {
    "overview": "overview",
    "jobs": "jobs",
    "witness": "witness",
    "help": "help",
    "palette": "palette",
    "q": "quit",
    "quit": "quit",
}
"""Words of the frame and the console's binding each stands for."""
ASK = ("…", "...")
"""At the end of a verb: fill in the rest in a form."""


@dataclass(frozen=True, slots=True)
class Go:
    """Show a pane, filtered."""

    noun: str
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class Press:
    """Do what a binding of the console does."""

    ident: str


@dataclass(frozen=True, slots=True)
class Wear:
    """Change the theme; the next one where none is named."""

    theme: str


@dataclass(frozen=True, slots=True)
class Do:
    """Perform a verb or read a view."""

    verb: Verb
    words: tuple[str, ...] = ()
    """Which targets; none means those of the place at hand."""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    form: bool = False


Said = Go | Press | Wear | Do


def read_command(typed: str, deck: Deck) -> Said:
    """What a command line means. Raises ConfigurationError with the nearest valid word where it means nothing."""
    line, _, tail = typed.strip().partition(" -- ")
    if typed.strip().endswith(" --"):
        line, tail = typed.strip()[:-3], ""
    first, _, rest = line.strip().partition(" ")
    if first in FRAME:
        return Press(f"console.{FRAME[first]}")
    if first == "theme":
        return Wear(rest.strip())
    kind = kind_called(first, deck.kinds)
    if kind is None:
        known = [*FRAME, "theme", *deck.kinds, *(kind.plural for kind in deck.kinds.values())]
        near = nearest(first, known)
        raise ConfigurationError(f"'{first}' is no command" + (f" (nearest: {near})" if near else ""))
    rest = rest.strip()
    if not rest or rest.startswith("/"):
        return Go(kind.noun, rest[1:] if rest else None)
    return _verb_line(kind, rest, tail, deck)


def kind_called(word: str, kinds: Mapping[str, AnyKind]) -> AnyKind | None:
    """The kind with that noun or plural."""
    return next((kind for kind in kinds.values() if word in (kind.noun, kind.plural)), None)


def _verb_line(kind: AnyKind, rest: str, tail: str, deck: Deck) -> Do:
    try:
        words = shlex.split(rest)
    except ValueError:
        raise ConfigurationError("a quotation mark is not closed") from None
    verb = deck.catalog.find(kind.noun, words[0])
    if verb is None:
        near = nearest(words[0], [v.name for v in deck.catalog.on(kind.noun)])
        hint = f" (nearest: {near})" if near else ""
        raise ConfigurationError(f"{kind.plural} have no verb '{words[0]}'{hint}")
    form = len(words) > 1 and words[-1] in ASK
    if form:
        words.pop()
    plain, arguments = _options(verb, words[1:])
    targets, arguments = _positions(verb, plain, arguments)
    if tail.strip():
        param = next((p for p in verb.params if p.shape is Shape.COMMAND), None)
        if param is None:
            raise ConfigurationError(f"'{verb.title}' takes nothing after --")
        arguments[param.name] = (tail.strip(),)  # one word is a whole shell command line
    return Do(verb, targets, arguments, form)


def _options(verb: Verb, words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Take ``--option value``, ``--option=value``, ``--flag`` and ``--no-flag`` out of the words."""
    options = {p.option: p for p in verb.params if p.shape in (Shape.OPTION, Shape.FLAG)}
    plain: list[str] = []
    given: dict[str, Any] = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--"):
            plain.append(word)
            continue
        name, has_value, value = word.partition("=")
        negated = options.get("--" + name.removeprefix("--no-"))
        if name.startswith("--no-") and negated is not None and negated.shape is Shape.FLAG:
            given[negated.name] = False
            continue
        param = options.get(name)
        if param is None:
            near = nearest(name, options)
            raise ConfigurationError(f"'{verb.title}' has no {name}" + (f" (nearest: {near})" if near else ""))
        if param.shape is Shape.FLAG:
            given[param.name] = True
            continue
        if not has_value:
            if not waiting:
                raise ConfigurationError(f"{name} wants a value")
            value = waiting.pop(0)
        read = _read(param, value)
        given[param.name] = (*given.get(param.name, ()), read) if param.many else read
    return plain, given


def _read(param: Param, typed: str) -> Any:
    try:
        return read_one(param, typed)
    except Wrong as wrong:
        raise ConfigurationError(f"{param.option}: {wrong}") from None


def _positions(verb: Verb, plain: list[str], given: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The first word is the target (further ones too where the verb takes no arguments), then the arguments."""
    takes = [p for p in verb.params if p.shape is Shape.ARGUMENT]
    targets: tuple[str, ...] = ()
    if verb.takes_target:
        count = max(0, len(plain) - len(takes)) if len(plain) > len(takes) else (1 if plain and not takes else 0)
        if takes and plain and count == 0:
            count = 1
        targets, plain = tuple(plain[:count]), plain[count:]
    if len(plain) > len(takes) and not (takes and takes[-1].many):
        raise ConfigurationError(f"'{verb.title}' takes no '{plain[len(takes)]}'")
    for number, param in enumerate(takes):
        if number < len(plain):
            given[param.name] = (
                tuple(_read(param, word) for word in plain[number:]) if param.many else _read(param, plain[number])
            )
    return targets, given


def meant(deck: Deck, kind: AnyKind, words: Sequence[str]) -> tuple[Resource, ...]:
    """The resources that target words mean: ids, names, globs, ``@tags``, groups, comma lists.

    Raises ConfigurationError for a word that means nothing, naming the nearest.
    """
    known = list(deck.feed.fleet.noun(kind.noun))
    parts = terms(",".join(words))
    for term in parts:
        if not any(_means(deck, term, one) for one in known):
            near = nearest(term.text, sorted({name for one in known for name in names_of(one)}))
            hint = f" (nearest: {near})" if near else ""
            raise ConfigurationError(f"no {kind.noun} is meant by '{term.text}'{hint}")
    adding = [term for term in parts if not term.sign]
    return tuple(
        one
        for one in known
        if (not adding or any(_means(deck, term, one) for term in adding))
        and all(_means(deck, term, one) is (term.sign == "&") for term in parts if term.sign)
    )


def _means(deck: Deck, term: Term, one: Resource) -> bool:
    return by_term(term, one, deck.tags, deck.inventory.groups)


def completions(typed: str, deck: Deck, themes: Callable[[], Sequence[str]]) -> list[str]:
    """What the last word may become, best first; bounded, for a line of suggestions."""
    words = typed.lstrip().split(" ")
    last = words[-1]
    if len(words) == 1:
        known = [*(kind.plural for kind in deck.kinds.values()), *deck.kinds, "theme", *FRAME]
    elif words[0] == "theme":
        known = list(themes())
    else:
        kind = kind_called(words[0], deck.kinds)
        if kind is None or "--" in words[1:-1]:
            return []
        known = _after_noun(words, kind, deck)
    found = [word for word in dict.fromkeys(known) if word.startswith(last) and word != last]
    return found[:40]


def _after_noun(words: Sequence[str], kind: AnyKind, deck: Deck) -> list[str]:
    verbs = deck.catalog.on(kind.noun)
    if len(words) == 2:
        return [verb.name for verb in verbs]
    verb = next((v for v in verbs if v.name == words[1]), None)
    if verb is None:
        return []
    if words[-1].startswith("--"):
        return [p.option for p in verb.params if p.shape in (Shape.OPTION, Shape.FLAG)]
    option = next((p for p in verb.params if p.option == words[-2]), None)
    if option is not None and option.choices:
        return list(option.choices)
    names = [one.id for one in deck.feed.fleet.noun(kind.noun)] if verb.takes_target else []
    choices = [choice for p in verb.params if p.shape is Shape.ARGUMENT for choice in p.choices]
    head, comma, _ = words[-1].rpartition(",")
    before = head + comma
    return [*(before + name for name in names), *(choices if len(words) > 3 else [])]


__all__ = ["FRAME", "Do", "Go", "Press", "Said", "Wear", "completions", "kind_called", "meant", "read_command"]
