"""The peer's virtual machines where real ones behave otherwise than fakepve's: power, snapshots, clones."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
import time
from typing import Any

from tests.servers.pve_base import VM, Call, FakePve, PveError, TaskError, answers, qemu
from tests.servers.pve_tasks import Body

# Storage type -> what can be made of which state of a volume, as its plugin declares.
_CAN: dict[str, dict[str, set[str]]] = {
    "zfspool": {"snapshot": {"current", "snap"}, "clone": {"base"}, "copy": {"base", "current"}},
    "lvmthin": {"snapshot": {"current"}, "clone": {"base", "snap"}, "copy": {"base", "current", "snap"}},
    "rbd": {"snapshot": {"current", "snap"}, "clone": {"base", "snap"}, "copy": {"base", "current", "snap"}},
    "lvm": {"snapshot": set(), "clone": set(), "copy": {"base", "current"}},
    "qcow2": {"snapshot": {"current"}, "clone": {"base"}, "copy": {"base", "current", "snap"}},
    "raw": {"snapshot": set(), "clone": {"base"}, "copy": {"base", "current"}},
}


class Guests(FakePve):
    """Part of the peer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.linked: dict[int, int] = {}
        """Linked clone -> the template it stands on."""
        self.clones_at_once = 0
        """So many full clones a storage bears side by side before its lock times out; 0: any number."""

    # -- what its storages can do

    def _disks(self, config: dict[str, Any]) -> list[tuple[str, str, str]]:
        """(key, volume, kind of storage) of every disk that is one."""
        found: list[tuple[str, str, str]] = []
        for key, volume, _ in qemu.drives_of(config, skip_cdrom=True):
            sid, name = qemu.volume_ref(volume)
            if sid is None or sid not in self.storages:
                continue
            kind = str(self.storages[sid].get("type", "dir"))
            if kind not in _CAN:
                kind = "qcow2" if name.endswith(".qcow2") else "raw"
            found.append((key, volume, kind))
        return found

    def _lacking(self, vm: Any, feature: str, snapshot: str = "") -> tuple[str, str]:
        """The first disk that cannot do something, as (key, volume); two empty ones where all can."""
        for key, volume, kind in self._disks(vm.snapshots[snapshot] if snapshot else vm.config):
            state = "snap" if snapshot else "base" if "base-" in volume else "current"
            if feature == "snapshot":
                state = "snap" if snapshot else "current"
            if state not in _CAN[kind][feature]:
                return key, volume
        return "", ""

    def _qm_can_snapshot(self, config: dict[str, Any]) -> bool:
        return all("current" in _CAN[kind]["snapshot"] for _, _, kind in self._disks(config))

    @answers("GET", f"{VM}/feature")
    async def feature(self, call: Call) -> dict[str, Any]:
        """Whether a feature is there, and the nodes that have the disks."""
        vm = self.find(call.node, call.vmid)
        name = call.values.get("snapname", "")
        if name and name not in vm.snapshots:
            raise PveError(500, f"snapshot '{name}' does not exist")
        has = not self._lacking(vm, call.values["feature"], name)[1]
        if call.values["feature"] == "clone" and not vm.template and not name:
            has = False
        stores = [self.storages[volume.partition(":")[0]] for _, volume, _ in self._disks(vm.config)]
        everywhere = all(store.get("shared") for store in stores)
        return {"hasFeature": 1 if has else 0, "nodes": sorted(self.nodes) if everywhere else [vm.node]}

    def need_bridges(self, user: str, config: dict[str, Any]) -> None:
        """Network cards need SDN.Use on their bridges."""
        for key, value in config.items():
            found = re.search(r"(?:^|,)bridge=([^,]+)", str(value)) if re.fullmatch(r"net\d+", key) else None
            if found:
                self.require(user, f"/sdn/zones/localnetwork/{found[1]}", "SDN.Use")

    # -- power

    @answers(
        "POST",
        *(f"{VM}/status/{what}" for what in ("start", "stop", "shutdown", "reboot", "reset", "suspend", "resume")),
    )
    async def power(self, call: Call) -> str:
        """As fakepve does it, with the refusals it does not know."""
        action = call.template.rsplit("/", 1)[1]
        vm = self.find(call.node, call.vmid)
        if call.values.get("skiplock") and call.user != "root@pam":
            raise PveError(400, "Parameter verification failed.", {"skiplock": "Only root may use this option."})
        self.need_quorum()
        if vm.qmpstatus == "paused" and action in ("shutdown", "reboot") and not call.values.get("forceStop"):
            raise PveError(500, f"VM is paused - cannot {'shutdown' if action == 'shutdown' else 'reboot'}")
        if call.values.get("overrule-shutdown"):
            for task in self.tasklog:
                if task["type"] == "qmshutdown" and task["id"] == str(vm.vmid) and task["status"] == "running":
                    task["work"].cancel()
        if action == "suspend" and call.values.get("todisk") and vm.status == "running":

            def keeping(body: Body) -> Body:
                async def keep() -> None:
                    vm.lock = vm.config["lock"] = "suspending"
                    await body()

                return keep

            self.wrapping(keeping)
        return await getattr(self, f"_do_{action}")(vm, call.user, call.values)

    # -- snapshots

    @answers("POST", f"{VM}/snapshot/{{snapname}}/rollback")
    async def rollback(self, call: Call) -> str:
        """Back to a snapshot; one with memory leaves the machine running, ZFS goes back to its newest only."""
        vm, name = self.find(call.node, call.vmid), str(call.values["snapname"])

        def wrapper(body: Body) -> Body:
            async def back() -> None:
                zfs = next((volume for _, volume, kind in self._disks(vm.config) if kind == "zfspool"), "")
                if zfs and name in vm.snapshots and vm.config.get("parent") != name:
                    raise TaskError(f"can't rollback, '{name}' is not most recent snapshot on '{zfs}'")
                snapshot = vm.snapshots.get(name, {})
                await body()
                if snapshot.get("vmstate"):
                    vm.config.pop("vmstate", None)
                    vm.status = vm.qmpstatus = "running"
                    vm.started_at = time.time()

            return back

        self.wrapping(wrapper)
        return await self._qm_rollback(call.values, call.user)

    @answers("DELETE", f"{VM}/snapshot/{{snapname}}")
    async def delete_snapshot(self, call: Call) -> str:
        """Its children move to its parent; names that cannot be deleted are refused at once."""
        self.find(call.node, call.vmid)
        if call.values["snapname"] == "current":
            raise PveError(500, "unable to delete snapshot 'current' (reserved name)")
        return await self._qm_snapshot_delete(call.values, call.user)

    # -- clones and templates

    @answers("POST", f"{VM}/clone")
    async def clone(self, call: Call) -> str:
        """A copy: linked ones of templates and of what the storage can clone, full ones one by one."""
        vm, asked = self.find(call.node, call.vmid), call.values
        full = bool(asked.get("full", not vm.template))
        name = asked.get("snapname", "")
        self._check_lock(vm)
        if not asked.get("pool"):
            self.require(call.user, f"/vms/{asked['newid']}", "VM.Allocate")
        if name and name not in vm.snapshots:
            raise PveError(500, f"snapshot '{name}' does not exist")
        key, volume = self._lacking(vm, "copy" if full else "clone", name)
        if volume:
            what = f"a snapshot of '{volume}' ({key})" if name else f"'{volume}' ({key})"
            raise PveError(500, f"{'Full' if full else 'Linked'} clone feature is not supported for {what}")
        target = asked.get("target")
        if target and target not in self.nodes:
            raise PveError(400, "Parameter verification failed.", {"target": f"no such cluster node '{target}'"})
        if target and target != call.node:
            goal = (
                [asked["storage"]]
                if asked.get("storage")
                else [v.partition(":")[0] for _, v, _ in self._disks(vm.config)]
            )
            local = next((one for one in goal if not self.storages.get(one, {}).get("shared")), "")
            if local:
                raise PveError(500, f"can't clone to non-shared storage '{local}'")
        self.need_bridges(call.user, vm.snapshots[name] if name else vm.config)
        if full:
            self._one_by_one(vm, asked.get("storage"))
        made: str = await self._qm_clone(asked, call.user)
        self.tasks[made]["storage"] = asked.get("storage") or next(
            (volume.partition(":")[0] for _, volume, _ in self._disks(vm.config)), ""
        )
        if not full:
            self.linked[int(asked["newid"])] = vm.vmid
        return made

    def _one_by_one(self, vm: Any, storage: str | None) -> None:
        """Copies side by side wait for the lock of their storage, and lose."""
        sid = storage or next((volume.partition(":")[0] for _, volume, _ in self._disks(vm.config)), "")
        running = [task for task in self.tasklog if task["type"] == "qmclone" and task["status"] == "running"]
        beside = len([task for task in running if task.get("storage") == sid])

        def wrapper(body: Body) -> Body:
            async def copy() -> None:
                if self.clones_at_once and beside >= self.clones_at_once:
                    await self.pause(10)
                    raise TaskError(
                        f"clone failed: can't lock file '/var/lock/pve-manager/pve-storage-{sid}' - got timeout"
                    )
                await body()

            return copy

        self.wrapping(wrapper)

    @answers("DELETE", VM)
    async def destroy(self, call: Call) -> str:
        """Gone, except where linked clones stand on its disks."""
        vm = self.find(call.node, call.vmid)

        def wrapper(body: Body) -> Body:
            async def remove() -> Any:
                above = [one for one, below in self.linked.items() if below == vm.vmid and self.guest(one) is not None]
                if above:
                    volume = next((volume for _, volume, _ in self._disks(vm.config)), "?")
                    raise TaskError(f"base volume '{volume}' is still in use by linked cloned")
                self.linked.pop(vm.vmid, None)
                return await body()

            return remove

        self.wrapping(wrapper)
        return await self._qm_destroy(call.values, call.user)
