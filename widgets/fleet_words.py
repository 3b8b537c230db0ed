"""The fleet in the few words of the header, and what earlier consoles began in the words of the jobs screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.deck import Deck
from app.fleet import Fleet, Mood, Ref
from app.witness import Entry, Operation
from widgets.header import Summary
from widgets.row_order import RowCache
from widgets.view_state import TROUBLE


class Headcount:
    """Sums the fleet up for the header; only rows that changed are looked at anew."""

    def __init__(self, deck: Deck, demo: str, clock: Callable[[], str]) -> None:
        self._deck = deck
        self._demo = demo
        self._clock = clock
        self._moods = {noun: RowCache[Mood](kind.mood) for noun, kind in deck.kinds.items()}
        self._fleet: Fleet | None = None
        self._counts: tuple[str, ...] = ()
        self._trouble = 0

    def __call__(self, fleet: Fleet) -> Summary:
        """What the header says of a fleet."""
        if fleet is not self._fleet:
            self._fleet = fleet
            self._count(fleet)
        witness = self._deck.witness
        return Summary(
            where=f"{witness.operator}@{witness.host}",
            counts=self._counts,
            trouble=self._trouble,
            faults=len(self._deck.feed.faults()),
            demo=self._demo,
            read_only=self._deck.read_only,
            clock=self._clock(),
        )

    def _count(self, fleet: Fleet) -> None:
        counts: list[str] = []
        self._trouble = 0
        for noun, kind in self._deck.kinds.items():
            moods = self._moods[noun]
            count = 0
            for row in fleet.noun(noun):
                count += 1
                self._trouble += moods(row) in TROUBLE
            if len(moods) > count:
                moods.keep_only(row.id for row in fleet.noun(noun))
            counts.append(f"{count} {noun if count == 1 else kind.plural}")
        self._counts = tuple(counts)


def target_refs(target: str) -> tuple[Ref, ...]:
    """The resources that an entry of the witness names: ``node:pi,node:hp``."""
    parts = [part.partition(":") for part in target.split(",") if ":" in part]
    return tuple(Ref(kind, ident) for kind, _, ident in parts)


def open_intents(deck: Deck, operations: Sequence[Operation]) -> tuple[tuple[Entry, str], ...]:
    """What was begun and never told an end, newest first, each with how its targets are now."""
    found: list[tuple[Entry, str]] = []
    for operation in reversed(operations):
        states: list[str] = []
        for ref in target_refs(operation.first.target):
            row = deck.feed.fleet.find(ref)
            states.append(f"{ref.id} is {row.state}" if row is not None else f"nobody tells of {ref.id}")
        found.append((operation.first, ", ".join(states) or "nothing is known of a target"))
    return tuple(found)


__all__ = ["Headcount", "open_intents", "target_refs"]
