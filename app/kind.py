"""A kind of resource: its row, columns, verbs, and how it is summed up; the contract everything is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic

from app.column import Column, Section, Worry
from app.fleet import STALE, Mood, R, Ref, Resource


def plain_mood(resource: Resource) -> Mood:
    """The mood of kinds whose states are up, down, stale and unknown."""
    if resource.state == STALE:
        return Mood.STALE
    return {"up": Mood.UP, "down": Mood.DOWN}.get(resource.state, Mood.UNKNOWN)


def plain_word(resource: Resource) -> str:
    """The state itself."""
    return resource.state


def plain_worry(resource: Resource) -> Worry | None:
    """A fault is a worry; anything else is not."""
    return Worry(100, resource.fault) if resource.fault else None


def plain_json(resource: Resource) -> dict[str, Any]:
    """Every field under its own name; references as text, sets sorted."""
    said: dict[str, Any] = {}
    for spec in fields(resource):
        value = getattr(resource, spec.name)
        if isinstance(value, Ref):
            value = str(value)
        elif isinstance(value, frozenset):
            value = sorted(str(one) for one in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        said[spec.name] = value
    return said


def full_name(resource: Resource) -> str:
    """The name as it tells rows of several sources apart: ``hp/worker``, ``web1 (lab/101)`` where ids are numbers."""
    if resource.id.endswith(f"/{resource.name}"):
        return resource.id
    return f"{resource.name} ({resource.id})" if "/" in resource.id else resource.name


def no_sections(resource: Resource) -> Sequence[Section]:
    """Nothing beyond the columns."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[R]):
    """What the console, the command line and the docs need to know about one kind."""

    noun: str
    """Singular, as on the command line: ``node``."""
    plural: str
    type: type[R]
    columns: tuple[Column[R], ...]
    """The first column is the name and is never dropped."""
    verbs: type
    """The contract class; backends that can do a verb subclass it."""
    mood: Callable[[R], Mood] = plain_mood
    word: Callable[[R], str] = plain_word
    """What a title says of a row's state, where that is more than the state."""
    worry: Callable[[R], Worry | None] = plain_worry
    """What makes a row one of the worst; ``None`` when nothing does."""
    describe: Callable[[R], Sequence[Section]] = no_sections
    figures: Mapping[str, Callable[[R], float | None]]
    """What the history records at each reading, by name."""
    json: Callable[[R], dict[str, Any]] = plain_json
    empty: tuple[str, str]
    """Two lines for an empty pane: what would fill it, and the key or command that does."""
    under: str | None = None
    """The noun whose numbered pane it stands behind: it has no number and no tile of its own, as images have none."""
    alarms: bool = False
    """It has no number, but its trouble is nobody else's: the tile of its family names it, and the header counts it."""
    details: str | None = None
    """The view verb whose ``Sections`` are the rest of a describe screen: what is asked for only while one is open."""
    short: Callable[[R], str] | None = None
    """A name for places where the full one has no room."""
    same: Callable[[R], Ref | None] | None = None
    """The resource of another kind that is the same machine: the node that a guest is."""
    foremost: tuple[str, ...] = ()
    """What the line of keys names first, most needed first: names of verbs, and ``mark``, ``describe``, ``filter``."""
    by_source: bool = False
    """Each row is one source of that name, as with nodes: a command for one needs to ask no other."""


AnyKind = Kind[Any]
"""A kind whose row type does not matter to the one who handles it."""


def families(kinds: Collection[AnyKind]) -> tuple[tuple[AnyKind, ...], ...]:
    """Kinds by the number of their panes: the one that has the number first, then those behind it; in their order.

    A kind whose ``under`` is not among them has a number of its own.
    """
    nouns = {kind.noun for kind in kinds}
    numbered = [kind for kind in kinds if kind.under not in nouns]
    return tuple((first, *(kind for kind in kinds if kind.under == first.noun)) for first in numbered)
