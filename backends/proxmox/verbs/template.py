"""Turning a guest into a template: ``template``."""

from __future__ import annotations

from shlex import quote

from app.column import clean
from app.errors import Refused
from app.plan import Plan
from backends.kinds.vm_row import Vm
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs.acting import Call, nothing
from backends.proxmox.verbs.snapshot_tree import snapshots_of
from backends.proxmox.verbs.snapshots import Snapping


class TemplateVerbs(Snapping):
    """What only serves to be cloned."""

    async def template(self, target: Vm) -> Plan:
        """Turn it into a template: it will never run again, and can be cloned."""
        now, held = await self.ready(target, "template", _stopped)
        if now.template:
            return nothing(target, "is a template already")
        tree = await snapshots_of(self.client(target), self.path(now))
        if tree.snapshots:
            names = sorted(tree.snapshots)
            todo = f"remove them first: quarterdeck vm delete-snapshot {target.id} --name {quote(clean(names[0]))}"
            what = f"a guest with snapshots cannot become a template: {clean(', '.join(names))}"
            raise Refused(what, where=target.id, todo=todo)
        held.append(("it has no snapshots", True, "none"))
        step = self.step(
            target,
            now,
            Call("POST", self.path(now, "template")),
            _stopped,
            doing="template",
            done=f"a template now; quarterdeck vm clone {target.id} --name NAME",
            lanes=await self.storage_lanes(now),
            width=self.parallel(now.cluster),
            stoppable=False,
        )
        return Plan(step, preconditions=held, notes=[f"{target.id}: never runs again; there is no way back"])


def _stopped(now: FreshGuest) -> None:
    if not now.template and now.status != "stopped":
        todo = f"quarterdeck vm shutdown {now.id}"
        raise Refused(
            f"only a guest that is off can become a template, and it is {now.status}", where=now.id, todo=todo
        )
