"""Everything that is known at one moment: resources, the readings that told of them, and the fleet they make.

All values here are immutable. Backends build new rows only for what changed, so that whoever draws them
can compare by identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import ClassVar, TypeVar


class Mood(StrEnum):
    """How a resource is doing, whatever its kind calls it; the order is from worst to best."""

    ATTENTION = "attention"
    """It answers, and something about it wants a person."""
    DOWN = "down"
    STALE = "stale"
    """It was seen, and has stopped answering."""
    UNKNOWN = "unknown"
    BUSY = "busy"
    """It is on its way from one state to another."""
    MUTED = "muted"
    """However it is doing, an operator said that nobody is to be told."""
    UP = "up"

    @property
    def glyph(self) -> str:
        """One character that says the mood without colour."""
        return _GLYPHS[self]

    @property
    def rank(self) -> int:
        """0 for the worst mood; the order in which rows of trouble are listed."""
        return _RANKS[self]


_GLYPHS = {
    Mood.ATTENTION: "!",
    Mood.DOWN: "○",
    Mood.STALE: "◐",
    Mood.UNKNOWN: "?",
    Mood.BUSY: "↻",
    Mood.MUTED: "◌",
    Mood.UP: "●",
}
_RANKS = {mood: rank for rank, mood in enumerate(Mood)}

_NEVER_STALE = frozenset({"down", "unknown", "stale"})

STALE = "stale"
"""The state every kind shares: the feed gives it to the rows of a source that stopped answering."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """How one resource points at another."""

    kind: str
    """The noun of the kind: ``node``, ``container``."""
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One row. Each kind adds its own figures; unknown figures are ``None``, never 0.

    Subclasses set ``NOUN`` and stay flat: only immutable values, no clients, no markup.
    Strings that came from outside are kept as they came; whoever draws them strips control characters.
    """

    NOUN: ClassVar[str] = ""

    id: str
    """Unique per kind and stable: a node's is its name, others are ``source/key``."""
    name: str
    source: str
    """Which source of its backend told of it."""
    state: str
    """The kind's own word, such as ``up`` or ``exited``; ``stale`` is shared by all."""
    parent: Ref | None = None
    """Whose tags and rules reach this resource as well."""
    tags: frozenset[str] = frozenset()
    fault: str | None = None
    """What is wrong with it, in words; ``None`` while nothing is known to be."""

    @property
    def ref(self) -> Ref:
        """How others point at this resource."""
        return Ref(self.NOUN, self.id)


R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class ReadingKey:
    """Who told what: one backend, about one of its sources, on one topic."""

    backend: str
    source: str
    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one backend saw at one source at one moment.

    A fault keeps the last items and their ``taken_at``; whoever draws them shows the age.
    """

    backend: str
    source: str
    topic: str = ""
    """Topics age apart: cheap figures, slow figures, another kind of the same source."""
    items: tuple[Resource, ...] = ()
    taken_at: float
    """``time.monotonic()`` of the moment of looking: a clock that is set back changes no age."""
    interval: float = 2.0
    """Seconds until the next reading is due; ages are shown from two of them on."""
    fault: str | None = None
    ours: bool = False
    """The fault is on our side (configuration, refused key, unreadable answer), not the outside's."""
    stale: bool = False

    @property
    def key(self) -> ReadingKey:
        """Which reading this one replaces in the fleet."""
        return ReadingKey(self.backend, self.source, self.topic)

    def as_stale(self, fault: str) -> Reading:
        """The same items, marked: every row says ``stale`` and why; what was down or unknown stays so."""
        items = tuple(
            item if item.state in _NEVER_STALE else replace(item, state=STALE, fault=fault) for item in self.items
        )
        return replace(self, items=items, fault=fault, stale=True)

    @property
    def waiting(self) -> bool:
        """Nothing was seen yet: rows stand there, and each is still unknown without a fault."""
        return self.fault is None and all(i.state == "unknown" and i.fault is None for i in self.items)


class _Places:
    """Where each resource stands among the readings; shared by all fleets whose readings name the same ones.

    Most news are new figures of known resources: finding one's way in them again must not cost what the fleet holds.
    """

    __slots__ = ("by_noun", "keys", "plain")

    def __init__(self, readings: Mapping[ReadingKey, Reading]) -> None:
        self.by_noun: dict[str, dict[str, tuple[ReadingKey, int]]] = {}
        """Noun -> id -> the reading that told of it last and the place in its items."""
        self.keys: dict[str, list[ReadingKey]] = {}
        """Noun -> the readings that tell of it, in their order."""
        told: dict[str, int] = {}
        mixed: set[str] = set()
        for key, reading in readings.items():
            nouns: set[str] = set()
            for number, item in enumerate(reading.items):
                self.by_noun.setdefault(item.NOUN, {})[item.id] = (key, number)
                told[item.NOUN] = told.get(item.NOUN, 0) + 1
                nouns.add(item.NOUN)
            for noun in nouns:
                self.keys.setdefault(noun, []).append(key)
            if len(nouns) > 1:
                mixed |= nouns
        self.plain = frozenset(noun for noun in told if noun not in mixed and told[noun] == len(self.by_noun[noun]))
        """Nouns told of once each, in readings of their own: their rows are the readings' items one after another."""


def _same_resources(old: Reading | None, new: Reading) -> bool:
    """Whether both tell of the same resources in the same order."""
    if old is None:
        return not new.items
    if len(old.items) != len(new.items):
        return False
    return old.items is new.items or all(
        one is other or (one.id == other.id and one.NOUN == other.NOUN)
        for one, other in zip(old.items, new.items, strict=True)
    )


def gone(old: Reading, new: Reading) -> tuple[Ref, ...]:
    """The resources that the older of two readings tells of and the newer does not."""
    if _same_resources(old, new):
        return ()
    there = {item.ref for item in new.items}
    return tuple(item.ref for item in old.items if item.ref not in there)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Fleet:
    """All readings of one moment, by key; the value that panes draw and the guard judges on."""

    readings: Mapping[ReadingKey, Reading] = field(default_factory=lambda: MappingProxyType({}))
    _known: list[_Places] = field(default_factory=list[_Places], compare=False, repr=False)
    """Empty until somebody looks for something."""

    def with_reading(self, reading: Reading) -> Fleet:
        """A new fleet in which ``reading`` replaces what its key held."""
        return self.with_readings((reading,))

    def with_readings(self, readings: Iterable[Reading]) -> Fleet:
        """A new fleet with several readings replaced at once; one copy of the map for all of them."""
        return self.changed({reading.key: reading for reading in readings})

    def changed(self, changes: Mapping[ReadingKey, Reading | None]) -> Fleet:
        """A new fleet in which some readings are others, or are no longer there."""
        changed = dict(self.readings)
        same = bool(self._known)
        for key, reading in changes.items():
            if reading is None:
                same = changed.pop(key, None) is None and same
            else:
                same = same and _same_resources(changed.get(key), reading)
                changed[key] = reading
        return Fleet(MappingProxyType(changed), self._known if same else [])

    def without_source(self, backend: str, source: str) -> Fleet:
        """A new fleet in which the source was never heard of."""
        kept = {k: r for k, r in self.readings.items() if (k.backend, k.source) != (backend, source)}
        return Fleet(MappingProxyType(kept))

    @property
    def _places(self) -> _Places:
        if not self._known:
            self._known.append(_Places(self.readings))
        return self._known[0]

    def of(self, kind: type[R]) -> Iterator[R]:
        """Every resource of a kind, in the order the readings came."""
        for item in self.noun(kind.NOUN):
            if isinstance(item, kind):
                yield item

    def noun(self, noun: str) -> Iterator[Resource]:
        """Every resource of the kind with that noun."""
        places = self._places
        if noun in places.plain:
            return chain.from_iterable(self.readings[key].items for key in places.keys[noun])
        return (self.readings[key].items[number] for key, number in places.by_noun.get(noun, {}).values())

    def find(self, ref: Ref) -> Resource | None:
        """The resource a reference points at, or ``None`` when nobody tells of it any more."""
        place = self._places.by_noun.get(ref.kind, {}).get(ref.id)
        return self.readings[place[0]].items[place[1]] if place else None

    def reading_of(self, ref: Ref) -> Reading | None:
        """The reading that told of a resource: its age, its fault, its backend."""
        place = self._places.by_noun.get(ref.kind, {}).get(ref.id)
        return self.readings[place[0]] if place else None

    def tags(self, ref: Ref) -> frozenset[str]:
        """The tags of a resource and of everything above it; a loop of parents ends."""
        tags: set[str] = set()
        seen: set[Ref] = set()
        at: Ref | None = ref
        while at is not None and at not in seen:
            seen.add(at)
            item = self.find(at)
            if item is None:
                break
            tags |= item.tags
            at = item.parent
        return frozenset(tags)
