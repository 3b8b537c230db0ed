"""``node trust``: the host key, its fingerprint, and the line that would make it known."""

from __future__ import annotations

from backends.kinds.node import NodeVerbs


class TrustVerb(NodeVerbs):
    """Host keys."""
