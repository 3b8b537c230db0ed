"""Importing httpx off the event loop, once, and keeping it from writing addresses into the log."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import sys

_LATER = ("httpcore._backends.anyio", "anyio.streams.tls", "anyio._backends._asyncio")
"""What httpx would import on the event loop, with its first connection."""
_done = False


async def import_httpx() -> None:
    """Have httpx imported; takes some tenths of a second the first time, in a thread."""
    if not _done or "httpx" not in sys.modules:
        await asyncio.to_thread(_import)


def _import() -> None:
    global _done
    for name in ("httpx", "httpcore"):
        importlib.import_module(name)
        # At INFO and DEBUG they write down each request's URL and the answer's headers, cookies among them.
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _LATER:
        with contextlib.suppress(ImportError):  # their own business, and found where it is wanted otherwise
            importlib.import_module(name)
    _done = True
