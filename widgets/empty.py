"""What an empty pane says: what would fill it and the key that does it, or why its rows are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.cells import cell_len
from textual.strip import Strip

from app.column import Token, clean
from widgets.fit import fit_text
from widgets.palette import Palette
from widgets.pieces import strip_of
from widgets.view_state import ViewState

SHOWN = 5
"""So many sources are told of that cannot be read."""


def unread_words(unread: Sequence[tuple[str, str]], shown: int = SHOWN) -> list[str]:
    """Why there may be nothing: a line for each source that cannot be read, and one for those beyond ``shown``."""
    lines = [f"{clean(name[:48])}: {clean(why[:400])}" for name, why in unread[:shown]]
    return [*lines, f"and {len(unread) - shown} more that cannot be read"] if len(unread) > shown else lines


def empty_words(state: ViewState) -> tuple[str, ...]:
    """What is missing, and what to do about it: two lines, or one and what could not be read."""
    if not state.rows:
        return (state.kind.empty[0], *unread_words(state.unread)) if state.unread else state.kind.empty
    count = f"{len(state.rows)} {state.kind.plural if len(state.rows) > 1 else state.kind.noun}"
    if not state.filter.empty:
        also = " and no fault" if state.faults_only else ""
        return f"None of {count} matches /{clean(state.filter.typed)}{also}.", "esc takes the filter away"
    return f"None of {count} is in trouble.", "ctrl-z shows all again"


def empty_lines(state: ViewState, width: int, height: int, palette: Palette) -> list[Strip]:
    """The lines in the upper third of an empty table; those that say why it may be empty begin below each other."""
    first, *rest = empty_words(state)
    amiss = bool(state.unread and not state.rows)
    if amiss:
        rest = [line for words in rest for line in wrap(words, max(20, width - 6), subsequent_indent="  ")[:3]]
    together = max(map(cell_len, rest), default=0) if amiss else 0
    above = max(0, min(height - 1 - len(rest), height // 3))
    lines = [strip_of((), width)] * above
    for words, token in ((first, Token.TEXT), *((line, Token.WARN if amiss else Token.MUTED) for line in rest)):
        left = max(1, (width - (together if amiss and words is not first else cell_len(words[:width]))) // 2)
        lines.append(strip_of([(" " * left + fit_text(words, max(1, width - left)), palette[token])], width))
    return lines
