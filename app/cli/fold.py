"""What many targets said, for people: a heading per fold, then the text that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.cli.output import painted
from app.column import Token, clean
from app.fold import Fold
from app.job import Ended


def fold_lines(folds: Sequence[Fold], *, color: bool, width: int | None) -> Iterator[str]:
    """A heading with the targets, then what they all said."""
    for one in folds:
        yield _heading(one, color, width)
        for text in (one.stdout, one.stderr):
            yield from (_plain(line) for line in text.splitlines())


def _heading(one: Fold, color: bool, width: int | None) -> str:
    who = clean(", ".join(one.ids))
    count = f" ({len(one.ids)})" if len(one.ids) > 1 else ""
    how = "" if one.ended is Ended.DONE else f": {ending(one.ended, one.exit_code, one.message)}"
    line = f"── {who}{count}{how} "
    line += "─" * max(2, min(width or 72, 100) - len(line))
    return painted(line, Token.OK if one.ended is Ended.DONE else Token.CRIT, color=color)


def ending(ended: Ended, exit_code: int, message: str) -> str:
    """How something ended, in words: ``failed, exit 3: no such unit``."""
    words = str(ended)
    if ended is Ended.FAILED:
        words += f", exit {exit_code}"
    return f"{words}: {clean(message)}" if message and message != words else words


def _plain(line: str) -> str:
    return clean(line.replace("\t", "    ")) if "\t" in line else clean(line)


__all__ = ["ending", "fold_lines"]
