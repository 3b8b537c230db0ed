"""The describe screen of a node: everything known about it, in the order an operator asks for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from app import column
from app.column import UNKNOWN_TEXT, Cell, Section, Token
from backends.kinds.node import Gpu, Node, alarms, mood

Line = tuple[str, Cell]

_UNKNOWN = Cell(UNKNOWN_TEXT, Token.MUTED)
_FEW_CORES = 8
_CORES_A_LINE = 32


def sections(node: Node) -> Sequence[Section]:
    """The blocks of the screen; those that a node cannot fill are left out, single unknown figures show a dash."""
    blocks = [
        _summary(node),
        _system(node),
        _cpu(node),
        _memory(node),
        _filesystems(node),
        _disks(node),
        _network(node),
        _gpus(node),
        _gpu_processes(node),
        _temperatures(node),
        _upkeep(node),
        _console(node),
        _configuration(node),
    ]
    return tuple(block for block in blocks if block is not None)


def _summary(node: Node) -> Section:
    lines: list[Line] = [("state", column.state(node.state, mood(node)))]
    if node.fault:
        lines.append(("fault", Cell(column.clean(node.fault), Token.CRIT)))
    lines += [("", Cell(f"! {worry.text}", worry.token)) for worry in alarms(node) if worry.text != node.fault]
    if node.note:
        lines.append(("note", column.text(node.note)))
    if node.muted_until is not None:
        until = datetime.fromtimestamp(node.muted_until).astimezone().strftime("%Y-%m-%d %H:%M")
        lines.append(("muted", Cell(column.clean(f"until {until}: {node.muted_why or 'no reason given'}"), Token.WARN)))
    lines += [
        ("up", column.duration(node.uptime_s)),
        ("answer", Cell(f"{node.latency_ms:.1f} ms", Token.TEXT) if node.latency_ms is not None else _UNKNOWN),
    ]
    return Section(column.clean(node.name), tuple(lines))


def _system(node: Node) -> Section | None:
    if node.transport == "ping":
        return None
    lines = (
        ("host name", column.text(node.hostname)),
        ("system", column.text(node.os)),
        ("kernel", column.text(node.kernel)),
        ("architecture", column.text(node.arch)),
        ("model", column.text(node.model)),
        ("cores", column.number(node.cores)),
    )
    return Section("System", lines)


def _cpu(node: Node) -> Section | None:
    if node.transport == "ping":
        return None
    loads = (node.load_1, node.load_5, node.load_15)
    lines: list[Line] = [
        ("all cores", column.bar(node.cpu_percent, node.cpu_limits, 16)),
        (
            "load",
            Cell("  ".join(UNKNOWN_TEXT if one is None else f"{one:.2f}" for one in loads))
            if any(one is not None for one in loads)
            else _UNKNOWN,
        ),
    ]
    lines += _cores(node)
    return Section("CPU", tuple(lines), graph="cpu", graph_max=100)


def _cores(node: Node) -> list[Line]:
    """A bar for each of a few cores; of many a height each, and the busiest in words."""
    lines: list[Line] = []
    many = len(node.core_percents) > _FEW_CORES
    step = _CORES_A_LINE if many else 2
    for first in range(0, len(node.core_percents), step):
        some = node.core_percents[first : first + step]
        worst = max((one for one in some if one is not None), default=None)
        if many:
            text = column.spark_text(some, len(some), 100)
        else:
            text = "  ".join(column.bar(one, node.cpu_limits, 6).text.ljust(12) for one in some).rstrip()
        label = f"core {first}" if len(some) == 1 else f"core {first}-{first + len(some) - 1}"
        lines.append((label, Cell(text, column.level(worst, node.cpu_limits))))
    known = [(share, number) for number, share in enumerate(node.core_percents) if share is not None]
    if many and known:
        share, number = max(known)
        lines.append(("busiest", Cell(f"core {number}  {share:.0f} %", column.level(share, node.cpu_limits))))
    return lines


def _of(used: int | None, total: int | None) -> str:
    if total is None:
        return UNKNOWN_TEXT
    return f"{UNKNOWN_TEXT if used is None else column.size_text(used)} of {column.size_text(total)}"


def _memory(node: Node) -> Section | None:
    if node.transport == "ping":
        return None
    lines: list[Line] = [
        ("memory", column.bar(node.mem_percent, node.mem_limits, 16)),
        ("", Cell(_of(node.mem_used_bytes, node.mem_total_bytes), Token.MUTED)),
    ]
    if node.swap_total_bytes:
        lines.append(("swap", column.bar(node.swap_percent, None, 16)))
        lines.append(("", Cell(_of(node.swap_used_bytes, node.swap_total_bytes), Token.MUTED)))
    elif node.swap_total_bytes == 0:
        lines.append(("swap", Cell("none", Token.MUTED)))
    return Section("Memory", tuple(lines), graph="mem", graph_max=100)


def _filesystems(node: Node) -> Section | None:
    if not node.filesystems:
        return None
    rows = tuple(
        (
            column.text(one.mount),
            column.bar(one.used_percent, node.disk_limits, 10),
            Cell(_of(one.used_bytes, one.total_bytes)),
            column.text(one.type),
            column.text(one.device, Token.MUTED),
        )
        for one in sorted(node.filesystems, key=lambda one: -one.used_percent)
    )
    return Section("File systems", _age(node), ("MOUNT", "USED", "SIZE", "TYPE", "DEVICE"), rows)


def _disks(node: Node) -> Section | None:
    if node.transport == "ping":
        return None
    lines = (("read", column.rate(node.disk_read_bytes_per_s)), ("written", column.rate(node.disk_write_bytes_per_s)))
    return Section("Disks", lines, graph="disk")


def _network(node: Node) -> Section | None:
    if node.transport == "ping":
        return None
    lines = (("in", column.rate(node.net_rx_bytes_per_s)), ("out", column.rate(node.net_tx_bytes_per_s)))
    return Section("Network", lines, graph="net")


def _gpus(node: Node) -> Section | None:
    if not node.gpus:
        return None
    header = ("#", "GPU", "USE", "MEMORY", "TEMP", "POWER")
    return Section("GPUs", (), header, tuple(_gpu_row(gpu) for gpu in node.gpus))


def _gpu_row(gpu: Gpu) -> tuple[Cell, ...]:
    watts = UNKNOWN_TEXT if gpu.power_watts is None else f"{gpu.power_watts:.0f}"
    limit = "" if gpu.power_limit_watts is None else f" of {gpu.power_limit_watts:.0f}"
    return (
        Cell(str(gpu.index)),
        column.text(gpu.name),
        column.bar(gpu.util_percent, None, 8),
        Cell(_of(gpu.mem_used_bytes, gpu.mem_total_bytes)),
        _UNKNOWN if gpu.temp_celsius is None else Cell(f"{gpu.temp_celsius:.0f} °C"),
        _UNKNOWN if gpu.power_watts is None and not limit else Cell(f"{watts}{limit} W"),
    )


def _gpu_processes(node: Node) -> Section | None:
    rows = tuple(
        (Cell(str(gpu.index)), Cell(str(one.pid)), column.size(one.mem_used_bytes), column.text(one.name))
        for gpu in node.gpus or ()
        for one in gpu.processes
    )
    return Section("GPU processes", (), ("GPU", "PID", "MEMORY", "PROCESS"), rows) if rows else None


def _temperatures(node: Node) -> Section | None:
    if not node.temperatures:
        return None
    rows: list[tuple[Cell, ...]] = []
    for sensor in node.temperatures:
        critical = sensor.critical_celsius
        hot = critical is not None and sensor.celsius >= critical
        near = critical is not None and sensor.celsius >= critical - 10
        token = Token.CRIT if hot else Token.WARN if near else Token.TEXT
        limit = _UNKNOWN if critical is None else Cell(f"{critical:.0f} °C", Token.MUTED)
        rows.append((column.text(sensor.label), Cell(f"{sensor.celsius:.1f} °C{'!' if hot else ''}", token), limit))
    return Section("Temperatures", (), ("SENSOR", "NOW", "CRITICAL"), tuple(rows))


def _upkeep(node: Node) -> Section | None:
    """What wants a hand sooner or later: failed units, updates, a restart, a weak power supply."""
    if node.transport == "ping":
        return None
    lines: list[Line] = []
    if node.failed_units is None:
        lines.append(("failed units", _UNKNOWN))
    elif not node.failed_units:
        lines.append(("failed units", Cell("none", Token.OK)))
    else:
        lines += [
            ("failed units" if first == 0 else "", column.text(unit, Token.CRIT))
            for first, unit in enumerate(node.failed_units)
        ]
    lines.append(("updates", _updates(node)))
    restart = {None: _UNKNOWN, True: Cell("needed", Token.WARN), False: Cell("not needed", Token.OK)}
    lines.append(("restart", restart[node.restart_needed]))
    if node.throttling is not None:
        now, occurred = node.throttling.now, node.throttling.occurred
        lines.append(("throttling now", Cell(", ".join(now), Token.CRIT) if now else Cell("none", Token.OK)))
        was = Cell(", ".join(occurred), Token.WARN) if occurred else Cell("none", Token.OK)
        lines.append(("since the boot", was))
    return Section("Upkeep", (*lines, *_age(node)))


def _updates(node: Node) -> Cell:
    if node.updates_pending is None:
        return _UNKNOWN
    if not node.updates_pending:
        return Cell("none", Token.OK)
    security = f", {node.updates_security} for security" if node.updates_security else ""
    return Cell(f"{node.updates_pending} pending{security}", Token.WARN if security else Token.TEXT)


def _age(node: Node) -> tuple[Line, ...]:
    """How old the costly figures are, once that is worth a line."""
    if node.slow_at is None:
        return ()
    age = time.monotonic() - node.slow_at
    return (("as of", Cell(f"{column.duration_text(age)} ago", Token.MUTED)),) if age >= 5 else ()


def _console(node: Node) -> Section | None:
    """What this console itself costs the node."""
    if not node.console_cost:
        return None
    lines = tuple(
        (name.replace("_", " "), column.size(value) if name.startswith("bytes") else column.number(value))
        for name, value in node.console_cost
    )
    return Section("This console's own cost", lines)


def _configuration(node: Node) -> Section:
    lines: list[Line] = [
        ("reached by", Cell(node.transport)),
        ("address", column.text(node.address)),
        ("tags", column.text(" ".join(sorted(node.tags)))),
        ("sudo", Cell(node.sudo)),
    ]
    if node.rate_per_hour is not None:
        lines.append(("cost", Cell(f"{node.rate_per_hour:g} an hour")))
    for label, (warn, crit) in (
        ("cpu limits", node.cpu_limits),
        ("memory limits", node.mem_limits),
        ("disk limits", node.disk_limits),
    ):
        lines.append((label, Cell(f"{warn:g} % warns, {crit:g} % alarms", Token.MUTED)))
    return Section("Configuration", tuple(lines))
