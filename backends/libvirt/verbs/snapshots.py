"""Snapshots of guests: take, list, go back to, remove; and the same of several under one name.

They are libvirt's internal ones, kept in the qcow2 files themselves: each can be gone back to, in any order. Of a
guest that runs they hold its memory as well, whether that was asked for or not. External ones, files on top of files,
can only be gone back to from libvirt 9.9 on and make a guest's disks a chain; none is made here.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.column import clean
from app.errors import BadAnswer, ConfigurationError, Missing, QuarterdeckError, Refused
from app.plan import Plan, Report, Result, Step
from app.verb import Rows
from backends.kinds.vm_row import Vm
from backends.libvirt.markup import NotXml, document
from backends.libvirt.verbs.base import COPY_S, Now, OnGuests, holds, no_template, quoted, snapshot_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from backends.kinds.vm_lists import Checkpoint, Snapshot


_MOST = 200
"""Snapshots of one guest whose particulars are asked for."""
TAKING_BACK_S = 20.0
"""Seconds that removing what was made may take when the operator cancels: a console that ends waits no longer."""
_AT_ONCE = 200
"""Snapshots of a node that are described by one answer."""
_SAFE = re.compile(r"[^\s\0].*")


class SnapshotVerbs(OnGuests):
    """Points to come back to."""

    async def snapshot(self, target: Vm, *, name: str, memory: bool = False, description: str = "") -> Plan:
        """Keep its disks as they are now, to come back to."""
        now = await self._may_keep(target, name)
        return Plan(
            self._taken(target, now, name, description),
            notes=_memory_notes(target, now, memory),
            preconditions=[holds(now), (f"there is no snapshot {name} yet", True, "")],
        )

    async def _may_keep(self, target: Vm, name: str) -> Now:
        snapshot_name(name)
        now = await self.fresh(target)
        if not now.persistent:
            raise Refused("it is transient: its snapshots would go with it", where=target.id)
        if name in await self._names(target):
            raise Refused(f"it has a snapshot {name} already", where=target.id, todo="give another --name")
        for disk in now.definition.disks:
            if disk.own and disk.format != "qcow2":
                raise Refused(
                    f"its disk {clean(disk.target)} is {clean(disk.format)}, and only qcow2 keeps snapshots",
                    where=target.id,
                    todo="convert it with qemu-img convert -O qcow2 while it is off",
                )
        return now

    def _taken(self, target: Vm, now: Now, name: str, description: str, label: str = "") -> Step:
        words = ["snapshot-create-as", now.uuid, name, "--atomic"]
        if description:
            words += ["--description", description]
        return self.step(target, *words, done=f"kept as {name}", within=COPY_S, name=label)

    async def snapshots(self, target: Vm) -> Rows:
        """Show its snapshots, and which it stands on."""
        from backends.kinds.vm_lists import snapshot_rows  # what views list is not a console's to wait for

        return snapshot_rows(_tree(await self._kept(target)))

    async def _names(self, target: Vm) -> list[str]:
        said = await self.answer(target.source, f"snapshot-list {target.key} --name", target.id)
        return [line.rstrip("\r") for line in said.split("\n") if line.strip()]

    async def _kept(self, target: Vm) -> dict[str, _Kept]:
        names = (await self._names(target))[:_MOST]
        if not names:
            return {}
        lines = [f"snapshot-dumpxml {target.key} --snapshotname {quoted(name)}" for name in names]
        *told, current = await self.answers(target.source, *lines, f"snapshot-current {target.key} --name")
        kept = {
            name: _read(name, said) for name, said in zip(names, told, strict=True) if not said.startswith("error:")
        }
        if current.strip() in kept:
            kept[current.strip()].current = True
        return kept

    async def _there(self, target: Vm, name: str) -> tuple[Now, _Kept, dict[str, _Kept]]:
        now, kept = await self.fresh(target), await self._kept(target)
        one = kept.get(name)
        if one is None:
            known = ", ".join(clean(other) for other in list(kept)[:8]) or "none"
            raise Missing(f"it has no snapshot '{clean(name)}'", where=target.id, todo=f"it has: {known}")
        return now, one, kept

    async def rollback(
        self, targets: Sequence[Vm], *, name: str, delete_newer: bool = False, start: bool = False
    ) -> Plan:
        """Go back to a snapshot; what was written since is lost."""
        return Plan.merged([await self._back(target, name, delete_newer, start) for target in targets])

    async def _back(self, target: Vm, name: str, delete_newer: bool, start: bool) -> Plan:
        now, kept, others = await self._there(target, name)
        no_template(target, now)
        if kept.external:
            raise Refused(
                "this snapshot is kept in files of its own, and libvirt may not be able to go back to it",
                where=target.id,
                todo=f"virsh snapshot-revert {target.key} {name} tries it",
            )
        newer = _below(others, name)
        steps: list[Step] = []
        if delete_newer and newer:
            words = ("snapshot-delete", now.uuid, "--snapshotname", name, "--children-only")
            steps.append(self.step(target, *words, done=f"removed {len(newer)} newer", within=COPY_S, name="newer"))
        words = ["snapshot-revert", now.uuid, "--snapshotname", name, *(["--running"] if start else [])]
        done = f"is as it was at {name}"
        steps.append(self.step(target, *words, done=done, within=COPY_S, after=["newer"] if steps else []))
        runs = start or kept.memory
        loses = [f"{target.id}: everything since {clean(name)}" + (", and what runs in it now" if now.runs else "")]
        if delete_newer and newer:
            loses.append(f"{target.id}: the snapshots {', '.join(clean(one) for one in newer)}")
        note = f"{target.id}: " + ("it runs afterwards" if runs else "it is off afterwards")
        return Plan(*steps, loses=loses, notes=[note], preconditions=[holds(now), (f"it has {name}", True, "")])

    async def delete_snapshot(self, target: Vm, *, name: str) -> Plan:
        """Remove a snapshot; the guest stays as it is."""
        now, kept, others = await self._there(target, name)
        words = ["snapshot-delete", now.uuid, "--snapshotname", name]
        loses = [f"{target.id}: the snapshot {clean(name)}"]
        if kept.external:
            raise Refused(
                "this snapshot is kept in files of its own, which libvirt cannot put together while it is removed",
                where=target.id,
                todo=f"virsh blockcommit first, then virsh snapshot-delete {target.key} {name} --metadata",
            )
        notes = [f"{target.id}: the snapshots below it stay"] if _below(others, name) else []
        step = self.step(target, *words, done=f"removed {name}", within=COPY_S)
        return Plan(step, loses=loses, notes=notes, preconditions=[holds(now), (f"it has {name}", True, "")])

    # -- several guests under one name

    async def checkpoint(self, targets: Sequence[Vm], *, name: str, memory: bool = False) -> Plan:
        """Snapshot several guests under one name, all or none."""
        if not targets:
            raise ConfigurationError("name at least one guest")
        steps: list[Step] = []
        from backends.kinds.vm_lists import checkpoint_words

        checks: list[tuple[str, bool, str]] = []
        notes: list[str] = []
        together = _Together()
        labels = [f"take {number}" for number in range(len(targets))]
        for label, target in zip(labels, targets, strict=True):
            now = await self._may_keep(target, name)
            checks.append(holds(now, f"it is there, without {name}"))
            notes += _memory_notes(target, now, memory)
            taken = self._taken(target, now, name, checkpoint_words(name, len(targets)), label)
            steps.append(self._together(target, name, taken, together))
        steps += [self._undone(target, name, labels, together, len(targets)) for target in targets]
        return Plan(*steps, notes=list(dict.fromkeys(notes)), preconditions=checks)

    def _together(self, target: Vm, name: str, step: Step, together: _Together) -> Step:
        """The same step, unless another one has failed; when the operator cancels, the last at work takes all back."""

        async def run(report: Report) -> Result | None:
            if together.failed:
                return Result(1, f"not taken, as {together.failed} failed")
            together.at_work += 1
            try:
                result = await step.run(report)
            except asyncio.CancelledError:
                together.at_work -= 1
                together.failed = target.id
                together.made[target.id] = target  # whether it was made nobody knows: libvirt may have gone on
                if not together.at_work:
                    await self._all_back(name, together, report)
                raise
            except QuarterdeckError:
                together.at_work -= 1
                together.failed = target.id
                raise
            together.at_work -= 1
            if result is None or not result.exit_code:
                together.made[target.id] = target
            else:
                together.failed = target.id
            return result

        return replace(step, run=run)

    def _removal(self, target: Vm, name: str) -> str:
        return self.line(target.source, "snapshot-delete", target.key, "--snapshotname", name)

    async def _all_back(self, name: str, together: _Together, report: Report) -> None:
        """After a cancel nothing else of the job runs any more."""
        try:
            async with asyncio.timeout(TAKING_BACK_S):
                for ident, target in tuple(together.made.items()):
                    try:
                        result = await self.act(target, self._removal(target, name), report)
                    except QuarterdeckError as error:
                        report.log(f"{ident}: its snapshot may be left behind: {error.what}")
                    else:
                        report.log(f"{ident}: {result.message if result.exit_code else 'taken back'}")
        except TimeoutError:
            report.log(f"not everything could be taken back within {TAKING_BACK_S:.0f} s: {', '.join(together.made)}")

    def _undone(self, target: Vm, name: str, labels: Sequence[str], together: _Together, wanted: int) -> Step:
        line = self._removal(target, name)

        async def run(report: Report) -> Result:
            made = together.made
            if len(made) == wanted or target.id not in made:
                return Result(0, f"kept as {name}" if len(made) == wanted else "nothing was kept")
            result = await self.act(target, line, report, within=COPY_S)
            if result.exit_code:
                return Result(result.exit_code, f"{name} was to be removed again, as others failed: {result.message}")
            return Result(1, f"{name} was removed again, as others failed")

        return Step(target, f"{line}   # only if one of them fails", run, behind=tuple(labels))

    async def checkpoints(self) -> Rows:
        """Show the checkpoints of all nodes, and which guests have each."""
        rows = [one for one in self.context.fleet().of(Vm) if one.parent is not None and one.parent.kind == "node"]
        nodes = list(dict.fromkeys(one.source for one in rows))
        asked = (self._checkpoints([one for one in rows if one.source == node]) for node in nodes)
        told = await asyncio.gather(*asked, return_exceptions=True)
        parts: list[Checkpoint] = []
        notes: list[str] = []
        for node, said in zip(nodes, told, strict=True):
            if isinstance(said, QuarterdeckError):
                notes.append(f"{node}: {said.what}")
            elif isinstance(said, BaseException):
                raise said
            else:
                parts += said
        most: dict[str, int] = {}
        for one in parts:
            most[one.name] = max(most.get(one.name, 0), one.of or 0)
        from backends.kinds.vm_lists import checkpoint_rows

        # How many there were each of them says, and it is counted once.
        return checkpoint_rows([replace(one, of=most.pop(one.name, 0)) for one in parts], "; ".join(notes))

    async def _checkpoints(self, guests: Sequence[Vm]) -> list[Checkpoint]:
        """Each guest's part of the checkpoints on a node; ``of`` is how many guests it was taken of."""
        from backends.kinds.vm_lists import CHECKPOINT, Checkpoint

        node = guests[0].source
        listed = await self.answers(node, *(f"snapshot-list {one.key} --name" for one in guests))
        kept = [
            (one, name)
            for one, said in zip(guests, listed, strict=True)
            if not said.startswith("error:")
            for name in [name for name in said.split("\n") if _SAFE.fullmatch(name)][:_MOST]
        ]
        lines = [f"snapshot-dumpxml {one.key} --snapshotname {quoted(name)}" for one, name in kept]
        found: list[Checkpoint] = []
        for at in range(0, len(lines), _AT_ONCE):
            told = await self.answers(node, *lines[at : at + _AT_ONCE])
            for (one, name), said in zip(kept[at : at + _AT_ONCE], told, strict=True):
                seen = None if said.startswith("error:") else _read(name, said)
                marked = CHECKPOINT.match(seen.description) if seen is not None else None
                if seen is not None and marked is not None and marked["name"] == name:
                    of, who = int(marked["guests"][:6]), shlex.quote(one.id)
                    found.append(Checkpoint(name=name, guests=1, of=of, taken_at=seen.at, members=who))
        return found


@dataclass(slots=True)
class _Together:
    """How far a checkpoint has come."""

    made: dict[str, Vm] = field(default_factory=dict[str, Vm])
    failed: str = ""
    """The id of the first that failed."""
    at_work: int = 0


class _Kept:
    """One snapshot as its description tells it."""

    def __init__(self, name: str, root: Element) -> None:
        self.name = name
        self.current = False
        self.parent = root.findtext("parent/name")
        self.description = root.findtext("description") or ""
        self.state = root.findtext("state") or ""
        made = root.findtext("creationTime") or ""
        self.at = float(made) if made.isdigit() and len(made) < 16 else None
        memory = root.find("memory")
        self.memory = memory is not None and memory.get("snapshot") not in (None, "no")
        self.external = any(one.get("snapshot") == "external" for one in root.findall("disks/disk"))


def _read(name: str, text: str) -> _Kept:
    if "<!" in text.replace("<!--", ""):
        raise BadAnswer("a snapshot's description cannot be read")
    try:
        return _Kept(name, document(text))
    except NotXml:
        raise BadAnswer("a snapshot's description cannot be read") from None


def _tree(kept: dict[str, _Kept]) -> list[Snapshot]:
    """The snapshots below what they were taken after, each branch in order of time."""
    from backends.kinds.vm_lists import CURRENT, Snapshot

    rows: list[Snapshot] = []

    def put(parent: str | None, depth: int) -> None:
        below = [one for one in kept.values() if (one.parent if one.parent in kept else None) == parent]
        for one in sorted(below, key=lambda one: one.at or 0.0):
            rows.append(
                Snapshot(
                    name=one.name,
                    depth=depth,
                    taken_at=one.at,
                    memory=one.memory,
                    description=one.description,
                )
            )
            put(one.name, depth + 1)
            if one.current:
                rows.append(Snapshot(name=CURRENT, depth=depth + 1, current=True))

    put(None, 0)
    return rows


def _below(kept: dict[str, _Kept], name: str) -> list[str]:
    """The snapshots that were taken after one, directly or not."""
    found: list[str] = []
    queue = [name]
    while queue:
        at = queue.pop()
        below = [one.name for one in kept.values() if one.parent == at and one.name not in found]
        found += below
        queue += below
    return found


def _memory_notes(target: Vm, now: Now, memory: bool) -> list[str]:
    if memory and not now.runs:
        return [f"{target.id}: it does not run, so there is no memory to keep"]
    if now.runs and not memory:
        return [f"{target.id}: it runs, and libvirt keeps its memory as well; it stands still meanwhile"]
    return [f"{target.id}: it stands still while its memory is written"] if now.runs else []
