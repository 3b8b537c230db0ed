"""Following what a cluster does for us: one task to its end, with its log, through lost connections.

A task is the cluster's: it goes on whether anybody watches or not, and only a DELETE stops it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from app.errors import BadAnswer, Denied, QuarterdeckError, Unreachable
from app.plan import Report, Result
from backends.proxmox.client import Client
from backends.proxmox.failures import Gone, Locked, MissingPrivilege, of_words, words
from backends.proxmox.task_log import TaskLog, percent_of
from backends.proxmox.upid import TaskEnd, Upid, end_of, is_upid, warnings_of

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]

PATIENCE_S = 300.0
"""Seconds for which a task is looked for that has gone out of sight."""
_STEPS_S = (0.25, 0.5, 1.0)
"""Seconds between the first looks."""
_SLOW_AFTER = 60
_SLOW_S = 2.0
"""Seconds between looks at a task that has taken more looks than those."""
_ABSENT = 3
"""Looks in a row after which a task that the cluster does not know is believed to be gone."""
_STOP_S = 4.0
"""Seconds that a cancelled task has to stop; a console that ends does not wait much longer."""


class LostTask(Unreachable):
    """A task went on without us: nobody could be asked about it for too long."""


async def follow(
    client: Client, upid: Any, report: Report, *, stoppable: bool = True, patience_s: float = PATIENCE_S
) -> Result:
    """Write a task's name down, then watch it to its end; its log goes to the report as it grows.

    ``upid`` is what the call answered: anything but a UPID means that it is done already. A task that failed is a
    Result with exit code 1 and Proxmox's own words; warnings are a success with a message. ``data`` holds ``upid``,
    ``task`` (``ok``, ``warning``, ``error``, ``unknown``) and, where lines were left out, ``log_left_out``. When the
    operator cancels, the task is stopped as well unless it is not ``stoppable``. Raises LostTask.
    """
    if not is_upid(upid):
        return Result()
    task = Upid.parse(upid)
    log = TaskLog(client, task)
    try:
        await report.handle(task.text)
        if not report.wait:
            return Result(message=f"begun as {task.text}", data={"upid": task.text, "task": "running"})
        exitstatus = await _watched(client, task, log, report, patience_s)
    except asyncio.CancelledError:  # also one that comes while the name is being written down
        if stoppable:
            await _stopped(client, task, log, report)
        raise
    return _result(task, log, exitstatus)


async def called(
    client: Client,
    call: Callable[[], Awaitable[Any]],
    report: Report,
    *,
    stoppable: bool = True,
    patience_s: float = PATIENCE_S,
) -> Result:
    """Make a call and follow the task that it begins: as ``follow``, and safe against a cancel between the two."""
    upid = await begun(client, call, report, stoppable=stoppable)
    return await follow(client, upid, report, stoppable=stoppable, patience_s=patience_s)


async def begun(client: Client, call: Callable[[], Awaitable[Any]], report: Report, *, stoppable: bool = True) -> Any:
    """Make a call that may begin a task, and return its answer.

    A cancel that comes while the call is on its way waits for its answer, so that what was begun is written down and
    stopped, and never goes on without anybody knowing of it.
    """
    sending = asyncio.ensure_future(call())
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        await _begun_and_cancelled(client, sending, report, stoppable)
        raise


async def _begun_and_cancelled(client: Client, sending: asyncio.Future[Any], report: Report, stoppable: bool) -> None:
    try:
        async with asyncio.timeout(_STOP_S):
            upid = await sending
    except (TimeoutError, asyncio.CancelledError):
        report.log("cancelled before an answer came: it may have been begun all the same; see quarterdeck vm tasks")
        return
    except QuarterdeckError:
        return  # it was refused: there is nothing to stop
    if is_upid(upid):
        task = Upid.parse(upid)
        await report.handle(task.text)
        if stoppable:
            await _stopped(client, task, TaskLog(client, task), report)


async def watched(client: Client, upid: str, report: Report, *, patience_s: float = PATIENCE_S) -> Result:
    """Watch a task that was begun before, such as by a console that was killed; its name is written down already.

    As ``follow``, but that cancelling leaves it alone: it was not this job that began it. Raises BadAnswer for what is
    no UPID.
    """
    task = Upid.parse(upid)
    log = TaskLog(client, task)
    return _result(task, log, await _watched(client, task, log, report, patience_s))


async def state(client: Client, upid: str) -> TaskEnd | None:
    """How a task ended; ``None`` while it runs. One request. Raises Gone, and BadAnswer for what is no UPID."""
    exitstatus = await _look(client, Upid.parse(upid))
    return None if exitstatus is None else end_of(exitstatus)


def failure(result: Result, *, where: str = "") -> QuarterdeckError | None:
    """The error that a failed task's words mean, such as Locked or StorageFull; ``None`` for a success."""
    return of_words(result.message, where=where) if result.exit_code else None


async def succeeded(client: Client, upid: Any, report: Report, *, stoppable: bool = True) -> Result:
    """As ``follow``, and a task that failed raises what its words mean."""
    return _raised(client, await follow(client, upid, report, stoppable=stoppable))


async def carried_out(client: Client, call: Callable[[], Awaitable[Any]], report: Report) -> Result:
    """As ``called``, and a task that failed raises what its words mean."""
    return _raised(client, await called(client, call, report))


def _raised(client: Client, result: Result) -> Result:
    upid = result.data.get("upid", "")
    error = failure(result, where=f"{client.name}/{Upid.parse(upid).node}" if upid else client.name)
    if error is not None:
        raise error
    return result


async def retried_on_lock(
    call: Callable[[], Awaitable[T]],
    *,
    report: Report | None = None,
    attempts: int = 8,
    first_s: float = 1.0,
    longest_s: float = 15.0,
    pause: Pause = asyncio.sleep,
) -> T:
    """Call again, later each time, while a lock stands in the way that goes by itself.

    Both ways in which a lock is told count: a raised Locked, and a failed Result of a followed task. Other locks (a
    backup takes hours, a suspended guest stays so) and the last attempt's end are handed on as they are.
    """
    for attempt in range(1, attempts + 1):
        try:
            answer = await call()
        except Locked as error:
            if not error.passing or attempt == attempts:
                raise
            locked: QuarterdeckError | None = error
        else:
            locked = failure(answer) if isinstance(answer, Result) else None
            if not isinstance(locked, Locked) or not locked.passing or attempt == attempts:
                return answer
        wait = min(longest_s, first_s * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)
        if report is not None:
            report.log(f"locked: {locked.what}; trying again in {wait:.0f} s")
        await pause(wait)
    raise AssertionError("attempts must be at least 1")


async def _watched(client: Client, task: Upid, log: TaskLog, report: Report, patience_s: float) -> str:
    """Look until it has ended; returns its last word."""
    loop = asyncio.get_running_loop()
    seen_at, lost, absent, looks = loop.time(), False, 0, 0
    while True:
        try:
            exitstatus = await _look(client, task)
            await _told(log, report)
            seen_at, absent = loop.time(), 0
            if lost:
                lost = False
                report.log("the task is in sight again")
            if exitstatus is not None:
                if log.behind:
                    report.log("… the rest of its log is left out")
                return exitstatus
        except Gone as error:
            absent += 1
            if absent >= _ABSENT:
                return f"Proxmox does not know the task any more: {error.what}"
        except Denied:
            raise
        except (Unreachable, BadAnswer) as error:
            if loop.time() - seen_at > patience_s:
                raise LostTask(
                    f"nobody could be asked about the task for {patience_s:.0f} s: {error.what}",
                    where=f"{client.name}/{task.node}",
                    todo=f"it goes on there as {task.text}; quarterdeck vm tasks shows how it ended",
                ) from None
            if not lost:
                lost = True
                report.log(f"the task is out of sight: {error.what}; it goes on there")
        await asyncio.sleep(_STEPS_S[min(looks, len(_STEPS_S) - 1)] if looks < _SLOW_AFTER else _SLOW_S)
        looks += 1


async def _look(client: Client, task: Upid) -> str | None:
    """A task's last word; ``None`` while it runs."""
    said: Any = await client.get(task.path("status"))
    if not isinstance(said, dict):
        raise BadAnswer("the state of a task is an object", where=f"{client.name}/{task.node}")
    found = cast("dict[str, Any]", said)
    if found.get("status") != "stopped":
        return None
    exitstatus = found.get("exitstatus")
    return words(exitstatus) if isinstance(exitstatus, str) and exitstatus else "unexpected status"


async def _told(log: TaskLog, report: Report) -> None:
    """Pass on what is new in the log. A log that may not be read is no reason to stop watching."""
    try:
        new = await log.more()
    except (MissingPrivilege, Gone):
        return
    share: float | None = None
    for line in new:
        report.log(line)
        told = percent_of(line)
        share = share if told is None else told
    if share is not None:
        report.progress(share, 100.0, "%")


async def _stopped(client: Client, task: Upid, log: TaskLog, report: Report) -> None:
    """Have a task stopped and wait for that a little; says so where it could not be."""
    try:
        async with asyncio.timeout(_STOP_S):
            await client.delete(task.path(), within=_STOP_S)
            while await _look(client, task) is None:
                await asyncio.sleep(0.2)
            await _told(log, report)
        report.log(f"the task {task.text} was stopped")
    except TimeoutError:
        report.log(f"the task {task.text} was asked to stop and has not yet")
    except QuarterdeckError as error:
        report.log(f"the task {task.text} could not be stopped and goes on: {error.what}")


_SAYS_LITTLE = ("job errors", "unexpected status", "command '", "exit code")


def _result(task: Upid, log: TaskLog, exitstatus: str) -> Result:
    end = end_of(exitstatus)
    data: dict[str, Any] = {"upid": task.text, "task": str(end)}
    if log.left_out:
        data["log_left_out"] = log.left_out
    if end is TaskEnd.OK:
        return Result(data=data)
    if end is TaskEnd.WARNING:
        count = warnings_of(exitstatus)
        first = f": {log.warnings[-1]}" if log.warnings else ""
        return Result(message=f"done with {count} warning{'' if count == 1 else 's'}{first}", data=data)
    message = exitstatus
    if exitstatus.startswith(_SAYS_LITTLE):
        said = [line for line in log.last if line and not line.startswith("TASK ")]
        message = f"{exitstatus}; its log ends: {said[-1]}" if said else exitstatus
    return Result(1, message, data)
