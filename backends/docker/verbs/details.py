"""What a describe screen shows beyond the row: asked for while it is open, each part by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from app import column
from app.column import Cell, Section, Token
from app.errors import QuarterdeckError
from backends.docker.secret_words import covered, covered_text, split
from backends.docker.verbs.target import Inspected, part
from backends.kinds.container import Container

if TYPE_CHECKING:
    from backends.docker.verbs.looking import ContainerProcess, LookingVerbs

T = TypeVar("T")

MOST_CHANGES = 50
MOST_CHECKS = 5
MOST_PROCESSES = 30
_CHANGES_S = 10.0
_KINDS = {0: "changed", 1: "added", 2: "deleted"}

Row = tuple[Cell, ...]


async def gathered(verbs: LookingVerbs, target: Container) -> tuple[Section, ...]:
    """One look at the container, its processes and its changed files, side by side; raises where it is gone.

    A part that cannot be had says so in its place.
    """
    container = target.container_id
    now, processes, changes = await asyncio.gather(
        verbs.fresh(target),
        _tried(verbs.processes(target, container)),
        _tried(verbs.of(target, lambda client: client.diff(container), timeout=_CHANGES_S)),
    )
    return (*sections(now), _processes(processes, now), _changes(changes))


async def _tried(work: Awaitable[T]) -> T | QuarterdeckError:
    try:
        return await work
    except QuarterdeckError as error:
        return error


def sections(now: Inspected) -> tuple[Section, ...]:
    """What the one answer about the container holds; empty blocks are left out."""
    found = (_settings(now), _environment(now), _mounts(now), _networks(now), _labels(now), _health(now))
    return tuple(one for one in found if one.lines or one.rows)


def _settings(now: Inspected) -> Section:
    host = now.host_config
    policy = part(host, "RestartPolicy")
    name = str(policy.get("Name") or "no")
    tries = policy.get("MaximumRetryCount")
    log = part(host, "LogConfig")
    options = ", ".join(f"{key}={covered(key, str(value))}" for key, value in part(log, "Config").items())
    limits = {
        "memory limit": _bytes(host.get("Memory")),
        "memory and swap": "unlimited" if host.get("MemorySwap") == -1 else _bytes(host.get("MemorySwap")),
        "memory reserved": _bytes(host.get("MemoryReservation")),
        "cpus": _cpus(host),
        "cpu shares": str(host.get("CpuShares") or ""),
        "on cpus": str(host.get("CpusetCpus") or ""),
        "pids limit": str(host.get("PidsLimit") or "").replace("-1", ""),
    }
    state = part(now.whole, "State")
    said = {
        "restart policy": f"{name}:{tries}" if name == "on-failure" and tries else name,
        "restarted by it": str(now.whole.get("RestartCount") or 0),
        "last exit code": "" if now.state in ("running", "paused", "created") else str(state.get("ExitCode", "")),
        "killed for memory": "yes" if state.get("OOMKilled") else "",
        "error": str(state.get("Error") or ""),
        "log driver": " ".join(one for one in (str(log.get("Type") or ""), f"({options})" if options else "") if one),
        "user": str(now.config.get("User") or ""),
        "folder": str(now.config.get("WorkingDir") or ""),
        "privileged": "yes" if host.get("Privileged") else "",
        **limits,
    }
    bad = ("killed for memory", "error", "privileged")
    lines = tuple(
        (label, column.text(text, Token.WARN if label in bad else Token.TEXT)) for label, text in said.items() if text
    )
    return Section("Settings", lines)


def _bytes(value: Any) -> str:
    return column.size_text(value) if isinstance(value, int) and value > 0 else ""


def _cpus(host: dict[str, Any]) -> str:
    nano, quota, period = host.get("NanoCpus"), host.get("CpuQuota"), host.get("CpuPeriod")
    if nano:
        return f"{nano / 1e9:g}"
    return f"{quota / (period or 100_000):g}" if quota and quota > 0 else ""


def _environment(now: Inspected) -> Section:
    found: Sequence[Any] = now.config.get("Env") or ()
    pairs = sorted(split(str(one)) for one in found)
    return Section("Environment", tuple((column.clean(name), _shown(covered(name, value))) for name, value in pairs))


def _shown(text: str) -> Cell:
    return Cell(column.clean(text))


def _mounts(now: Inspected) -> Section:
    found: Sequence[dict[str, Any]] = now.whole.get("Mounts") or ()
    rows: list[Row] = []
    for one in sorted(found, key=lambda m: str(m.get("Destination"))):
        source = str(one.get("Name") or one.get("Source") or "")
        mode = "rw" if one.get("RW") else "ro"
        shown = (str(one.get("Destination", "")), str(one.get("Type", "")), source, mode)
        rows.append(tuple(_shown(text) for text in shown))
    temporary = part(now.host_config, "Tmpfs")
    rows += [tuple(_shown(text) for text in (path, "tmpfs", str(how), "rw")) for path, how in temporary.items()]
    return Section("Mounts", header=("AT", "TYPE", "FROM", ""), rows=tuple(rows))


def _networks(now: Inspected) -> Section:
    rows: list[Row] = []
    for name, one in sorted(part(part(now.whole, "NetworkSettings"), "Networks").items()):
        found: dict[str, Any] = one or {}
        addresses = [str(found.get(key) or "") for key in ("IPAddress", "GlobalIPv6Address")]
        aliases = [str(alias) for alias in found.get("Aliases") or () if not now.id.startswith(str(alias))]
        shown = (name, " ".join(a for a in addresses if a), str(found.get("Gateway") or ""), ", ".join(aliases))
        rows.append(tuple(_shown(text) for text in shown))
    return Section("Networks", header=("NAME", "ADDRESS", "GATEWAY", "ALSO CALLED"), rows=tuple(rows))


def _labels(now: Inspected) -> Section:
    pairs = sorted(now.labels.items())
    return Section("Labels", tuple((column.clean(name), _shown(covered(name, str(value)))) for name, value in pairs))


def _health(now: Inspected) -> Section:
    health = part(part(now.whole, "State"), "Health")
    if not health:
        return Section("Health")
    test: Sequence[Any] = part(now.config, "Healthcheck").get("Test") or ()
    word = str(health.get("Status") or "")
    token = {"healthy": Token.OK, "unhealthy": Token.CRIT}.get(word, Token.BUSY)
    failing = health.get("FailingStreak") or 0
    lines = [("now", Cell(column.clean(word), token))]
    if failing:
        lines.append(("failed in a row", Cell(str(failing), Token.WARN)))
    lines.append(("check", _shown(covered_text(" ".join(str(one) for one in test[1:] or test)))))
    log: Sequence[dict[str, Any]] = health.get("Log") or ()
    rows: list[Row] = []
    for one in reversed(log[-MOST_CHECKS:]):
        code = one.get("ExitCode")
        when = str(one.get("Start") or "")[:19].replace("T", " ")
        said = covered_text(str(one.get("Output") or "").strip())[:500]
        rows.append((_shown(when), Cell(str(code), Token.TEXT if code == 0 else Token.CRIT), _shown(said)))
    return Section("Health", tuple(lines), header=("WHEN", "EXIT", "OUTPUT"), rows=tuple(rows))


def _processes(found: Sequence[ContainerProcess] | QuarterdeckError, now: Inspected) -> Section:
    if isinstance(found, QuarterdeckError):
        words = found.what if now.state in ("running", "paused") else f"it is {now.words}"
        return Section("Processes", (("", Cell(column.clean(words), Token.MUTED)),))
    rows = tuple(
        (Cell(str(one.pid)), _shown(one.user), column.size(one.mem_bytes), _shown(covered_text(one.command)))
        for one in found[:MOST_PROCESSES]
    )
    more = len(found) - len(rows)
    lines = (("", Cell(f"{len(found)}, the busiest {len(rows)} shown", Token.MUTED)),) if more else ()
    return Section("Processes", lines, header=("PID", "USER", "MEM", "COMMAND"), rows=rows)


def _changes(found: Sequence[dict[str, Any]] | QuarterdeckError | None) -> Section:
    if isinstance(found, QuarterdeckError):
        return Section("Changed files", (("", Cell(column.clean(found.what), Token.MUTED)),))
    changes = sorted(found or (), key=lambda one: str(one.get("Path")))
    counts = [
        f"{count} {word}"
        for kind, word in _KINDS.items()
        if (count := sum(1 for c in changes if c.get("Kind") == kind))
    ]
    said = ", ".join(counts) if counts else "none"
    if len(changes) > MOST_CHANGES:
        said += f"; the first {MOST_CHANGES}:"
    rows = tuple(
        (_shown(_KINDS.get(one.get("Kind", -1), "?")), _shown(str(one.get("Path", ""))))
        for one in changes[:MOST_CHANGES]
    )
    return Section("Changed files", (("since its image", Cell(said)),), rows=rows)
