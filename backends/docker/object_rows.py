"""Rows of images, volumes and networks, and which containers use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from app.fleet import Ref, Resource
from backends.docker.container_rows import shown_age, stack_of
from backends.docker.summary import ImageSummary, NetworkSummary, Seen, VolumeSummary
from backends.kinds.image import Image
from backends.kinds.network import Network
from backends.kinds.volume import Volume

BUILTIN_NETWORKS = frozenset({"bridge", "host", "none", "podman"})
"""Networks that an engine makes for itself and does not give away."""

Newer = Callable[[str, str, str], bool | None]
"""(node, id of an image, its name) -> whether its registry was found to have another digest under that name."""

R = TypeVar("R", bound=Resource)


def _unknown(node: str, image_id: str, name: str) -> bool | None:
    return None


def _same(old: tuple[R, ...], new: Sequence[R]) -> tuple[R, ...]:
    """The new rows, with the old objects wherever nothing changed: ``old`` itself where nothing did at all."""
    before = {row.id: row for row in old}
    rows = tuple(before[row.id] if before.get(row.id) == row else row for row in new)
    if len(rows) == len(old) and all(one is other for one, other in zip(rows, old, strict=True)):
        return old
    return rows


class ObjectRows:
    """Images, volumes and networks of one node; each tuple is replaced when something in it changed."""

    def __init__(self, node: str, newer: Newer = _unknown) -> None:
        self.node = node
        self.images: tuple[Image, ...] = ()
        self.volumes: tuple[Volume, ...] = ()
        self.networks: tuple[Network, ...] = ()
        self._newer = newer
        self._parent = Ref("node", node)

    def fold(self, seen: Seen, now: float) -> bool:
        """Take in what the engine holds at ``now`` by its own clock; says whether there are new rows."""
        by_image: dict[str, list[str]] = {}
        by_volume: dict[str, list[str]] = {}
        by_network: dict[str, list[str]] = {}
        for one in seen.containers:
            name = one.name or one.id[:12]
            by_image.setdefault(one.image_id, []).append(name)
            for mount in one.mounts:
                if mount.type == "volume" and name not in by_volume.setdefault(mount.name, []):
                    by_volume[mount.name].append(name)
            for network in one.networks:
                by_network.setdefault(network, []).append(name)
        images = _same(self.images, self._images(seen.images, by_image, now))
        volumes = _same(self.volumes, self._volumes(seen.volumes, by_volume, now))
        networks = _same(self.networks, self._networks(seen.networks, by_network))
        new = images is not self.images or volumes is not self.volumes or networks is not self.networks
        self.images, self.volumes, self.networks = images, volumes, networks
        return new

    def _images(self, images: Sequence[ImageSummary], users: Mapping[str, list[str]], now: float) -> list[Image]:
        """One row for each name; one image may have several."""
        ages = {row.id: row.created_s for row in self.images}
        rows: dict[str, Image] = {}
        for one in images:
            used_by = tuple(users.get(one.id, ()))
            tags = [tag for tag in one.tags if tag and tag != "<none>:<none>"]
            for name in tags or [one.id.removeprefix("sha256:")[:12]]:
                key = f"{self.node}/{name}"
                rows[key] = Image(
                    id=key,
                    name=name,
                    source=self.node,
                    state="used" if used_by else "unused" if tags else "dangling",
                    parent=self._parent,
                    image_id=one.id,
                    digests=one.digests,
                    size_bytes=one.size_bytes,
                    created_s=shown_age(ages.get(key), max(0.0, now - one.created_at)) if one.created_at else None,
                    used_by=used_by,
                    newer=self._newer(self.node, one.id, name) if tags else None,
                )
        return list(rows.values())

    def _volumes(self, volumes: Sequence[VolumeSummary], users: Mapping[str, list[str]], now: float) -> list[Volume]:
        ages = {row.name: row.created_s for row in self.volumes}
        return [
            Volume(
                id=f"{self.node}/{one.name}",
                name=one.name,
                source=self.node,
                state="used" if one.name in users else "unused",
                parent=self._parent,
                driver=one.driver,
                mountpoint=one.mountpoint,
                stack=stack_of(one.labels),
                created_s=None
                if one.created_at is None
                else shown_age(ages.get(one.name), max(0.0, now - one.created_at)),
                used_by=tuple(users.get(one.name, ())),
            )
            for one in volumes
        ]

    def _networks(self, networks: Sequence[NetworkSummary], users: Mapping[str, list[str]]) -> list[Network]:
        """Two networks may have one name; the second is told apart by its id."""
        rows: dict[str, Network] = {}
        for one in networks:
            used_by = tuple(users.get(one.name, ()))
            key = f"{self.node}/{one.name}"
            if key in rows:
                key = f"{key}-{one.id[:12]}"
            rows[key] = Network(
                id=key,
                name=one.name,
                source=self.node,
                state="builtin" if one.name in BUILTIN_NETWORKS else "used" if used_by else "unused",
                parent=self._parent,
                network_id=one.id,
                driver=one.driver,
                subnets=one.subnets,
                internal=one.internal,
                stack=stack_of(one.labels),
                used_by=used_by,
            )
        return list(rows.values())
