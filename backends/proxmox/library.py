"""Importing httpx off the event loop, once, and keeping it from writing addresses into the log."""

from __future__ import annotations

import asyncio
import logging
import sys


async def import_httpx() -> None:
    """Have httpx imported; takes a tenth of a second the first time, in a thread."""
    if "httpx" not in sys.modules or "httpcore" not in sys.modules:
        await asyncio.to_thread(_import)


def _import() -> None:
    import httpcore  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import httpx  # noqa: F401  # pyright: ignore[reportUnusedImport]

    for name in ("httpx", "httpcore"):
        # At INFO and DEBUG they write down each request's URL and the answer's headers, cookies among them.
        logging.getLogger(name).setLevel(logging.WARNING)
