"""Guests: virtual machines and system containers of hypervisors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app import column
from app.column import Cell, Column, Section, Token, Worry
from app.fleet import STALE, Mood
from app.kind import Kind, plain_json
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs

_ID_WIDTH = 11

BACKUP_OLD_S = 8 * 86400.0
"""From this age on the last backup of a running guest is shown as a warning."""


def mood(vm: Vm) -> Mood:
    """Up while it runs; templates and what was stopped on purpose are muted."""
    if vm.state == STALE:
        return Mood.STALE
    if vm.fault or vm.ha_state == "error":
        return Mood.ATTENTION
    if vm.task or (vm.lock and vm.lock != "suspended"):
        return Mood.BUSY
    if vm.state == "running":
        return Mood.ATTENTION if (vm.disk_percent or 0) >= 95 else Mood.UP
    return Mood.MUTED if vm.state in ("stopped", "paused", "suspended") else Mood.UNKNOWN


def worry(vm: Vm) -> Worry | None:
    """Its fault, failed high availability, a full disk, what is being done, an old backup, then how busy it is."""
    if vm.fault:
        return Worry(140, vm.fault, Token.CRIT)
    if vm.ha_state == "error":
        return Worry(135, "HA error", Token.CRIT)
    disk = vm.disk_percent
    if disk is not None and disk >= 92:
        return Worry(110 + disk / 10, f"disk {disk:.0f} %", Token.CRIT)
    if vm.task:
        return Worry(101, vm.task, Token.BUSY)
    if vm.state == "running" and vm.backup_age_s is not None and vm.backup_age_s >= BACKUP_OLD_S:
        return Worry(100, f"backup {column.duration_text(vm.backup_age_s)} old", Token.WARN)
    if vm.state == "running" and vm.cpu_percent and vm.cpu_percent >= 0.5:
        busy = f"cpu {column.bar_text(vm.cpu_percent / 100, 8)} {vm.cpu_percent:3.0f} %"
        return Worry(min(99.0, vm.cpu_percent), busy, Token.TEXT)
    return None


def _state(vm: Vm) -> Cell:
    return column.state(vm.word, mood(vm))


def _id(vm: Vm) -> Cell:
    """What the command line takes; where that is the name once more, what its hypervisor knows it by."""
    if not vm.key.isdecimal():
        return column.text(vm.key[:8], Token.MUTED)
    said = vm.id if len(vm.id) <= _ID_WIDTH else vm.key
    return Cell(column.clean(said), Token.TEXT, float(vm.key))


def _cores(vm: Vm) -> Cell:
    return column.number(vm.cores, 0 if vm.cores is None or vm.cores == int(vm.cores) else 1)


def _cpu(vm: Vm) -> Cell:
    if vm.state != "running" or vm.cpu_percent is None:
        return Cell(column.UNKNOWN_TEXT if vm.state == "running" else "", Token.MUTED)
    return column.percent(vm.cpu_percent)


def _memory(vm: Vm) -> Cell:
    used, total = vm.mem_used_bytes, vm.mem_total_bytes
    if total is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    if used is None or vm.state != "running":
        return Cell(column.size_text(total), Token.MUTED, total)
    return Cell(f"{column.size_text(used)}/{column.size_text(total)}", column.level(vm.mem_percent, (85, 97)), used)


def _disk(vm: Vm) -> Cell:
    share = vm.disk_percent
    if share is not None:
        return Cell(f"{share:.0f} %{'!' if share >= 92 else ''}", column.level(share, (80, 92)), share)
    return column.size(vm.disk_total_bytes)


def backup(vm: Vm) -> Cell:
    """How old its last backup is; that there is none stands out where that is known."""
    age = vm.backup_age_s
    if age is None:
        if vm.backups_known and not vm.template:
            return Cell("none", Token.WARN if vm.state == "running" else Token.MUTED, float("inf"))
        return Cell("" if vm.template else column.UNKNOWN_TEXT, Token.MUTED)
    return Cell(column.duration_text(age), Token.WARN if age >= BACKUP_OLD_S else Token.TEXT, age)


def note(vm: Vm) -> Cell:
    """What is wrong with it or being done to it, changes that wait, its part in high availability.

    Why a whole cluster is silent is said once, below the table, and not in every row.
    """
    if vm.state == STALE:
        return Cell("", Token.STALE)
    if vm.fault:
        return Cell(column.clean(vm.fault), Token.CRIT)
    said = [vm.task or "", "pending" if vm.pending else "", f"HA {vm.ha_state}" if vm.ha_state else ""]
    token = Token.BUSY if vm.task else Token.CRIT if vm.ha_state == "error" else Token.MUTED
    return Cell(column.clean(", ".join(one for one in said if one)), token)


def _up(vm: Vm) -> Cell:
    return Cell("") if vm.state != "running" else column.duration(vm.uptime_s)


def _net(vm: Vm) -> Cell:
    down, up = vm.net_rx_bytes_per_s, vm.net_tx_bytes_per_s
    if down is None or up is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    return Cell(f"↓{column.size_text(down):>4} ↑{column.size_text(up):>4}", Token.TEXT, down + up)


COLUMNS: tuple[Column[Vm], ...] = (
    Column("NAME", lambda v: column.text(v.name), 18, priority=0, help="as its hypervisor calls it"),
    Column("ID", _id, _ID_WIDTH, priority=3, help="cluster and vmid, as commands take it; of libvirt the UUID's start"),
    Column("ON", lambda v: column.text(v.host or v.source), 8, priority=1, help="its hypervisor"),
    Column("STATE", _state, 11, priority=0, help="running, stopped …, template, or what holds it"),
    Column("CPU", _cpu, 6, "right", priority=1, help="of its own cores"),
    Column("", lambda v: Cell(""), 5, priority=4, spark="cpu", spark_max=100, help="CPU of the last minutes"),
    Column("CORES", _cores, 5, "right", priority=5, help="how many it has"),
    Column("MEM", _memory, 9, "right", priority=1, help="in use, and what it has"),
    Column("DISK", _disk, 6, "right", priority=5, help="share in use where known, else its size"),
    Column("BACKUP", backup, 6, "right", priority=2, help="since its last backup"),
    Column("UP", _up, 5, "right", priority=4, help="since its last start"),
    Column("TYPE", lambda v: Cell(v.type, Token.MUTED), 4, priority=6, help="virtual machine or system container"),
    Column("TAGS", lambda v: Cell(column.clean(" ".join(v.labels))), 10, priority=5, help="at its hypervisor"),
    Column("NOTE", note, 12, priority=3, flex=True, help="what is being done, HA, pending changes"),
    Column("CLUSTER", lambda v: column.text(v.source), 8, priority=7, help="where it was seen"),
    Column("POOL", lambda v: column.text(v.pool), 8, priority=7, help="its pool"),
    Column("NET", _net, 11, priority=8, wide=True, help="bytes per second in and out"),
    Column("READ", lambda v: column.rate(v.disk_read_bytes_per_s), 7, "right", priority=8, wide=True, help="disks"),
    Column("WRITE", lambda v: column.rate(v.disk_write_bytes_per_s), 7, "right", priority=8, wide=True, help="disks"),
)


def describe(vm: Vm) -> Sequence[Section]:
    """What is known of it without asking."""
    from backends.kinds.vm_screen import sections

    return sections(vm)


def as_json(vm: Vm) -> dict[str, Any]:
    """Every field, and the shares in percent."""
    return {**plain_json(vm), "mem_percent": vm.mem_percent, "disk_percent": vm.disk_percent}


KIND: Kind[Vm] = Kind(
    noun="vm",
    plural="vms",
    type=Vm,
    columns=COLUMNS,
    verbs=VmVerbs,
    mood=mood,
    word=lambda v: v.word,
    worry=worry,
    describe=describe,
    details="details",
    short=lambda v: f"{v.source}/{v.name}",
    same=lambda v: v.runs_as,
    foremost=("console", "clone", "snapshot", "describe", "start", "shutdown", "mark", "filter", "reboot", "destroy"),
    figures={
        "cpu": lambda v: v.cpu_percent if v.state == "running" else None,
        "mem": lambda v: None if v.mem_used_bytes is None else float(v.mem_used_bytes),
    },
    json=as_json,
    empty=(
        "No guests were found on any cluster or node.",
        "Name clusters under 'proxmox:' in hosts.yaml; libvirt is found by itself.",
    ),
)

__all__ = ["BACKUP_OLD_S", "COLUMNS", "KIND", "Vm", "VmVerbs", "backup", "describe", "mood", "note", "worry"]
