"""What is done to the storages of a cluster one after the other: clones and snapshots.

Proxmox locks a storage for each volume it makes and gives up after ten seconds, so side by side they fail each other. A
step that makes or removes volumes is in the lanes of the storages it touches, as wide as its cluster's ``parallel``::

    Step(target, text, run, lane=storage_lanes("lab", "local-lvm", node="pve1"), width=cluster.parallel)

What others do there meanwhile is met by trying again: ``tasks.retried_on_lock``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_DRIVE = re.compile(r"(?:ide|sata|scsi|virtio|efidisk|tpmstate|mp|rootfs|unused|vmstate)\d*")


_STORAGE = "storage@"


def of_storages(lanes: Iterable[str]) -> tuple[str, ...]:
    """Those of some lanes that are storages'."""
    return tuple(lane for lane in lanes if lane.startswith(_STORAGE))


def storage_lane(cluster: str, storage: str, *, node: str | None = None) -> str:
    """The lane of one storage; ``node``: whose it is, ``None`` where all nodes share it or that is not known."""
    return f"{_STORAGE}{cluster}/{node}/{storage}" if node else f"{_STORAGE}{cluster}/{storage}"


def storage_lanes(cluster: str, *storages: str, node: str | None = None) -> tuple[str, ...]:
    """The lanes of several storages, each once."""
    return tuple(storage_lane(cluster, storage, node=node) for storage in sorted(set(storages)))


def guest_lane(cluster: str, vmid: str | int) -> str:
    """What is done to one guest is done one after the other: Proxmox holds a lock of it meanwhile."""
    return f"guest@{cluster}/{vmid}"


def volumes_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The disks of a guest's configuration by their keys: ``{"scsi0": "local-lvm:vm-101-disk-0"}``, without CD-ROMs."""
    found: dict[str, str] = {}
    for key in sorted(config):
        said = str(config[key])
        if not _DRIVE.fullmatch(key) or "media=cdrom" in said.split(","):
            continue
        volume = said.split(",", 1)[0].removeprefix("file=").removeprefix("volume=")
        if ":" in volume and not volume.startswith("/"):
            found[key] = volume
    return found


def storages_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The storages on which a guest's disks lie, each once."""
    return tuple(sorted({volume.partition(":")[0] for volume in volumes_of(config).values()}))
