"""One snapshot of many guests under one name: of all of them, or of none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.column import clean
from app.errors import Missing, QuarterdeckError, Refused
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_lists import checkpoint_words
from backends.kinds.vm_row import Vm
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.tasks import failure, retried_on_lock
from backends.proxmox.verbs.acting import Call, no_template
from backends.proxmox.verbs.rollback import AT_ONCE
from backends.proxmox.verbs.snapshot_tree import check_snapshot_name
from backends.proxmox.verbs.snapshots import Snapping

TAKING_BACK_S = 20.0
"""Seconds that removing what was made may take when the operator cancels: a console that ends waits no longer."""


@dataclass(frozen=True, slots=True)
class _Member:
    """One guest of a checkpoint."""

    target: Vm
    now: FreshGuest
    take: Call
    remove: Call
    lanes: tuple[str, ...]
    held: tuple[tuple[str, bool, str], ...]


@dataclass(slots=True)
class _Together:
    """How far a checkpoint has come: what was made, what failed, and what is at work."""

    made: dict[str, _Member] = field(default_factory=dict[str, "_Member"])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """Guest -> why."""
    at_work: int = 0


class CheckpointVerbs(Snapping):
    """Several guests as they were at one time."""

    async def checkpoint(self, targets: Sequence[Vm], *, name: str, memory: bool = False) -> Plan:
        """Snapshot several guests under one name, all or none."""
        check_snapshot_name(name)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(target: Vm) -> _Member | QuarterdeckError:
            async with room:
                try:
                    return await self._member(target, name, len(targets), memory=memory)
                except QuarterdeckError as error:
                    return error

        looked = await asyncio.gather(*(one(target) for target in targets))
        against = [
            (target, each) for target, each in zip(targets, looked, strict=True) if isinstance(each, QuarterdeckError)
        ]
        if against:
            said = "; ".join(f"{target.id}: {error.what}" for target, error in against)
            todos = "; ".join(dict.fromkeys(error.todo for _, error in against if error.todo))
            where = f"{len(against)} of {len(targets)} guests"
            raise Refused(said, where=where, todo=f"nothing was done to any; {todos or 'leave those out'}")
        members = [each for each in looked if isinstance(each, _Member)]
        together = _Together()
        takes = [self._take(each, number, name, together) for number, each in enumerate(members)]
        names = tuple(step.name for step in takes)
        keeps = [self._keep(each, name, names, together) for each in members]
        notes = [
            f"{each.target.id}: stands still while its memory is written" for each in members if _with_memory(each)
        ]
        if memory:
            notes += [f"{each.target.id}: is off, and has no memory to keep" for each in members if not each.now.runs]
        return Plan(*takes, *keeps, notes=notes, preconditions=[check for each in members for check in each.held])

    async def _member(self, target: Vm, name: str, count: int, *, memory: bool) -> _Member:
        now, held, lanes = await self.snappable(target, "checkpoint", name, memory=memory, all_run=False)
        take = self.snapshot_call(now, name, memory=memory and now.runs, description=checkpoint_words(name, count))
        return _Member(target, now, take, self.delete_call(now, name), lanes, tuple(held))

    def _take(self, each: _Member, number: int, name: str, together: _Together) -> Step:
        """Take one of them, unless another one has failed already."""
        plain = self.step(
            each.target,
            each.now,
            each.take,
            lambda seen: no_template(seen, "has no snapshots"),
            doing="checkpoint",
            done=f"in checkpoint {name}",
            lanes=each.lanes,
            width=self.parallel(each.now.cluster),
            name=f"take-{number}",
            undo=f"quarterdeck vm delete-snapshot {each.target.id} --name {name}",
        )

        async def run(report: Report) -> Result:
            if together.failed:
                return Result(1, f"not taken: {_first(together)}")
            together.at_work += 1
            try:
                result = await plain.run(report) or Result()
            except asyncio.CancelledError:
                together.failed[each.target.id] = "cancelled"
                together.at_work -= 1
                # Whether it was made nobody knows: what was begun may have ended before it was stopped.
                together.made[each.target.id] = each
                if not together.at_work:
                    await self._take_all_back(together, report)
                raise
            except QuarterdeckError as error:
                together.at_work -= 1
                together.failed[each.target.id] = error.what
                raise
            together.at_work -= 1
            if result.exit_code:
                together.failed[each.target.id] = result.message
            else:
                together.made[each.target.id] = each
            return result

        return Step(each.target, plain.text, run, name=plain.name, lane=plain.lane, width=plain.width, undo=plain.undo)

    def _keep(self, each: _Member, name: str, takes: tuple[str, ...], together: _Together) -> Step:
        """Once all were tried: keep it, or take it back where one failed."""

        async def run(report: Report) -> Result:
            if not together.failed:
                return Result(0, f"in checkpoint {name} with {len(together.made)} guests")
            if each.target.id not in together.made:
                return Result(1, together.failed.get(each.target.id, f"not taken: {_first(together)}"))
            left = await self._take_back(each, report)
            if left:
                todo = f"quarterdeck vm delete-snapshot {each.target.id} --name {name}"
                return Result(1, f"{_first(together)}; its own snapshot is left behind: {left}; {todo}")
            return Result(1, f"taken back: {_first(together)}")

        text = f"{each.remove.text}  (only where another one fails)"
        return Step(each.target, text, run, behind=takes, lane=each.lanes, width=self.parallel(each.now.cluster))

    async def _take_back(self, each: _Member, report: Report) -> str:
        """Remove what was made; why it is left behind, empty where it is gone."""
        client = self.client(each.now.cluster)
        try:
            with self.doings(each.now.cluster).doing(each.now.vmid, "checkpoint taken back"):
                done = await retried_on_lock(
                    lambda: self.followed(client, each.remove, report, stoppable=False), report=report
                )
        except Missing:
            return ""
        except QuarterdeckError as error:
            return error.what
        return done.message if done.exit_code and not isinstance(failure(done), Missing) else ""

    async def _take_all_back(self, together: _Together, report: Report) -> None:
        """After a cancel nothing else of the job runs any more, so the last one at work removes what was made."""
        try:
            async with asyncio.timeout(TAKING_BACK_S):
                for ident, each in tuple(together.made.items()):
                    left = await self._take_back(each, report)
                    report.log(f"{ident}: {f'its snapshot is left behind: {left}' if left else 'taken back'}")
        except TimeoutError:
            report.log(f"not everything could be taken back within {TAKING_BACK_S:.0f} s: {', '.join(together.made)}")


def _with_memory(each: _Member) -> bool:
    return bool(each.take.params.get("vmstate"))


def _first(together: _Together) -> str:
    ident, why = next(iter(together.failed.items()))
    return f"{ident} failed: {clean(why)}"
