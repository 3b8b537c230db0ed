"""Changing what a guest is made of: ``set_`` and ``resize``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.column import clean, size_text
from app.errors import ConfigurationError, QuarterdeckError, Refused
from app.plan import Plan, Report, Result
from backends.kinds.vm_row import Vm
from backends.proxmox.lanes import volumes_of
from backends.proxmox.lenient import flag, rows, text, whole, words
from backends.proxmox.names import check_name, check_tags
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs import privileges
from backends.proxmox.verbs.acting import Call, nothing
from backends.proxmox.verbs.privileges import OF_OPTION, on_guest
from backends.proxmox.verbs.recipe import bytes_of, check_cores, disk_size, memory_mib
from backends.proxmox.verbs.snapshots import Snapping

_SIZE = re.compile(r"(\+?)\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_USUAL: Mapping[str, str] = {"cores": "1", "memory": "512", "onboot": "0", "protection": "0", "description": ""}
"""What a guest has where its configuration does not say."""


class ChangeVerbs(Snapping):
    """Cores, memory, disks, tags, notes."""

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
        """Change its cores, memory, tags, notes; an empty tag or empty notes take those away."""
        wanted: dict[str, str] = {}
        if name is not None:
            wanted["name"] = check_name(name)
        if cores is not None:
            wanted["cores"] = str(check_cores(cores))
        if memory is not None:
            wanted["memory"] = str(memory_mib(memory))
        if tag:
            wanted["tags"] = ";".join(check_tags([one for one in tag if one]))
        if notes is not None:
            wanted["description"] = notes
        if protected is not None:
            wanted["protection"] = str(int(protected))
        if autostart is not None:
            wanted["onboot"] = str(int(autostart))
        if not wanted:
            raise ConfigurationError("nothing is to be changed", where="vm set", todo="give at least one option")
        now, held = await self.ready(target, "set", lambda seen: None)
        if now.type == "lxc" and "name" in wanted:
            wanted = {"hostname": wanted.pop("name"), **wanted}
        changes = {key: value for key, value in wanted.items() if _now(now, key) != value}
        if not changes:
            return nothing(target, "has all of that already")
        needs = [on_guest(now.vmid, *OF_OPTION[key]) for key in changes]
        held += await privileges.check(self.client(target), needs, where=target.id)
        params: dict[str, Any] = {key: value for key, value in changes.items() if value != ""}
        gone = ",".join(key for key, value in changes.items() if value == "" and key in now.config)
        params |= {"delete": gone or None, "digest": now.digest or None}

        async def told(report: Report, result: Result) -> Result:
            return await self._waits(now, changes, result)

        step = self.step(
            target,
            now,
            Call("PUT", self.path(now, "config"), params),
            lambda seen: None,
            doing="set",
            done="changed",
            then=told,
            undo=_undo(now, target, changes),
        )
        return Plan(step, preconditions=held)

    async def _waits(self, now: FreshGuest, changes: Mapping[str, str], result: Result) -> Result:
        """Which of the changes wait for a restart."""
        try:
            listed = rows(await self.client(now.cluster).get(self.path(now, "pending")))
        except QuarterdeckError:
            return result
        waiting = [
            key
            for row in listed
            if (key := text(row.get("key"))) in changes and ("pending" in row or flag(row.get("delete")))
        ]
        if not waiting:
            return result
        what = f"{', '.join(waiting)} wait{'s' if len(waiting) == 1 else ''} for a restart"
        return Result(0, f"{what}: quarterdeck vm reboot {now.id}", {**result.data, "pending": waiting})

    async def resize(self, target: Vm, disk: str, size: str) -> Plan:
        """Grow one of its disks; never smaller."""
        found = _SIZE.fullmatch(size.strip())
        if found is None:
            todo = "it reads 32G, or +10G for so much more"
            raise ConfigurationError(f"'{clean(size)}' is no size", where="SIZE", todo=todo)
        more, number, unit = found[1], found[2], (found[3] or "G").upper()
        now, held = await self.ready(target, "resize", lambda seen: None)
        before, after = _grown(now, disk, more, f"{number}{unit}")
        if before is not None and after == before:
            return nothing(target, f"{disk} has {size_text(before)} already")
        params = {"disk": disk, "size": f"{more}{number}{unit}", "digest": now.digest or None}
        to = size_text(after) if after is not None else f"{size_text(bytes_of(number + unit) or 0)} more"
        step = self.step(
            target,
            now,
            Call("PUT", self.path(now, "resize"), params),
            lambda seen: None,
            doing="resize",
            done=f"{disk} has {to} now",
            lanes=await self.storage_lanes(now),
            width=self.parallel(now.cluster),
            stoppable=False,
        )
        held.append((f"it has the disk {disk}", True, size_text(before) if before is not None else "of unknown size"))
        notes = [f"{target.id}: a disk never becomes smaller again"]
        if now.type == "qemu":
            notes.append(f"{target.id}: its system has to grow the partition and file system on it by itself")
        return Plan(step, preconditions=held, notes=notes)


def _now(now: FreshGuest, key: str) -> str:
    """What a guest has, as it would be asked for."""
    value = now.config.get(key)
    if key == "tags":
        return ";".join(sorted(words(value)))
    if key == "description":
        return text(value).rstrip("\n")
    if key == "memory":
        return str(whole(text(value).removeprefix("current=")) or 512)
    if key in ("onboot", "protection"):
        return str(int(flag(value)))
    return text(value) or _USUAL.get(key, "")


def _undo(now: FreshGuest, target: Vm, changes: Mapping[str, str]) -> str:
    """The same verb with what there was."""
    options = {"cores": "--cores", "name": "--name", "hostname": "--name"}
    said = [f"{options[key]} {_now(now, key)}" for key in changes if key in options and _now(now, key)]
    if "memory" in changes:
        said.append(f"--memory {_now(now, 'memory')}M")
    return f"quarterdeck vm set {target.id} {' '.join(said)}" if len(said) == len(changes) else ""


def _grown(now: FreshGuest, disk: str, more: str, size: str) -> tuple[int | None, int | None]:
    """(bytes before, bytes after) of a disk that is to grow; raises what is wrong with that."""
    disks = {key: value for key, value in volumes_of(now.config).items() if not key.startswith(("unused", "vmstate"))}
    if disk not in disks:
        todo = f"it has: {', '.join(sorted(disks)) or 'none'}"
        raise ConfigurationError(f"{now.id} has no disk '{clean(disk)}'", where="DISK", todo=todo)
    before, asked = disk_size(now.config[disk]), bytes_of(size) or 0
    if more:
        if asked == 0:
            raise ConfigurationError("nothing more is nothing to do", where="SIZE", todo="give at least +1G")
        return before, None if before is None else before + asked
    if before is not None and asked < before:
        what = f"{disk} has {size_text(before)}, and a disk never becomes smaller"
        todo = f"make a smaller disk and copy what is on it; or give at least {size_text(before)}"
        raise Refused(what, where=now.id, todo=todo)
    return before, asked
