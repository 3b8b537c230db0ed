"""How a call is written for Proxmox VE: paths from parts that may hold anything, and parameters as forms know them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode

from app.column import clean
from app.errors import BadAnswer

Params = Mapping[str, Any]

LONGEST_FORM = 512 << 10
"""Bytes of a form that the server takes (pve-http-server, AnyEvent.pm)."""

_NODE = re.compile(r"/nodes/([^/?]+)")


def path(*parts: str | int) -> str:
    """``/nodes/pve1/qemu/101`` of its parts, each escaped: a name from outside cannot lead elsewhere.

    Raises BadAnswer for a part that is empty or means another folder.
    """
    told = [str(part) for part in parts]
    for part in told:
        if part in ("", ".", ".."):
            raise BadAnswer(f"'{clean(part)}' cannot be part of a path of the API")
    return "".join(f"/{quote(part, safe='@!:', errors='replace')}" for part in told)


def node_of(path: str) -> str:
    """The node that a path names, empty where it names none."""
    found = _NODE.search(path)
    return clean(found[1]) if found else ""


def pairs(params: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Parameters as text: booleans as 0 and 1, a list repeated, ``None`` left out.

    A list is what the schema calls an array. What it calls a list within a string is joined with commas by the caller.
    """
    told: list[tuple[str, str]] = []
    for name, value in params:
        many = cast("Iterable[Any]", value) if isinstance(value, list | tuple) else (value,)
        told.extend((name, str(int(one)) if isinstance(one, bool) else str(one)) for one in many if one is not None)
    return told


def encoded(params: Iterable[tuple[str, Any]]) -> str:
    """Parameters as a form or query in one text; what is no Unicode becomes a question mark."""
    return urlencode(pairs(params), errors="replace")
