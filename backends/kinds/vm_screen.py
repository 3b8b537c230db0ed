"""The describe screen of a guest, as far as its row knows; the rest is asked for while the screen is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app import column
from app.column import Cell, Section, Token
from backends.kinds.vm import backup, mood
from backends.kinds.vm_row import Vm

_TYPES = {"vm": "virtual machine", "ct": "system container"}


def sections(vm: Vm) -> Sequence[Section]:
    """What it is and where it runs, what it has, how safe it is, and how it is doing."""
    guest = (
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
        ("up", column.duration(vm.uptime_s)),
    )
    has = (
        ("cores", column.number(vm.cores, 0 if vm.cores is None or vm.cores == int(vm.cores) else 1)),
        ("memory", column.size(vm.mem_total_bytes)),
        ("disk", _disk(vm)),
    )
    upkeep = (
        ("lock", column.text(vm.lock)),
        ("HA", Cell(column.clean(vm.ha_state or ""), Token.CRIT if vm.ha_state == "error" else Token.TEXT)),
        ("pending", Cell("changes wait for a restart" if vm.pending else "", Token.WARN)),
        ("backup", _backup(vm)),
    )
    titled = (("Guest", guest), ("Size", has), ("Upkeep", upkeep))
    known = [Section(title, lines) for title, of in titled if (lines := _known(of))]
    if vm.state != "running":
        return known
    return (
        *known,
        Section("CPU", (("now", column.percent(vm.cpu_percent)),), graph="cpu", graph_max=100.0),
        Section(
            "Memory",
            (("now", column.size(vm.mem_used_bytes)),),
            graph="mem",
            graph_max=float(vm.mem_total_bytes) if vm.mem_total_bytes else None,
        ),
    )


def _known(lines: Sequence[tuple[str, Cell]]) -> tuple[tuple[str, Cell], ...]:
    return tuple((label, cell) for label, cell in lines if cell.text not in ("", column.UNKNOWN_TEXT))


def _disk(vm: Vm) -> Cell:
    total, share = vm.disk_total_bytes, vm.disk_percent
    if total is None or share is None:
        return column.size(total)
    said = f"{column.bar_text(share / 100, 8)} {share:.0f} % of {column.size_text(total)}"
    return Cell(said, column.level(share, (80, 92)), share)


def _backup(vm: Vm) -> Cell:
    cell = backup(vm)
    return cell if vm.backup_age_s is None else replace(cell, text=f"{cell.text} ago")
