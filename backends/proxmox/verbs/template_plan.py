"""Where a declared template is made, with what, and what that takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from app.column import clean, size_text
from app.errors import Missing, Refused, Unsupported
from app.plan import Report, Result
from backends.proxmox import snippets, wire
from backends.proxmox.cloud_init import address, check_user, sshkeys
from backends.proxmox.cluster import Template
from backends.proxmox.lenient import mapping, rows, size, text
from backends.proxmox.names import check_tags
from backends.proxmox.user_data import boots
from backends.proxmox.verbs.building import Snippet
from backends.proxmox.verbs.privileges import Need, on_storage
from backends.proxmox.verbs.recipe import StorageRow, check_storage
from backends.proxmox.verbs.template_image import Image
from backends.proxmox.verbs.template_stage import Stage, marked

if TYPE_CHECKING:
    from backends.proxmox.client import Client

Run = Callable[[Report], Awaitable[Result]]
_AGENT = ("VM.GuestAgent.Unrestricted", "VM.Monitor")


OWN = StorageRow("", shared=False)


async def node_of(client: Client, template: Template) -> str:
    """The node it is made on: the declared one, else the first that is there."""
    there = {text(row.get("node")): text(row.get("status")) for row in rows(await client.get("/nodes"))}
    online = sorted(name for name, status in there.items() if status != "offline")
    if template.node is None:
        if not online:
            raise Refused("no node of the cluster is there", where=template.name)
        return online[0]
    if template.node not in there:
        todo = f"its nodes: {', '.join(clean(one) for one in sorted(there))}"
        raise Missing(f"the cluster has no node '{clean(template.node)}'", where=template.name, todo=todo)
    if template.node not in online:
        raise Refused(f"{clean(template.node)} is offline", where=template.name, todo="name another node in hosts.yaml")
    return template.node


def storage_of(template: Template, known: dict[str, StorageRow], node: str) -> str:
    """Where its disk goes: the declared storage, else the one with most room."""
    if template.storage is not None:
        check_storage(known, template.storage, "images", node)
        return template.storage
    able = [one for one in known.values() if "images" in one.content and one.available]
    if not able:
        raise Refused(f"no storage of {clean(node)} takes disks", where=template.name, todo="declare storage")
    return max(able, key=lambda one: (one.free_bytes or 0, one.name)).name


def params_of(
    template: Template, storage: str, image: Image, snippet: Snippet | None, keys: Sequence[str]
) -> dict[str, Any]:
    """Of the call that makes the guest."""
    return {
        "vmid": template.vmid,
        "name": template.name,
        "ostype": "l26",
        "cores": template.cores or 2,
        "memory": template.memory_mib or 2048,
        "scsihw": "virtio-scsi-single",
        "scsi0": f"{storage}:0,import-from={image.volume},discard=on",
        "boot": "order=scsi0",
        "ide2": f"{storage}:cloudinit",
        "serial0": "socket",
        "vga": "serial0",
        "agent": "1" if template.agent else None,
        "net0": f"virtio,bridge={template.bridge or 'vmbr0'}",
        "ipconfig0": str(address(template.ip, where=f"templates.{template.name}.ip")),
        "ciuser": check_user(template.user) if template.user else None,
        "sshkeys": sshkeys(keys) if keys else None,
        "cicustom": f"vendor={snippet.volume}" if snippet is not None else None,
        "tags": ";".join(check_tags(template.tags)) or None,
        "description": marked(template.name, Stage.MADE, template.notes),
    }


def needs_of(template: Template, node: str, storage: str, image: Image) -> list[Need]:
    """The privileges that all of it takes."""
    guest = wire.path("vms", template.vmid)
    wanted = ["VM.Allocate", "VM.Config.Disk", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network"]
    wanted += ["VM.Config.Options", "VM.Config.HWType", "VM.Config.Cloudinit"]
    found = [Need(guest, (one,)) for one in wanted]
    found.append(on_storage(storage, "Datastore.AllocateSpace"))
    if not image.there:
        found.append(on_storage(image.volume.partition(":")[0], "Datastore.AllocateTemplate"))
        found.append(Need(wire.path("nodes", node), ("Sys.AccessNetwork", "Sys.Modify")))
    if boots(template):
        found.append(Need(guest, ("VM.PowerMgmt",)))
        if template.agent:
            found.append(Need(guest, _AGENT))
    return found


async def fetchable(client: Client, node: str, template: Template) -> str:
    """What the image's server says of it to the node."""
    said = mapping(await client.get(wire.path("nodes", node, "query-url-metadata"), url=template.image))
    held = size(said.get("size"))
    return f"{clean(text(said.get('filename')) or template.image)}, {size_text(held) if held else 'of unknown size'}"


async def writable(snippet: Snippet) -> str:
    """Whether its place on the node is known there."""
    done = await snippet.link.run(snippets.as_root("command -v pvesm", snippet.sudo), timeout=snippets.WITHIN_S)
    if done.exit_code:
        raise Unsupported(
            "there is no pvesm: that is no Proxmox node, or we are not root there", where=snippet.link.node
        )
    return f"{snippet.volume} on {snippet.link.node}"


def takes(template: Template, storage: str) -> str:
    """What it uses up, as far as it is known."""
    disk = size_text(template.disk_mib << 20) if template.disk_mib else "the size of its image"
    memory = f"; {size_text((template.memory_mib or 2048) << 20)} of memory while it runs" if boots(template) else ""
    return f"up to {disk} on {clean(storage)}{memory}"
