"""The palette: every verb and view that the rows at hand offer, every pane, theme and word of the frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

from textual.app import App
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from app.column import clean


class Offers(Protocol):
    """What the palette asks of the console."""

    def offers(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """(line, help, what it does) of everything that can be done here and now."""
        ...


class ConsoleProvider(Provider):
    """Finds lines by their letters; everything it lists is what a key or ``:`` would do as well."""

    def _all(self) -> list[tuple[str, str, Callable[[], Any]]]:
        return list(cast("Offers", self.app).offers())

    async def discover(self) -> Hits:
        """Everything, before a letter is typed."""
        for line, about, run in self._all():
            yield DiscoveryHit(clean(line), run, help=clean(about))

    async def search(self, query: str) -> Hits:
        """What the letters may mean, best first."""
        matcher = self.matcher(query)
        for line, about, run in self._all():
            score = matcher.match(line)
            if score > 0:
                yield Hit(score, matcher.highlight(clean(line)), run, help=clean(about))


def open_palette(app: App[Any]) -> None:
    """Show it over the place at hand."""
    palette = CommandPalette(providers=[ConsoleProvider], placeholder="what to do …")
    app.push_screen(palette)  # pyright: ignore[reportUnknownMemberType]


__all__ = ["ConsoleProvider", "open_palette"]
