"""The fleet in the few words of the header, and what earlier consoles began in the words of the jobs screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from app.deck import Deck
from app.fleet import Fleet, Mood, ReadingKey, Ref, Resource
from app.kind import families
from app.rejoining import Loose
from app.witness import Entry
from widgets.header import Summary
from widgets.row_order import RowCache
from widgets.view_state import TROUBLE

Tally = dict[str, tuple[int, int]]
"""Noun -> (how many, how many in trouble)."""
_ALARMS = TROUBLE - {Mood.STALE, Mood.UNKNOWN}
"""What counts of kinds without a number: of a source that is silent the numbered kind tells."""


class Headcount:
    """Sums the fleet up for the header; only readings that changed are looked at anew.

    Kinds without a number do not count, but for those that raise alarms of their own: what is wrong with a container
    is wrong with its stack as well, and a full storage is wrong with nothing else.
    """

    def __init__(self, deck: Deck, demo: str, clock: Callable[[], str], key: Callable[[str], str]) -> None:
        self._deck = deck
        self._key = key
        self._demo = demo
        self._clock = clock
        self._numbered = [family[0] for family in families(deck.kinds.values())]
        behind = [kind for kind in deck.kinds.values() if kind.alarms and kind not in self._numbered]
        self._behind = frozenset(kind.noun for kind in behind)
        self._moods = {kind.noun: RowCache(kind.mood) for kind in (*self._numbered, *behind)}
        self._known: dict[ReadingKey, tuple[Sequence[Resource], Tally]] = {}
        self._fleet: Fleet | None = None
        self._totals: Counter[str] = Counter()
        self._trouble = 0

    def __call__(self, fleet: Fleet) -> Summary:
        """What the header says of a fleet."""
        if fleet is not self._fleet:
            self._fleet = fleet
            self._count(fleet)
        witness = self._deck.witness
        return Summary(
            where=f"{witness.operator}@{witness.host}",
            counts=self._ways(),
            trouble=self._trouble,
            faults=len(self._deck.feed.faults()),
            demo=self._demo,
            read_only=self._deck.read_only,
            clock=self._clock(),
        )

    def _count(self, fleet: Fleet) -> None:
        """Count what each reading holds, again only where its rows are others than last time."""
        known, self._known = self._known, {}
        for key, reading in fleet.readings.items():
            before = known.get(key)
            same = before is not None and before[0] is reading.items
            self._known[key] = before if same and before is not None else (reading.items, self._tally(reading.items))
        totals: Counter[str] = Counter()
        trouble = 0
        for _, tally in self._known.values():
            for noun, (count, bad) in tally.items():
                totals[noun] += count
                trouble += bad
        self._trouble = trouble
        for noun, moods in self._moods.items():
            if len(moods) > 2 * totals[noun] + 100:  # most of them are gone
                moods.clear()
        self._totals = totals

    def _ways(self) -> tuple[tuple[str, str], ...]:
        """Every pane with its key, and how much there is in it."""
        ways = [(self._key("console.overview"), "overview")]
        for number, kind in enumerate(self._numbered, start=1):
            ways.append((self._key(f"console.pane-{number}"), f"{kind.plural} {self._totals[kind.noun]}"))
        return tuple(ways)

    def _tally(self, items: Sequence[Resource]) -> Tally:
        """How many of each kind there are, and how many of them want a person."""
        tally: Tally = {}
        for row in items:
            count, bad = tally.get(row.NOUN, (0, 0))
            mood = self._moods.get(row.NOUN)
            trouble = _ALARMS if row.NOUN in self._behind else TROUBLE
            tally[row.NOUN] = (count + 1, bad + (mood is not None and mood(row) in trouble))
        return tally


def target_refs(target: str) -> tuple[Ref, ...]:
    """The resources that an entry of the witness names: ``node:pi,node:hp``."""
    parts = [part.partition(":") for part in target.split(",") if ":" in part]
    return tuple(Ref(kind, ident) for kind, _, ident in parts)


def open_intents(deck: Deck, ends: Sequence[Loose]) -> tuple[tuple[Entry, str], ...]:
    """What was begun and never told an end, newest first, each with what the outside says and how its targets are."""
    found: list[tuple[Entry, str]] = []
    for loose in reversed(ends):
        operation = loose.operation
        states: list[str] = [loose.words] if loose.words else []
        for ref in target_refs(operation.first.target):
            row = deck.feed.fleet.find(ref)
            states.append(f"{ref.id} is {row.state}" if row is not None else f"nobody tells of {ref.id}")
        found.append((operation.first, ", ".join(states) or "nothing is known of a target"))
    return tuple(found)


__all__ = ["Headcount", "open_intents", "target_refs"]
