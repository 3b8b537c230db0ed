"""What guests may be called, and the names and numbers of several that are made at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from app.column import clean
from app.errors import ConfigurationError

MOST = 200
"""Guests made by one command."""
FIRST_ID, LAST_ID = 100, 999_999_999
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_TAG = re.compile(r"[a-z0-9_][a-z0-9_+.-]*")


def check_name(name: str, *, where: str = "--name") -> str:
    """A guest's name as Proxmox takes it, which is a host name; raises ConfigurationError for any other."""
    labels = name.split(".")
    if len(name) <= 253 and all(len(label) <= 63 and _LABEL.fullmatch(label) for label in labels):
        return name
    what = f"'{clean(name)}' is no name for a guest"
    near = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")
    hint = f"; {near} would do" if near and near != name and len(near) <= 63 else ""
    raise ConfigurationError(what, where=where, todo=f"it is a host name: letters, digits, - and dots{hint}")


def check_vmid(vmid: int, *, where: str = "--vmid") -> int:
    """A guest's number; raises ConfigurationError outside of what Proxmox gives."""
    if not FIRST_ID <= vmid <= LAST_ID:
        raise ConfigurationError(f"{vmid} is no number of a guest", where=where, todo=f"from {FIRST_ID} to {LAST_ID}")
    return vmid


def check_tags(tags: Collection[str], *, where: str = "--tag") -> tuple[str, ...]:
    """Tags in small letters, each once, sorted as Proxmox keeps them; raises ConfigurationError for what is none."""
    found: set[str] = set()
    for tag in tags:
        one = tag.strip().lower()
        if not _TAG.fullmatch(one):
            todo = "letters, digits, _, -, + and dots, the first one a letter, a digit or _"
            raise ConfigurationError(f"'{clean(tag)}' is no tag", where=where, todo=todo)
        found.add(one)
    return tuple(sorted(found))


def numbered(prefix: str, count: int, taken: Collection[str]) -> tuple[str, ...]:
    """``count`` names ``prefix-1``, ``prefix-2`` …; those that are taken are passed over.

    Raises ConfigurationError for a prefix that makes no name and for a count nobody means.
    """
    if not 1 <= count <= MOST:
        raise ConfigurationError(f"{count} cannot be made at once", where="--count", todo=f"from 1 to {MOST}")
    check_name(f"{prefix}-{count + len(taken)}")
    used = {name.lower() for name in taken}
    names: list[str] = []
    number = 0
    while len(names) < count:
        number += 1
        if f"{prefix}-{number}".lower() not in used:
            names.append(f"{prefix}-{number}")
    return tuple(names)
