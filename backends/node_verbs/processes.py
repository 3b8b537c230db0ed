"""``node top`` and ``node signal``."""

from __future__ import annotations

import asyncio
import secrets
import time
from functools import cached_property
from typing import Literal

from app import column
from app.column import Cell, Column, Token
from app.errors import ConfigurationError, Missing
from app.plan import Plan, Report, Result, Risk, Step
from app.verb import RowAction, Rows
from backends.kinds.node import Node
from backends.node_verbs.base import QUICK_S
from backends.node_verbs.exec import ExecVerbs
from backends.node_verbs.privilege import PLAIN
from backends.node_verbs.proc import (
    MARK,
    SCRIPT,
    STATS,
    Process,
    Ticks,
    parse_listing,
    parse_one_stat,
    parse_stats,
    with_rates,
)

_APART_S = 0.5
"""Between the two looks of a first call."""
_KEEP_S = 10.0
"""An older look is no base for what goes on now."""

Signal = Literal["TERM", "INT", "HUP", "KILL", "STOP", "CONT", "USR1", "USR2"]


def _cpu(process: Process) -> Cell:
    value = process.cpu_percent
    return column.text(None) if value is None else Cell(f"{value:.1f} %", Token.TEXT, value)


PROCESS_COLUMNS: tuple[Column[Process], ...] = (
    Column("PID", lambda p: Cell(str(p.pid), Token.MUTED, p.pid), 8, "right", priority=0),
    Column("USER", lambda p: column.text(p.user), 12, priority=3),
    Column("CPU", _cpu, 8, "right", priority=1, help="of one core, since the last look"),
    Column("MEM", lambda p: column.size(p.mem_bytes), 7, "right", priority=2, help="resident"),
    Column("S", lambda p: column.text(p.state), 4, priority=5, help="state"),
    Column("COMMAND", lambda p: column.text(p.command), 40, priority=0, flex=True),
)
PROCESS_ACTIONS = (
    RowAction(
        key="t", verb="signal", label="end", arguments={"signal": "TERM"}, take={"pid": "pid", "started": "started"}
    ),
    RowAction(
        key="K", verb="signal", label="kill", arguments={"signal": "KILL"}, take={"pid": "pid", "started": "started"}
    ),
)


class ProcessVerbs(ExecVerbs):
    """Processes: seeing and signalling them."""

    @cached_property
    def _looks(self) -> dict[str, tuple[float, dict[int, Ticks]]]:
        """The last look at each node: when, and what was used up to then."""
        return {}

    async def top(self, target: Node, *, limit: int = 200) -> Rows:
        """Show the processes, busiest first."""
        link = self.link_of(target)
        mark = secrets.token_hex(8)
        now = time.monotonic()
        answer = await link.run(SCRIPT.replace(MARK, mark), timeout=QUICK_S)
        processes, per_s, after = parse_listing(answer.stdout, mark)
        then, before = self._looks.get(target.name, (0.0, {}))
        if after and (not before or now - then > _KEEP_S):
            then, before = now, after
            await asyncio.sleep(_APART_S)
            now = time.monotonic()
            after = parse_stats((await link.run(STATS, timeout=QUICK_S)).stdout)
        self._looks[target.name] = (now, after)
        shown = with_rates(processes, before, after, now - then, per_s)
        note = f"{len(shown)} processes" + (f", the busiest {limit} shown" if len(shown) > limit else "")
        return Rows(PROCESS_COLUMNS, tuple(shown[: max(0, limit)]), PROCESS_ACTIONS, note, every=2.0)

    async def signal(
        self, target: Node, pid: int, *, signal: Signal = "TERM", sudo: bool = False, started: int | None = None
    ) -> Plan:
        """Send a signal to a process."""
        if pid < 1:
            raise ConfigurationError(
                f"{pid} is no process id", where="node signal", todo="0 and below would mean whole groups"
            )
        privilege = await self.root_on(target) if sudo else PLAIN
        line = privilege.argv(["kill", f"-{signal}", str(pid)])
        seen, command = await self._identity(target, pid)
        same = started is None or seen is None or seen == started

        async def run(report: Report) -> Result:
            again, _ = await self._identity(target, pid)
            if again != seen:
                raise Missing(f"process {pid} has ended meanwhile; its id belongs to another one", where=target.name)
            return await self.perform_as(target, privilege, line, report, timeout=QUICK_S)

        what = f"process {pid} is still the one that was chosen"
        return Plan(
            Step(target, line, run),
            notes=[f"{pid} is: {column.clean(command)[:200] or 'without a name'}", *privilege.notes],
            preconditions=[(what, same, f"started at tick {seen}, chosen: {started or 'by its id alone'}")],
            risk=Risk.DESTROYS if pid == 1 else None,
        )

    async def _identity(self, node: Node, pid: int) -> tuple[int | None, str]:
        """When a process started and what it is called; raises Missing when there is none."""
        mark = secrets.token_hex(8)
        line = (
            f"if [ -d /proc/self ]; then cat /proc/{pid}/stat 2>/dev/null || exit 3; echo {mark};"
            f" tr '\\0' ' ' < /proc/{pid}/cmdline; else ps -p {pid} >/dev/null || exit 3; echo {mark}; fi"
        )
        done = await self.link_of(node).run(line, timeout=QUICK_S)
        if done.exit_code == 3:
            raise Missing(f"there is no process {pid}", where=node.name)
        stat, _, command = done.stdout.partition(f"{mark}\n".encode())
        name = stat.partition(b"(")[2].rpartition(b")")[0]
        return parse_one_stat(stat), (command.strip() or name).decode("utf-8", "replace")
