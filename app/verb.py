"""Verbs and views, declared once on a kind's contract class, and the catalog that everything is drawn from.

A key, a palette line, a CLI command, the help, the key sheet and the form all come from one declaration::

    class NodeVerbs:
        @verb(key="r", risk=Risk.DISRUPTS)
        async def reboot(self, target: Node, *, delay: Annotated[int, Help("seconds to wait first")] = 0) -> Plan:
            \"\"\"Restart the host.\"\"\"
            raise Unsupported

What the method takes says what the verb acts on: a resource (one plan each), a ``Sequence`` of them (one plan for
the group), or neither (a verb of the kind: create, spawn, add).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from app.column import Cell
from app.errors import Clash
from app.param import PLACES, Help, Param, Scope, Shape, read_signature
from app.plan import Plan, Risk
from app.view import Line, RowAction, Rows, Sections, Stream, Text, View, jsonable

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the decorators leave on a method."""

    key: str | None
    risk: Risk
    view: bool
    name: str | None
    carried: bool
    shows: bool
    order: int


_MARK = "__quarterdeck_verb__"
_declared = 0


def _mark(key: str | None, risk: Risk, view: bool, name: str | None, carried: bool, shows: bool) -> Callable[[F], F]:
    def leave(method: F) -> F:
        global _declared
        _declared += 1
        setattr(method, _MARK, _Mark(key, risk, view, name, carried, shows, _declared))
        return method

    return leave


def verb(
    *, risk: Risk, key: str | None = None, name: str | None = None, carried: bool = False, shows: bool = False
) -> Callable[[F], F]:
    """Declare an action; the method returns a ``Plan``.

    ``carried`` says that the outside finishes the work by itself once it has started, so that ``--no-wait`` and
    "leave" at quitting are honest. ``shows`` says that its output is what it is done for, so that the console goes
    there; of verbs that take a command this goes without saying.
    """
    return _mark(key, risk, False, name, carried, shows)


def view(*, key: str | None = None, name: str | None = None) -> Callable[[F], F]:
    """Declare something to read; the method returns ``Rows``, ``Text`` or ``Stream``."""
    return _mark(key, Risk.SAFE, True, name, False, False)


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One declared verb or view of one kind."""

    noun: str
    name: str
    method: str
    key: str | None
    risk: Risk
    view: bool
    carried: bool
    owner: type
    output: bool = False
    """Its output is what it is done for; see ``shows``."""

    @property
    def id(self) -> str:
        """``node.reboot``: what keymaps, rules and bindings call it."""
        return f"{self.noun}.{self.name}"

    @property
    def title(self) -> str:
        """``node reboot``: what the command line, the witness and outcomes call it."""
        return f"{self.noun} {self.name}"

    @property
    def doc(self) -> str:
        """The whole docstring of the declaration."""
        return inspect.getdoc(getattr(self.owner, self.method)) or ""

    @property
    def help(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]

    @cached_property
    def _signature(self) -> tuple[Scope, tuple[Param, ...]]:
        return read_signature(getattr(self.owner, self.method))

    @property
    def scope(self) -> Scope:
        """What it acts on."""
        return self._signature[0]

    @property
    def params(self) -> tuple[Param, ...]:
        """Its typed inputs, in the order of declaration."""
        return self._signature[1]

    @property
    def takes_target(self) -> bool:
        """Whether it acts on resources at all."""
        return self.scope is not Scope.KIND

    @property
    def shows(self) -> bool:
        """Whether its output is what it is done for: that of a command, or as declared."""
        return self.output or any(param.shape is Shape.COMMAND for param in self.params)

    @property
    def place(self) -> Param | None:
        """The parameter that names the node where a verb without a target does its work."""
        return None if self.takes_target else next((param for param in self.params if param.name in PLACES), None)


def verbs_of(noun: str, contract: type) -> tuple[Verb, ...]:
    """The verbs a contract class declares, in the order they stand there."""
    found: list[tuple[int, Verb]] = []
    for method, member in inspect.getmembers(contract, inspect.isfunction):
        mark: _Mark | None = getattr(member, _MARK, None)
        if mark is not None:
            name = mark.name or method.rstrip("_").replace("_", "-")
            declared = Verb(
                noun=noun,
                name=name,
                method=method,
                key=mark.key,
                risk=mark.risk,
                view=mark.view,
                carried=mark.carried,
                owner=contract,
                output=mark.shows,
            )
            found.append((mark.order, declared))
    return tuple(declared for _, declared in sorted(found, key=lambda pair: pair[0]))


def offers(backend: object, declared: Verb) -> bool:
    """Whether a backend defines the verb's method itself, rather than inheriting the contract's refusal."""
    if not isinstance(backend, declared.owner):
        return False  # a method of that name may mean something else, as ``close`` does
    return getattr(type(backend), declared.method) is not getattr(declared.owner, declared.method)


GLOBAL_KEYS: Mapping[str, str] = {
    ":": "command line",
    "/": "filter",
    "?": "help",
    "escape": "back",
    "j": "down",
    "k": "up",
    "down": "down",
    "up": "up",
    "g": "first row",
    "G": "last row",
    "home": "first row",
    "end": "last row",
    "pageup": "page up",
    "pagedown": "page down",
    "d": "describe",
    "y": "raw view",
    "enter": "open",
    "space": "mark",
    "ctrl+@": "mark range",
    "ctrl+space": "mark range",
    "ctrl+backslash": "clear marks",
    "N": "sort by name",
    "A": "sort by age",
    "S": "sort by state",
    "O": "sort by the next column",
    "I": "reverse the sort",
    "left": "scroll left",
    "right": "scroll right",
    "ctrl+z": "faults only",
    "ctrl+w": "wide",
    "ctrl+r": "look again now",
    "c": "copy",
    "0": "overview",
    "1": "pane 1",
    "2": "pane 2",
    "3": "pane 3",
    "4": "pane 4",
    "5": "pane 5",
    "6": "pane 6",
    "w": "witness",
    "J": "jump to what it runs on",
    "&": "jobs",
    "ctrl+p": "palette",
    "q": "quit",
    "ctrl+q": "quit",
    "ctrl+c": "quit",
    "[": "history back",
    "]": "history forward",
    "-": "last view",
    "tab": "next",
    "T": "theme",
}
"""Keys the console keeps for itself in every pane; a verb that claims one is a clash. Names as Textual gives them."""


class Catalog:
    """Every verb of every kind; the one list that keys, palette, command line, help and docs are drawn from.

    Raises ``Clash`` when a key or a name stands twice in a kind, or a key shadows a global one.
    """

    def __init__(self, contracts: Mapping[str, type]) -> None:
        self._verbs: dict[str, tuple[Verb, ...]] = {}
        for noun, contract in contracts.items():
            declared = verbs_of(noun, contract)
            _refuse_clashes(declared)
            self._verbs[noun] = declared

    def __iter__(self) -> Iterator[Verb]:
        for declared in self._verbs.values():
            yield from declared

    def on(self, noun: str) -> tuple[Verb, ...]:
        """The verbs of one kind; empty for a noun nobody declared."""
        return self._verbs.get(noun, ())

    def find(self, noun: str, name: str) -> Verb | None:
        """One verb by noun and name."""
        return next((v for v in self.on(noun) if v.name == name), None)


def _refuse_clashes(declared: Sequence[Verb]) -> None:
    names: dict[str, Verb] = {}
    keys: dict[str, Verb] = {}
    for one in declared:
        if one.name in names or one.name in ("list", "show"):
            raise Clash(f"verb '{one.title}' is declared twice", where=one.owner.__qualname__)
        names[one.name] = one
        if one.key is None:
            continue
        if one.key in GLOBAL_KEYS:
            raise Clash(f"key '{one.key}' of '{one.title}' is '{GLOBAL_KEYS[one.key]}' everywhere")
        if one.key in keys:
            raise Clash(f"key '{one.key}' is both '{keys[one.key].title}' and '{one.title}'")
        keys[one.key] = one


__all__ = [
    "GLOBAL_KEYS",
    "PLACES",
    "Catalog",
    "Cell",
    "Help",
    "Line",
    "Param",
    "Plan",
    "Risk",
    "RowAction",
    "Rows",
    "Scope",
    "Sections",
    "Shape",
    "Stream",
    "Text",
    "Verb",
    "View",
    "jsonable",
    "offers",
    "verb",
    "verbs_of",
    "view",
]
