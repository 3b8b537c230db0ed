"""Tasks that an earlier console began: found by their UPID, told of, and followed to their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.backend import Standing
from app.errors import Missing, QuarterdeckError
from app.fleet import Ref
from app.plan import Report, Result
from backends.proxmox.cluster import clusters_of
from backends.proxmox.on_cluster import OnCluster
from backends.proxmox.task_log import TaskLog, percent_of
from backends.proxmox.tasks import state, watched
from backends.proxmox.upid import TaskEnd, Upid, is_upid

if TYPE_CHECKING:
    from backends.proxmox.client import Client

_ENDED = {TaskEnd.OK: "OK", TaskEnd.WARNING: "with warnings", TaskEnd.ERROR: "with an error"}


class BegunTasks(OnCluster):
    """What runs on at the clusters whether anybody watches or not."""

    async def standing(self, handle: str, ref: Ref) -> Standing | None:
        """How a task stands; ``None`` for a handle that is no UPID, or that none of the clusters knows."""
        if not is_upid(handle):
            return None
        task = Upid.parse(handle)
        found = await self._knowing(task, ref)
        if found is None:
            return None
        client, ended = found
        what = f"{task.type} {task.id}".strip()
        if ended is not None:
            return Standing(f"{what} ended {_ENDED.get(ended, 'and nobody knows how')}", ended=True)
        share = await _share(client, task)
        return Standing(f"{what} runs{f', {share:.0f} %' if share is not None else ''}")

    async def rejoin(self, handle: str, ref: Ref, report: Report) -> Result:
        """Follow a task to its end; cancelling leaves it alone."""
        found = await self._knowing(Upid.parse(handle), ref)
        if found is None:
            raise Missing("none of the clusters knows that task", where=handle)
        client, _ = found
        return await watched(client, handle, report)

    async def _knowing(self, task: Upid, ref: Ref) -> tuple[Client, TaskEnd | None] | None:
        """The cluster that knows a task, and how that ended: the target's own, or whichever does."""
        names = [cluster.name for cluster in clusters_of(self.context.inventory())]
        own = ref.id.partition("/")[0]
        for name in [own] if own in names else names:
            client = self.client(name)
            try:
                return client, await state(client, task.text)
            except QuarterdeckError:
                continue
        return None


async def _share(client: Client, task: Upid) -> float | None:
    """How far a running task says that it is, in percent; ``None`` where its log does not tell."""
    try:
        lines = await TaskLog(client, task).more()
    except QuarterdeckError:
        return None
    return next((share for line in reversed(lines) if (share := percent_of(line)) is not None), None)
