"""Tasks of the peer: they take their time, write logs line by line, end with warnings, are listed and stopped.

How long one takes is ``task_secs`` (PVE seconds by type); ``endings`` lets the next of a type end in another way.
"""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from tests.servers.pve_base import Call, FakePve, Listed, PveError, TaskError, answers

Body = Callable[[], Awaitable[Any]]
_WRAPPED: ContextVar[Callable[[Body], Body] | None] = ContextVar("wrapped", default=None)
_CURRENT: ContextVar[dict[str, Any] | None] = ContextVar("current", default=None)

TASKS = "/nodes/{node}/tasks"
_UPID = re.compile(r"UPID:([a-zA-Z0-9-]+):[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:\s]+:[^:\s]*:[^:\s]+:")
_GIB = 1024**3


def _outcome(task: dict[str, Any]) -> str:
    """What ``statusfilter`` calls how a task ended."""
    ended = str(task.get("exitstatus", ""))
    if ended == "OK":
        return "ok"
    if re.fullmatch(r"WARNINGS: \d+", ended):
        return "warning"
    return "unknown" if ended == "unexpected status" else "error"


class Tasks(FakePve):
    """Part of the peer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.task_secs = {
            "qmclone": 5.0,
            "vzdump": 6.0,
            "qmigrate": 5.0,
            "qmrestore": 5.0,
            "download": 4.0,
            "qmmove": 4.0,
        }
        """PVE seconds that a task of a type takes beside what its guest needs; one where it is not here."""
        self.endings: dict[str, list[dict[str, Any]]] = {}
        """Task type -> how the next ones end: ``{"error": text}``, ``{"warnings": n}``, ``{"lost": true}``."""

    def wrapping(self, wrapper: Callable[[Body], Body]) -> None:
        """Put something around the body of the task that this request is about to start."""
        _WRAPPED.set(wrapper)

    def say(self, line: str) -> None:
        """One more line in the log of the task that is running here."""
        current = _CURRENT.get()
        assert current is not None
        current["log"].append(line)

    async def task(
        self, node: str, ttype: str, tid: Any, user: str, body: Body, vm: Any = None, lock: bool = True, log: Any = ()
    ) -> str:
        """Start a task and return its UPID; with a time scale of 0 it has ended by then."""
        wrapper = _WRAPPED.get()
        if wrapper is not None:
            body = wrapper(body)
            _WRAPPED.set(None)
        upid, pid, start = self._upid(node, ttype, tid, user)
        record: dict[str, Any] = {
            "upid": upid, "node": node, "pid": pid, "pstart": pid * 7, "starttime": start, "type": ttype,
            "id": str(tid), "user": user, "status": "running", "log": list(log),
            "beside": sum(one["type"] == ttype and one["status"] == "running" for one in self.tasklog),
        }  # fmt: skip
        self.tasks[upid] = record
        self.tasklog.append(record)
        ending = (self.endings.get(ttype) or [{}]).pop(0)
        work = self._run(record, body, vm if lock else None, ending)
        if self.time_scale:
            record["work"] = self.begin(work)
        else:
            await work
        return upid

    async def _run(self, record: dict[str, Any], body: Body, vm: Any, ending: dict[str, Any]) -> None:
        _CURRENT.set(record)
        ended = "OK"
        try:
            if vm is not None:
                await self.acquire(vm, record["upid"])
            try:
                await self._take_time(record["type"])
                if "error" in ending:
                    raise TaskError(ending["error"])
                note = await body()
                record["log"] += str(note).splitlines() if note else []
                if "warnings" in ending:
                    record["log"] += [f"WARN: reason {n + 1}" for n in range(ending["warnings"])]
                    ended = f"WARNINGS: {ending['warnings']}"
            finally:
                if vm is not None:
                    self.release(vm, record["upid"])
        except TaskError as error:
            ended = str(error)
        except PveError as error:
            ended = str(error.message)
        except asyncio.CancelledError:
            ended = "received interrupt"
        ended = "unexpected status" if ending.get("lost") else ended
        last = "TASK OK" if ended == "OK" else f"TASK {'' if ended.startswith('WARNINGS: ') else 'ERROR: '}{ended}"
        record["log"] += [] if ending.get("lost") else [last]
        record |= {"status": "stopped", "exitstatus": ended, "endtime": int(time.time())}

    async def _take_time(self, kind: str) -> None:
        """Let it take as long as one of its kind does; copies tell how far they are."""
        seconds = self.task_secs.get(kind, 1.0)
        for part in (1, 2, 3, 4):
            await self.pause(seconds / 4)
            done, whole = f"{part * 8.0:.1f} GiB", "32.0 GiB"
            if kind in ("qmclone", "qmmove"):
                self.say(f"transferred {done} of {whole} ({part * 25:.2f}%)")
            elif kind in ("vzdump", "qmrestore"):
                self.say(f"INFO: {part * 25:3d}% ({done} of {whole}) in {part}s, read: 8.0 GiB/s, write: 1.0 GiB/s")

    async def _ha_request(self, vm: Any, user: str, state: str) -> str:
        """HA: the task asked for ends at once, the one that does the work comes later and belongs to root."""
        verb = "start" if state == "started" else "stop"

        async def work() -> None:
            running = state == "started"
            if running:
                vm.apply_pending()
            vm.status = vm.qmpstatus = "running" if running else "stopped"
            vm.started_at = time.time() if running else None
            vm.ha_state = state

        async def later() -> None:
            await self.pause(self.ha_delay)
            await self.task(vm.node, f"qm{verb}", vm.vmid, "root@pam", work, vm=vm)

        async def ask() -> None:
            if self.time_scale:
                self.begin(later())
            else:
                await later()

        line = f"Requesting HA {verb} for VM {vm.vmid}"
        return await self.task(vm.node, f"ha{verb}", vm.vmid, user, ask, lock=False, log=[line])

    # -- what is told of them

    @staticmethod
    def _shown(task: dict[str, Any]) -> dict[str, Any]:
        """The keys that a list and a status have in common."""
        keys = ("upid", "node", "pid", "pstart", "starttime", "type", "id", "user")
        shown = {key: task[key] for key in keys}
        shown["user"], _, token = task["user"].partition("!")
        return shown | ({"tokenid": token} if token else {})

    def _row(self, task: dict[str, Any]) -> dict[str, Any]:
        if task["status"] == "running":
            return self._shown(task) | {"status": "RUNNING"}
        return self._shown(task) | {"endtime": task["endtime"], "status": task["exitstatus"]}

    @answers("GET", TASKS)
    async def tasks_of_node(self, call: Call) -> Listed:
        """The list: finished ones only, unless another source is asked for; ``total`` counts all that match."""
        asked, node = call.values, call.node
        audit = self.allowed(call.user, f"/nodes/{node}", "Sys.Audit")
        source = asked.get("source", "archive")
        wanted = [one for one in re.split(r"[,;\s]+", asked.get("statusfilter", "")) if one]
        rows: list[dict[str, Any]] = []
        for task in self.tasklog:
            running = task["status"] == "running"
            unfit = (
                task["node"] != node
                or not (audit or self._task_owner(call.user, task))
                or (running and source == "archive")
                or (not running and source == "active")
                or ("vmid" in asked and task["id"] != str(asked["vmid"]))
                or ("typefilter" in asked and task["type"] != asked["typefilter"])
                or ("userfilter" in asked and asked["userfilter"] not in task["user"])
                or ("since" in asked and task["starttime"] < asked["since"])
                or ("until" in asked and task["starttime"] > asked["until"])
                or (asked.get("errors") and (running or _outcome(task) in ("ok", "warning")))
                or (wanted and (running or _outcome(task) not in wanted))
            )
            if not unfit:
                rows.append(task)
        rows.sort(key=lambda task: (task["status"] != "running", -task["starttime"], -task["pid"]))
        start = int(asked.get("start", 0))
        shown = [self._row(task) for task in rows[start : start + int(asked.get("limit", 50))]]
        return Listed(shown, {"total": len(rows)})

    @answers("GET", "/cluster/tasks")
    async def tasks_of_cluster(self, call: Call) -> list[dict[str, Any]]:
        """The last 25 finished of each node and all that run; without Sys.Audit a token sees none of them."""
        audit = self.allowed(call.user, "/", "Sys.Audit")
        rows: list[dict[str, Any]] = []
        for node in self.nodes:
            own = [task for task in self.tasklog if task["node"] == node]
            own = [task for task in own if audit or task["user"].partition("!")[0] == call.user]
            ended = [task for task in own if task["status"] != "running"]
            rows += [self._row(task) | {"saved": "1"} for task in ended[-25:]]
            rows += [self._shown(task) for task in own if task["status"] == "running"]
        return sorted(rows, key=lambda row: -row["starttime"])

    def _asked_task(self, call: Call) -> dict[str, Any]:
        upid = str(call.values["upid"])
        named = _UPID.fullmatch(upid)
        if named is None:
            raise PveError(400, "Parameter verification failed.", {"upid": f"unable to parse worker upid '{upid}'"})
        task = self.tasks.get(upid)
        if task is None or named[1] != call.node:
            raise PveError(400, "Parameter verification failed.", {"upid": "no such task"})
        if not self._task_owner(call.user, task):
            self.require(call.user, f"/nodes/{call.node}", "Sys.Audit")
        return task

    @answers("GET", f"{TASKS}/{{upid}}/status")
    async def status_of_task(self, call: Call) -> dict[str, Any]:
        """How one stands; ``exitstatus`` only when it has ended."""
        task = self._asked_task(call)
        ended = {"exitstatus": task["exitstatus"]} if "exitstatus" in task else {}
        return self._shown(task) | {"status": task["status"]} | ended

    @answers("GET", f"{TASKS}/{{upid}}/log")
    async def log_of_task(self, call: Call) -> Listed:
        """Its lines from ``start`` on; an empty log has the one line ``no content``."""
        try:
            lines: list[str] = list(self._asked_task(call)["log"])
        except PveError as error:
            if "no such task" not in str(error.errors):
                raise
            lines = ["unable to open file - No such file or directory"]
        rows = [{"n": number, "t": line} for number, line in enumerate(lines, 1)]
        if not rows:
            return Listed([{"n": 1, "t": "no content"}], {"total": 1})
        start, limit = int(call.values.get("start", 0)), int(call.values.get("limit", 50))
        return Listed(rows[start : start + limit if limit else None], {"total": len(rows)})

    @answers("DELETE", f"{TASKS}/{{upid}}")
    async def stop_task(self, call: Call) -> None:
        """Stop it: its owner may, and who has Sys.Modify on the node."""
        task = self.tasks.get(str(call.values["upid"]))
        if task is None:
            raise PveError(400, "Parameter verification failed.", {"upid": "no such task"})
        if not self._task_owner(call.user, task):
            self.require(call.user, f"/nodes/{call.node}", "Sys.Modify")
        if task["status"] == "running":
            task["work"].cancel()
