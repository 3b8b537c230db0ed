"""The overview: a tile per kind with its counts and its worst; a kind that is alone has the whole screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message
from textual.strip import Strip

from app.column import MOOD_TOKENS, UNKNOWN_TEXT, Cell, Token, bar_text, clean, duration_text, spark_text
from app.fleet import Fleet, Mood
from app.kind import Kind
from widgets.fit import fit_text
from widgets.lines import Lines
from widgets.palette import PLAIN, Palette
from widgets.pieces import Piece, padded, pieces_width, strip_of, styled
from widgets.summary import Busiest, Summary, Summing

TILE = 38
"""The least width of a tile; as many columns as fit, at most three."""
_BETWEEN = 3
_SHOWN = 64
"""The worst rows that any tile asks for."""


@dataclass(frozen=True, slots=True)
class JobLine:
    """One running job in the line of jobs."""

    text: str
    share: float | None = None
    """0 to 1; ``None`` while nobody knows."""


class Overview(Lines):
    """Tiles of every kind, and a line of what is running."""

    DEFAULT_CSS = """
    Overview { width: 1fr; height: 1fr; }
    """

    class Chosen(Message):
        """The operator wants the pane of a kind."""

        def __init__(self, noun: str) -> None:
            super().__init__()
            self.noun = noun

    def __init__(self, kinds: Sequence[Kind[Any]], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._summings = [Summing(kind) for kind in kinds]
        self._fleet = Fleet()
        self._now = 0.0
        self._jobs: tuple[JobLine, ...] = ()
        self._last = ""
        self._regions: list[tuple[range, range, str]] = []

    def show(self, fleet: Fleet, now: float, *, jobs: Sequence[JobLine] = (), last: str = "") -> None:
        """Take a newer fleet, what is running, and one line about what ended last."""
        self._fleet, self._now = fleet, now
        self._jobs, self._last = tuple(jobs), last
        self.redraw()

    def tick(self, now: float) -> None:
        """Let time pass without news."""
        self._now = now
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """A click on a tile opens its pane."""
        for columns, rows, noun in self._regions:
            if event.x in columns and event.y in rows:
                self.post_message(self.Chosen(noun))

    # drawing

    def draw(self, width: int, height: int) -> list[Strip]:
        """Tiles above, jobs below."""
        palette = self.palette
        jobs = self._job_lines(width) if (self._jobs or self._last) and height > 6 else []
        room = height - len(jobs)
        self._regions = []
        if len(self._summings) == 1:
            lines = self._alone(self._summings[0], width, room, palette)
        else:
            lines = self._grid(width, room, palette)
        lines = lines[:room]
        blank = strip_of((), width)
        return [*lines, *([blank] * (room - len(lines))), *jobs]

    def _grid(self, width: int, height: int, palette: Palette) -> list[Strip]:
        across = max(1, min(3, (width - 1) // TILE, len(self._summings)))
        down = -(-len(self._summings) // across)
        tile_width = (width - 1 - _BETWEEN * (across - 1)) // across
        lines: list[Strip] = []
        for band in range(down):
            tall = max(2, (height - len(lines)) // (down - band)) if height > len(lines) else 2
            tiles: list[list[list[Piece]]] = []
            for place in range(across):
                number = band * across + place
                if number < len(self._summings):
                    summary = self._summings[number].sum(self._fleet, self._now, _SHOWN)
                    tiles.append(tile_lines(summary, number + 1, tile_width, tall - 1, palette))
                    left = 1 + place * (tile_width + _BETWEEN)
                    at = range(len(lines), len(lines) + tall)
                    self._regions.append((range(left, left + tile_width), at, summary.kind.noun))
            for y in range(tall):
                pieces: list[Piece] = [(" ", PLAIN)]
                for tile in tiles:
                    line = tile[y] if y < len(tile) else []
                    pieces += [*line, (" " * (tile_width - pieces_width(line) + _BETWEEN), PLAIN)]
                lines.append(strip_of(pieces, width))
        return lines

    def _alone(self, summing: Summing, width: int, height: int, palette: Palette) -> list[Strip]:
        """One kind: its trouble on the left or above, its busiest rows on the right or below."""
        summary = summing.sum(self._fleet, self._now, _SHOWN)
        self._regions.append((range(width), range(height), summary.kind.noun))
        if not summary.count:
            return [
                strip_of([(" ", PLAIN), *line], width) for line in tile_lines(summary, 1, width - 2, height, palette)
            ]
        each = max(1, min(8, (height - 3) // 3 - 2 if width >= 100 else 3))
        blocks = summing.busiest(self._fleet, self._now, each, 24)
        head = strip_of([(" ", PLAIN), *_head(summary, 1, width - 2, palette)], width)
        trouble = [one for one in summary.worst if one.worry.score >= 100]
        quiet = (
            []
            if trouble
            else [[(f"{Mood.UP.glyph} ", palette[Token.OK]), ("Nothing wants a person.", palette[Token.TEXT])]]
        )
        if width >= 100:
            right = min(56, width * 2 // 5)
            left = width - right - 5
            column = [line for block in blocks for line in [*_block(block, right, palette), []]]
            worst = [*quiet, *_worst_lines(trouble or (), left, max(1, height - 3), palette)]
            lines = [head, strip_of((), width)]
            for y in range(max(len(column), len(worst))):
                first = worst[y] if y < len(worst) else []
                second = column[y] if y < len(column) else []
                gap = (" " * (left + 4 - pieces_width(first)), PLAIN)
                lines.append(strip_of([(" ", PLAIN), *first, gap, *second], width))
            return lines
        room = max(1, height - 3 - sum(2 + len(block.rows) for block in blocks))
        lines = [head, strip_of((), width)]
        below = [*quiet, *_worst_lines(trouble or (), width - 2, max(2, room), palette), []]
        below += [line for block in blocks for line in [*_block(block, width - 2, palette), []]]
        return [*lines, *(strip_of([(" ", PLAIN), *line], width) for line in below)]

    def _job_lines(self, width: int) -> list[Strip]:
        palette = self.palette
        muted = palette[Token.MUTED]
        pieces: list[Piece] = [(" JOBS  ", palette[Token.TITLE])]
        used = pieces_width(pieces)
        room = width - 1 - (len(self._last[:40]) + 8 if self._last else 0)
        for number, job in enumerate(self._jobs):
            text = fit_text(clean(job.text), min(34, len(job.text))).rstrip()
            share = "…" if job.share is None else f"{bar_text(job.share, 6)} {job.share * 100:.0f} %"
            drawn = [*styled(f"{text} {share}", Cell("", Token.TEXT), palette), ("    ", PLAIN)]
            if used + pieces_width(drawn) > room:
                pieces.append((f"+{len(self._jobs) - number} more", muted))
                break
            pieces += drawn
            used += pieces_width(drawn)
        if not self._jobs:
            pieces.append(("none running", muted))
        if self._last:
            last = f"last: {clean(self._last)[:40]} "
            pieces += [(" " * max(1, width - pieces_width(pieces) - len(last)), PLAIN), (last, muted)]
        return [strip_of([("─" * width, palette.part("rule"))], width), strip_of(pieces, width)]


def tile_lines(summary: Summary, number: int, width: int, height: int, palette: Palette) -> list[list[Piece]]:
    """One tile: a head and the worst rows, or what would fill it."""
    lines = [_head(summary, number, width, palette)]
    if not summary.count:
        muted = palette[Token.MUTED]
        return [*lines, *([("  ", PLAIN), (fit_text(words, width - 2), muted)] for words in summary.kind.empty)][
            :height
        ]
    worst = _worst_lines(summary.worst, width - 2, height - 1, palette)
    return [*lines, *([("  ", PLAIN), *line] for line in worst)]


def count_pieces(summary: Summary, palette: Palette) -> list[Piece]:
    """``● 11  ! 2  ○ 1``: the well first, then from worst to best."""
    pieces: list[Piece] = []
    for mood in sorted(summary.moods, key=lambda one: (one is not Mood.UP, one.rank)):
        pieces += [(f"{mood.glyph} {summary.moods[mood]}", palette[MOOD_TOKENS[mood]]), ("  ", PLAIN)]
    return pieces


def _head(summary: Summary, number: int, width: int, palette: Palette) -> list[Piece]:
    title = Token.STALE if summary.stale else Token.TITLE
    pieces: list[Piece] = [
        (f"{number} ", palette.part("key")),
        (summary.kind.plural.upper(), palette[title]),
        ("   ", PLAIN),
    ]
    pieces += count_pieces(summary, palette)
    if summary.stale and summary.age is not None:
        pieces.append((f"{Mood.STALE.glyph} stale {duration_text(summary.age)}", palette[Token.STALE]))
    return pieces if pieces_width(pieces) <= width else pieces[:3]


def _worst_lines(worst: Sequence[Any], width: int, height: int, palette: Palette) -> list[list[Piece]]:
    """Glyph, name and the worry in words; one line says how many more there are."""
    shown = worst if len(worst) <= height else worst[: max(0, height - 1)]
    longest = max((len(one.row.name) for one in shown), default=0)
    name = max(8, min(longest, 24, width // 2 - 2))
    lines: list[list[Piece]] = []
    for one in shown:
        words = fit_text(clean(one.worry.text[:400]), max(0, width - name - 4))
        stale = one.mood is Mood.STALE
        lines.append(
            [
                (f"{one.mood.glyph} ", palette[MOOD_TOKENS[one.mood]]),
                *padded(
                    fit_text(clean(one.row.name[:200]), name), palette[Token.STALE] if stale else palette.part("name")
                ),
                ("  ", PLAIN),
                *styled(words, Cell("", Token.STALE if stale else one.worry.token), palette),
            ]
        )
    trouble = sum(1 for one in worst[len(shown) :] if one.worry.score >= 100)
    if trouble and height > 0:
        lines.append([(f"  and {trouble} more", palette[Token.MUTED])])
    return lines


def _block(block: Busiest, width: int, palette: Palette) -> list[list[Piece]]:
    """A figure of the kind: its mean with its course, and the rows where it is highest."""
    muted = palette[Token.MUTED]
    mean = UNKNOWN_TEXT if block.mean is None else f"mean {block.mean:.0f}"
    course = spark_text(block.course, 24, 100 if (block.mean or 0) <= 100 else None)
    left: list[Piece] = [(block.column.title, palette[Token.TITLE]), (f"  {mean}", muted)]
    lines = [[*left, (" " * max(1, width - pieces_width(left) - 24), PLAIN), (course, palette.part("spark"))]]
    name = max(8, width - block.column.width - 3)
    for row, cell in block.rows:
        lines.append(
            [
                *padded(fit_text(clean(row.name[:200]), name), palette.part("name")),
                ("   ", PLAIN),
                *styled(fit_text(cell.text, block.column.width, block.column.align), cell, palette),
            ]
        )
    return lines
