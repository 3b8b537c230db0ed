"""Reading process lists: procps, busybox and plainer ``ps``, and ``/proc/PID/stat`` for what is going on right now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import BadAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of a node. ``None`` is unknown."""

    pid: int
    ppid: int | None
    user: str
    cpu_percent: float | None
    """Of one core, since the last look; since its start where the host tells no more."""
    mem_bytes: int | None
    """Resident."""
    state: str
    """As ps gives it: ``S``, ``R``, ``Z``."""
    command: str
    """As it calls itself; hostile."""
    started: int | None
    """Clock ticks from boot to its start: with the pid, this is what tells one process from the next."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """What ``/proc/PID/stat`` says of one process."""

    used: int
    """Clock ticks of processor time so far, user and system."""
    started: int


MARK = "@MARK@"
"""Stands in the script for a word nobody on the host can know, which parts the answers."""

SCRIPT = """\
export LC_ALL=C
if ps -A -ww -o pid= -o ppid= -o user:32= -o pcpu= -o rss= -o stat= -o args= 2>/dev/null; then v=procps
elif ps -o pid,ppid,user,rss,stat,args 2>/dev/null; then v=busybox
elif ps w 2>/dev/null || ps; then v=plain; fi
echo; echo "@MARK@ $v $(getconf CLK_TCK 2>/dev/null || echo 100)"
cat /proc/[0-9]*/stat 2>/dev/null
:"""
STATS = "cat /proc/[0-9]*/stat 2>/dev/null; :"
"""The second look, for rates."""

_STAT = re.compile(rb"^(\d+) \((.*)\) [A-Za-z] (-?\d+(?: -?\d+){18,})$")
_MOST_LINES = 100_000


def parse_stats(answer: bytes) -> dict[int, Ticks]:
    """What ``cat /proc/*/stat`` said, by pid.

    A process may have a line end or a bracket in its name; an id that turns up twice is nobody's, so that no process
    can speak for another.
    """
    found: dict[int, Ticks] = {}
    twice: set[int] = set()
    for line in answer.split(b"\n")[:_MOST_LINES]:
        match = _STAT.match(line)
        if match is None:
            continue
        pid = int(match[1])
        fields = match[3].split()  # from ppid (field 4) on; see proc(5)
        if pid in found:
            twice.add(pid)
        found[pid] = Ticks(int(fields[10]) + int(fields[11]), int(fields[18]))
    return {pid: ticks for pid, ticks in found.items() if pid not in twice}


def parse_one_stat(answer: bytes) -> int | None:
    """The start of one process from its own stat file: everything after the last bracket is the kernel's."""
    fields = answer.rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else None


def parse_listing(answer: bytes, mark: str) -> tuple[list[Process], float, dict[int, Ticks]]:
    """The processes, the clock ticks a second, and the stats of the first look; raises BadAnswer on anything else."""
    listing, found, rest = answer.partition(f"\n{mark} ".encode())
    first, _, stats = rest.partition(b"\n")
    words = first.split()
    if not found or len(words) != 2 or not words[1].isdigit():
        raise BadAnswer("the process list ends early, or there is no ps")
    lines = listing.decode("utf-8", "replace").splitlines()[:_MOST_LINES]
    reader = {b"procps": _procps, b"busybox": _busybox, b"plain": _plain}.get(words[0])
    if reader is None:
        raise BadAnswer("there is no ps")
    ticks = parse_stats(stats)
    seen = [one for line in lines if (one := reader(line, ticks)) is not None]
    return seen, float(int(words[1]) or 100), ticks


def with_rates(
    processes: list[Process], before: Mapping[int, Ticks], after: Mapping[int, Ticks], seconds: float, per_s: float
) -> list[Process]:
    """The same processes with their share of a core between two looks; busiest first."""
    from dataclasses import replace

    rated: list[Process] = []
    for one in processes:
        old, new = before.get(one.pid), after.get(one.pid)
        if old and new and old.started == new.started and seconds > 0:
            share = 100 * max(0, new.used - old.used) / per_s / seconds
            rated.append(replace(one, cpu_percent=round(share, 1)))
        elif after:
            rated.append(replace(one, cpu_percent=None))
        else:
            rated.append(one)
    return sorted(rated, key=lambda one: (-(one.cpu_percent or 0), -(one.mem_bytes or 0), one.pid))


def _procps(line: str, ticks: Mapping[int, Ticks]) -> Process | None:
    words = line.split(None, 6)
    if len(words) < 6 or not words[0].isdecimal():
        return None
    return _process(words[0], words[1], words[2], words[3], words[4], words[5], words[6:], ticks)


def _busybox(line: str, ticks: Mapping[int, Ticks]) -> Process | None:
    words = line.split(None, 4)
    if len(words) < 5 or not words[0].isdecimal():  # the header
        return None
    # STAT may hold blanks ("S <", "SW N"): the modifiers are single capital letters or signs
    match = re.match(r"(\S+(?: [<NW](?= ))*)\s*(.*)", words[4])
    stat, command = (match[1], match[2]) if match else ("", words[4])
    return _process(words[0], words[1], words[2], "", words[3], stat, [command], ticks)


def _plain(line: str, ticks: Mapping[int, Ticks]) -> Process | None:
    """``PID USER VSZ STAT COMMAND``, as small busybox builds have it: no resident size."""
    words = line.split(None, 3)
    if len(words) < 4 or not words[0].isdecimal():
        return None
    match = re.match(r"(\S+(?: [<NW](?= ))*)\s*(.*)", words[3])
    stat, command = (match[1], match[2]) if match else ("", words[3])
    return _process(words[0], "", words[1], "", "", stat, [command], ticks)


def _process(
    pid: str, ppid: str, user: str, cpu: str, rss: str, state: str, command: list[str], ticks: Mapping[int, Ticks]
) -> Process:
    known = ticks.get(int(pid))
    return Process(
        pid=int(pid),
        ppid=int(ppid) if ppid.isdecimal() else None,
        user=user,
        cpu_percent=float(cpu) if re.fullmatch(r"\d+(\.\d+)?", cpu) else None,
        mem_bytes=_kib(rss),
        state=state,
        command=command[0].strip() if command else "",
        started=known.started if known else None,
    )


def _kib(text: str) -> int | None:
    """``1234`` or busybox's ``1.2m``, both of KiB."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgt]?)", text.lower())
    if match is None:
        return None
    scale = {"": 1 << 10, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[match[2]]
    return int(float(match[1]) * scale)
