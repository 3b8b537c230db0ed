"""The wallboard: few things, large, for people who walk past; a clock that moves, and tiles that cannot lie.

Pages take turns: the overview, then every kind, a long kind on several pages. Nothing here takes orders but the
page keys; what is not known any more is hatched and says since when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.strip import Strip

from app.column import MOOD_TOKENS, Cell, Token, clean, duration_text
from app.fleet import Fleet, Mood, Ref
from app.history import History
from app.kind import Kind, families, full_name
from widgets.digits import large
from widgets.fit import fit_text
from widgets.lines import Lines
from widgets.overview import WORRY, count_pieces, nothing_words
from widgets.palette import PLAIN, Palette
from widgets.pieces import Piece, padded, pieces_width, spread, strip_of, styled
from widgets.row_lines import RowLines
from widgets.summary import Busiest, Summary, Summing, Unread, Worst, name_room, names_of, summings
from widgets.view_state import ViewState

OVERVIEW = "overview"
_TILE = 42
_BETWEEN = 4
_HATCH = "╱"


class Wallboard(Lines, can_focus=True):
    """All pages of the wallboard; ``tick`` moves its clock and turns its pages."""

    DEFAULT_CSS = """
    Wallboard { width: 1fr; height: 1fr; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,pagedown,space,tab", "turn(1)", "next page", id="wallboard.next", show=False),
        Binding("left,pageup", "turn(-1)", "page before", id="wallboard.before", show=False),
    ]

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        history: History,
        *,
        pages: Sequence[str] = (),
        rotate: float = 15.0,
        clock: Callable[[], str] = lambda: time.strftime("%H:%M:%S"),
        label: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """``pages``: ``overview`` and plurals or nouns of kinds; where empty, all kinds that have a number.

        ``rotate``: seconds each. ``label`` stands beside the clock on every page: that the fleet is a pretended one.
        """
        super().__init__(id=id, classes=classes)
        self._clock = clock
        self._label = label
        self._rotate = max(1.0, rotate)
        numbered = [family[0] for family in families(kinds)]
        self._summings = summings(families(kinds))
        self._behind = [Summing(kind) for kind in kinds if kind not in numbered]
        self._states = {kind.noun: ViewState(kind) for kind in kinds}
        self._rows = {kind.noun: RowLines(kind, history) for kind in kinds}
        known = {OVERVIEW: OVERVIEW} | {kind.noun: kind.noun for kind in kinds} | {k.plural: k.noun for k in kinds}
        chosen = [known[page] for page in pages if page in known]
        self._names = chosen or [OVERVIEW, *(kind.noun for kind in numbered)]
        self._page = 0
        self._part = 0
        self._parts = 1
        self._each = 0
        """Rows on the page that is up."""
        self._turned_at: float | None = None
        self._fleet = Fleet()
        self._now = 0.0

    def ask_unread(self, unread: Unread) -> None:
        """Whom to ask for what cannot be read."""
        for summing in (*self._summings, *self._behind):
            summing.unread = unread

    def show(self, fleet: Fleet, now: float) -> None:
        """Take a newer fleet; the latest one wins."""
        self._fleet, self._now = fleet, now
        for state in self._states.values():
            state.take(fleet, now)
        self.redraw()

    def tick(self, now: float) -> None:
        """A second passed: move the clock, let ages grow, turn the page when it is time."""
        self._now = now
        if self._turned_at is None:
            self._turned_at = now
        if now - self._turned_at >= self._rotate:
            self.action_turn(1)
        self.redraw()

    @property
    def page(self) -> str:
        """Which page is up: ``overview`` or a noun."""
        return self._names[self._page]

    def refs_shown(self) -> frozenset[Ref]:
        """The rows on the page that is up."""
        state, first = self._states.get(self.page), self._part * self._each
        return frozenset(row.ref for row in state.order[first : first + self._each]) if state else frozenset()

    def action_turn(self, pages: int) -> None:
        """Go on to the next page, or back."""
        self._turned_at = self._now
        part = self._part + pages
        if 0 <= part < self._parts:
            self._part = part
        else:
            self._page = (self._page + pages) % len(self._names)
            self._part = 0
        self.redraw()

    # drawing

    def draw(self, width: int, height: int) -> list[Strip]:
        """The page that is up."""
        scale = 2 if width >= 150 and height >= 40 else 1
        if self.page == OVERVIEW or height < 12:
            self._part, self._parts = 0, 1
            return self._tiles(width, height, scale)
        return self._kind_page(self.page, width, height, scale)

    def _heading(self, left: list[list[Piece]], width: int, scale: int) -> list[Strip]:
        """The clock at the right, large, with something beside it; where it is narrow, small."""
        palette = self.palette
        if self._label:
            said: Piece = (clean(self._label).upper(), palette[Token.WARN])
            left = [[said, ("  ", PLAIN), *(left[0] if left else [])], *left[1:]]
        digits = large(self._clock(), scale)
        if width < len(digits[0]) + 24:
            return [spread(left[0] if left else [], [(f"{self._clock()} ", palette.part("clock"))], width)]
        lines: list[Strip] = []
        for y, row in enumerate(digits):
            beside = left[y] if y < len(left) else []
            lines.append(spread([(" ", PLAIN), *beside], [(f"{row} ", palette.part("clock"))], width))
        return [strip_of((), width), *lines]

    def _tiles(self, width: int, height: int, scale: int) -> list[Strip]:
        palette = self.palette
        alone = len(self._summings) == 1
        figures = self._summings[0].busiest(self._fleet, 3, 1) if alone else ()
        count = len(self._summings) + len(figures)
        across = max(1, min(4 if alone else 3, count, (width - 2) // _TILE))
        down = -(-count // across)
        across = -(-count // down)
        lines = [*self._heading([], width, scale), strip_of((), width)] if height >= 12 else []
        stale, age = False, list[Piece]()
        tile_width = (width - 2 - _BETWEEN * (across - 1)) // across
        for band in range(down):
            tall = max(1, (height - len(lines)) // (down - band))
            tiles: list[list[list[Piece]]] = []
            for number in range(band * across, min(count, (band + 1) * across)):
                if number < len(self._summings):
                    summary = self._summings[number].sum(self._fleet, self._now, tall)
                    tiles.append(_tile(summary, tile_width, tall - 1, scale, palette))
                    stale, age = summary.stale, _age(summary, palette)
                else:
                    figure = figures[number - len(self._summings)]
                    tiles.append(_figure_tile(figure, tile_width, tall - 1, scale, stale, age, palette))
            for y in range(tall):
                pieces: list[Piece] = [("  ", PLAIN)]
                for tile in tiles:
                    line = tile[y] if y < len(tile) else []
                    pieces += [*line, (" " * (tile_width - pieces_width(line) + _BETWEEN), PLAIN)]
                lines.append(strip_of(pieces, width))
        return lines[:height]

    def _kind_page(self, noun: str, width: int, height: int, scale: int) -> list[Strip]:
        """The rows of one kind, worst first, as many pages as they need, a blank line between where there is room."""
        palette = self.palette
        state, rows = self._states[noun], self._rows[noun]
        summings = [*self._summings, *self._behind]
        summary = next(one for one in summings if one.kind.noun == noun).sum(self._fleet, self._now, 0)
        head = self._heading(_headline(summary, palette), width, scale)
        room = height - len(head) - 3
        apart = 2 if len(state.order) * 2 <= room else 1
        each = self._each = max(1, room // apart)
        self._parts = max(1, -(-len(state.order) // each))
        self._part = min(self._part, self._parts - 1)
        rows.measure_names(state.rows)
        rows.fit(width)
        lines = [*head, strip_of((), width), rows.header(width, None, palette)]
        for row in state.order[self._part * each : (self._part + 1) * each]:
            lines.append(rows.line(row, state, self._now, width, palette))
            lines += [strip_of((), width)] * (apart - 1)
        if not state.order:
            style = palette[Token.WARN if summary.unread else Token.MUTED]
            lines += [strip_of([("   ", PLAIN), (words, style)], width) for words in nothing_words(summary)]
        if self._parts > 1:
            lines += [strip_of((), width)] * (height - 1 - len(lines))
            turn = f"{self._part + 1} / {self._parts} "
            lines.append(spread([], [(turn, palette[Token.MUTED])], width))
        return lines[:height]


def _headline(summary: Summary, palette: Palette) -> list[list[Piece]]:
    """Name, counts and age of a kind, as lines beside the clock."""
    title = palette[Token.STALE if summary.stale else Token.TITLE]
    lines: list[list[Piece]] = [[], [(_spaced(summary.kind.plural), title)], count_pieces(summary, palette)]
    lines.append(_age(summary, palette))
    return lines


def _spaced(words: str) -> str:
    return " ".join(words.upper())


def _age(summary: Summary, palette: Palette) -> list[Piece]:
    """How old a tile's news is; a stale one says so first."""
    if summary.age is None:
        return [("no news yet", palette[Token.MUTED])]
    age = duration_text(summary.age)
    if summary.stale:
        return [(f"{Mood.STALE.glyph} stale {age}", palette[Token.STALE])]
    return [(f"{age} ago", palette[Token.MUTED])]


def _tile(summary: Summary, width: int, height: int, scale: int, palette: Palette) -> list[list[Piece]]:
    """Name and age, how many of how many are well in large digits, and the worst by name; stale ones are hatched."""
    stale = summary.stale
    title = palette[Token.STALE if stale else Token.TITLE]
    age = _age(summary, palette)
    name = _spaced(summary.kind.plural)
    head: list[Piece] = [(name, title), ("   ", PLAIN), *age]
    if not summary.count:
        style = palette[Token.WARN if summary.unread else Token.MUTED]
        words = [[(fit_text(said, width), style)] for said in nothing_words(summary)]
        return [head, [], *words][:height]
    well = summary.moods[Mood.UP] + summary.moods[Mood.BUSY]
    worst = summary.worst_mood
    colour = palette[Token.STALE if stale else MOOD_TOKENS[worst]]
    text = f"{well}/{summary.count - summary.moods[Mood.MUTED]}"
    digits = large(text, scale)
    if len(digits[0]) > width:
        digits = large(text, 1)
    trouble = [one for one in summary.worst if one.worry.score >= 100]
    lines: list[list[Piece]] = [head, []]
    if height >= len(digits) + (6 if trouble else 3):  # rather small digits than nobody named
        lines += [_hatched(row, width, colour, palette) if stale else [(row, colour)] for row in digits]
        lines.append([])
    else:
        lines[1] = [(text, colour)]
    lines.append(count_pieces(summary, palette) if not stale else [(_HATCH * width, palette.part("rule"))])
    lines.append([])
    named = trouble or list(summary.worst)
    apart = 2 if len(named) * 2 <= height - len(lines) else 1
    named = named[: max(0, (height - len(lines)) // apart)]
    name_width = name_room(named, width - 4, WORRY)
    for one, called in zip(named, names_of(named, name_width), strict=True):
        lines.append(_worst_line(one, called, name_width, width, stale, palette))
        lines += [[]] * (apart - 1)
    return lines[:height]


def _figure_tile(
    figure: Busiest, width: int, height: int, scale: int, stale: bool, age: Sequence[Piece], palette: Palette
) -> list[list[Piece]]:
    """The mean of one figure of a kind in large digits, how old that is, and where it is highest."""
    share = any("%" in cell.text for _, cell in figure.rows)
    title = palette[Token.STALE if stale else Token.TITLE]
    mean = "-" if figure.mean is None else f"{figure.mean:.0f}{'%' if share else ''}"
    digits = large(mean, scale)
    if len(digits[0]) > width or height < len(digits) + 4:
        digits = [mean]
    colour = palette[Token.STALE] if stale else palette[Token.TEXT]
    head: list[Piece] = [(_spaced(figure.column.title), title), ("   mean   ", palette[Token.MUTED]), *age]
    lines: list[list[Piece]] = [head, []]
    lines += [_hatched(row, width, colour, palette) if stale else [(row, colour)] for row in digits]
    lines.append([])
    cell_width = min(figure.column.width, width - 10)
    name = min(max((len(full_name(row)) for row, _ in figure.rows), default=0), width - cell_width - 2)
    for row, cell in figure.rows:
        shown = Cell(cell.text, Token.STALE) if stale else cell
        lines.append(
            [
                *padded(
                    fit_text(clean(full_name(row)[:200]), name), palette[Token.STALE] if stale else palette.part("name")
                ),
                ("  ", PLAIN),
                *styled(fit_text(shown.text, cell_width, figure.column.align), shown, palette),
            ]
        )
    return lines[:height]


def _hatched(row: str, width: int, colour: Any, palette: Palette) -> list[Piece]:
    """Large digits with the hatch that says that they are old."""
    return [(row, colour), (" ", PLAIN), (_HATCH * max(0, width - len(row) - 1), palette.part("rule"))]


def _worst_line(one: Worst, called: str, name: int, width: int, stale: bool, palette: Palette) -> list[Piece]:
    grey = stale or one.mood is Mood.STALE
    aside = f"   {one.age}" if one.age else ""
    room = max(0, width - name - 4 - len(aside))
    words = fit_text(clean(one.worry.text[:400]), room).rstrip()
    return [
        (f"{one.mood.glyph} ", palette[Token.STALE] if grey else palette[MOOD_TOKENS[one.mood]]),
        *padded(fit_text(called, name), palette[Token.STALE] if grey else palette.part("name")),
        ("  ", PLAIN),
        *styled(words, Cell("", Token.STALE if grey else one.worry.token), palette),
        (aside, palette[Token.STALE]),
    ]
