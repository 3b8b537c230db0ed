"""The first line: whose console it is, how the fleet is doing, what restricts it, and the minute."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.strip import Strip

from app.column import Token, clean
from widgets.lines import Lines
from widgets.page import Span, pieces_of
from widgets.pieces import spread


@dataclass(frozen=True, slots=True)
class Summary:
    """What the header says."""

    where: str = ""
    counts: tuple[tuple[str, str], ...] = ()
    """Key and words of every pane: ``0 overview``, ``1 nodes 12``."""
    trouble: int = 0
    """Rows that want a person."""
    faults: int = 0
    """Sources that cannot be read because of us."""
    demo: str = ""
    read_only: bool = False
    clock: str = ""


class Header(Lines):
    """One line; what matters less goes first where it is narrow."""

    def __init__(self) -> None:
        super().__init__()
        self.summary = Summary()

    def put(self, summary: Summary) -> None:
        """Say something else; painted only where it differs."""
        if summary != self.summary:
            self.summary = summary
            self.redraw()

    def draw(self, width: int, height: int) -> list[Strip]:
        """Name and place on the left, counts and the clock on the right."""
        said = self.summary
        left: list[Span] = [(" quarterdeck", Token.ACCENT)]
        if said.where:
            left.append((f"  {clean(said.where)}", Token.TEXT))
        badges: list[Span] = []
        if said.demo:
            badges.append((f"   {clean(said.demo).upper()}", Token.WARN))
        if said.read_only:
            badges.append(("   READ-ONLY", Token.WARN))
        signs: list[Span] = []
        if said.trouble:
            signs.append((f"   ! {said.trouble}", Token.WARN))
        if said.faults:
            signs.append((f"   {said.faults} fault{'s' if said.faults > 1 else ''}", Token.CRIT))
        clock: list[Span] = [(f"   {said.clock} ", "clock")]
        counts: list[Span] = []
        for key, words in said.counts:
            counts += [(f"   {key}" if counts else key, "key"), (f" {words}" if key else words, Token.MUTED)]
        right = [*signs, *clock]
        nothing: list[Span] = []
        for start, end in (
            ([*left, *badges], [*counts, *right]),
            ([left[0], *badges], [*counts, *right]),
            ([*left, *badges], right),
            ([left[0], *badges], right),
            (badges, right),
            (nothing, right),
        ):
            if sum(cell_len(text) for text, _ in (*start, *end)) < width:
                return [spread(pieces_of(tuple(start), self.palette), pieces_of(tuple(end), self.palette), width)]
        return [spread([], pieces_of(tuple(clock), self.palette), width)]


__all__ = ["Header", "Summary"]
