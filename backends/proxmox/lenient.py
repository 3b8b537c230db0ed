"""Values of Proxmox's answers, whatever type they came in: a vmid is a number or a text, absent is much like null.

None of these raises. What a value cannot be read as is ``None`` (or empty), which rows show as unknown.
"""

from __future__ import annotations

import math
from typing import Any, cast


def whole(value: Any) -> int | None:
    """A whole number: ``101``, ``"101"``, ``101.0``."""
    if type(value) is int:
        return value
    number = real(value)
    return None if number is None else int(number)


def real(value: Any) -> float | None:
    """A number, not a boolean, and neither infinite nor none at all."""
    if type(value) is not float:  # most are numbers already, and a large cluster has thousands of them at each look
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
    elif math.isfinite(value):
        return value
    try:
        if isinstance(value, str) and len(value) > 32:
            return None
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def size(value: Any) -> int | None:
    """Bytes: a whole number that is not below zero."""
    number = whole(value)
    return number if number is not None and number >= 0 else None


def flag(value: Any) -> bool:
    """A switch: ``1``, ``"1"``, ``true`` are on; ``0``, ``""``, ``null`` and what nobody can read are off."""
    return value is True or value in (1, "1", "true", "yes", "on")


def text(value: Any) -> str:
    """A text as it came; numbers as they are written, anything else empty."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def mapping(value: Any) -> dict[str, Any]:
    """An object; empty where it is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; what is no object in it is left out."""
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[Any]", value) if isinstance(one, dict)]


def words(value: Any) -> tuple[str, ...]:
    """A list within a text, parted by ``;``, ``,`` or blanks, as Proxmox parts tags and kinds of content."""
    parts = text(value).replace(";", " ").replace(",", " ").split()
    return tuple(dict.fromkeys(parts))
