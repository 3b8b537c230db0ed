"""What is told from inside the peer's machines by their agents, and how machines go to other nodes."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

from tests.servers.pve_base import VM, Call, FakePve, PveError, TaskError, agent, answers

_AGENT_READS = (
    "exec-status", "file-read", "get-fsinfo", "get-host-name", "get-memory-block-info", "get-memory-blocks",
    "get-osinfo", "get-time", "get-timezone", "get-users", "get-vcpus", "info", "network-get-interfaces",
)  # fmt: skip
_AGENT_WRITES = (
    "exec", "file-write", "fsfreeze-freeze", "fsfreeze-status", "fsfreeze-thaw", "fstrim", "ping", "set-user-password",
    "shutdown", "suspend-disk", "suspend-hybrid", "suspend-ram",
)  # fmt: skip


class Inside(FakePve):
    """Part of the peer."""

    # -- the guest agent

    @answers("GET", *(f"{VM}/agent/{what}" for what in _AGENT_READS))
    async def ask_agent(self, call: Call) -> Any:
        """An answer of the agent; finding out that it is not there takes 3 s."""
        vm, command = self.find(call.node, call.vmid), call.template.rsplit("/", 1)[1]
        if str(vm.config.get("agent", "0")).partition(",")[0].removeprefix("enabled=") != "1":
            raise PveError(500, "No QEMU guest agent configured")
        if vm.status != "running":
            raise PveError(500, f"VM {vm.vmid} is not running")
        if vm.agent is None:
            await self.pause(3)
            raise PveError(500, "QEMU guest agent is not running")
        if vm.agent_hangs:
            await self.pause(10)
            raise PveError(500, f"VM {vm.vmid} qmp command 'guest-{command}' failed - got timeout")
        agent.record(vm, command, call.values)
        broken = vm.agent.get("error")
        if broken:
            return {"result": {"error": {"class": "GenericError", "desc": broken}}}
        return agent.result(vm, command, call.values)

    @answers("POST", *(f"{VM}/agent/{what}" for what in _AGENT_WRITES))
    async def tell_agent(self, call: Call) -> Any:
        """The same for what changes something."""
        if isinstance(call.values.get("command"), str):
            call.values["command"] = call.values["command"].split("\0")
        return await self.ask_agent(call)

    # -- migration

    @answers("GET", f"{VM}/migrate")
    async def may_migrate(self, call: Call) -> dict[str, Any]:
        """Where it can go."""
        vm = self.find(call.node, call.vmid)
        local = [
            {"volid": volume, "size": 0, "cdrom": 0, "is_unused": 0, "is_vmstate": 0, "drivename": key}
            for key, volume, _ in self._disks(vm.config)
            if not self.storages[volume.partition(":")[0]].get("shared")
        ]
        others = [name for name in sorted(self.nodes) if name != vm.node]
        answer: dict[str, Any] = {
            "running": 1 if vm.status == "running" else 0, "local_disks": local, "local_resources": [],
            "mapped-resources": [], "mapped-resource-info": {},
        }  # fmt: skip
        if vm.status != "running":
            answer |= {"allowed_nodes": others, "not_allowed_nodes": {}}
        return answer

    @answers("POST", f"{VM}/migrate")
    async def migrate_vm(self, call: Call) -> str:
        """To another node: a running one only online, local disks only where that is asked for."""
        vm, target = self.find(call.node, call.vmid), str(call.values["target"])
        if target == vm.node:
            raise PveError(400, "Parameter verification failed.", {"target": "target is local node."})
        if target not in self.nodes:
            raise PveError(400, "Parameter verification failed.", {"target": f"no such cluster node '{target}'"})
        if vm.status == "running" and not call.values.get("online"):
            raise PveError(500, "can't migrate running VM without --online")
        self.need_quorum()
        self._check_lock(vm)
        local = [
            volume
            for _, volume, _ in self._disks(vm.config)
            if not self.storages[volume.partition(":")[0]].get("shared")
        ]

        async def move() -> str:
            if not self.nodes[target].get("online", True):
                raise TaskError(
                    f"migration aborted (duration 00:00:03): Can't connect to destination address of '{target}'"
                )
            if local and vm.status == "running" and not call.values.get("with-local-disks"):
                raise TaskError(
                    "Problem found while scanning volumes - can't live migrate attached local disks without "
                    "with-local-disks option"
                )
            vm.lock = vm.config["lock"] = "migrate"
            for part in (25, 50, 75, 100):
                await self.pause(1)
                self.say(f"migration active, transferred {part}.0 MiB of 100.0 MiB VM-state, 112.0 MiB/s")
            vm.lock = None
            vm.config.pop("lock", None)
            if call.values.get("targetstorage"):
                for key, volume, _ in self._disks(vm.config):
                    vm.config[key] = str(vm.config[key]).replace(
                        volume.partition(":")[0] + ":", f"{call.values['targetstorage']}:", 1
                    )
            vm.node = target
            return "migration finished successfully (duration 00:00:05)"

        if vm.ha_managed:

            async def asked() -> None:
                self.begin(self.task(call.node, "qmigrate", vm.vmid, "root@pam", move, vm=vm))

            line = f"Requesting HA migration for VM {vm.vmid} to node {target}"
            return await self.task(call.node, "hamigrate", vm.vmid, call.user, asked, lock=False, log=[line])
        line = f"starting migration of VM {vm.vmid} to node '{target}'"
        return await self.task(call.node, "qmigrate", vm.vmid, call.user, move, vm=vm, log=[line])
