"""Backups of the peer: made of guests, listed with notes and marks, restored into guests, pruned."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
import time
from typing import Any

from tests.servers.pve_base import Call, FakePve, PveError, TaskError, answers, qemu

_FILE = re.compile(r"backup/vzdump-(qemu|lxc)-(\d+)-(\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d)\.(.+)")


class Backups(FakePve):
    """Part of the peer."""

    def _item(self, name: str, volname: str, vol: dict[str, Any]) -> dict[str, Any]:
        """A backup's row says what is in it."""
        row: dict[str, Any] = super()._item(name, volname, vol)
        found = _FILE.fullmatch(volname)
        if found:
            row |= {"subtype": found[1], "vmid": int(found[2]), "format": found[4]}
        return row

    @answers("POST", "/nodes/{node}/vzdump")
    async def back_up(self, call: Call) -> str:
        """Back guests of a node up, one after the other."""
        asked = call.values
        storage = str(asked.get("storage", "local"))
        wanted = [int(one) for one in re.split(r"[,;\s]+", str(asked.get("vmid", ""))) if one]
        if asked.get("all"):
            wanted = [one.vmid for one in [*self.vms, *self.cts] if one.node == call.node]
        if not wanted:
            raise PveError(
                400, "Parameter verification failed.", {"vmid": "property is missing and it is not optional"}
            )
        for vmid in wanted:
            self.require(call.user, f"/vms/{vmid}", "VM.Backup")
        self.require(call.user, f"/storage/{storage}", "Datastore.AllocateSpace")
        store = self._check_enabled(storage, call.node)
        if "backup" not in str(store.get("content", "")).split(","):
            raise PveError(500, f"storage '{storage}' does not support backups")
        if asked.get("mode", "snapshot") not in ("snapshot", "suspend", "stop"):
            raise PveError(400, "Parameter verification failed.", {"mode": "no such mode"})

        async def work() -> None:
            failed = 0
            for vmid in wanted:
                try:
                    await self._back_up_one(vmid, storage, asked)
                except TaskError as error:
                    failed += 1
                    self.say(f"ERROR: Backup of VM {vmid} failed - {error}")
            self.say("INFO: Backup job finished with errors" if failed else "INFO: Backup job finished successfully")
            if failed:
                raise TaskError("job errors")

        number = str(wanted[0]) if len(wanted) == 1 else ""
        line = f"INFO: starting new backup job: vzdump {' '.join(map(str, wanted))} --storage {storage}"
        return await self.task(call.node, "vzdump", number, call.user, work, log=[line])

    async def _back_up_one(self, vmid: int, storage: str, asked: dict[str, Any]) -> None:
        guest = self.guest(vmid)
        if guest is None:
            raise TaskError(f"unable to find VM '{vmid}'")
        if guest.lock:
            raise TaskError(f"VM is locked ({guest.lock})")
        kind, store = guest.guest.split("/")[0], self.storages[storage]
        self.say(f"INFO: Starting Backup of VM {vmid} ({kind})")
        guest.lock = guest.config["lock"] = "backup"
        try:
            await self.pause(2)
            size = 512 * 1024**2
            if size > store.get("avail", size):
                raise TaskError(f"vma_queue_write: write error - Broken pipe - No space left on device ({storage})")
            ending = {"qemu": "vma", "lxc": "tar"}[kind]
            ending += {"zstd": ".zst", "gzip": ".gz", "lzo": ".lzo"}.get(str(asked.get("compress", "zstd")), "")
            stamp = int(time.time())
            volumes = store.setdefault("volumes", {})
            while any(f"-{vmid}-{time.strftime('%Y_%m_%d-%H_%M_%S', time.gmtime(stamp))}" in name for name in volumes):
                stamp += 1
            name = f"vzdump-{kind}-{vmid}-{time.strftime('%Y_%m_%d-%H_%M_%S', time.gmtime(stamp))}.{ending}"
            notes = str(asked.get("notes-template", "{{guestname}}")).replace("{{guestname}}", guest.name)
            notes = notes.replace("{{vmid}}", str(vmid)).replace("{{node}}", guest.node)
            kept = {key: value for key, value in guest.config.items() if key not in ("lock", "parent")}
            volumes[f"backup/{name}"] = {
                "content": "backup", "format": ending, "size": size, "vmid": vmid, "ctime": stamp, "notes": notes,
                "protected": bool(asked.get("protected")), "guest": kept,
            }  # fmt: skip
            if "avail" in store:
                store["avail"] -= size
        finally:
            guest.lock = None
            guest.config.pop("lock", None)
        self.say(f"INFO: creating vzdump archive '/var/lib/vz/dump/{name}'")
        self._prune(storage, vmid, str(asked.get("prune-backups", "")))
        self.say(f"INFO: Finished Backup of VM {vmid} (00:00:02)")

    def _prune(self, storage: str, vmid: int, rule: str) -> None:
        keep = re.search(r"keep-last=(\d+)", rule)
        if not keep:
            return
        volumes = self.storages[storage]["volumes"]
        own = [name for name, one in volumes.items() if one.get("vmid") == vmid and one["content"] == "backup"]
        own = sorted(
            (name for name in own if not volumes[name].get("protected")), key=lambda name: -volumes[name]["ctime"]
        )
        for name in own[int(keep[1]) :]:
            self.say(f"INFO: removing backup '{storage}:{name}'")
            del volumes[name]

    @answers("GET", "/nodes/{node}/vzdump/extractconfig")
    async def extract(self, call: Call) -> str:
        """The config in a backup."""
        kept = self._kept(str(call.values["volume"]))
        return "".join(f"{key}: {value}\n" for key, value in sorted(kept.get("guest", {}).items()))

    def _kept(self, volid: str) -> dict[str, Any]:
        sid, _, name = volid.partition(":")
        found: dict[str, Any] | None = self._store(sid).get("volumes", {}).get(name)
        if found is None:
            raise PveError(500, f"unable to find archive '{volid}'")
        return found

    @answers("POST", "/nodes/{node}/qemu")
    async def create(self, call: Call) -> str:
        """A new machine, or one out of a backup."""
        if not call.values.get("archive"):
            self.need_bridges(call.user, call.values)
            return await self._qm_create(call.values, call.user)
        asked, vmid = call.values, call.vmid
        archive, storage = str(asked["archive"]), asked.get("storage")
        self.need_quorum()
        before = self.guest(vmid)
        why = f"unable to restore VM {vmid} -"
        if before is not None and not asked.get("force"):
            raise PveError(500, f"{why} VM {vmid} already exists on node '{before.node}'")
        if before is not None and before.status == "running":
            raise PveError(500, f"{why} VM {vmid} is running")
        if before is not None and before.config.get("protection"):
            raise PveError(500, f"{why} can't remove VM {vmid} - protection mode enabled")
        self.require(call.user, f"/vms/{vmid}", "VM.Backup" if before is not None else "VM.Allocate")
        kept = self._kept(archive)
        vm = before or self.add_vm(vmid, f"VM {vmid}", node=call.node)
        vm.lock = vm.config["lock"] = "create"

        async def work() -> None:
            config = dict(kept.get("guest") or {"memory": "2048", "name": f"restored-{vmid}"})
            try:
                for key, volume, options in qemu.drives_of(config, skip_cdrom=True):
                    size = int(qemu_size(options.get("size", "0")))
                    goal = storage or qemu.volume_ref(volume)[0]
                    made, _ = self._qm_alloc(goal, vmid, None, size)
                    config[key] = qemu.join_drive(made, options)
            except PveError as error:
                if before is None and vm in self.vms:
                    self.vms.remove(vm)
                raise TaskError(f"{why} {error.message}") from error
            if asked.get("unique"):
                config = {k: qemu.with_mac(v, fresh=True) if k.startswith("net") else v for k, v in config.items()}
            vm.config, vm.pending, vm.lock = config, {}, None
            vm.snapshots.clear()
            vm.name = config.get("name") or f"VM {vmid}"
            vm.template = bool(config.get("template"))
            if asked.get("start"):
                vm.status = vm.qmpstatus = "running"
                vm.started_at = time.time()

        return await self.task(call.node, "qmrestore", vmid, call.user, work, vm=vm)

    @answers("POST", "/nodes/{node}/lxc")
    async def create_container(self, call: Call) -> str:
        """A new container, or one out of a backup."""
        asked, vmid = call.values, call.vmid
        if not asked.get("restore"):
            made: str = await self._lxc_create(call.user, asked)
            return made
        before, why = self.guest(vmid), f"unable to restore CT {vmid} -"
        if before is not None and not asked.get("force"):
            raise PveError(500, f"{why} CT {vmid} already exists on node '{before.node}'")
        if before is not None and before.status == "running":
            raise PveError(500, f"{why} CT {vmid} is running")
        kept = self._kept(str(asked["ostemplate"]))
        ct = before or self.add_ct(vmid, f"CT{vmid}", node=call.node)
        ct.lock = "create"

        async def work() -> None:
            ct.config = dict(kept.get("guest") or ct.config)
            ct.config.pop("lock", None)
            goal = asked.get("storage")
            if goal and ":" in str(ct.config.get("rootfs", "")):
                ct.config["rootfs"] = re.sub(r"^[^:]+:", f"{goal}:", ct.config["rootfs"])
            ct.config["rootfs"] = re.sub(r"-\d+-disk", f"-{vmid}-disk", str(ct.config.get("rootfs", "")))

        return await self.task(call.node, "vzrestore", vmid, call.user, work, vm=ct)


def qemu_size(text: str) -> float:
    """Bytes of a disk's ``size=``."""
    units = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
    return float(text.rstrip("KMGT") or 0) * units.get(text[-1:], 1)
