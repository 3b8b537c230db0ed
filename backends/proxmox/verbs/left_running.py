"""Tasks that were begun without waiting for their end: what is queued behind them waits all the same.

Who leaves a clone or snapshot to the cluster has only the last of several left: side by side they would fail each
other on the lock of their storage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.errors import QuarterdeckError
from backends.proxmox.lanes import of_storages
from backends.proxmox.tasks import state

if TYPE_CHECKING:
    from app.plan import Report, Result
    from backends.proxmox.client import Client

_LOOK_S = 0.5


class LeftRunning:
    """What was left to one cluster, by the storage's lane it is in; other lanes wait at the cluster by themselves."""

    def __init__(self) -> None:
        self._tasks: dict[str, list[str]] = {}

    def add(self, lanes: Sequence[str], report: Report, result: Result) -> None:
        """Note a task that nobody waits for."""
        upid = result.data.get("upid")
        if not report.wait and upid:
            for lane in of_storages(lanes):
                self._tasks.setdefault(lane, []).append(str(upid))

    async def room(self, client: Client, lanes: Sequence[str], width: int, report: Report) -> None:
        """Wait until fewer than ``width`` of those in each lane are at work."""
        for lane in of_storages(lanes):
            waited = False
            while len(running := await self._running(client, lane)) >= width:
                if not waited:
                    report.log(f"waiting for {running[0]}: on one storage it goes one after the other")
                waited = True
                await asyncio.sleep(_LOOK_S)

    async def _running(self, client: Client, lane: str) -> list[str]:
        running: list[str] = []
        for upid in self._tasks.get(lane, ()):
            try:
                if await state(client, upid) is None:
                    running.append(upid)
            except QuarterdeckError:
                continue  # nobody knows of it: the storage's own lock is met by trying again
        self._tasks[lane] = running
        return running
