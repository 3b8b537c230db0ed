"""Configs and disks of the peer's machines: changes with digests and pending values, imports, moves."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from typing import Any

from tests.servers.pve_base import VM, Call, FakePve, PveError, TaskError, answers, lxc, qemu

CLOUD_KEY = re.compile(r"ci(?:user|password|type|upgrade|custom)|sshkeys|nameserver|searchdomain|ipconfig\d+")
_HOT = re.compile(
    r"net\d+|(?:scsi|virtio|sata)\d+|unused\d+|description|name|tags|onboot|startup|protection|agent|hookscript"
)
_CHANGED = "detected modified configuration - file changed by other user? Try again."
_HIDDEN = "**********"
_GIB = 1024**3


def _bytes(text: str) -> int:
    found: int | None = lxc.parse_size(text)
    return found or 0


class Disks(FakePve):
    """Part of the peer."""

    # -- config

    def _config_priv(self, key: str) -> str:
        return "VM.Config.Cloudinit" if CLOUD_KEY.fullmatch(key) else str(super()._config_priv(key))

    @answers("GET", f"{VM}/config")
    async def config(self, call: Call) -> dict[str, Any]:
        """The config as the next start will have it, or ``current`` as it is; a password is not told."""
        vm = self.find(call.node, call.vmid)
        name = call.values.get("snapshot")
        if name:
            if name not in vm.snapshots:
                raise PveError(500, f"snapshot '{name}' does not exist")
            return vm.snapshots[name] | {"digest": vm.digest()}
        config = dict(vm.config)
        if not call.values.get("current"):
            config |= {key: value for key, value in vm.pending.items() if value is not None}
            config = {key: value for key, value in config.items() if vm.pending.get(key, "") is not None}
        if "memory" in config:
            config["memory"] = str(config["memory"])
        return self._hiding(config) | {"digest": vm.digest()}

    @staticmethod
    def _hiding(config: dict[str, Any]) -> dict[str, Any]:
        return config | ({"cipassword": _HIDDEN} if "cipassword" in config else {})

    @answers("GET", f"{VM}/pending")
    async def pending(self, call: Call) -> list[dict[str, Any]]:
        """Every key with its value and what waits for the next start."""
        vm = self.find(call.node, call.vmid)
        config, waiting = self._hiding(dict(vm.config)), vm.pending
        rows: list[dict[str, Any]] = []
        for key in sorted({*config, *waiting}):
            row: dict[str, Any] = {"key": key} | ({"value": config[key]} if key in config else {})
            if key in waiting:
                row |= {"delete": 1} if waiting[key] is None else {"pending": waiting[key]}
            rows.append(row)
        return rows

    @answers("PUT", f"{VM}/config")
    async def put_config(self, call: Call) -> None:
        """Change it now; new disks are made, what a running machine cannot take waits."""
        vm = self.find(call.node, call.vmid)
        self._may_change(vm, call)
        try:
            await self.acquire(vm, "config")
        except TaskError as error:
            raise PveError(500, str(error)) from error
        try:
            self._change(vm, call.values)
        except TaskError as error:
            raise PveError(500, str(error)) from error
        finally:
            self.release(vm, "config")

    @answers("POST", f"{VM}/config")
    async def post_config(self, call: Call) -> str:
        """The same as a task: disks that are imported take their time."""
        vm = self.find(call.node, call.vmid)
        self._may_change(vm, call)

        async def work() -> None:
            for value in call.values.values():
                if "import-from=" in str(value):
                    for part in (25, 50, 75, 100):
                        await self.pause(1)
                        self.say(f"transferred {part * 0.02:.1f} GiB of 2.0 GiB ({part}.00%)")
            self._change(vm, call.values)

        return await self.task(vm.node, "qmconfig", vm.vmid, call.user, work, vm=vm)

    def _may_change(self, vm: Any, call: Call) -> None:
        asked = call.values
        self.need_quorum()
        if asked.get("digest") and asked["digest"] != vm.digest():
            raise PveError(500, _CHANGED)
        keys = [key for key in asked if key not in ("node", "vmid", "digest", "delete", "skiplock", "force", "revert")]
        for key in [*keys, *self._words(asked.get("delete"))]:
            right = self._config_priv(key)
            if right == "root" and call.user != "root@pam":
                raise PveError(403, f"only root can set '{key}' config")
            self.require(call.user, f"/vms/{vm.vmid}", right)
        self.need_bridges(call.user, asked)
        if asked.get("skiplock") and call.user != "root@pam":
            raise PveError(400, "Parameter verification failed.", {"skiplock": "Only root may use this option."})
        if not asked.get("skiplock"):
            self._check_lock(vm)
        for key in keys:
            if qemu.DRIVE_KEY.match(key):
                self._qm_check_drive(call.user, vm.vmid, None, key, asked[key], None)
        order = str(asked.get("boot", ""))
        if order.startswith("order="):
            known = {*vm.config, *vm.pending, *keys}
            lost = [one for one in order.removeprefix("order=").split(";") if one and one not in known]
            if lost:
                why = {"boot": f"invalid bootorder: device '{lost[0]}' does not exist'"}
                raise PveError(400, "Parameter verification failed.", why)

    @staticmethod
    def _words(text: Any) -> list[str]:
        return [one for one in re.split(r"[,;\s]+", str(text or "")) if one]

    def _change(self, vm: Any, asked: dict[str, Any]) -> None:
        running = vm.status == "running"
        for key in self._words(asked.get("revert")):
            vm.pending.pop(key, None)
        for key in self._words(asked.get("delete")):
            self._take_away(vm, key, running, force=bool(asked.get("force")))
        for key, value in asked.items():
            if key in ("node", "vmid", "digest", "delete", "skiplock", "force", "revert", "background_delay"):
                continue
            if qemu.DRIVE_KEY.match(key):
                before = str(vm.config.get(key, "")).partition(",")[0]
                value, _ = self._qm_new_drive(vm.vmid, key, value, None)
                if before and before != value.partition(",")[0] and "cloudinit" not in before and before != "none":
                    vm.config[self._free_unused(vm)] = before
            elif re.fullmatch(r"net\d+", key):
                value = qemu.with_mac(value)
            elif key == "tags":
                value = ";".join(sorted({one.lower() for one in self._words(value)}))
            hot = _HOT.fullmatch(key) or CLOUD_KEY.fullmatch(key) or "media=cdrom" in str(value)
            if running and not hot:
                vm.pending[key] = value
            else:
                vm.config[key] = value
                vm.pending.pop(key, None)
        vm.name = vm.config.get("name") or f"VM {vm.vmid}"

    def _take_away(self, vm: Any, key: str, running: bool, *, force: bool) -> None:
        value = vm.config.get(key)
        if value is None:
            vm.pending.pop(key, None)
            return
        volume = str(value).partition(",")[0]
        if running and not (_HOT.fullmatch(key) or CLOUD_KEY.fullmatch(key)):
            vm.pending[key] = None
            return
        del vm.config[key]
        if key.startswith("unused") or (force and qemu.DRIVE_KEY.match(key)) or "cloudinit" in volume:
            self._qm_free(volume)
        elif qemu.DRIVE_KEY.match(key) and "media=cdrom" not in str(value):
            vm.config[self._free_unused(vm)] = volume

    @staticmethod
    def _free_unused(vm: Any) -> str:
        return next(key for number in range(256) if (key := f"unused{number}") not in vm.config)

    # -- disks

    def _qm_check_drive(self, user: str, vmid: int, pool: Any, key: str, value: str, default: Any) -> None:
        """A disk that is imported needs its source too."""
        _, options = qemu.split_drive(value)
        source = options.get("import-from")
        if source:
            sid, name = qemu.volume_ref(source)
            if sid is None and user != "root@pam":
                raise PveError(500, "Only root can pass arbitrary filesystem paths.")
            if sid is not None and name not in self._volumes(sid):
                raise PveError(500, f"volume_size_info on '{source}' failed - no format")
        super()._qm_check_drive(user, vmid, pool, key, value, default)

    def _qm_new_drive(self, vmid: int, key: str, value: str, default: Any) -> Any:
        volume, options = qemu.split_drive(value)
        source = options.pop("import-from", None)
        if not source:
            made, volids = super()._qm_new_drive(vmid, key, value, default)
            if volume.endswith(":cloudinit"):
                # fakepve calls it a disk; real ones are told apart by their name.
                made, volids = self._renamed(made, volids, vmid)
            return made, volids
        sid, name = qemu.volume_ref(source)
        size = int((self._volumes(sid).get(name) or {}).get("size") or 2 * _GIB) if sid else 2 * _GIB
        store = qemu.volume_ref(volume)[0] or default
        volid, _ = self._qm_alloc(store, vmid, options.pop("format", None), size)
        return qemu.join_drive(volid, options | {"size": lxc.format_size(size)}), [volid]

    def _renamed(self, made: str, volids: list[str], vmid: int) -> tuple[str, list[str]]:
        sid, name = qemu.volume_ref(volids[0])
        other = re.sub(r"-disk-\d+", "-cloudinit", name)
        volumes = self.storages[sid]["volumes"]
        volumes[other] = volumes.pop(name)
        return made.replace(name, other, 1), [f"{sid}:{other}"]

    @answers("PUT", f"{VM}/resize")
    async def resize(self, call: Call) -> str:
        """Larger, never smaller: ``+10G`` or a whole size."""
        vm, key = self.find(call.node, call.vmid), str(call.values["disk"])
        if call.values.get("digest") and call.values["digest"] != vm.digest():
            raise PveError(500, _CHANGED)
        self._check_lock(vm)
        if key not in vm.config:
            raise PveError(500, f"disk '{key}' does not exist")
        volume, options = qemu.split_drive(vm.config[key])
        if options.get("media") == "cdrom":
            raise PveError(500, "you can't resize a cdrom")
        more, before = str(call.values["size"]), _bytes(options.get("size", "0"))
        size = before + _bytes(more[1:]) if more.startswith("+") else _bytes(more)
        if size < before:
            raise PveError(500, "shrinking disks is not supported")

        async def work() -> None:
            sid, name = qemu.volume_ref(volume)
            store = self.storages[sid]
            if "avail" in store:
                if size - before > store["avail"]:
                    raise TaskError(f"unable to resize volume '{volume}' - No space left on device")
                store["avail"] -= size - before
            if name in store.get("volumes", {}):
                store["volumes"][name]["size"] = size
            vm.config[key] = qemu.join_drive(volume, options | {"size": lxc.format_size(size)})

        return await self.task(vm.node, "resize", vm.vmid, call.user, work, vm=vm)

    @answers("POST", f"{VM}/move_disk")
    async def move_disk(self, call: Call) -> str:
        """To another storage; what was there stays as unused, unless it is to be deleted."""
        vm, key = self.find(call.node, call.vmid), str(call.values["disk"])
        self._check_lock(vm)
        if key not in vm.config:
            raise PveError(500, f"disk '{key}' does not exist")
        volume, options = qemu.split_drive(vm.config[key])
        goal = call.values.get("storage")
        if not goal:
            raise PveError(400, "Parameter verification failed.", {"storage": "'storage' or 'target-vmid' is needed"})
        if goal == qemu.volume_ref(volume)[0] and not call.values.get("format"):
            raise PveError(500, "you can't move to the same storage with same format")
        self._qm_image_store(goal, call.user)

        async def work() -> None:
            made, _ = self._qm_alloc(goal, vm.vmid, call.values.get("format"), _bytes(options.get("size", "0")))
            vm.config[key] = qemu.join_drive(made, options)
            if call.values.get("delete"):
                self._qm_free(volume)
            else:
                vm.config[self._free_unused(vm)] = volume

        return await self.task(vm.node, "qmmove", vm.vmid, call.user, work, vm=vm)

    @answers("PUT", f"{VM}/unlink")
    async def unlink(self, call: Call) -> None:
        """Disks away, or with force gone."""
        vm = self.find(call.node, call.vmid)
        self._check_lock(vm)
        for key in self._words(call.values["idlist"]):
            self._take_away(vm, key, vm.status == "running", force=bool(call.values.get("force")))
