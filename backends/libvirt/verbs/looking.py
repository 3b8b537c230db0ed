"""``inspect`` and ``details``: what is asked for only while somebody looks at one guest."""

from __future__ import annotations

import re

from app import column
from app.column import Cell, Section, Token
from app.verb import Sections, Text
from backends.kinds.vm_row import Vm
from backends.libvirt.verbs.base import Now, OnGuests, quoted

_MOST_DISKS = 32
_BLOCK = re.compile(r"^(Capacity|Allocation|Physical): +(\d+)", re.MULTILINE)
_ADDRESS = re.compile(r"^ *(\S+) +([0-9a-f:]{17}|-) +(ipv4|ipv6|-) +(\S+)", re.MULTILINE)
_RESIDENT = re.compile(r"^rss (\d{1,15})$", re.MULTILINE)
_SOURCES = ("agent", "lease", "arp")
"""Who may know a guest's addresses, best first."""


class LookingVerbs(OnGuests):
    """Views."""

    async def inspect(self, target: Vm) -> Text:
        """Show its definition, without the secrets in it."""
        return Text((await self.fresh(target)).xml)

    async def details(self, target: Vm) -> Sections:
        """Show addresses, disks, networks, snapshots and notes."""
        now = await self.fresh(target)
        disks = [one for one in now.definition.disks if one.target][:_MOST_DISKS]
        lines = [f"domblkinfo {now.uuid} {quoted(one.target)}" for one in disks]
        lines += [f"snapshot-list {now.uuid} --name", f"dommemstat {now.uuid}"]
        if now.state == "running":
            lines += [f"domifaddr {now.uuid} --source {source}" for source in _SOURCES]
        told = await self.answers(target.source, *lines)
        snapshots = [name for name in told[len(disks)].split("\n") if name.strip() and not name.startswith("error: ")]
        found = [_general(now, snapshots, told[len(disks) + 1]), _addresses(told[len(disks) + 2 :])]
        rows = tuple(
            (
                column.text(one.target),
                column.text(one.device),
                *_sizes(said),
                column.text(one.format),
                column.text(one.source),
            )
            for one, said in zip(disks, told, strict=False)
        )
        found.append(Section("Disks", header=("disk", "type", "size", "on its node", "format", "where"), rows=rows))
        cards = tuple(
            (column.text(one.mac), column.text(one.kind), column.text(one.source), column.text(one.model))
            for one in now.definition.cards
        )
        found.append(Section("Networks", header=("address", "type", "network", "model"), rows=cards))
        if now.definition.description:
            lines = now.definition.description.splitlines()
            found.append(Section("Notes", tuple(("", Cell(column.clean(line))) for line in lines[:50])))
        return Sections(tuple(one for one in found if one is not None and (one.rows or one.lines)))


def _general(now: Now, snapshots: list[str], memory: str) -> Section:
    said = now.definition
    resident = _RESIDENT.search(memory)
    shown = [
        ("uuid", column.text(now.uuid)),
        ("title", column.text(said.title)),
        ("machine", column.text(said.os)),
        ("in memory", Cell("" if resident is None else f"{column.size_text(int(resident[1]) << 10)} of its node's")),
        ("screen", column.text(said.screen)),
        ("serial", Cell("yes" if said.serial else "no")),
        ("agent", Cell("has a channel for one" if said.agent else "no channel for one", Token.MUTED)),
        ("autostart", Cell("yes" if now.autostart else "no")),
        ("protected", Cell("yes" if said.protected else "")),
        ("kept", Cell("" if now.persistent else "transient: it goes when it stops", Token.WARN)),
        ("snapshots", column.text(", ".join(snapshots[:12]))),
    ]
    return Section("Definition", tuple((label, cell) for label, cell in shown if cell.text not in ("", "–")))


def _addresses(told: list[str]) -> Section | None:
    """From the first who knows any."""
    for source, said in zip(_SOURCES, told, strict=False):
        found = [] if said.startswith("error: ") else _ADDRESS.findall(said)
        rows = tuple(
            (column.text(card), column.text(mac), column.text(address), Cell(source, Token.MUTED))
            for card, mac, _, address in found
            if not address.startswith(("127.", "::1"))
        )
        if rows:
            return Section("Addresses", header=("card", "hardware", "address", "told by"), rows=rows)
    return None


def _sizes(said: str) -> tuple[Cell, Cell]:
    values = {key: int(value) for key, value in _BLOCK.findall(said)}
    return column.size(values.get("Capacity")), column.size(values.get("Physical"))
