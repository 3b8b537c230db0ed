"""A node's storage pools as rows: asked for now and then, beside the guests."""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import BadAnswer
from app.fleet import Ref
from backends.kinds.storage import Storage
from backends.libvirt.markup import NotXml, document
from backends.libvirt.session import Looks

EVERY_S = 60.0
"""Between two looks; libvirt itself counts anew only when a pool is refreshed or used."""
_MOST = 200


async def pools(session: Looks, node: str) -> tuple[Storage, ...]:
    """The pools of a node, by name. A node whose libvirt has no storage driver has none."""
    every, active = await session.ask("pool-list --all --uuid", "pool-list --uuid")
    if every.startswith("error: ") or active.startswith("error: "):
        return ()
    there = [line.strip() for line in every.split("\n") if line.strip()][:_MOST]
    running = set(active.split())
    if not there:
        return ()
    told = await session.ask(*(f"pool-dumpxml {uuid}" for uuid in there))
    rows = [
        pool(said, node, available=uuid in running)
        for uuid, said in zip(there, told, strict=True)
        if not said.startswith("error: ")
    ]
    return tuple(sorted(rows, key=lambda row: row.name))


def pool(text: str, node: str, *, available: bool) -> Storage:
    """A row of ``virsh pool-dumpxml``; raises BadAnswer."""
    if "<!" in text:
        raise BadAnswer("a storage pool's description cannot be read")
    try:
        root = document(text)
    except NotXml:
        raise BadAnswer("a storage pool's description cannot be read") from None

    def size(tag: str) -> int | None:
        said = root.findtext(tag) or ""
        return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else None

    total, left = size("capacity"), size("available")
    name = root.findtext("name") or ""
    return Storage(
        id=f"{node}/{name}",
        name=name,
        source=node,
        state="available" if available else "inactive",
        parent=Ref("node", node),
        type=root.get("type", ""),
        host=node,
        content=("images",),
        used_bytes=None if total is None or left is None or not available else max(0, total - left),
        total_bytes=total if available else None,
    )


def same(old: Sequence[Storage], new: Sequence[Storage]) -> tuple[Storage, ...]:
    """``new`` with the objects of ``old`` where they say the same."""
    known = {row.id: row for row in old}
    return tuple(known[row.id] if known.get(row.id) == row else row for row in new)
