"""``tasks`` and ``task-log``: what was done in the clusters, by whom, how it ended, and what it said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from app.column import clean
from app.errors import Missing, QuarterdeckError
from app.verb import Line, Rows, Stream
from backends.kinds import vm_lists
from backends.kinds.vm_lists import Task
from backends.kinds.vm_verbs import VmVerbs
from backends.proxmox import tasks, wire
from backends.proxmox.client import Client
from backends.proxmox.lenient import real, rows, text
from backends.proxmox.looking.backups import BackupViews
from backends.proxmox.looking.parts import WITHIN_S, each, listed, notes, tried, why
from backends.proxmox.task_log import TaskLog
from backends.proxmox.upid import Upid

EVERY_S = 10.0
FOLLOW_S = 1.0
"""Between two looks at the log of a task that runs."""
MOST_FAILURES = 5
"""So often in a row a log that is followed may be out of reach."""
MOST_TASKS = 500


class TaskViews(BackupViews, VmVerbs):
    """The history of clusters."""

    async def tasks(
        self, guest: str | None = None, *, cluster: str | None = None, limit: int = 50, errors: bool = False
    ) -> Rows:
        """Show what was done in the clusters: what runs first, then the newest."""
        vmid = None
        if guest:
            cluster, vmid = self.guest_meant(guest)
        limit = max(1, min(limit, MOST_TASKS))
        told = await asyncio.gather(*(self._tasks(one, vmid, limit, errors) for one in self.clusters_meant(cluster)))
        items = [one for found, _ in told for one in found]
        said = notes(*(note for _, note in told))
        return vm_lists.task_rows(items, said or ("" if items else "no tasks"), EVERY_S)

    async def _tasks(self, cluster: str, vmid: int | None, limit: int, errors: bool) -> tuple[list[Task], str]:
        layout = await tried(self.layout(cluster))
        if isinstance(layout, QuarterdeckError):
            return [], f"{cluster}: {why(layout)}"
        client = self.client(cluster)

        async def ask(node: str) -> list[Task]:
            found = await client.get(
                wire.path("nodes", node, "tasks"),
                source="all",
                limit=limit,
                vmid=vmid,
                errors=True if errors else None,
                within=WITHIN_S,
            )
            return [_task(cluster, node, row) for row in rows(found)]

        items: list[Task] = []
        failed: list[str] = []
        for node, answer in zip(layout.online, await each(ask, layout.online), strict=True):
            if isinstance(answer, QuarterdeckError):
                failed.append(f"{node} ({why(answer)})")
            else:
                items += answer
        if errors:
            items = [one for one in items if not one.good and not one.running]
        blind = [node for node in layout.online if client.may(f"/nodes/{node}", "Sys.Audit") is False]
        return items, notes(
            f"{cluster}: {listed(layout.offline)} is away" if layout.offline else "",
            f"{cluster}: not read: {listed(failed)}" if failed else "",
            f"{cluster}: only tasks of {client.user or 'this login'} itself, for it lacks Sys.Audit on"
            f" {'/nodes' if len(blind) == len(layout.online) else listed([f'/nodes/{one}' for one in blind])}"
            if blind
            else "",
        )

    async def task_log(self, upid: str) -> Stream:
        """Read the log of a task, and follow it while it runs."""
        task = Upid.parse(upid.strip())
        cluster, runs = await self.home_of_task(task)
        title = f"{clean(task.type)} {clean(task.id)}".strip()
        return Stream(_log(self.client(cluster), task, runs), f"{title} on {clean(task.node)} ({cluster})")

    async def home_of_task(self, task: Upid) -> tuple[str, bool]:
        """(cluster, whether it still runs) of a task; it names its node, and many a cluster has one of that name.

        Raises Missing where no cluster knows it, else what the one that should have known it said.
        """
        told = {name: await tried(tasks.state(self.client(name), task.text)) for name in self._homes(task.node)}
        for name, end in told.items():
            if not isinstance(end, QuarterdeckError):
                return name, end is None
        wrong = [one for one in told.values() if isinstance(one, QuarterdeckError) and not isinstance(one, Missing)]
        if wrong and len(wrong) == len(told):
            raise wrong[0]
        raise Missing("no cluster knows this task", where=clean(task.text), todo="quarterdeck vm tasks lists them")

    def _homes(self, node: str) -> list[str]:
        """The clusters in which a node of that name was seen; all of them where it was seen in none."""
        from backends.kinds.hypervisor import Hypervisor

        known = self.clusters_meant()
        seen = {one.source for one in self.context.fleet().of(Hypervisor) if one.name == node}
        return [one for one in known if one in seen] or list(known)


async def _log(client: Client, task: Upid, runs: bool) -> AsyncIterator[str | Line]:
    """The lines of a log, and those that come until the task is over; of a huge one the beginning is left out."""
    log, failed = TaskLog(client, task), 0
    while True:
        try:
            ended = not runs or await tasks.state(client, task.text) is not None
            lines = await log.more()  # after asking: what was written before it ended is in it
        except QuarterdeckError as error:
            failed += 1
            if failed >= MOST_FAILURES or not runs:
                yield Line(f"… {error}", error=True)
                return
            lines, ended = [], False
        else:
            failed = 0
        for line in lines:
            yield line
        if ended:
            return
        await asyncio.sleep(FOLLOW_S * (1 + failed))


def _task(cluster: str, node: str, row: Mapping[str, Any]) -> Task:
    ended, status = real(row.get("endtime")), text(row.get("status"))
    token = text(row.get("tokenid"))
    user = text(row.get("user"))
    return Task(
        upid=text(row.get("upid")),
        cluster=cluster,
        node=text(row.get("node")) or node,
        type=text(row.get("type")),
        guest=text(row.get("id")),
        user=f"{user}!{token}" if token and "!" not in user else user,
        started_at=real(row.get("starttime")),
        ended_at=ended,
        status="running" if ended is None and status.lower() in ("", "running") else status,
    )
