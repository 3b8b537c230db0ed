"""The overview: a tile per kind with its counts and its worst; a kind that is alone has the whole screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message
from textual.strip import Strip

from app.column import MOOD_TOKENS, UNKNOWN_TEXT, Cell, Token, bar_text, clean, duration_text
from app.fleet import Fleet, Mood
from app.kind import Kind, families, full_name
from widgets.empty import unread_words
from widgets.fit import fit_text
from widgets.lines import Lines
from widgets.palette import PLAIN, Palette
from widgets.pieces import Piece, padded, pieces_width, strip_of, styled
from widgets.summary import Busiest, Summary, Summing, Unread, Worst, name_room, names_of, summings

TILE = 38
"""The least width of a tile; as many columns as fit, at most three."""
_BETWEEN = 3
_BLOCK = 22
"""The least width of a block of figures."""
_BLOCKS_APART = 46
"""The greatest: further apart, a name and its figure do not read as one line."""
WORRY = 19
"""Cells that the words of a worry want at least: a short name, a bar of eight and a number."""
_EIGHTHS = " ▁▂▃▄▅▆▇█"
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
        self._summings = summings(families(kinds))
        self._fleet = Fleet()
        self._now = 0.0
        self._jobs: tuple[JobLine, ...] = ()
        self._last = ""
        self._regions: list[tuple[range, range, str]] = []

    def ask_unread(self, unread: Unread) -> None:
        """Whom to ask for what cannot be read."""
        for summing in self._summings:
            summing.unread = unread

    def show(self, fleet: Fleet, now: float, *, jobs: Sequence[JobLine] = (), last: str = "") -> None:
        """Take a newer fleet, what is running, and one line about what ended last."""
        self._fleet, self._now = fleet, now
        self._jobs, self._last = tuple(jobs), last
        if len(self._summings) == 1:
            self._summings[0].record(fleet, now)
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
        across = -(-len(self._summings) // down)
        tile_width = (width - 2 - _BETWEEN * (across - 1)) // across
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
        trouble = [one for one in summary.worst if one.worry.score >= 100]
        named = max(2, min(len(trouble), height // 2 - 2))
        lines: list[list[Piece]] = [_head(summary, 1, width - 2, palette), []]
        if trouble:
            lines += _worst_lines(trouble, width - 2, named, palette)
        else:
            lines.append([(f"{Mood.UP.glyph} ", palette[Token.OK]), ("Nothing wants a person.", palette[Token.TEXT])])
        lines.append([])
        lines += self._blocks(summing, width - 2, height - len(lines), palette)
        return [strip_of([(" ", PLAIN), *line], width) for line in lines]

    def _blocks(self, summing: Summing, width: int, height: int, palette: Palette) -> list[list[Piece]]:
        """The kind's figures side by side: the mean, its course, and where it is highest."""
        most = max(1, (width + _BETWEEN) // (_BLOCK + _BETWEEN))
        count = len(list(self._fleet.noun(summing.kind.noun)))
        graph = max(1, min(5, height - 2 - min(count, 8)))
        room = min(_BLOCKS_APART, (width - _BETWEEN * 2) // 3)
        blocks = summing.busiest(self._fleet, max(1, height - graph - 1), room)[:most]
        drawn = [_block(block, room, graph, palette) for block in blocks]
        lines: list[list[Piece]] = []
        for y in range(min(height, max((len(block) for block in drawn), default=0))):
            line: list[Piece] = []
            for block in drawn:
                part = block[y] if y < len(block) else []
                line += [*part, (" " * (room - pieces_width(part) + _BETWEEN), PLAIN)]
            lines.append(line)
        return lines

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
        said, style = nothing_words(summary), palette[Token.WARN if summary.unread else Token.MUTED]
        return [*lines, *([("  ", PLAIN), (fit_text(words, width - 2), style)] for words in said)][:height]
    worst = _worst_lines(summary.worst, width - 2, height - 1, palette)
    return [*lines, *([("  ", PLAIN), *line] for line in worst)]


def nothing_words(summary: Summary) -> Sequence[str]:
    """What stands where a kind has no rows: why that may be, or what would fill it."""
    return unread_words(summary.unread) or summary.kind.empty


def count_pieces(summary: Summary, palette: Palette) -> list[Piece]:
    """``● 11  ! 2  ○ 1``: the well first, then from worst to best."""
    pieces: list[Piece] = []
    for mood in sorted(summary.moods, key=lambda one: (one is not Mood.UP, one.rank)):
        pieces += [(f"{mood.glyph} {summary.moods[mood]}", palette[MOOD_TOKENS[mood]]), ("  ", PLAIN)]
    if summary.unread:
        pieces += [(f"{len(summary.unread)} not read", palette[Token.WARN]), ("  ", PLAIN)]
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


def _worst_lines(worst: Sequence[Worst], width: int, height: int, palette: Palette) -> list[list[Piece]]:
    """Glyph, name and the worry in words; one line says how many more there are."""
    shown = worst if len(worst) <= height else worst[: max(0, height - 1)]
    name = name_room(shown, width - 4, WORRY)
    lines: list[list[Piece]] = []
    for one, called in zip(shown, names_of(shown, name), strict=True):
        aside = f"  {one.age}" if one.age else ""
        words = fit_text(clean(one.worry.text[:400]), max(0, width - name - 4 - len(aside)))
        stale = one.mood is Mood.STALE
        lines.append(
            [
                (f"{one.mood.glyph} ", palette[MOOD_TOKENS[one.mood]]),
                *padded(fit_text(called, name), palette[Token.STALE] if stale else palette.part("name")),
                ("  ", PLAIN),
                *styled(words, Cell("", Token.STALE if stale else one.worry.token), palette),
                (aside, palette[Token.STALE]),
            ]
        )
    trouble = sum(1 for one in worst[len(shown) :] if one.worry.score >= 100)
    if trouble and height > 0:
        lines.append([(f"  and {trouble} more", palette[Token.MUTED])])
    return lines


def _block(block: Busiest, width: int, graph: int, palette: Palette) -> list[list[Piece]]:
    """A figure of the kind: its mean with its course, and the rows where it is highest."""
    share = any("%" in cell.text for _, cell in block.rows)
    mean = UNKNOWN_TEXT if block.mean is None else f"{block.mean:.0f} %" if share else f"{block.mean:.3g}"
    lines: list[list[Piece]] = [[(block.column.title, palette[Token.TITLE]), (f"  mean {mean}", palette[Token.MUTED])]]
    lines += course_lines(block.course, width, graph, 100 if share else None, palette)
    figure = min(block.column.width, width - 8)
    for row, cell in block.rows:
        lines.append(
            [
                *padded(fit_text(clean(full_name(row)[:200]), width - figure - 2), palette.part("name")),
                ("  ", PLAIN),
                *styled(fit_text(cell.text, figure, block.column.align), cell, palette),
            ]
        )
    return lines


def course_lines(
    values: Sequence[float | None], width: int, height: int, ceiling: float | None, palette: Palette
) -> list[list[Piece]]:
    """The last ``width`` values as an area of ``height`` lines of eight steps each; a gap is a dotted line."""
    shown: list[float | None] = [None] * max(0, width - len(values)) + list(values[-width:])
    top = ceiling if ceiling is not None else max((value for value in shown if value is not None), default=0.0)
    steps = [
        0 if value is None else max(1, round(min(1.0, value / top) * height * 8)) if top > 0 else 1 for value in shown
    ]
    area, gap = palette.part("spark"), palette.part("rule")
    lines: list[list[Piece]] = []
    for line in range(height - 1, -1, -1):
        pieces: list[Piece] = []
        for step in steps:
            here = max(0, min(8, step - 8 * line))
            pieces.append(("·", gap) if step == 0 and line == 0 else (_EIGHTHS[here], area))
        lines.append(pieces)
    return lines
