"""``destroy`` and ``template``: the end of a guest, and the end of its running."""

from __future__ import annotations

from app.column import clean, size_text
from app.errors import Refused
from app.plan import Plan, Step
from backends.kinds.vm_row import Vm
from backends.libvirt.definition import NAMESPACE, PREFIX, kept
from backends.libvirt.verbs.base import holds, no_template, nothing, typed
from backends.libvirt.verbs.storage import OnStorage

_MOST_NAMED = 6


class RemoveVerbs(OnStorage):
    """What is not taken back."""

    async def destroy(self, target: Vm, *, purge: bool = False, stop: bool = False) -> Plan:
        """Remove it, its snapshots and its disks; refuses what is protected and what clones stand on."""
        now = await self.fresh(target)
        if now.definition.protected:
            todo = f"quarterdeck vm set {typed(target)} --no-protected"
            raise Refused("it is protected", where=target.id, todo=todo)
        if now.runs and not stop:
            raise Refused(f"it is {now.words}", where=target.id, todo=f"stop it first, or say --stop: {target.id}")
        own = [disk for disk in now.definition.disks if disk.own]
        volumes = await self.volumes(target, own)
        standing = await self.standing_on(target, volumes, await self.guests_on(target.source))
        if standing:
            said = ", ".join(clean(name) for name in standing[:_MOST_NAMED])
            more = f" and {len(standing) - _MOST_NAMED} more" if len(standing) > _MOST_NAMED else ""
            raise Refused(f"the disks of {said}{more} stand on its disks", where=target.id, todo="destroy those first")
        (listed,) = await self.answers(target.source, f"snapshot-list {now.uuid} --name")
        snapshots = [] if listed.startswith("error: ") else [name for name in listed.split("\n") if name.strip()]
        steps: list[Step] = []
        if now.runs:
            steps.append(self.step(target, "destroy", now.uuid, done="stopped", name="stop"))
        after = [step.name for step in steps]
        if now.persistent:
            words = ["undefine", now.uuid, "--managed-save", "--snapshots-metadata", "--nvram"]
            if volumes:
                words += ["--storage", ",".join(one.target for one in volumes)]
            lanes = sorted({f"storage@{target.source}:{one.pool}" for one in volumes})
            steps.append(self.step(target, *words, done="destroyed", name="undefine", after=after, lanes=lanes))
        else:  # a transient one goes when it stops, and its disks stay unless they are removed by themselves
            for one in volumes:
                words = ["vol-delete", one.name, "--pool", one.pool]
                steps.append(self.step(target, *words, done=f"removed {one.name}", after=after))
        loses = [f"{target.id} and all that is on it"]
        loses += [f"{clean(one.path)}, {size_text(one.capacity_bytes)}" for one in volumes]
        if snapshots:
            loses.append(f"its snapshots: {', '.join(clean(name) for name in snapshots[:_MOST_NAMED])}")
        notes = ["there is nothing to purge it from: libvirt has no backup jobs"] if purge else []
        return Plan(*steps, loses=loses, notes=notes, preconditions=[holds(now), ("no clone stands on it", True, "")])

    async def template(self, target: Vm) -> Plan:
        """Mark it as a template: it is started no more, and can be cloned by linking to its disks."""
        now = await self.fresh(target)
        if now.definition.template:
            return nothing(target, "is a template already")
        if now.runs or now.saved:
            what = f"it is {now.words}, and a template has to be off"
            raise Refused(what, where=target.id, todo=f"quarterdeck vm shutdown {typed(target)}")
        no_template(target, now)
        text = kept(now.definition.tags, template=True, protected=now.definition.protected)
        words = ["metadata", now.uuid, NAMESPACE, "--key", PREFIX, "--set", text, "--config"]
        steps = [self.step(target, *words, done="is a template")]
        if now.autostart:
            steps.append(self.step(target, "autostart", now.uuid, "--disable", done="does not start by itself"))
        note = f"{target.id}: libvirt itself knows no templates; whoever starts it by other means spoils its clones"
        return Plan(*steps, notes=[note], preconditions=[holds(now, "it is off")])
