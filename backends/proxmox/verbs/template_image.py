"""The cloud image of a declared template: on a storage already, or fetched by the cluster itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from app.column import clean
from app.errors import Missing, Refused, Unsupported
from backends.proxmox import wire
from backends.proxmox.cluster import Template
from backends.proxmox.lenient import rows, text
from backends.proxmox.verbs.recipe import StorageRow

if TYPE_CHECKING:
    from backends.proxmox.client import Client

_DISK = re.compile(r"\.(?:qcow2|raw|vmdk)$", re.I)
_PACKED = re.compile(r"\.(?:xz|gz|zst|bz2|zip|7z|tar)$", re.I)
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Image:
    """Where an image is, and how it gets there."""

    volume: str
    """``local:import/noble-server-cloudimg-amd64.qcow2``."""
    path: str = ""
    """The call that fetches it; empty where it is there already."""
    params: Mapping[str, Any] | None = None

    @property
    def there(self) -> bool:
        """Nothing is to be fetched."""
        return not self.path


async def find_image(client: Client, template: Template, node: str, known: Mapping[str, StorageRow]) -> Image:
    """The image of a template on a node. Raises Missing, Refused and Unsupported with what to do."""
    if "://" not in template.image:
        return await _on_storage(client, template, node)
    storage = _import_storage(known, node)
    name = file_name(template.image, template.checksum, where=template.name)
    volume = f"{storage}:import/{name}"
    if volume in await _volumes(client, node, storage):
        return Image(volume)
    params: dict[str, Any] = {"content": "import", "filename": name, "url": template.image}
    if template.checksum:
        params |= {"checksum": template.checksum, "checksum-algorithm": "sha256"}
    return Image(volume, wire.path("nodes", node, "storage", storage, "download-url"), params)


async def _on_storage(client: Client, template: Template, node: str) -> Image:
    storage = template.image.partition(":")[0]
    if template.image not in await _volumes(client, node, storage):
        todo = "name its URL in hosts.yaml and it is fetched; or put it there"
        raise Missing(f"{clean(node)} has no image {clean(template.image)}", where=template.name, todo=todo)
    return Image(template.image)


async def _volumes(client: Client, node: str, storage: str) -> set[str]:
    found = await client.get(wire.path("nodes", node, "storage", storage, "content"), content="import")
    return {text(row.get("volid")) for row in rows(found)}


def _import_storage(known: Mapping[str, StorageRow], node: str) -> str:
    """The storage that takes images: one that all share last, so that a node's own is not filled over the network."""
    able = sorted((row.shared, row.name) for row in known.values() if "import" in row.content and row.available)
    if able:
        return able[0][1]
    raise Refused(
        f"no storage of {clean(node)} takes images to import",
        where=clean(node),
        todo="let one: pvesm set local --content iso,vztmpl,backup,import,snippets",
    )


def file_name(url: str, checksum: str | None, *, where: str) -> str:
    """What an image is called on a storage; its checksum is part of that, so that another image is another file."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    if _PACKED.search(last):
        raise Unsupported(
            f"{clean(last)} is packed, and Proxmox unpacks no images to import",
            where=where,
            todo="name one that is not packed (.qcow2, .img, .raw)",
        )
    stem, dot, ending = last.rpartition(".")
    if not dot or not _DISK.search(last):
        # Cloud images that end in .img are qcow2; Proxmox goes by the ending.
        stem, ending = (stem if ending.lower() == "img" else last), "qcow2"
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:_LONGEST] or "image"
    return f"{stem}-{checksum[:12]}.{ending.lower()}" if checksum else f"{stem}.{ending.lower()}"
