"""``clone`` and ``spawn``: new guests from one there is, linked to a template's disks or with copies of their own."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from app.column import clean, size_text
from app.errors import ConfigurationError, Missing, Refused, Unsupported
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.libvirt.answers import LIST, uuids
from backends.libvirt.definition import mark, parsed
from backends.libvirt.markup import below, escaped, written
from backends.libvirt.verbs.base import COPY_S, Now, guest_name, holds, quoted, typed
from backends.libvirt.verbs.storage import OnStorage, Volume, size_bytes

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


_MOST = 100
"""Guests that one ``spawn`` makes."""


class CloneVerbs(OnStorage):
    """New guests."""

    async def clone(
        self,
        target: Vm,
        *,
        name: str,
        to: str | None = None,
        full: bool = False,
        storage: str | None = None,
        pool: str | None = None,
        vmid: int | None = None,
        cores: int | None = None,
        memory: str | None = None,
        disk: str | None = None,
        user: str | None = None,
        ssh_key: tuple[str, ...] = (),
        ip: str | None = None,
        tag: tuple[str, ...] = (),
        snapshot: str | None = None,
        start: bool = False,
    ) -> Plan:
        """Make a new guest from it: linked to a template, a full copy of any other."""
        _refuse_foreign(target, to=to, pool=pool, vmid=vmid, user=user, ssh_key=ssh_key, ip=ip, snapshot=snapshot)
        guest_name(name)
        return await self._clones(target, [name], full, storage, _Wanted(cores, memory, disk, tag), start)

    async def spawn(
        self,
        target: Vm,
        *,
        count: int,
        name: str,
        to: str | None = None,
        full: bool = False,
        storage: str | None = None,
        pool: str | None = None,
        cores: int | None = None,
        memory: str | None = None,
        disk: str | None = None,
        user: str | None = None,
        ssh_key: tuple[str, ...] = (),
        ip: str | None = None,
        tag: tuple[str, ...] = (),
        start: bool = True,
    ) -> Plan:
        """Make several guests from a template and start them."""
        _refuse_foreign(target, to=to, pool=pool, user=user, ssh_key=ssh_key, ip=ip)
        if not 1 <= count <= _MOST:
            raise ConfigurationError(f"{count} is no count", where="--count", todo=f"give 1 to {_MOST}")
        guest_name(f"{name}-1")
        taken = {one.name for one in (await self.guests_on(target.source)).values()}
        names = _numbered(name, count, taken)
        plan = await self._clones(target, names, full, storage, _Wanted(cores, memory, disk, tag), start)
        counted = self._counted(target, names, [step.name for step in plan.steps])
        return Plan(*plan.steps, counted, notes=plan.notes, preconditions=plan.preconditions)

    def _counted(self, target: Vm, names: Sequence[str], after: Sequence[str]) -> Step:
        """A look at last which of them are there."""
        line = self.line(target.source, *LIST.split())

        async def run(report: Report) -> Result:
            there = uuids(await self.answer(target.source, LIST, target.id))
            made = [
                {"guest": f"{target.source}/{name}", "name": name, "key": there[name]}
                for name in names
                if name in there
            ]
            ids = [one["guest"] for one in made]
            said = (
                f"{len(made)}{'' if len(made) == len(names) else f' of {len(names)}'} made: {', '.join(ids) or 'none'}"
            )
            return Result(0 if len(made) == len(names) else 1, said, {"guests": made, "ids": ids})

        return Step(target, f"{line}   # are they all there?", run, behind=tuple(after))

    async def _clones(
        self, target: Vm, names: Sequence[str], full: bool, storage: str | None, wanted: _Wanted, start: bool
    ) -> Plan:
        now = await self.fresh(target)
        linked = now.definition.template and not full
        if now.runs or now.saved:
            what = f"it is {now.words}, and a copy of its disks now would be one of a machine in the middle of its work"
            raise Refused(what, where=target.id, todo=f"quarterdeck vm shutdown {typed(target)}")
        taken = {one.name for one in (await self.guests_on(target.source)).values()}
        for name in names:
            if name in taken:
                raise Refused(f"there is a guest {name} already", where=target.source, todo="give another --name")
        volumes = await self.volumes(target, [disk for disk in now.definition.disks if disk.own])
        for volume in volumes if linked else []:
            if not volume.file:
                what = f"its disk {clean(volume.target)} is no file, and none can be linked to it"
                raise Refused(what, where=target.id, todo="clone it with --full")
        if storage is not None:
            await self._active_pool(target, storage)
        # With secrets: a clone without the password of its screen would be open to everybody.
        xml = await self.answer(target.source, f"dumpxml --inactive --security-info {now.uuid}", target.id)
        plans = [self._plan(target, now, xml, name, volumes, linked, storage, wanted, start) for name in names]
        return Plan.merged(plans)

    async def _active_pool(self, target: Vm, pool: str) -> None:
        """Raise Missing or Refused unless the node has a storage pool of that name to put disks on."""
        every, active = await self.answers(target.source, "pool-list --all --name", "pool-list --name")
        known = [line.strip() for line in every.split("\n") if line.strip() and not every.startswith("error: ")]
        if pool not in known:
            said = ", ".join(clean(one) for one in known[:8]) or "none"
            raise Missing(f"there is no storage pool '{clean(pool)}'", where=target.source, todo=f"it has: {said}")
        if pool not in [line.strip() for line in active.split("\n")]:
            todo = clean(self.line(target.source, "pool-start", pool))
            raise Refused(f"the storage pool {clean(pool)} is not active", where=target.source, todo=todo)

    def _plan(
        self,
        target: Vm,
        now: Now,
        xml: str,
        name: str,
        volumes: Sequence[Volume],
        linked: bool,
        storage: str | None,
        wanted: _Wanted,
        start: bool,
    ) -> Plan:
        steps: list[Step] = []
        paths: dict[str, tuple[str, str, str]] = {}
        for number, volume in enumerate(volumes):
            pool = storage or volume.pool
            form = "qcow2" if linked else volume.format
            made = f"{name}-{volume.target}.{form}"
            size = size_bytes(wanted.disk, volume.capacity_bytes) if wanted.disk and not number else 0
            if size and size < volume.capacity_bytes:
                what = f"its first disk is {size_text(volume.capacity_bytes)}, and can only grow"
                raise Refused(what, where="--disk", todo="give a larger size, or +SIZE")
            steps.append(self._disk(target, volume, pool, made, linked, f"disk {number}"))
            if size > volume.capacity_bytes:
                words = ("vol-resize", made, str(size), "--pool", pool)
                steps.append(
                    self.step(target, *words, done=f"{made} is {size_text(size)}", name="grow", after=["disk 0"])
                )
            paths[volume.target] = pool, made, form
        document = _document(xml, name, paths, wanted)
        steps.append(self._defined(target, now, name, document, paths, [step.name for step in steps]))
        if start:
            line = self.line(target.source, "start", document.uuid)

            async def begin(report: Report) -> Result:
                result = await self.act(target, line, report)
                return result if result.exit_code else Result(0, f"{target.source}/{name} was made and started")

            steps.append(Step(target, f"{line}   # {name}", begin, name="start", after=("define",)))
        kind = "linked to its disks" if linked else "with copies of its disks"
        notes = [f"{target.source}/{name}: {kind}, with a UUID and network addresses of its own"]
        return Plan(*steps, notes=notes, preconditions=[holds(now), (f"the name {name} is free", True, "")])

    def _disk(self, target: Vm, volume: Volume, pool: str, made: str, linked: bool, label: str) -> Step:
        lanes = [f"storage@{target.source}:{pool}"]
        if linked:
            words = ["vol-create-as", pool, made, str(volume.capacity_bytes), "--format", "qcow2"]
            words += ["--backing-vol", volume.path, "--backing-vol-format", volume.format]
            return self.step(target, *words, done=f"made {made}", name=label, lanes=lanes)
        # Said in a document: vol-clone would let the copy stand on what the original stands on.
        text = (
            f"<volume><name>{escaped(made)}</name><capacity>{volume.capacity_bytes}</capacity>"
            f"<target><format type='{escaped(volume.format)}'/></target></volume>"
        )
        words = ["vol-create-from", pool, "/dev/stdin", volume.name, "--inputpool", volume.pool]
        return self.step(
            target, *words, done=f"copied to {made}", within=COPY_S, input=text.encode(), name=label, lanes=lanes
        )

    def _defined(
        self,
        target: Vm,
        now: Now,
        name: str,
        document: _Document,
        paths: dict[str, tuple[str, str, str]],
        after: Sequence[str],
    ) -> Step:
        line = self.line(target.source, "define", "/dev/stdin")

        async def run(report: Report) -> Result:
            text = document.text
            for target_name, (pool, made, _) in paths.items():
                asked = f"vol-path --pool {quoted(pool)} {quoted(made)}"
                path = (await self.answer(target.source, asked, target.id)).strip()
                text = text.replace(document.places[target_name], escaped(path))
            result = await self.act(target, line, report, input=text.encode())
            if result.exit_code:
                left = "; ".join(
                    clean(self.line(target.source, "vol-delete", made, "--pool", pool))
                    for pool, made, _ in paths.values()
                )
                return Result(
                    result.exit_code, f"{result.message}; its disks are there, remove them: {left}", result.data
                )
            data = {"guest": f"{target.source}/{name}", "name": name, "key": document.uuid}
            return Result(0, f"made {target.source}/{name}", data)

        text = f"{line}   # {name} ({document.uuid}): the definition of {clean(now.name)} with its own disks"
        undo = f"quarterdeck vm destroy {target.source}/{name}"
        return Step(target, text, run, name="define", after=tuple(after), undo=undo)


class _Wanted:
    """What a new guest has that its original has not."""

    def __init__(self, cores: int | None, memory: str | None, disk: str | None, tags: tuple[str, ...]) -> None:
        if cores is not None and not 1 <= cores <= 4096:
            raise ConfigurationError(f"{cores} is no number of cores", where="--cores", todo="give 1 or more")
        self.cores = cores
        self.memory_kib = None if memory is None else size_bytes(memory) >> 10
        if self.memory_kib is not None and self.memory_kib < 1024:
            raise ConfigurationError("no guest runs in less than a megabyte", where="--memory", todo="write 4G")
        self.disk = disk
        self.tags = tags


class _Document:
    """The definition of a guest that is to be; ``places`` stand for the paths of its disks, which are known later."""

    def __init__(self, uuid: str, text: str, places: dict[str, str]) -> None:
        self.uuid = uuid
        self.text = text
        self.places = places


def _document(xml: str, name: str, paths: dict[str, tuple[str, str, str]], wanted: _Wanted) -> _Document:
    root = parsed(xml)
    root.attrib.pop("id", None)
    uuid = _new_uuid()
    for tag, text in (("name", name), ("uuid", uuid)):
        found = root.find(tag)
        (below(root, tag) if found is None else found).text = text
    _drop(root, "genid", "title")
    for card in root.findall("devices/interface"):
        _drop(card, "mac", "target")
    for channel in root.findall("devices/channel"):
        source = channel.find("source")
        if source is not None:
            source.attrib.pop("path", None)
    nvram = root.find("os/nvram")
    if nvram is not None:  # it is made from its template at the first start
        nvram.text = None
    places: dict[str, str] = {}
    for disk in root.findall("devices/disk"):
        target = disk.find("target")
        here = "" if target is None else target.get("dev", "")
        if here not in paths:
            continue
        _drop(disk, "backingStore", "source", "serial")
        places[here] = f"place-{secrets.token_hex(12)}"
        disk.set("type", "file")
        below(disk, "source").set("file", places[here])
        driver = disk.find("driver")
        (below(disk, "driver", name="qemu") if driver is None else driver).set("type", paths[here][2])
    if wanted.cores is not None:
        cores = root.find("vcpu")
        cores = below(root, "vcpu") if cores is None else cores
        cores.attrib.pop("current", None)
        cores.text = str(wanted.cores)
        topology = root.find("cpu")
        if topology is not None:
            _drop(topology, "topology")
    if wanted.memory_kib is not None:
        for tag in ("memory", "currentMemory"):
            _drop(root, tag)
            below(root, tag, unit="KiB").text = str(wanted.memory_kib)
    mark(root, tags=wanted.tags or None, template=False, protected=False)
    return _Document(uuid, written(root), places)


def _new_uuid() -> str:
    import uuid

    return str(uuid.uuid4())


def _drop(parent: Element, *tags: str) -> None:
    for tag in tags:
        for found in parent.findall(tag):
            parent.remove(found)


def _numbered(prefix: str, count: int, taken: Collection[str]) -> list[str]:
    """The first free names: ``worker-1``, ``worker-2`` …"""
    names: list[str] = []
    number = 1
    while len(names) < count:
        if (name := f"{prefix}-{number}") not in taken:
            names.append(name)
        number += 1
    return names


def _refuse_foreign(
    target: Vm,
    *,
    to: str | None = None,
    pool: str | None = None,
    vmid: int | None = None,
    user: str | None = None,
    ssh_key: tuple[str, ...] = (),
    ip: str | None = None,
    snapshot: str | None = None,
) -> None:
    """Raise Unsupported for what libvirt has not."""
    if to is not None and to != target.source:
        raise Unsupported(
            "libvirt clones on its own node only", where=target.id, todo=f"leave out --to, or say {target.source}"
        )
    given = {"--pool": pool, "--vmid": vmid, "--user": user, "--ssh-key": ssh_key, "--ip": ip, "--snapshot": snapshot}
    for option, value in given.items():
        if value:
            words = {
                "--pool": "libvirt has no pools of guests; --storage names a storage pool",
                "--snapshot": "libvirt cannot clone from a snapshot; go back to it first, or clone what is",
                "--vmid": "libvirt's guests have no numbers",
            }
            raise Unsupported(words.get(option, "libvirt's guests have no cloud-init of libvirt's own"), where=option)
