"""Stopping what a cluster does: ``task_stop``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.column import clean
from app.errors import BadAnswer, ConfigurationError, Missing, QuarterdeckError, Refused
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.proxmox import wire
from backends.proxmox.cluster import clusters_of
from backends.proxmox.tasks import state
from backends.proxmox.upid import TaskEnd, Upid
from backends.proxmox.verbs import privileges
from backends.proxmox.verbs.acting import Acting
from backends.proxmox.verbs.privileges import Need

if TYPE_CHECKING:
    from backends.proxmox.client import Client

HALF_DONE = frozenset(
    {"qmrollback", "qmdelsnapshot", "qmdestroy", "vzrollback", "vzdelsnapshot", "vzdestroy", "qmtemplate", "resize"}
)
"""Types of tasks that leave a mess when they are cut short."""
STOP_S = 60.0
"""Seconds that a task is given to end after it was told to."""
_LOOK_S = 0.5


class TaskVerbs(Acting):
    """What runs there, whoever began it."""

    async def task_stop(self, upid: str) -> Plan:
        """Stop a task that runs."""
        try:
            task = Upid.parse(upid)
        except BadAnswer as error:
            todo = "it reads UPID:node:…:, as quarterdeck vm tasks lists it"
            raise ConfigurationError(error.what, where="UPID", todo=todo) from None
        client = await self._cluster_of(task)
        self.may_change(client.name, task.node)
        whose = task.user.partition("!")[0]
        needs = [] if whose == client.user.partition("!")[0] else [Need(wire.path("nodes", task.node), ("Sys.Modify",))]
        held = await privileges.check(client, needs, where=client.name)
        path = task.path()

        async def run(report: Report) -> Result:
            ended = await state(client, task.text)
            if ended is not None:
                raise Refused(f"it has ended meanwhile ({ended})", where=task.text)
            await client.delete(path)
            try:
                async with asyncio.timeout(STOP_S):
                    while await state(client, task.text) is None:
                        await asyncio.sleep(_LOOK_S)
            except TimeoutError:
                return Result(1, f"it was told to stop and has not within {STOP_S:.0f} s")
            return Result(0, "stopped", {"upid": task.text})

        what = f"{clean(task.type)} {clean(task.id)}".strip()
        notes = [f"{what} on {task.node}, begun by {clean(task.user)}"]
        if task.type in HALF_DONE:
            notes.append(
                "half done it leaves the guest locked; only root on its node takes such a lock away: qm unlock"
            )
        running = ("it runs", True, f"as process {task.pid} on {task.node}")
        return Plan(Step(Ref("vm", ""), f"DELETE {path}", run), notes=notes, preconditions=[running, *held])

    async def _cluster_of(self, task: Upid) -> Client:
        """The cluster that runs a task; raises Refused for one that has ended, Missing for one that nobody knows."""
        failed: list[str] = []
        for cluster in clusters_of(self.context.inventory()):
            client = self.client(cluster.name)
            try:
                ended = await state(client, task.text)
            except QuarterdeckError as error:
                failed.append(f"{cluster.name}: {error.what}")
                continue
            if ended is None:
                return client
            how = {TaskEnd.OK: "well", TaskEnd.WARNING: "with warnings"}.get(ended, str(ended))
            raise Refused(f"it has ended already ({how})", where=cluster.name)
        raise Missing(f"nobody runs such a task: {'; '.join(failed)}", where=task.text, todo="see quarterdeck vm tasks")
