"""Importing asyncssh without the compiler.

While it is imported, asyncssh looks for two optional libraries with ``ctypes.util.find_library``, which runs ldconfig
and then gcc, ld and objdump for each spelling of their names: processes that nobody asked for, and half as long again.
The dynamic linker's own cache says at once whether such a library is installed at all.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

CACHE = Path("/etc/ld.so.cache")
"""glibc's list of every library it finds; other systems have none and are asked as usual."""

_one_at_a_time = threading.Lock()
"""Many links open at once, each in a thread of its own."""


def import_asyncssh() -> None:
    """Import it, in whatever thread; does nothing where it is imported already."""
    with _one_at_a_time:
        if "asyncssh" in sys.modules:
            return
        asks = ctypes.util.find_library
        ctypes.util.find_library = _quick(asks)
        try:
            import asyncssh  # noqa: F401  # pyright: ignore[reportUnusedImport]
        finally:
            ctypes.util.find_library = asks


def _quick(asks: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """The same answers, at once where the linker knows no library of that name."""

    def find(name: str) -> str | None:
        try:
            known = CACHE.read_bytes()
        except OSError:
            return asks(name)
        if os.environ.get("LD_LIBRARY_PATH") or f"lib{name}.so".encode() in known:
            return asks(name)
        return None

    return find


__all__ = ["import_asyncssh"]
