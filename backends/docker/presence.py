"""Whether a node has an engine at all: nothing is made for one without, until one is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.backend import Context, Emit
from backends.found import DOCKER, found


async def engine_there(
    context: Context,
    node: str,
    emit: Emit,
    nudge: asyncio.Event,
    *,
    also: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
) -> None:
    """Return where it is worth looking for a node's engine; elsewhere see ``backends.found.Found.wait_for``.

    At once where the node's ``docker`` key names a socket: what is not there then is a fault to be told.
    """
    entry = context.inventory().nodes.get(node)
    if entry is not None and entry.extra.get("docker") is None:
        await context.shared(found).wait_for(node, (DOCKER,), emit, nudge, also=also)
