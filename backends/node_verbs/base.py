"""What the node verbs share: the link and the configuration of a target, and small facts about it."""

from __future__ import annotations

import shlex
from functools import cached_property
from typing import TYPE_CHECKING

from app.errors import BadAnswer, Missing
from app.plan import Proof
from backends.kinds.node import Node, NodeVerbs

if TYPE_CHECKING:
    from app.backend import Context
    from app.inventory.model import NodeEntry
    from app.link import Link

QUICK_S = 15.0
"""How long a question for a plan may take."""
LISTING_S = 120.0
"""How long listing packages may take: small boards read their lists slowly."""


class Linked(NodeVerbs):
    """Base of the verb families; mixed into a ``Backend``, which brings ``context``."""

    context: Context

    def link_of(self, node: Node) -> Link:
        """The node's one connection; not necessarily open."""
        return self.context.links.of(node.name)

    def entry_of(self, node: Node) -> NodeEntry:
        """The node as configured; raises Missing when it is no longer there."""
        entry = self.context.inventory().nodes.get(node.name)
        if entry is None:
            raise Missing("the node is no longer configured", where=node.name)
        return entry

    def reached(self, node: Node) -> Proof:
        """That the node can be logged in to, for a plan that was made without asking it."""
        link = self.link_of(node)

        async def look() -> str:
            await link.open()
            return f"logged in at {link.address}" if node.transport == "ssh" else "this machine"

        return Proof(node, f"{node.name} can be reached", look)

    @cached_property
    def _uids(self) -> dict[str, tuple[Link, int]]:
        return {}

    async def is_root(self, node: Node) -> bool:
        """Whether commands on the node run as root already; asked once per connection object."""
        link = self.link_of(node)
        known = self._uids.get(node.name)
        if known is None or known[0] is not link:
            said = await link.run("id -u", timeout=QUICK_S)
            word = said.text.strip()
            if not (word.isdecimal() and word.isascii()):
                raise BadAnswer("'id -u' does not say who we are there", where=node.name)
            known = (link, int(word))
            self._uids[node.name] = known
        return known[1] == 0


def tail(data: bytes | str) -> str:
    """The last line that says something, shortened: what a failed command gave as its reason."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def path_word(path: str) -> str:
    """A path as one shell word that no command can take for an option."""
    return shlex.quote(path if not path.startswith("-") else f"./{path}")
