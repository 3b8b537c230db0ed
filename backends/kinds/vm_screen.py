"""The describe screen of a guest, as far as its row knows; the rest is asked for while the screen is open."""

from __future__ import annotations

from collections.abc import Sequence

from app import column
from app.column import Cell, Section, Token
from backends.kinds.vm import backup, mood
from backends.kinds.vm_row import Vm

_TYPES = {"vm": "virtual machine", "ct": "system container"}


def sections(vm: Vm) -> Sequence[Section]:
    """What it is, where it runs and how it is doing."""
    shown = [
        ("state", column.state(vm.word, mood(vm))),
        ("fault", Cell(column.clean(vm.fault or ""), Token.CRIT)),
        ("task", Cell(column.clean(vm.task or ""), Token.BUSY)),
        ("type", column.text(_TYPES[vm.type] + (", template" if vm.template else ""))),
        ("id", column.text(vm.key)),
        ("cluster", column.text(vm.source)),
        ("on", column.text(vm.host)),
        ("pool", column.text(vm.pool)),
        ("tags", column.text(" ".join(vm.labels))),
        ("node", column.text(vm.runs_as.id if vm.runs_as else None)),
        ("HA", Cell(column.clean(vm.ha_state or ""), Token.CRIT if vm.ha_state == "error" else Token.TEXT)),
        ("lock", column.text(vm.lock)),
        ("pending", Cell("changes wait for a restart" if vm.pending else "", Token.WARN)),
        ("backup", backup(vm)),
        ("cores", column.number(vm.cores, 0 if vm.cores is None or vm.cores == int(vm.cores) else 1)),
        ("disk", column.size(vm.disk_total_bytes)),
        ("up", column.duration(vm.uptime_s)),
    ]
    known = tuple((label, cell) for label, cell in shown if cell.text not in ("", column.UNKNOWN_TEXT))
    if vm.state != "running":
        return (Section("Guest", known),)
    return (
        Section("Guest", known),
        Section("CPU", (("now", column.percent(vm.cpu_percent)),), graph="cpu", graph_max=100.0),
        Section(
            "Memory",
            (("now", column.size(vm.mem_used_bytes)), ("of", column.size(vm.mem_total_bytes))),
            graph="mem",
            graph_max=float(vm.mem_total_bytes) if vm.mem_total_bytes else None,
        ),
    )
