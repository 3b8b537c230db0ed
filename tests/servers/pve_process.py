"""The process in which the Proxmox peers of one test run live: JSON lines in, JSON lines out.

Started by ``tests.servers.fakepve`` as ``python -m tests.servers.pve_process FOLDER``; this process alone imports
fakepve. It ends when its input does, so it cannot outlive the tests. A line is
``{"peer": 1, "do": "add_vm", "with": {…}}`` and is answered by
``{"ok": …}`` or ``{"error": "…"}``; ``do`` names a method of ``Control``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, cast

from tests.servers.pve_base import certificates, official
from tests.servers.pve_control import Control, some_host
from tests.servers.pve_schema import Schema


def _schema(version: str) -> Schema:
    """The reference data's, or where there is none the copy that fakepve brings (a newer 9)."""
    found = Schema.read(version)
    return found if found is not None else Schema(official.load().paths)


async def _answer(line: bytes, peers: dict[int, Control], folder: Path) -> object:
    asked = cast("dict[str, Any]", json.loads(line))
    number, what, given = int(asked["peer"]), str(asked["do"]), cast("dict[str, Any]", asked.get("with") or {})
    if what == "make":
        peers[number] = Control(_schema(given.pop("version")), folder / str(number), **given)
        return await _listening(peers[number])
    if what == "drop":
        await peers.pop(number).end()
        return None
    return await getattr(peers[number], what)(**given)


async def _listening(peer: Control) -> object:
    """Listen at an address of its own: 127.x.y.z on Proxmox's own port, so that no two peers ever meet."""
    for _ in range(20):
        peer.pve.host = some_host()
        peer.pve.port = 8006
        try:
            return await peer.start()
        except OSError:
            continue
    raise RuntimeError("no address is free")


async def _serve(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peers: dict[int, Control] = {}
    while line := await reader.readline():
        try:
            answer: dict[str, Any] = {"ok": await _answer(line, peers, folder)}
        except Exception as error:  # whatever a test asked for wrongly is the test's to hear
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for peer in peers.values():
        await peer.end()


if __name__ == "__main__":
    assert certificates is not None
    asyncio.run(_serve(Path(sys.argv[1])))
