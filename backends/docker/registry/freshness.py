"""Which images have a newer one in their registry, as far as somebody has asked; shared by verbs and rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.backend import Context


class Freshness:
    """What registries answered, by node and name, of the very image that was asked about.

    An image that is replaced by another under its name is one that nobody has asked about.
    """

    def __init__(self) -> None:
        self._newer: dict[tuple[str, str], tuple[str, bool]] = {}
        self._hear: list[tuple[str, Callable[[], None]]] = []

    def newer(self, node: str, image_id: str, name: str) -> bool | None:
        """Whether its registry has another digest under this name; ``None`` while nobody has asked."""
        known = self._newer.get((node, name))
        return known[1] if known is not None and known[0] == image_id else None

    def learned(self, node: str, image_id: str, name: str, *, newer: bool) -> None:
        """Keep an answer, and tell whoever draws that node's images where it is news."""
        if self._newer.get((node, name)) == (image_id, newer):
            return
        self._newer[node, name] = (image_id, newer)
        for of, hear in tuple(self._hear):
            if of == node:
                hear()

    def listen(self, node: str, hear: Callable[[], None]) -> Callable[[], None]:
        """Hear of each new answer about a node's images, in the event loop; returns what ends that."""
        entry = (node, hear)
        self._hear.append(entry)

        def end() -> None:
            if entry in self._hear:
                self._hear.remove(entry)

        return end


def freshness(context: Context) -> Freshness:
    """The one store of a console: ``context.shared(freshness)``."""
    return Freshness()
