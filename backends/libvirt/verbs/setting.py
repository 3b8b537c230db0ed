"""``set`` and ``resize``: what a guest is called, what it has, what is said of it."""

from __future__ import annotations

import shlex

from app.column import clean, size_text
from app.errors import ConfigurationError, Missing, Refused
from app.plan import Plan, Step
from backends.kinds.vm_row import Vm
from backends.libvirt.definition import NAMESPACE, PREFIX, kept
from backends.libvirt.verbs.base import Now, guest_name, holds, nothing, typed
from backends.libvirt.verbs.storage import OnStorage, size_bytes

_LEAST_KIB = 1024


class SetVerbs(OnStorage):
    """Changing what is there."""

    async def set_(
        self,
        target: Vm,
        *,
        name: str | None = None,
        cores: int | None = None,
        memory: str | None = None,
        tag: tuple[str, ...] = (),
        notes: str | None = None,
        protected: bool | None = None,
        autostart: bool | None = None,
    ) -> Plan:
        """Change its cores, memory, tags, notes; what it has of the machine changes when it was off."""
        now = await self.fresh(target)
        if not now.persistent:
            raise Refused("it is transient, and has no definition to be changed", where=target.id)
        lines: list[tuple[list[str], str]] = []
        said: list[str] = []
        if cores is not None:
            if not 1 <= cores <= 4096:
                raise ConfigurationError(f"{cores} is no number of cores", where="--cores", todo="give 1 or more")
            lines.append((["setvcpus", now.uuid, str(cores), "--config", "--maximum"], f"{cores} cores at most"))
            lines.append((["setvcpus", now.uuid, str(cores), "--config"], f"{cores} cores"))
        if memory is not None:
            kib = size_bytes(memory) >> 10
            if kib < _LEAST_KIB:
                raise ConfigurationError("no guest runs in less than a megabyte", where="--memory", todo="write 4G")
            lines.append((["setmaxmem", now.uuid, str(kib), "--config"], f"{size_text(kib << 10)} at most"))
            lines.append((["setmem", now.uuid, str(kib), "--config"], size_text(kib << 10)))
        if now.runs and lines:
            said.append(f"{target.id}: its cores and memory are other ones when it was off")
        if notes is not None:
            lines.append((["desc", now.uuid, "--config", "--", notes], "noted"))
        if autostart is not None:
            switch = [] if autostart else ["--disable"]
            done = "starts with its node" if autostart else "does not start by itself"
            lines.append((["autostart", now.uuid, *switch], done))
        if tag or protected is not None:
            lines.append(_marked(now, tag, protected))
        if name is not None and name != now.name:
            lines.append((self._renamed(target, now, name), f"is called {name}"))
        if not lines:
            return nothing(target, "is to stay as it is")
        steps: list[Step] = []
        for number, (words, done) in enumerate(lines):
            after = [f"set {number - 1}"] if number else []
            steps.append(self.step(target, *words, done=done, name=f"set {number}", after=after))
        return Plan(*steps, notes=said, preconditions=[holds(now)])

    def _renamed(self, target: Vm, now: Now, name: str) -> list[str]:
        guest_name(name)
        if now.runs or now.saved:
            todo = f"quarterdeck vm shutdown {typed(target)}"
            raise Refused(f"it is {now.words}, and only one that is off can be renamed", where=target.id, todo=todo)
        return ["domrename", now.uuid, name]

    async def resize(self, target: Vm, disk: str, size: str) -> Plan:
        """Grow one of its disks; its system sees it at once and has to make use of it itself."""
        now = await self.fresh(target)
        own = [one for one in now.definition.disks if one.own]
        chosen = [one for one in own if one.target == disk]
        if not chosen:
            known = ", ".join(clean(one.target) for one in own) or "none"
            raise Missing(f"it has no disk '{clean(disk)}'", where=target.id, todo=f"it has: {known}")
        (volume,) = await self.volumes(target, chosen)
        wanted = size_bytes(size, volume.capacity_bytes)
        if wanted <= volume.capacity_bytes:
            what = f"it is {size_text(volume.capacity_bytes)} already, and can only grow"
            raise Refused(what, where=f"{target.id} {disk}", todo="give a larger size, or +SIZE")
        told = await self.answer(target.source, f"snapshot-list {now.uuid} --name", target.id)
        snapshots = [clean(line) for line in told.split("\n") if line.strip()]
        if snapshots and volume.old_format:
            said = ", ".join(snapshots[:6])
            raise Refused(
                f"it is a qcow2 of version 2, which cannot grow while it has snapshots: {said}",
                where=f"{target.id} {disk}",
                todo=f"remove them, or while it is off: qemu-img amend -o compat=1.1 {shlex.quote(volume.path)}",
            )
        done = f"{disk} is {size_text(wanted)}"
        lanes = [f"storage@{target.source}:{volume.pool}"]
        if now.runs:
            words = ["blockresize", now.uuid, disk, f"{wanted}B"]
        else:
            words = ["vol-resize", volume.name, str(wanted), "--pool", volume.pool]
        step = self.step(target, *words, done=done, lanes=lanes)
        return Plan(step, preconditions=[holds(now), (f"{disk} is smaller", True, size_text(volume.capacity_bytes))])


def _marked(now: Now, tag: tuple[str, ...], protected: bool | None) -> tuple[list[str], str]:
    said = now.definition
    tags = tag or said.tags
    text = kept(tags, said.template, said.protected if protected is None else protected)
    words = ["metadata", now.uuid, NAMESPACE, "--key", PREFIX, "--set", text, "--config"]
    return words, f"has the tags {' '.join(tags)}" if tag else "protected" if protected else "not protected"
