"""Where a guest's disks lie: its volumes in libvirt's storage pools, and what stands on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.column import clean
from app.errors import BadAnswer, ConfigurationError, QuarterdeckError, Refused
from backends.kinds.vm_row import Vm
from backends.libvirt.answers import LIST, uuids
from backends.libvirt.definition import Definition, Disk, definition
from backends.libvirt.failures import classified
from backends.libvirt.markup import NotXml, document
from backends.libvirt.verbs.base import OnGuests, quoted

_SIZE = re.compile(r"(\+?)(\d{1,9}(?:\.\d{1,3})?)([KMGT]?)(?:i?B)?", re.I)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Volume:
    """One disk of a guest as its storage pool has it."""

    target: str
    """Such as ``vda``."""
    pool: str
    name: str
    path: str
    format: str
    capacity_bytes: int
    file: bool
    """It is a file, not a whole device: others can stand on it as qcow2."""
    backing: str | None
    """What it stands on itself."""
    old_format: bool = False
    """A qcow2 of version 2, as libvirt itself makes them."""


class OnStorage(OnGuests):
    """Base of the verbs that make and remove disks."""

    async def volumes(self, target: Vm, disks: Sequence[Disk]) -> list[Volume]:
        """The volumes of a guest's disks; raises Refused for one that is in no storage pool."""
        if not disks:
            return []
        lines: list[str] = []
        for disk in disks:
            pool, _, name = disk.source.partition("/") if disk.kind == "volume" else ("", "", disk.source)
            where = f"--pool {quoted(pool)} " if pool else ""
            lines += [f"vol-pool {where}{quoted(name)}", f"vol-dumpxml {where}{quoted(name)}"]
        told = await self.answers(target.source, *lines)
        found: list[Volume] = []
        for number, disk in enumerate(disks):
            pool, xml = told[2 * number : 2 * number + 2]
            if pool.startswith("error: ") or xml.startswith("error: "):
                error = classified(pool if pool.startswith("error: ") else xml, target.id)
                if "vol" not in error.what.lower():
                    raise error
                raise Refused(
                    f"its disk {clean(disk.target)} ({clean(disk.source)}) is in no storage pool of libvirt",
                    where=target.id,
                    todo="make its folder one: virsh pool-define-as NAME dir --target FOLDER, then pool-start NAME",
                )
            found.append(_volume(disk, pool.strip(), xml))
        return found

    async def guests_on(self, node: str) -> dict[str, Definition]:
        """The definitions of all guests of a node by UUID, read now."""
        (listed,) = await self.answers(node, LIST)
        if listed.startswith("error: "):
            raise classified(listed, node)
        keys = list(uuids(listed).values())
        told = await self.answers(node, *(f"dumpxml --inactive {key}" for key in keys)) if keys else []
        found: dict[str, Definition] = {}
        for key, said in zip(keys, told, strict=True):
            if not said.startswith("error: "):  # gone meanwhile
                found[key] = definition(said)
        return found

    async def standing_on(self, target: Vm, volumes: Sequence[Volume], guests: dict[str, Definition]) -> list[str]:
        """The names of other guests whose disks stand on these volumes."""
        paths = {one.path for one in volumes}
        names: list[str] = []
        for key, other in guests.items():
            if key == target.key:
                continue
            disks = [disk for disk in other.disks if disk.source]
            told = await self.answers(target.source, *(f"vol-dumpxml {quoted(disk.source)}" for disk in disks))
            for disk, said in zip(disks, told, strict=True):
                if disk.source in paths or (not said.startswith("error: ") and _backing(said) in paths):
                    names.append(other.name)
                    break
        return names


def _volume(disk: Disk, pool: str, xml: str) -> Volume:
    try:
        root = document(_plain(xml))
    except NotXml:
        raise BadAnswer("a volume's description cannot be read") from None
    kind = root.find("target/format")
    made = "raw" if kind is None else kind.get("type", "raw")
    size = root.findtext("capacity") or ""
    return Volume(
        target=disk.target,
        pool=pool,
        name=root.findtext("name") or "",
        path=root.findtext("target/path") or disk.source,
        format=disk.format or made,
        capacity_bytes=int(size) if size.isdigit() else 0,
        file=root.get("type", "file") == "file",
        backing=root.findtext("backingStore/path"),
        old_format=made == "qcow2" and root.findtext("target/compat", "0.10") == "0.10",
    )


def _backing(xml: str) -> str | None:
    try:
        return document(_plain(xml)).findtext("backingStore/path")
    except (NotXml, QuarterdeckError):
        return None


def _plain(xml: str) -> str:
    if "<!" in xml:
        raise BadAnswer("a volume's description cannot be read")
    return xml


def size_bytes(text: str, now: int = 0) -> int:
    """``4G``, or ``+10G`` on top of ``now``, in powers of 1024. Raises ConfigurationError for what is none."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f"'{clean(text)[:40]}' is no size", todo="write 4G, 512M or +10G")
    size = int(float(found[2]) * _UNITS[found[3].upper()])
    return now + size if found[1] else size
