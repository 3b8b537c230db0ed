"""The peer's cluster as a whole: resources, nodes, their figures and histories."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import time
from typing import Any

from tests.servers.pve_base import CT, VM, Call, FakePve, PveError, answers

_GIB = 1024**3
_STEPS = {"hour": 60, "day": 1800, "week": 10800, "month": 43200, "year": 604800, "decade": 604800}


class Cluster(FakePve):
    """Part of the peer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fingerprint = ""
        self.taken_ids = 0
        """So many of the ids that are asked for next are taken by somebody else before they are used."""
        self.stale: list[dict[str, Any]] | None = None
        """Where set, the resources are told as they were then: figures are gathered every 10 s only."""
        self.backup_jobs: list[dict[str, Any]] = []
        self.node_figures: dict[str, dict[str, Any]] = {}
        """Node -> figures that differ from the usual."""

    def node_figure(self, node: str) -> dict[str, Any]:
        """cpu, mem and so on of a node that is there."""
        usual = {
            "cpu": 0.02, "maxcpu": 4, "mem": 2 * _GIB, "maxmem": 8 * _GIB, "disk": 4 * _GIB, "maxdisk": 64 * _GIB,
            "uptime": 3600,
        }  # fmt: skip
        return usual | self.node_figures.get(node, {})

    def _there(self, node: str) -> bool:
        return bool(self.nodes.get(node, {}).get("online", True))

    # -- resources

    def _guest_row(self, guest: Any) -> dict[str, Any]:
        kind = guest.guest.split("/")[0]
        row: dict[str, Any] = {
            "id": guest.guest, "type": kind, "node": guest.node, "vmid": guest.vmid, "status": "unknown", "template": 0,
        }  # fmt: skip
        marks = {"lock": guest.lock, "pool": guest.pool, "tags": guest.config.get("tags")}
        row |= {key: value for key, value in marks.items() if value}
        if guest.ha_managed:
            row["hastate"] = guest.ha_state
        if not self._there(guest.node) or guest.lock in ("clone", "create"):
            return row  # nobody tells figures of it
        row |= {"name": guest.name, "status": guest.status, "template": 1 if guest.template else 0}
        if kind == "qemu":
            figures = self._vm_usage(guest)
            if self.release_version.startswith("8"):
                figures.pop("memhost", None)
        else:
            all_of = self.ct_resources("root@pam", "vm")
            figures = next(one for one in all_of if one["vmid"] == guest.vmid)
            figures = {key: figures[key] for key in figures if key not in (*row, "hastate", "lock", "pool", "tags")}
            figures |= guest.stats
        return row | figures

    @answers("GET", "/cluster/resources")
    async def resources(self, call: Call) -> list[dict[str, Any]]:
        """Everything there is, as far as it may be seen; a storage once for every node that has it."""
        rows = self.stale if self.stale is not None else self.every_resource()
        wanted = call.values.get("type")
        shown: list[dict[str, Any]] = []
        for row in rows:
            kind, path, rights = row["type"], "", ("",)
            if kind in ("qemu", "lxc"):
                path, rights = f"/vms/{row['vmid']}", ("VM.Audit",)
            elif kind == "storage":
                path, rights = f"/storage/{row['storage']}", ("Datastore.Audit", "Datastore.AllocateSpace")
            elif kind == "pool":
                path, rights = f"/pool/{row['pool']}", ("Pool.Audit",)
            elif kind == "sdn":
                path, rights = "/sdn/zones/localnetwork", ("SDN.Audit",)
            family = "vm" if kind in ("qemu", "lxc") else kind
            if wanted not in (None, family) or (path and not any(self.allowed(call.user, path, r) for r in rights)):
                continue
            if kind == "node" and not self.allowed(call.user, f"/nodes/{row['node']}", "Sys.Audit"):
                row = {key: row[key] for key in ("id", "type", "node", "status", "level")}
            shown.append(row)
        return shown

    def every_resource(self) -> list[dict[str, Any]]:
        """All rows, whoever asks."""
        rows = [self._guest_row(guest) for guest in [*self.vms, *self.cts]]
        for name in sorted(self.nodes):
            there = self._there(name)
            row = {"id": f"node/{name}", "type": "node", "node": name, "status": "online" if there else "offline"}
            rows.append(row | {"level": ""} | (self.node_figure(name) if there else {"maxcpu": 4, "maxmem": 8 * _GIB}))
        for node in sorted(self.nodes):
            rows += [row for row in (self._storage_row(node, name) for name in sorted(self.storages)) if row]
            rows.append(
                {
                    "id": f"sdn/{node}/localnetwork", "type": "sdn", "sdn": "localnetwork", "node": node,
                    "status": "ok" if self._there(node) else "unknown",
                }
            )  # fmt: skip
        rows += [{"id": f"/pool/{name}", "type": "pool", "pool": name} for name in sorted(self.pools)]
        return rows

    def _storage_row(self, node: str, name: str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = self._storage_resource(node, name)
        if row is None:
            return None
        if not self._there(node) or row["status"] != "available":
            row["status"] = "unknown"
            return {key: value for key, value in row.items() if key not in ("disk", "maxdisk")}
        total, used, _ = self._space(self.storages[name])
        return row | {"maxdisk": total, "disk": used}

    # -- nodes

    @answers("GET", "/nodes")
    async def every_node(self, call: Call) -> list[dict[str, Any]]:
        """The nodes; figures only with Sys.Audit."""
        rows: list[dict[str, Any]] = []
        for name in sorted(self.nodes):
            there = self._there(name)
            row = {
                "node": name, "id": f"node/{name}", "type": "node", "level": "", "ssl_fingerprint": self.fingerprint,
                "status": "online" if there else "offline",
            }  # fmt: skip
            audit = there and self.allowed(call.user, f"/nodes/{name}", "Sys.Audit")
            rows.append(row | (self.node_figure(name) if audit else {}))
        return rows

    @answers("GET", "/nodes/{node}/status")
    async def node_status(self, call: Call) -> dict[str, Any]:
        """What one node says of itself."""
        has = self.node_figure(call.node)
        memory = {"total": has["maxmem"], "used": has["mem"], "free": has["maxmem"] - has["mem"]}
        disk = {"total": has["maxdisk"], "used": has["disk"], "free": has["maxdisk"] - has["disk"]}
        kernel = "6.14.11-4-pve" if self.release_version.startswith("9") else "6.8.12-15-pve"
        return {
            "cpu": has["cpu"], "wait": 0.001, "idle": 0, "uptime": has["uptime"], "loadavg": ["0.08", "0.03", "0.01"],
            "memory": memory, "swap": {"total": 2 * _GIB, "used": 0, "free": 2 * _GIB},
            "rootfs": disk | {"avail": disk["free"]}, "ksm": {"shared": 0},
            "cpuinfo": {
                "cpus": has["maxcpu"], "cores": has["maxcpu"] // 2 or 1, "sockets": 1, "model": "Example CPU @ 3.00GHz",
                "mhz": "3000.000", "hvm": "1", "user_hz": 100, "flags": "fpu vme vmx",
            },
            "pveversion": f"pve-manager/{self.version}/5ac30304265fbd8e",
            "kversion": f"Linux {kernel} #1 SMP PREEMPT_DYNAMIC",
            "current-kernel": {"sysname": "Linux", "release": kernel, "version": "#1 SMP", "machine": "x86_64"},
            "boot-info": {"mode": "efi", "secureboot": 0},
        }  # fmt: skip

    # -- histories

    @answers(
        "GET", "/nodes/{node}/rrddata", f"{VM}/rrddata", f"{CT}/rrddata", "/nodes/{node}/storage/{storage}/rrddata"
    )
    async def history(self, call: Call) -> list[dict[str, Any]]:
        """Seventy rows; the oldest know only their time, the newest not everything yet."""
        step = _STEPS[call.values["timeframe"]]
        end = int(time.time()) // step * step
        if "vmid" in call.values:
            guest = self.guest(call.vmid)
            if guest is None:
                raise PveError(
                    500, f"Configuration file 'nodes/{call.node}/qemu-server/{call.vmid}.conf' does not exist"
                )
            running = guest.status == "running"
            base = {"cpu": 0.25, "maxcpu": 2, "mem": 1.0e9, "maxmem": 2.0e9, "disk": 0, "maxdisk": 3.2e10,
                    "netin": 2048.5, "netout": 1024.25, "diskread": 4096.0, "diskwrite": 512.0}  # fmt: skip
            base = base if running else {"maxcpu": 2, "maxmem": 2.0e9, "maxdisk": 3.2e10}
        elif "storage" in call.values:
            total, used, _ = self._space(self._store(call.values["storage"]))
            base = {"total": float(total), "used": float(used)}
        else:
            base = {"cpu": 0.1, "maxcpu": 4, "iowait": 0.001, "loadavg": 0.2, "memused": 2.0e9, "memtotal": 8.0e9,
                    "swapused": 0, "swaptotal": 2.0e9, "rootused": 4.0e9, "roottotal": 6.4e10, "netin": 3000.0,
                    "netout": 2000.0}  # fmt: skip
        rows: list[dict[str, Any]] = []
        for number in range(70):
            wave = 1 + 0.5 * math.sin(number / 5)
            moving = {"cpu", "netin", "netout", "diskread", "diskwrite", "iowait"}
            figures = {key: value * wave if key in moving else value for key, value in base.items()}
            if number < 5:
                figures = {}
            elif number == 69:
                figures = {key: value for key, value in figures.items() if key.startswith("max")}
            rows.append({"time": end - (69 - number) * step} | figures)
        return rows

    # -- what stands beside

    @answers("GET", "/cluster/ha/resources")
    async def ha_resources(self, call: Call) -> list[dict[str, Any]]:
        """The guests that HA looks after."""
        managed = [guest for guest in [*self.vms, *self.cts] if guest.ha_managed]
        kinds = {"qemu": "vm", "lxc": "ct"}
        return [
            {"sid": f"{kinds[one.guest.split('/')[0]]}:{one.vmid}", "type": kinds[one.guest.split("/")[0]],
             "state": one.ha_state, "digest": "0" * 40, "max_restart": 1, "max_relocate": 1}
            for one in managed
        ]  # fmt: skip

    @answers("GET", "/cluster/replication", "/cluster/sdn/vnets", "/nodes/{node}/apt/update")
    async def nothing(self, call: Call) -> list[dict[str, Any]]:
        """There is none of it."""
        return []

    @answers("GET", "/cluster/backup")
    async def jobs(self, call: Call) -> list[dict[str, Any]]:
        """The backup jobs that a test gave it (``backup_jobs``)."""
        return list(self.backup_jobs)

    # -- ids

    @answers("GET", "/cluster/nextid")
    async def nextid(self, call: Call) -> str:
        """The first free id, reserving nothing; with ``taken_ids`` somebody takes it at once."""
        found: str = await self._nextid(call.values, call.user)
        if self.taken_ids and "vmid" not in call.values:
            self.taken_ids -= 1
            self.add_vm(int(found), f"other-{found}", node=sorted(self.nodes)[-1], config={"memory": 512})
        return found
