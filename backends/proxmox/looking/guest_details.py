"""What a describe screen shows of a guest beyond its row: each block asked for by itself, none spoils another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from app import column
from app.column import Cell, Section, Token, clean
from app.errors import QuarterdeckError
from backends.kinds import vm_lists
from backends.kinds.vm_row import Vm
from backends.proxmox import wire
from backends.proxmox.lenient import flag, mapping, real, rows, size, text, whole
from backends.proxmox.looking import addresses, config
from backends.proxmox.looking.parts import Laid, Row, each, lines, shown, tried, unavailable, values, why
from backends.proxmox.on_cluster import FreshGuest

WITHIN_S = 12.0
AGENT_S = 8.0
"""An agent that does not run is found out after three seconds."""
MOST_STORAGES = 8
MOST_BACKUPS = 5
MOST_LINES = 40
_STARTED = ("running", "paused")


async def gathered(on: Laid, target: Vm) -> tuple[Section, ...]:
    """All blocks of a guest; raises where the guest itself cannot be read."""
    guest = await on.guest(
        target.source, int(target.key), node=target.host, type="lxc" if target.type == "ct" else "qemu"
    )
    reach = _Reach(on, guest)
    snapshots, pending, addressed, backups, replicated = await asyncio.gather(
        tried(reach.snapshots()),
        tried(reach.pending()),
        tried(reach.interfaces()),
        tried(reach.backups()),
        tried(reach.replication()),
    )
    if isinstance(addressed, list):
        known = tuple(addresses.bare(one) for card in addressed if not card.own for one in card.addresses)
        on.addresses(target.source)[guest.vmid] = known
    return shown(
        (
            _settings(guest),
            _disks(guest),
            _nets(guest),
            _cloud_init(guest),
            _addresses(guest, addressed),
            _pending(pending),
            _snapshots(snapshots),
            _backups(backups),
            _replication(replicated),
            _notes(guest),
        )
    )


class _Reach:
    """The questions about one guest."""

    def __init__(self, on: Laid, guest: FreshGuest) -> None:
        self._client = on.client(guest.cluster)
        self._guest = guest
        self._path = on.path(guest)

    async def snapshots(self) -> list[dict[str, Any]]:
        return rows(await self._client.get(f"{self._path}/snapshot", within=WITHIN_S))

    async def pending(self) -> list[dict[str, Any]]:
        return rows(await self._client.get(f"{self._path}/pending", within=WITHIN_S))

    async def replication(self) -> list[dict[str, Any]]:
        path = wire.path("nodes", self._guest.node, "replication")
        found = rows(await self._client.get(path, guest=self._guest.vmid, within=WITHIN_S))
        return [one for one in found if whole(one.get("guest")) == self._guest.vmid]

    async def interfaces(self) -> list[addresses.Interface] | None:
        """``None`` where there is nobody to ask."""
        if self._guest.status != "running":
            return None
        if self._guest.type == "lxc":
            return addresses.of_container(await self._client.get(f"{self._path}/interfaces", within=AGENT_S))
        if not config.agent_on(self._guest.config):
            return None
        return addresses.of_agent(await self._client.get(f"{self._path}/agent/network-get-interfaces", within=AGENT_S))

    async def backups(self) -> tuple[list[dict[str, Any]], list[str]]:
        """(its backups, newest first; why some storages could not be asked)."""
        node = self._guest.node
        held = rows(await self._client.get(wire.path("nodes", node, "storage"), content="backup", within=WITHIN_S))
        names = [text(one.get("storage")) for one in held if text(one.get("storage")) and _usable(one)]

        async def ask(name: str) -> list[dict[str, Any]]:
            path = wire.path("nodes", node, "storage", name, "content")
            found = rows(await self._client.get(path, content="backup", vmid=self._guest.vmid, within=WITHIN_S))
            return [{**one, "storage": name} for one in found if whole(one.get("vmid")) in (None, self._guest.vmid)]

        told = await each(ask, names[:MOST_STORAGES])
        failed = [
            f"{clean(name)}: {why(one)}"
            for name, one in zip(names, told, strict=False)
            if isinstance(one, QuarterdeckError)
        ]
        found = [one for part in values(told) for one in part]
        return sorted(found, key=lambda one: -(real(one.get("ctime")) or 0)), failed


def _usable(storage: Mapping[str, Any]) -> bool:
    return storage.get("active") is None or flag(storage.get("active"))


def _settings(guest: FreshGuest) -> Section:
    told, now = guest.config, guest.current
    sockets, cores = whole(told.get("sockets")) or 1, whole(told.get("cores"))
    memory, balloon = whole(told.get("memory")), whole(told.get("balloon"))
    ha = mapping(now.get("ha"))
    said = [
        ("cores", f"{sockets} × {cores}" if cores and sockets > 1 else str(cores or "")),
        ("cpu", text(told.get("cpu"))),
        ("memory", column.size_text(memory * 1024 * 1024) if memory else ""),
        ("at least", column.size_text(balloon * 1024 * 1024) if balloon and balloon != memory else ""),
        ("swap", column.size_text(swap * 1024 * 1024) if (swap := whole(told.get("swap"))) else ""),
        ("system", text(told.get("ostype"))),
        ("machine", text(told.get("machine"))),
        ("firmware", text(told.get("bios"))),
        ("boot", text(told.get("boot"))),
        ("starts with its hypervisor", "yes" if flag(told.get("onboot")) else ""),
        ("start order", text(told.get("startup"))),
        ("agent", ("yes" if config.agent_on(told) else "not configured") if guest.type == "qemu" else ""),
        ("unprivileged", ("yes" if flag(told.get("unprivileged")) else "no") if guest.type == "lxc" else ""),
        ("features", text(told.get("features"))),
        ("running as", text(now.get("running-qemu"))),
        ("HA group", text(ha.get("group"))),
    ]
    marked = [
        ("state", Cell(guest.words, Token.TEXT) if guest.status == "paused" else Cell("")),
        ("protected", Cell("may not be destroyed" if guest.protection else "", Token.ACCENT)),
        ("locked", Cell(clean(guest.lock or ""), Token.BUSY)),
        ("HA", Cell(clean(guest.ha or ""), Token.CRIT if guest.ha == "error" else Token.TEXT)),
    ]
    return lines("Settings", [*((label, column.text(value)) for label, value in said if value), *marked])


def _disks(guest: FreshGuest) -> Section:
    found: list[Row] = []
    for disk in config.disks(guest.config):
        kept = "a drive for CDs" if disk.cdrom else clean(disk.options)
        volume = column.text(disk.volume if disk.volume != "none" else "empty")
        found.append(
            (
                column.text(disk.key),
                column.text(disk.storage or None),
                volume,
                column.text(disk.size or None),
                Cell(kept, Token.MUTED),
            )
        )
    return Section("Disks", header=("DISK", "STORAGE", "VOLUME", "SIZE", "OPTIONS"), rows=tuple(found))


def _nets(guest: FreshGuest) -> Section:
    found: list[Row] = []
    for net in config.nets(guest.config):
        wall = Cell("on" if net.firewall else "off", Token.OK if net.firewall else Token.MUTED)
        name = f"{net.key} {net.name}" if net.name else net.key
        bridge = f"{net.bridge} vlan {net.vlan}" if net.vlan else net.bridge
        more = ", ".join(one for one in (net.address, "unplugged" if net.down else "") if one)
        found.append(
            (
                column.text(name),
                column.text(net.model or None),
                column.text(net.mac or None),
                column.text(bridge or None),
                wall,
                column.text(more or None),
            )
        )
    return Section("Networks", header=("CARD", "MODEL", "MAC", "BRIDGE", "FIREWALL", "ADDRESS"), rows=tuple(found))


def _cloud_init(guest: FreshGuest) -> Section:
    told = guest.config
    keys = [one for one in config.masked("sshkeys", told.get("sshkeys")).splitlines() if one.strip()]
    said = [("user", text(told.get("ciuser"))), ("password", config.masked("cipassword", told.get("cipassword")))]
    said += [(key, text(told[key])) for key in sorted(told) if key.startswith("ipconfig")]
    said += [("name server", text(told.get("nameserver"))), ("search domain", text(told.get("searchdomain")))]
    said += [("keys that log in", str(len(keys)) if keys else ""), ("files", text(told.get("cicustom")))]
    return lines(
        "cloud-init" if guest.type == "qemu" else "Names", [(one, column.text(value)) for one, value in said if value]
    )


def _addresses(guest: FreshGuest, told: list[addresses.Interface] | QuarterdeckError | None) -> Section:
    if isinstance(told, QuarterdeckError):
        return unavailable("Addresses", told)
    if told is None:
        asked = guest.status == "running" and guest.type == "qemu"
        said = "its guest agent is not configured (agent: 1, and qemu-guest-agent within)" if asked else ""
        return lines("Addresses", [("not known", Cell(said, Token.MUTED))])
    macs = [net.mac for net in config.nets(guest.config)]
    out = addresses.outward(told, macs)
    if not out:
        return lines("Addresses", [("none", Cell("it has no address that leads outside", Token.MUTED))])
    return lines("Addresses", [(clean(one.name), column.text(", ".join(one.addresses))) for one in out])


def _pending(told: list[dict[str, Any]] | QuarterdeckError) -> Section:
    if isinstance(told, QuarterdeckError):
        return unavailable("Waiting for a restart", told)
    found: list[Row] = []
    for row in told:
        key, gone = text(row.get("key")), (whole(row.get("delete")) or 0) > 0
        if "pending" not in row and not gone:
            continue
        then = Cell("removed", Token.WARN) if gone else column.text(config.masked(key, row.get("pending")))
        found.append((column.text(key), column.text(config.masked(key, row.get("value")) or None), then))
    return Section("Waiting for a restart", header=("SETTING", "NOW", "THEN"), rows=tuple(found))


def _snapshots(told: list[dict[str, Any]] | QuarterdeckError) -> Section:
    if isinstance(told, QuarterdeckError):
        return unavailable("Snapshots", told)
    real_ones = [one for one in told if text(one.get("name")) not in ("", vm_lists.CURRENT)]
    stands = next((text(one.get("parent")) for one in told if text(one.get("name")) == vm_lists.CURRENT), "")
    newest = max(real_ones, key=lambda one: real(one.get("snaptime")) or 0, default=None)
    if newest is None:
        return lines("Snapshots", [("count", Cell("none", Token.MUTED))])
    return lines(
        "Snapshots",
        [
            ("count", column.number(len(real_ones))),
            ("newest", column.text(text(newest.get("name")))),
            ("taken", vm_lists.ago(real(newest.get("snaptime")))),
            ("stands on", column.text(stands or None)),
        ],
    )


def _backups(told: tuple[list[dict[str, Any]], list[str]] | QuarterdeckError) -> Section:
    if isinstance(told, QuarterdeckError):
        return unavailable("Backups", told)
    found, failed = told
    table: list[Row] = [
        (
            vm_lists.ago(real(one.get("ctime"))),
            column.size(size(one.get("size"))),
            column.text(text(one.get("storage"))),
            Cell("protected" if flag(one.get("protected")) else "", Token.ACCENT),
            column.text(text(one.get("volid")) or None),
        )
        for one in found[:MOST_BACKUPS]
    ]
    said = [("count", column.number(len(found)))] if len(found) > MOST_BACKUPS else []
    said += [("not known", Cell(one, Token.WARN)) for one in failed]
    return Section("Backups", tuple(said), ("TAKEN", "SIZE", "STORAGE", "KEPT", "ARCHIVE"), tuple(table))


def _replication(told: list[dict[str, Any]] | QuarterdeckError) -> Section:
    if isinstance(told, QuarterdeckError):
        return Section("Replication")  # most servers that stand alone have none; its absence is no news
    table: list[Row] = []
    for one in told:
        error = text(one.get("error"))
        state = Cell(clean(error), Token.CRIT) if error else column.text(text(one.get("state")) or "ok")
        synced = real(one.get("last_sync"))
        table.append(
            (
                column.text(text(one.get("target"))),
                column.text(text(one.get("schedule")) or None),
                vm_lists.ago(synced or None),
                state,
            )
        )
    return Section("Replication", header=("TO", "SCHEDULE", "LAST", "STATE"), rows=tuple(table))


def _notes(guest: FreshGuest) -> Section:
    said = text(guest.config.get("description")).strip().splitlines()
    kept: Sequence[str] = said[:MOST_LINES]
    cut = [("", Cell(f"… {len(said) - MOST_LINES} more lines", Token.MUTED))] if len(said) > MOST_LINES else []
    return Section("Notes", (*(("", Cell(clean(one))) for one in kept), *cut))
