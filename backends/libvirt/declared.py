"""What hosts.yaml says of a node's libvirt, typed.

A connection is one on the node itself: the way to the node is the node's own.
"""

from __future__ import annotations

import re
from typing import Any

from app.inventory.model import NodeEntry

SYSTEM = "qemu:///system"
_DRIVERS = "qemu|xen|lxc|bhyve|vz|test"
_LOCAL = re.compile(rf"(?:{_DRIVERS})(?:\+unix)?:///[a-z]+(?:\?socket=/[\w./@+-]+)?")


def check_uri(text: str) -> None:
    """A connection as libvirt calls it; raises ValueError in words."""
    if _LOCAL.fullmatch(text):
        return
    if re.match(r"[a-z]+(\+[a-z]+)?://[^/]", text):
        raise ValueError("it names another host: say qemu:///system at that host's own node")
    raise ValueError("not a connection on the node itself: qemu:///system, qemu:///session, or false")


def declared(entry: NodeEntry) -> bool:
    """Whether libvirt must be there, so that its absence is a fault and not just nothing to show."""
    return isinstance(_said(entry), str)


def uri_of(entry: NodeEntry) -> str | None:
    """The connection to ask: the one declared, the system's where nothing is said; ``None`` where none is wanted."""
    said = _said(entry)
    if isinstance(said, str):
        return said if _LOCAL.fullmatch(said) else None
    return None if said is False else SYSTEM


def _said(entry: NodeEntry) -> Any:
    return entry.extra.get("libvirt")
