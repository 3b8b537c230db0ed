"""Going back to a snapshot or checkpoint: all of the guests or none, and what is lost said first.

ZFS goes back to the newest snapshot only. Where there are newer ones the honest ways are to remove those first, or to
make a new guest from a backup.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from app.column import clean
from app.errors import Missing, QuarterdeckError, Refused
from app.plan import Plan, Step
from backends.kinds.vm_row import Vm
from backends.proxmox.lanes import storages_of
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs.acting import Call, no_template
from backends.proxmox.verbs.kept import backups_on
from backends.proxmox.verbs.privileges import Need, on_guest
from backends.proxmox.verbs.snapshot_tree import Snapshot, moment, newest_only, snapshots_of
from backends.proxmox.verbs.snapshots import Snapping

_MOST_NAMED = 16
AT_ONCE = 8
"""Guests looked at side by side when planning for many."""


@dataclass(frozen=True, slots=True)
class _Return:
    """One guest that can go back."""

    target: Vm
    now: FreshGuest
    to: Snapshot
    newer: tuple[Snapshot, ...]
    """What has to be removed first, the newest first."""
    lanes: tuple[str, ...]
    held: tuple[tuple[str, bool, str], ...]


class RollbackVerbs(Snapping):
    """Back to how it was."""

    async def rollback(
        self, targets: Sequence[Vm], *, name: str, delete_newer: bool = False, start: bool = False
    ) -> Plan:
        """Go back to a snapshot or checkpoint; what was written since is lost."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(target: Vm) -> _Return | QuarterdeckError:
            async with room:
                try:
                    return await self._return(target, name, delete_newer=delete_newer, start=start)
                except QuarterdeckError as error:
                    return error

        looked = await asyncio.gather(*(one(target) for target in targets))
        _refuse_if_any(targets, looked, name)
        able = [each for each in looked if isinstance(each, _Return)]
        loses: list[str] = []
        notes: list[str] = []
        steps: list[Step] = []
        for number, each in enumerate(able):
            loses += _loses(each)
            notes += _notes(each, start=start)
            steps += self._steps_back(each, number, name, start=start)
        return Plan(*steps, loses=loses, notes=notes, preconditions=[check for each in able for check in each.held])

    async def _return(self, target: Vm, name: str, *, delete_newer: bool, start: bool) -> _Return:
        more: list[Need] = [on_guest(target.key, "VM.PowerMgmt")] if start else []
        if delete_newer:
            more.append(on_guest(target.key, "VM.Snapshot"))
        now, held = await self.ready(target, "rollback", _not_template, *more)
        tree = await snapshots_of(self.client(target), self.path(now))
        to = tree.wanted(name, now)
        held.append((f"it has the snapshot {name}", True, f"taken {moment(to.taken_at)}"))
        kinds = {one.name: one.type for one in (await self.storage_kinds(now)).values()}
        strict = newest_only({name: kinds.get(name, "") for name in storages_of(now.config)})
        newer = tree.newer(name)
        if newer and strict and not delete_newer:
            raise Refused(
                f"'{clean(name)}' is not its newest snapshot, and ZFS ({', '.join(strict)}) goes back to the newest "
                f"only; newer: {', '.join(clean(each.name) for each in newer)}",
                where=target.id,
                todo=await self._ways(now, name),
            )
        return _Return(target, now, to, newer if delete_newer else (), await self.storage_lanes(now), tuple(held))

    async def _ways(self, now: FreshGuest, name: str) -> str:
        """What can be done instead: commands to type."""
        first = f"remove the newer ones with it: quarterdeck vm rollback {now.id} --name {name} --delete-newer"
        try:
            kept = await backups_on(self.client(now.cluster), now.node, now.vmid)
        except QuarterdeckError:
            return f"{first}; or restore a backup to a new guest: quarterdeck vm backups {now.id}"
        if not kept.found:
            unread = f" on what could be read ({', '.join(kept.unread)} could not)" if kept.unread else ""
            return f"{first}; there is no backup of it{unread} that could be restored instead"
        newest = kept.found[0]
        restore = f"quarterdeck vm restore {quote(clean(newest.volid))} --cluster {now.cluster}"
        return f"{first}; or make a new guest of its backup of {moment(newest.taken_at)}: {restore}"

    def _steps_back(self, each: _Return, number: int, name: str, *, start: bool) -> list[Step]:
        """Newer snapshots are removed one after the other, the newest first; then back."""
        now, width = each.now, self.parallel(each.now.cluster)
        steps: list[Step] = []
        after: tuple[str, ...] = ()
        for newer in each.newer:
            named = f"{number}-without-{newer.name}"
            steps.append(
                self.step(
                    each.target,
                    now,
                    self.delete_call(now, newer.name),
                    _not_template,
                    doing=f"delete snapshot {newer.name}",
                    stoppable=False,
                    done=f"snapshot {newer.name} removed",
                    lanes=each.lanes,
                    width=width,
                    name=named,
                    after=after,
                    look=self.still_there(now, newer),
                )
            )
            after = (named,)
        steps.append(
            self.step(
                each.target,
                now,
                Call("POST", self.path(now, "snapshot", name, "rollback"), {"start": True if start else None}),
                _not_template,
                doing="rollback",
                stoppable=False,
                done=f"back at {name}",
                lanes=each.lanes,
                width=width,
                name=f"{number}-back",
                after=after,
                look=self.still_there(now, each.to),
            )
        )
        return steps


def _not_template(now: FreshGuest) -> None:
    no_template(now, "has no snapshots")


def _refuse_if_any(targets: Sequence[Vm], looked: Sequence[_Return | QuarterdeckError], name: str) -> None:
    """All or none: raises for the group where one cannot go back, and names each."""
    against = [
        (target, each) for target, each in zip(targets, looked, strict=True) if isinstance(each, QuarterdeckError)
    ]
    if not against:
        return
    if len(targets) == 1:
        error = against[0][1]
        if isinstance(error, Missing):
            raise Refused(error.what, where=error.where, todo=error.todo)
        raise error
    lacking = [target.id for target, error in against if isinstance(error, Missing)]
    others = [f"{target.id}: {error.what}" for target, error in against if not isinstance(error, Missing)]
    said = (
        [f"{', '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no snapshot '{clean(name)}'"]
        if lacking
        else []
    )
    todos = list(dict.fromkeys(error.todo for _, error in against if error.todo and not isinstance(error, Missing)))
    raise Refused(
        "; ".join([*said, *others]),
        where=f"{len(against)} of {len(targets)} guests",
        todo="; ".join([f"nothing was done to any; {_without(targets, looked, name)}", *todos]),
    )


def _without(targets: Sequence[Vm], looked: Sequence[_Return | QuarterdeckError], name: str) -> str:
    """How the others go back without those that cannot."""
    able = [target.id for target, each in zip(targets, looked, strict=True) if isinstance(each, _Return)]
    if not 0 < len(able) <= _MOST_NAMED:
        return "leave those out"
    return f"leave those out: quarterdeck vm rollback {','.join(able)} --name {name}"


def _loses(each: _Return) -> list[str]:
    who = f"{clean(each.now.name) or 'it'} ({each.now.id})"
    return [
        f"{who}: all it wrote since {moment(each.to.taken_at)}",
        *(f"{who}: its snapshot {clean(one.name)} of {moment(one.taken_at)}" for one in each.newer),
    ]


def _notes(each: _Return, *, start: bool) -> list[str]:
    """What becomes of it while it goes back and after."""
    ident, runs = each.target.id, each.now.runs
    if each.to.memory:
        return [f"{ident}: {'is cut off, and ' if runs else ''}goes on where it was: its memory was kept"]
    if start:
        return [f"{ident}: {'is cut off, and ' if runs else ''}is started afterwards"]
    return [f"{ident}: runs, is cut off, and stays stopped; --start starts it again"] if runs else []
