"""``snapshots`` of a guest as a tree, and the ``checkpoints`` of all clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import QuarterdeckError
from app.verb import Rows
from backends.kinds import vm_lists
from backends.kinds.vm_lists import Checkpoint, Snapshot
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs
from backends.proxmox.lenient import flag, real, rows, text
from backends.proxmox.looking.parts import WITHIN_S, Laid, each, listed, notes, tried, why
from backends.proxmox.on_cluster import type_of, vmid_of


@dataclass(frozen=True, slots=True)
class _Member:
    """One guest's part of a checkpoint."""

    checkpoint: str
    guest: str
    """``lab/101``."""
    of: int
    """How many guests had it when it was made."""
    at: float | None
    """Seconds since the epoch."""


class SnapshotViews(Laid, VmVerbs):
    """What guests can go back to."""

    async def snapshots(self, target: Vm) -> Rows:
        """Show its snapshots as a tree, and where it stands in it."""
        guest = await self.guest(target.source, vmid_of(target), node=target.host, type=type_of(target))
        found = rows(await self.client(guest.cluster).get(self.path(guest, "snapshot"), within=WITHIN_S))
        items = tree(found, container=guest.type == "lxc")
        return vm_lists.snapshot_rows(items, "" if len(items) > 1 else "no snapshots")

    async def checkpoints(self) -> Rows:
        """Show the checkpoints of all clusters; every guest is asked, so this takes a moment."""
        told = await asyncio.gather(*(self._checkpoints(one) for one in self.clusters_meant()))
        found: dict[str, list[_Member]] = {}
        for members, _ in told:
            for member in members:
                found.setdefault(member.checkpoint, []).append(member)
        items = [
            Checkpoint(
                name=name,
                guests=len(members),
                of=max(one.of for one in members),
                taken_at=min((one.at for one in members if one.at is not None), default=None),
                members=" ".join(one.guest for one in members),
            )
            for name, members in found.items()
        ]
        return vm_lists.checkpoint_rows(items, notes(*(note for _, note in told)))

    async def _checkpoints(self, cluster: str) -> tuple[list[_Member], str]:
        """(who has which, what could not be read) of one cluster."""
        layout = await tried(self.layout(cluster))
        if isinstance(layout, QuarterdeckError):
            return [], f"{cluster}: {why(layout)}"
        client = self.client(cluster)
        vmids = [vmid for vmid, (_, _, node) in sorted(layout.guests.items()) if node in layout.online]

        async def ask(vmid: int) -> list[dict[str, Any]]:
            return rows(await client.get(layout.path(vmid, "snapshot"), within=WITHIN_S))

        members: list[_Member] = []
        failed: list[str] = []
        for vmid, answer in zip(vmids, await each(ask, vmids), strict=True):
            if isinstance(answer, QuarterdeckError):
                failed.append(f"{cluster}/{vmid} ({why(answer)})")
                continue
            for one in answer:
                marked = vm_lists.CHECKPOINT.match(text(one.get("description")))
                name = text(one.get("name"))
                if marked is not None and name != vm_lists.CURRENT:
                    at = real(one.get("snaptime"))
                    members.append(_Member(name, f"{cluster}/{vmid}", int(marked["guests"][:6]), at))
        away = f"{cluster}: guests of {listed(layout.offline)} were not asked" if layout.offline else ""
        return members, notes(away, f"not known of {listed(failed)}" if failed else "")


def tree(found: Iterable[Mapping[str, Any]], *, container: bool) -> list[Snapshot]:
    """Snapshots, each below the one it was taken after, and where the guest stands now; whatever order they came in."""
    named = {text(one.get("name")): one for one in found if text(one.get("name"))}
    below: dict[str, list[str]] = {}
    for name, one in named.items():
        parent = text(one.get("parent"))
        known = parent in named and parent not in (vm_lists.CURRENT, name)
        below.setdefault(parent if known else "", []).append(name)
    items: list[Snapshot] = []
    seen: set[str] = set()

    def age(name: str) -> tuple[bool, float, str]:
        return name == vm_lists.CURRENT, real(named[name].get("snaptime")) or 0.0, name

    def walk(roots: list[str]) -> None:
        waiting = [(name, 0) for name in sorted(roots, key=age, reverse=True)]
        while waiting:
            name, depth = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            items.append(_snapshot(name, named[name], depth, container=container))
            waiting += [(one, depth + 1) for one in sorted(below.get(name, ()), key=age, reverse=True)]

    walk(below.get("", []))
    walk([name for name in named if name not in seen])  # a ring of parents hangs from nothing
    if vm_lists.CURRENT not in named:
        items.append(Snapshot(name=vm_lists.CURRENT, current=True))
    return items


def _snapshot(name: str, one: Mapping[str, Any], depth: int, *, container: bool) -> Snapshot:
    if name == vm_lists.CURRENT:
        return Snapshot(name=name, depth=depth, current=True)
    return Snapshot(
        name=name,
        depth=depth,
        taken_at=real(one.get("snaptime")),
        memory=None if container else flag(one.get("vmstate")),
        state=text(one.get("snapstate")),
        description=text(one.get("description")).strip(),
    )
