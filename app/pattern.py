"""Regular expressions typed by an operator: refused in words, and none that could run for ever."""

from __future__ import annotations

import re

from app.errors import ConfigurationError

LONGEST = 2000
"""Characters of a text that are looked at; more would let one line from outside hold up everything else."""

_LEADING = re.compile(r"(?:\.\*)+(?![?+*{])")


def compiled(typed: str, *, flags: re.RegexFlag = re.NOFLAG, where: str = "") -> re.Pattern[str]:
    """A pattern to search with; capitals make it case-sensitive.

    Raises ConfigurationError, with the place of the mistake, for what is no regular expression and for a repeat of
    repeats.
    """
    if repeats_repeats(typed):
        raise ConfigurationError(
            f"'{typed}' repeats a repeat and could run for ever", where=where, todo="write it without the outer repeat"
        )
    if not any(char.isupper() for char in typed):
        flags |= re.IGNORECASE
    try:
        re.compile(typed, flags)  # as typed, so that the place of a mistake is right
        # What may begin anywhere need not begin with anything: searching is quadratic in it for nothing.
        return re.compile(_LEADING.sub("", typed, count=1) if _LEADING.match(typed) else typed, flags)
    except re.error as error:
        place = "" if error.pos is None else f" at character {error.pos + 1}"
        raise ConfigurationError(
            f"'{typed}' is no regular expression: {error.msg}{place}", where=where, todo="finish or correct it"
        ) from None
    except (RecursionError, OverflowError) as error:
        raise ConfigurationError(f"'{typed[:60]}' is no regular expression: {error}", where=where) from None


def repeats_repeats(body: str) -> bool:
    r"""Whether a repeated group holds a repeat, as in ``(a+)+``: such patterns can take exponential time."""
    repeats_inside = [False]
    in_set = False
    at = 0
    while at < len(body):
        char = body[at]
        if char == "\\":
            at += 2
            continue
        if in_set:
            in_set = char != "]"
        elif char == "[":
            in_set = True
        elif char == "(":
            repeats_inside.append(False)
        elif char == ")" and len(repeats_inside) > 1:
            held = repeats_inside.pop()
            if held and body[at + 1 : at + 2] in ("*", "+", "{"):
                return True
            repeats_inside[-1] = repeats_inside[-1] or held
        elif char in "*+{":
            repeats_inside[-1] = True
        at += 1
    return False


__all__ = ["LONGEST", "compiled", "repeats_repeats"]
