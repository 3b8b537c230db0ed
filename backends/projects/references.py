"""``${secret:NAME}`` and its like in the texts of an environment: found, and put in."""

from __future__ import annotations

import re
from collections.abc import Callable

_MARK = re.compile(r"\$\$|\$\{([^}]*)\}|\$")

WORDS = ("secret:NAME", "port:SERVICE", "host", "project")
"""What may stand between the braces."""


def found(text: str) -> list[tuple[str, str]]:
    """The references of a text: (``secret``, name), (``host``, ""), …; a dollar sign with nothing is ("", "")."""
    said: list[tuple[str, str]] = []
    for match in _MARK.finditer(text):
        if match[0] == "$$":
            continue
        what, _, name = (match[1] or "").partition(":")
        said.append((what, name))
    return said


def secrets(text: str) -> tuple[str, ...]:
    """The secrets that a text refers to."""
    return tuple(name for what, name in found(text) if what == "secret")


def filled(text: str, value: Callable[[str, str], str], literal: Callable[[str], str] = str) -> str:
    """A text with each reference replaced by ``value(what, name)`` and all else passed through ``literal``."""
    parts: list[str] = []
    at = 0
    for match in _MARK.finditer(text):
        parts.append(literal(text[at : match.start()]))
        what, _, name = (match[1] or "").partition(":")
        parts.append(literal("$") if match[0] == "$$" else value(what, name))
        at = match.end()
    parts.append(literal(text[at:]))
    return "".join(parts)
