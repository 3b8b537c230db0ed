"""``build``: a template that hosts.yaml declares, made from its cloud image where it is not there yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from app.column import clean
from app.errors import ConfigurationError, Missing, Refused
from app.fleet import Ref
from app.inventory.model import Sudo
from app.inventory.pattern import nearest
from app.inventory.secrets import resolve
from app.plan import Cost, Plan, Proof, Report, Result, Step
from backends.proxmox import snippets, wire
from backends.proxmox.cloud_init import keys_in, shown_key
from backends.proxmox.cluster import Cluster, Template, cluster_of, clusters_of
from backends.proxmox.lanes import storage_lane
from backends.proxmox.lenient import rows, text, whole
from backends.proxmox.names import check_name
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.tasks import Pause
from backends.proxmox.user_data import boots
from backends.proxmox.verbs.acting import Acting
from backends.proxmox.verbs.building import Building, Snippet
from backends.proxmox.verbs.making import removal
from backends.proxmox.verbs.privileges import check, on_bridges
from backends.proxmox.verbs.recipe import StorageRow, storages_on
from backends.proxmox.verbs.spoken import call
from backends.proxmox.verbs.template_image import Image, find_image
from backends.proxmox.verbs.template_plan import (
    OWN,
    fetchable,
    needs_of,
    node_of,
    params_of,
    storage_of,
    takes,
    writable,
)
from backends.proxmox.verbs.template_stage import Stage, stage_of

if TYPE_CHECKING:
    from backends.proxmox.client import Client

Run = Callable[[Report], Awaitable[Result]]
_NOBODY = Ref("vm", "")


class BuildVerbs(Acting):
    """Making the templates that hosts.yaml declares."""

    look_pause: Pause = staticmethod(asyncio.sleep)
    """How looks at a guest that boots, and tries, are kept apart."""

    async def build(self, name: str, *, cluster: str | None = None) -> Plan:
        """Make a declared template; one that is there is left as it is, one that is half made is gone on with."""
        owner, template = self._declared(name, cluster)
        self.may_change(owner.name)
        client = self.client(owner.name)
        there = await self._there(client, owner.name, template)
        stage = stage_of(text(there.config.get("description")), name) if there is not None else None
        if there is not None and there.template and stage is None:
            return Plan(notes=[f"{there.id}: the template {clean(name)} is there already, on {clean(there.node)}"])
        node = there.node if there is not None else await node_of(client, template)
        self.may_change(owner.name, node)
        known = await storages_on(client, node)
        storage = storage_of(template, known, node)
        image = Image(template.image) if there is not None else await find_image(client, template, node, known)
        snippet, notes = self._snippet(owner, template, node, known)
        keys = await self._keys(template)
        params = params_of(template, storage, image, snippet, keys)
        building = Building(
            self, owner.name, node, template, image=image, params=params, snippet=snippet, pause=self.look_pause
        )
        held = [*await check(client, needs_of(template, node, storage, image), where=building.id)]
        held += await check(client, await on_bridges(client, params), where=building.id)
        steps = self._steps(building, template, image, snippet, keys, there, stage)
        lane = storage_lane(owner.name, storage, node=None if known.get(storage, OWN).shared else node)
        made: list[Step] = []
        for what, said, run in steps:
            after = (made[-1].name,) if made else ()
            wide = lane if what in ("create", "convert") else None
            made.append(Step(_NOBODY, said, run, name=what, after=after, lane=wide))
        proofs = (
            []
            if image.there
            else [Proof(_NOBODY, "the image can be fetched", lambda: fetchable(client, node, template))]
        )
        if snippet is not None:
            proofs.append(Proof(_NOBODY, "its node can be written to", lambda: writable(snippet)))
        if there is not None:
            notes.insert(0, f"{building.id} is half made ({there.words}): it is gone on with")
        return Plan(*made, notes=notes, cost=Cost(note=takes(template, storage)), preconditions=held, proofs=proofs)

    # -- what is looked at

    def _declared(self, name: str, cluster: str | None) -> tuple[Cluster, Template]:
        """The declaration that is meant; raises Missing and ConfigurationError."""
        inventory = self.context.inventory()
        able = [cluster_of(inventory, cluster)] if cluster else list(clusters_of(inventory))
        found = [one for one in able if name in one.templates]
        if len(found) == 1:
            template = found[0].templates[name]
            check_name(name, where=f"proxmox.{found[0].name}.templates")
            return found[0], template
        if found:
            names = ", ".join(clean(one.name) for one in found)
            raise ConfigurationError(f"'{clean(name)}' is declared by {names}", todo="say whose with --cluster")
        every = sorted({template for one in able for template in one.templates})
        near = nearest(name, every)
        todo = f"the nearest is {near}" if near else f"there are: {', '.join(every)}" if every else "declare one"
        raise Missing(f"hosts.yaml declares no template '{clean(name)}'", where="proxmox", todo=todo)

    async def _there(self, client: Client, cluster: str, template: Template) -> FreshGuest | None:
        """What has the template's number now; raises Refused where that is something else."""
        numbers = {whole(row.get("vmid")) for row in rows(await client.get("/cluster/resources", type="vm"))}
        if template.vmid not in numbers:
            return None
        guest = await self.guest(cluster, template.vmid)
        what = "template" if guest.template else "guest" if guest.type == "qemu" else "container"
        if guest.lock == "create":
            raise Refused(f"{guest.id} is half made ({guest.words})", where=template.name, todo=removal(guest))
        ours = stage_of(text(guest.config.get("description")), template.name) is not None
        if guest.name != template.name or guest.type != "qemu":
            raise Refused(
                f"{guest.id} is the {what} '{clean(guest.name)}'",
                where=template.name,
                todo="give the template another vmid in hosts.yaml",
            )
        if not guest.template and not ours:
            raise Refused(
                f"{guest.id} is called {clean(guest.name)}, and is no template",
                where=template.name,
                todo=f"turn it into one: quarterdeck vm template {guest.id}; or give the template another vmid",
            )
        return guest

    def _snippet(
        self, owner: Cluster, template: Template, node: str, known: dict[str, StorageRow]
    ) -> tuple[Snippet | None, list[str]]:
        """Where cloud-init's file goes, and what is to be said of it; raises Refused where it has to and cannot."""
        if not boots(template):
            return None, []
        inventory = self.context.inventory()
        mapped = snippets.node_of(node, owner.node_map, inventory)
        able = sorted(one.name for one in known.values() if "snippets" in one.content and one.available)
        storage = template.snippets or (able[0] if able else None)
        why, todo = "", ""
        if mapped is None:
            why = f"nobody says which node of hosts.yaml {clean(node)} is, and the API takes no snippets"
            todo = f"add it to nodes, and node_map: {{{clean(node)}: NAME}} to proxmox.{owner.name}"
        elif inventory.nodes[mapped].sudo is Sudo.ASK:
            why, todo = f"sudo on {mapped} asks for a password", "log in there as root, or set 'sudo: nopasswd'"
        elif storage is None or (storage in known and storage not in able):
            why = f"no storage of {clean(node)} takes snippets" if storage is None else f"{storage} takes no snippets"
            todo = "let one: pvesm set local --content iso,vztmpl,backup,import,snippets"
        if not why and storage is not None and mapped is not None:
            volume = snippets.volume(storage, f"quarterdeck-{template.name}.yaml")
            link = self.context.links.of(mapped)
            return Snippet(volume=volume, link=link, sudo=inventory.nodes[mapped].sudo), []
        if template.packages or template.run:
            raise Refused(
                f"what it installs and runs cannot be told to cloud-init: {why}",
                where=template.name,
                todo=f"{todo}; or declare neither packages nor run",
            )
        return None, [f"the guest agent has to be in the image already ({why}); or declare agent: false"]

    async def _keys(self, template: Template) -> tuple[str, ...]:
        found: list[str] = []
        inventory = self.context.inventory()
        for one in template.ssh_keys:
            said = await resolve(one, inventory, state=self.context.state, private=False)
            found += keys_in(said, where=f"templates.{template.name}.ssh_keys")
        return tuple(dict.fromkeys(found))

    # -- the plan

    def _steps(
        self,
        building: Building,
        template: Template,
        image: Image,
        snippet: Snippet | None,
        keys: Sequence[str],
        there: FreshGuest | None,
        stage: Stage | None,
    ) -> list[tuple[str, str, Run]]:
        """What is still to be done: (name, text, what does it)."""
        path, found = building.path, list[tuple[str, str, Run]]()
        if there is None:
            if not image.there:
                found.append(("fetch", call("POST", image.path, image.params), building.fetch))
            if snippet is not None:
                found.append(("write", f"{snippet.link.node}: {snippets.writing(snippet.volume)}", building.write))
            shown = {**building.params, "sshkeys": ", ".join(shown_key(key) for key in keys) or None}
            create = wire.path("nodes", path().split("/")[2], "qemu")
            found.append(("create", call("POST", create, shown), building.make))
        if there is None or not there.template:
            if template.disk_mib is not None and stage in (None, Stage.MADE):
                grow = {"disk": "scsi0", "size": f"{template.disk_mib}M"}
                found.append(("grow", call("PUT", path("resize"), grow), building.grow))
            found += self._boot(building, template, snippet, there, stage)
            found.append(("convert", call("POST", path("template")), building.convert))
        found.append(("finish", f"PUT {path('config')} (its notes; no more cicustom)", building.finish))
        if snippet is not None:
            found.append(("forget", f"{snippet.link.node}: {snippets.removing(snippet.volume)}", building.forget))
        return found

    def _boot(
        self,
        building: Building,
        template: Template,
        snippet: Snippet | None,
        there: FreshGuest | None,
        stage: Stage | None,
    ) -> list[tuple[str, str, Run]]:
        """Its one run, where there is anything to install."""
        if not boots(template):
            return []
        path, found = building.path, list[tuple[str, str, Run]]()
        if stage not in (Stage.BOOTED, Stage.CLEANED):
            if there is not None and snippet is not None:
                found.append(("write", f"{snippet.link.node}: {snippets.writing(snippet.volume)}", building.write))
            found.append(("start", call("POST", path("status", "start")), building.start))
            if template.agent:
                within = f"(until it is so, at most {template.timeout:.0f} s)"
                found += [
                    ("agent", f"{call('POST', path('agent', 'ping'))} {within}", building.hear_agent),
                    ("cloud-init", f"POST {path('agent', 'exec')} cloud-init status --wait {within}", building.settle),
                    ("clean", f"POST {path('agent', 'exec')} cloud-init clean, machine-id, host keys", building.clean),
                ]
        if template.agent:
            found.append(("halt", call("POST", path("status", "shutdown"), {"timeout": 120}), building.halt))
        else:
            found.append(("halt", f"GET {path('status', 'current')} (until it has switched itself off)", building.halt))
        return found
