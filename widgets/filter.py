"""What is typed after ``/``: a regular expression, ``!`` for its opposite, ``-f`` for letters in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import QuarterdeckError
from app.pattern import repeats_repeats


class BadFilter(QuarterdeckError):
    """What was typed is no filter; nothing changes until it is."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A test of a row's text: its cells, name, id and tags, one per line."""

    typed: str
    matches: Callable[[str], bool]

    @property
    def empty(self) -> bool:
        """Whether it lets everything pass."""
        return not self.typed


def _everything(text: str) -> bool:
    return True


EVERYTHING = RowFilter("", _everything)


def parse(typed: str) -> RowFilter:
    """Read what was typed; capitals make it case-sensitive. ``^`` and ``$`` stand at the ends of every cell.

    Raises ``BadFilter`` for something that is no regular expression, or one that could run for ever.
    """
    said = typed.strip()
    inverse = said.startswith("!")
    body = said[1:].lstrip() if inverse else said
    if body in ("", "-f"):
        return RowFilter("", _everything)
    test = _fuzzy("".join(body[3:].split())) if body.startswith("-f ") else _regular(body)
    return RowFilter(said, (lambda text: not test(text)) if inverse else test)


def _regular(body: str) -> Callable[[str], bool]:
    if repeats_repeats(body):
        raise BadFilter("a repeat of repeats can run for ever", where=f"/{body}", todo="write it without the outer one")
    try:
        pattern = re.compile(body, re.MULTILINE if any(c.isupper() for c in body) else re.MULTILINE | re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadFilter(f"not a regular expression: {error}", where=f"/{body}", todo="finish or correct it") from error
    search = pattern.search
    return lambda text: search(text) is not None


def _fuzzy(letters: str) -> Callable[[str], bool]:
    """Letters in this order within one cell, anything between them."""
    sensitive = any(c.isupper() for c in letters)

    def test(text: str) -> bool:
        lines = (text if sensitive else text.lower()).split("\n")
        return any(_in_order(letters, line) for line in lines)

    return test


def _in_order(letters: str, line: str) -> bool:
    at = 0
    for letter in letters:
        at = line.find(letter, at) + 1
        if at == 0:
            return False
    return True
