"""What an empty pane says: what would fill it and the key that does it, or why its rows are hidden."""

from __future__ import annotations

from rich.cells import cell_len
from textual.strip import Strip

from app.column import Token, clean
from widgets.fit import fit_text
from widgets.palette import Palette
from widgets.pieces import strip_of
from widgets.view_state import ViewState


def empty_words(state: ViewState) -> tuple[str, str]:
    """Two lines: what is missing, and what to do about it."""
    if not state.rows:
        return state.kind.empty
    count = f"{len(state.rows)} {state.kind.plural if len(state.rows) > 1 else state.kind.noun}"
    if not state.filter.empty:
        also = " and no fault" if state.faults_only else ""
        return f"None of {count} matches /{clean(state.filter.typed)}{also}.", "esc takes the filter away"
    return f"None of {count} is in trouble.", "ctrl-z shows all again"


def empty_lines(state: ViewState, width: int, height: int, palette: Palette) -> list[Strip]:
    """The two lines in the upper third of an empty table."""
    above = max(0, min(height - 2, height // 3))
    lines = [strip_of((), width)] * above
    for words, token in zip(empty_words(state), (Token.TEXT, Token.MUTED), strict=True):
        left = max(1, (width - cell_len(words[:width])) // 2)
        lines.append(strip_of([(" " * left + fit_text(words, max(1, width - left)), palette[token])], width))
    return lines
