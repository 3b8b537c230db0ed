"""``details`` of a hypervisor: its software, load, memory, storages and network interfaces, and what asking costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app import column
from app.column import Cell, Section, Token, clean
from app.errors import QuarterdeckError
from app.verb import Sections
from backends.kinds.hypervisor import Hypervisor, HypervisorVerbs
from backends.proxmox import wire
from backends.proxmox.lenient import flag, mapping, real, rows, size, text, whole
from backends.proxmox.looking.parts import WITHIN_S, Laid, Row, lines, shown, tried, unavailable

if TYPE_CHECKING:
    from backends.proxmox.client import Client

MOST_CARDS = 60


class HypervisorViews(Laid, HypervisorVerbs):
    """What can be read of a hypervisor."""

    async def hypervisor_details(self, target: Hypervisor) -> Sections:
        """Show its software, load, memory, storages and network interfaces."""
        client = self.client(target)

        async def ask(*rest: str) -> Any:
            return await client.get(wire.path("nodes", target.name, *rest), within=WITHIN_S)

        status, storages, network = await asyncio.gather(
            tried(ask("status")), tried(ask("storage")), tried(ask("network"))
        )
        told = (status, storages, network)
        if all(isinstance(one, QuarterdeckError) for one in told):
            raise next(one for one in told if isinstance(one, QuarterdeckError))
        if not isinstance(status, QuarterdeckError):
            version = text(mapping(status).get("pveversion"))
            if version:
                self.versions(target.source)[target.name] = version.removeprefix("pve-manager/").partition("/")[0]
        return Sections(shown((*_status(status), _storages(storages), _network(network), _cost(client))))


def _status(told: Any) -> tuple[Section, ...]:
    if isinstance(told, QuarterdeckError):
        return (unavailable("Software", told),)
    status = mapping(told)
    cpu, memory, swap, root = (mapping(status.get(key)) for key in ("cpuinfo", "memory", "swap", "rootfs"))
    load: Any = status.get("loadavg")
    averages = " ".join(text(one) for one in load) if isinstance(load, list) else ""  # pyright: ignore[reportUnknownVariableType]
    wait, ksm = real(status.get("wait")), size(mapping(status.get("ksm")).get("shared"))
    software = lines(
        "Software",
        [
            ("Proxmox VE", column.text(text(status.get("pveversion")) or None)),
            ("kernel", column.text(text(status.get("kversion")) or None)),
            ("boots by", column.text(text(mapping(status.get("boot-info")).get("mode")) or None)),
        ],
    )
    sockets, cores = whole(cpu.get("sockets")), whole(cpu.get("cores"))
    hardware = lines(
        "Load",
        [
            ("processor", column.text(text(cpu.get("model")) or None)),
            ("sockets", column.number(sockets)),
            ("cores", column.number(cores)),
            ("threads", column.number(whole(cpu.get("cpus")))),
            ("load", column.text(averages or None)),
            ("waits for disks", column.percent(100 * wait if wait is not None else None)),
        ],
    )
    rooms = lines(
        "Memory and root",
        [
            ("memory", _of(memory)),
            ("swap", _of(swap) if size(swap.get("total")) else Cell("")),
            ("shared by KSM", column.size(ksm) if ksm else Cell("")),
            ("root", _of(root)),
        ],
    )
    return software, hardware, rooms


def _cost(client: Client) -> Section:
    """Where the whole cluster is asked, and what this console itself costs it."""
    cost = client.cost
    return lines(
        "This console's own cost",
        [
            ("asks at", column.text(client.url or None)),
            ("instead of", Cell(clean(client.detour), Token.WARN)),
            ("last minute", Cell(f"{client.requests_a_minute} requests to the cluster")),
            ("since its start", Cell(f"{cost.commands} requests over {cost.connects} connections")),
            ("bytes in", column.size(cost.bytes_in)),
            ("bytes out", column.size(cost.bytes_out)),
        ],
    )


def _of(told: dict[str, Any]) -> Cell:
    used, total = size(told.get("used")), size(told.get("total"))
    if used is None or not total:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    share = 100 * used / total
    said = f"{column.size_text(used)} of {column.size_text(total)}, {share:.0f} %"
    return Cell(said, column.level(share, (85, 95)), share)


def _storages(told: Any) -> Section:
    if isinstance(told, QuarterdeckError):
        return unavailable("Storages", told)
    table: list[Row] = []
    for one in sorted(rows(told), key=lambda row: text(row.get("storage"))):
        usable = one.get("active") is None or flag(one.get("active"))
        table.append(
            (
                column.text(text(one.get("storage"))),
                column.text(text(one.get("type"))),
                Cell("available", Token.OK) if usable else Cell("inactive", Token.CRIT),
                _of(one),
                column.text(text(one.get("content")).replace(",", " ")),
            )
        )
    return Section("Storages", header=("NAME", "TYPE", "STATE", "FULL", "CONTENT"), rows=tuple(table))


def _network(told: Any) -> Section:
    if isinstance(told, QuarterdeckError):
        return unavailable("Network", told)
    table: list[Row] = []
    for one in sorted(rows(told), key=lambda row: text(row.get("iface")))[:MOST_CARDS]:
        addresses = [text(one.get(key)) for key in ("cidr", "cidr6") if text(one.get(key))]
        parts = text(one.get("bridge_ports")) or text(one.get("slaves")) or text(one.get("vlan-raw-device"))
        up = flag(one.get("active"))
        table.append(
            (
                column.text(text(one.get("iface"))),
                column.text(text(one.get("type"))),
                Cell("up" if up else "down", Token.OK if up else Token.MUTED),
                column.text(", ".join(addresses) or None),
                column.text(parts or None),
                Cell(clean(text(one.get("comments")).strip()), Token.MUTED),
            )
        )
    return Section("Network", header=("NAME", "TYPE", "STATE", "ADDRESS", "OF", "COMMENT"), rows=tuple(table))
