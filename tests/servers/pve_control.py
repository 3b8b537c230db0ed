"""What a test may tell a running Proxmox peer: each public method of ``Control`` is one command of the channel."""

from __future__ import annotations

import hashlib
import random
import secrets
from pathlib import Path
from typing import Any

from tests.servers.pve_access import ALL_RIGHTS, Access
from tests.servers.pve_backups import Backups
from tests.servers.pve_base import certificates
from tests.servers.pve_cloud import Cloud
from tests.servers.pve_cluster import Cluster
from tests.servers.pve_consoles import Consoles
from tests.servers.pve_containers import Containers
from tests.servers.pve_disks import Disks
from tests.servers.pve_guests import Guests
from tests.servers.pve_inside import Inside
from tests.servers.pve_schema import Schema
from tests.servers.pve_tasks import Tasks
from tests.servers.strict_pve import Strict

_MADE = ("node", "status", "qmpstatus", "config", "template", "lock", "pool")


class Peer(Access, Tasks, Cluster, Consoles, Containers, Guests, Disks, Backups, Cloud, Inside, Strict):
    """The peer with all its parts."""


def some_host() -> str:
    """An address of 127.0.0.0/8, so that every peer has Proxmox's own port."""
    return f"127.{random.randint(16, 250)}.{random.randint(0, 255)}.{random.randint(2, 250)}"


def _fingerprint(der: bytes) -> str:
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, 64, 2))


class Control:
    """One peer and its certificate; arguments and results are plain JSON."""

    def __init__(self, schema: Schema, folder: Path, *, scale: float, release: str) -> None:
        self.pve: Any = Peer(schema, host="127.0.0.1", port=0)
        self.pve.time_scale = scale
        self.pve.release_version = release
        self.pve.storages["local"]["content"] = "iso,vztmpl,backup,import,snippets"
        self.pve.version = {"8.4": "8.4.14", "9.1": "9.1.5"}[release]
        if release.startswith("8"):
            self.pve.rights = [one for one in ALL_RIGHTS if ".GuestAgent." not in one and "Replicate" not in one]
            self.pve.rights.append("VM.Monitor")
        self.folder = folder
        self._pair: tuple[str, str] = ("", "")
        self._der = b""
        self.doors: dict[str, Any] = {}

    # -- its life

    async def start(self) -> dict[str, Any]:
        """Listen (again), at the address it had before."""
        if not self._der:
            self._certify()
        await self.pve.start(*self._pair)
        return self._facts()

    async def stop(self) -> None:
        """Away; what it holds is still there."""
        await self.pve.stop()

    async def end(self) -> None:
        """Away for good, with everything that still runs."""
        self.pve.release_held()
        for task in list(self.pve.working):
            task.cancel()
        for url in list(self.doors):
            await self.close_door(url)
        await self.stop()

    async def new_certificate(self) -> dict[str, Any]:
        """Listen with another certificate at the same address."""
        await self.stop()
        self._der = b""
        return await self.start()

    async def open_door(self) -> dict[str, Any]:
        """Another address of the same cluster, with a certificate of its own."""
        for _ in range(20):
            host = some_host()
            certificate, key, der = self._certificate(host)
            try:
                runner = await self.pve.open_door(host, certificate, key)
            except OSError:
                continue
            url = f"https://{host}:{self.pve.port}"
            self.doors[url] = runner
            return {"url": url, "host": host, "ca": certificate, "fingerprint": _fingerprint(der)}
        raise RuntimeError("no address is free")

    async def close_door(self, url: str) -> None:
        """That address refuses connections again."""
        await self.doors.pop(url).cleanup()

    def _certificate(self, host: str) -> tuple[str, str, bytes]:
        folder = self.folder / secrets.token_hex(4)
        folder.mkdir(parents=True)
        made: tuple[str, str, bytes] = certificates.make_cert(str(folder), hosts=(host,))
        return made

    def _certify(self) -> None:
        certificate, key, self._der = self._certificate(self.pve.host)
        self._pair = (certificate, key)

    def _facts(self) -> dict[str, Any]:
        fingerprint = _fingerprint(self._der)
        self.pve.fingerprint = fingerprint
        return {"url": self.pve.url, "host": self.pve.host, "ca": self._pair[0], "fingerprint": fingerprint}

    # -- what it has seen

    async def requests(self) -> list[dict[str, Any]]:
        """Every request, oldest first: method, path, query, and the values of its body."""
        return list(self.pve.seen)

    async def violations(self) -> list[dict[str, Any]]:
        """Those that broke the schema."""
        return list(self.pve.violations)

    async def forget(self) -> None:
        """Forget the requests seen and the violations."""
        self.pve.seen.clear()
        self.pve.violations.clear()

    # -- who may do what

    async def token(self, name: str, privileges: list[list[str]] | None) -> str:
        """A token and its rights (``[path, privilege…]`` each, all of them where None); returns its secret."""
        secret = secrets.token_hex(16)
        self.pve.apitokens[name] = secret
        for path, *granted in privileges if privileges is not None else [["/", *self.pve.rights]]:
            self.pve.grant(name, path, *granted)
        return secret

    async def grant(self, name: str, path: str, privileges: list[str]) -> None:
        """More rights for a user or token."""
        self.pve.grant(name, path, *privileges)

    async def revoke(self, name: str) -> None:
        """No rights any more."""
        self.pve.acl.pop(name, None)

    async def user(self, name: str, password: str, privileges: list[list[str]]) -> None:
        """A user who logs in with a password, and rights as a token's."""
        self.pve.users[name] = password
        for path, *granted in privileges:
            self.pve.grant(name, path, *granted)

    async def revoke_tickets(self) -> None:
        """Nobody is logged in any more."""
        self.pve.revoke_tickets()

    # -- what it holds

    async def add_vm(self, vmid: int, name: str, bare: bool = False, **options: Any) -> None:
        """A virtual machine; ``options`` are fakepve's and the attributes of its machine."""
        made = {key: options.pop(key) for key in _MADE if key in options}
        disk = f"local-lvm:{'base' if made.get('template') else 'vm'}-{vmid}-disk-0,size=32G"
        usual = {
            "cores": 2, "memory": "2048", "ostype": "l26", "scsihw": "virtio-scsi-single", "boot": "order=scsi0;net0",
            "scsi0": disk, "net0": f"virtio=BC:24:11:00:{vmid // 256 % 256:02X}:{vmid % 256:02X},bridge=vmbr0",
            "smbios1": f"uuid=00000000-0000-0000-0000-{vmid:012d}",
        }  # fmt: skip
        made["config"] = ({} if bare else usual) | made.get("config", {})
        if made.get("template"):
            made["config"]["template"] = 1
        if made.get("lock"):
            made["config"]["lock"] = made["lock"]
        vm = self.pve.add_vm(vmid, name, **made)
        vm.pending = options.pop("pending", {})
        for snapshot, facts in options.pop("snapshots", {}).items():
            now = {key: value for key, value in vm.config.items() if key not in ("lock", "parent")}
            parent = {"parent": vm.config["parent"]} if "parent" in vm.config else {}
            vm.snapshots[snapshot] = now | parent | {"snaptime": 1_700_000_000} | facts
            vm.config["parent"] = snapshot
        for key, value in options.items():
            assert hasattr(vm, key), key
            setattr(vm, key, value)

    async def add_ct(self, vmid: int, name: str, **options: Any) -> None:
        """A container."""
        made = {key: options.pop(key) for key in _MADE if key in options}
        ct = self.pve.add_ct(vmid, name, **made)
        for key, value in options.items():
            setattr(ct, key, value)

    async def guest(self, vmid: int) -> dict[str, Any] | None:
        """How a guest stands, or None."""
        one = self.pve.guest(vmid)
        if one is None:
            return None
        kept = ("vmid", "name", "node", "status", "config", "pending", "snapshots", "lock", "pool", "template")
        told = {key: getattr(one, key) for key in kept}
        return told | {
            "qmpstatus": getattr(one, "qmpstatus", one.status), "agent_requests": getattr(one, "agent_requests", []),
        }  # fmt: skip

    async def set_guest(self, vmid: int, values: dict[str, Any]) -> None:
        """Attributes of a guest: status, node, stats, agent, lock, ha_state, shutdown_secs …"""
        one = self.pve.guest(vmid)
        for key, value in values.items():
            assert hasattr(one, key), key
            setattr(one, key, value)
        if "lock" in values:
            one.config.pop("lock", None)
            if values["lock"]:
                one.config["lock"] = values["lock"]
        if "status" in values and "qmpstatus" not in values and hasattr(one, "qmpstatus"):
            one.qmpstatus = values["status"]

    async def set_config(self, vmid: int, values: dict[str, Any]) -> None:
        """Keys of a guest's config as somebody else would change them; None takes one away."""
        config = self.pve.guest(vmid).config
        for key, value in values.items():
            config.pop(key, None)
            if value is not None:
                config[key] = value

    async def remove_guest(self, vmid: int) -> None:
        """Gone, as if another client had removed it."""
        self.pve.vms = [one for one in self.pve.vms if one.vmid != vmid]
        self.pve.cts = [one for one in self.pve.cts if one.vmid != vmid]

    async def hold_config_lock(self, vmid: int, hold: bool) -> None:
        """The short lock of its config file, held by somebody (or released)."""
        if hold:
            await self.pve.hold_config_lock(vmid, None)
        else:
            self.pve.release_config_lock(vmid)

    async def add_node(self, name: str, figures: dict[str, Any]) -> None:
        """A node of the cluster."""
        self.pve.add_node(name)
        self.pve.node_figures[name] = figures

    async def online(self, name: str, online: bool) -> None:
        """A node goes away or comes back."""
        self.pve.set_node_offline(name, not online)

    async def quorum(self, have: bool) -> None:
        """Lost or found."""
        self.pve.quorate = have

    async def add_storage(self, name: str, kind: str, content: str, options: dict[str, Any]) -> None:
        """A storage; ``options``: shared, nodes, avail, total, active, path …"""
        self.pve.storages[name] = {
            "type": kind,
            "active": 1,
            "content": content,
            "files": set(),
            "volumes": {},
        } | options

    async def set_storage(self, name: str, options: dict[str, Any]) -> None:
        """Change one, for example ``avail`` (bytes) or ``active``."""
        self.pve.storages[name] |= options

    async def add_volume(self, storage: str, name: str, facts: dict[str, Any]) -> None:
        """A file or image: content, size, format, vmid, ctime, notes, protected."""
        self.pve.storages[storage].setdefault("volumes", {})[name] = {"ctime": 1_700_000_000} | facts

    async def volumes(self, storage: str) -> dict[str, Any]:
        """What a storage holds: name -> facts."""
        return dict(self.pve._volumes(storage))

    async def add_pool(self, name: str, comment: str, vms: list[int], storages: list[str]) -> None:
        """A pool and its members."""
        self.pve.pools[name] = set(vms)
        self.pve.pool_info[name] = {"comment": comment or None, "storage": set(storages)}
        self.pve._sync_pools()

    # -- tasks

    async def tasks(self) -> list[dict[str, Any]]:
        """All of them, oldest first, with their logs."""
        return [{key: value for key, value in task.items() if key != "work"} for task in self.pve.tasklog]

    async def add_task(self, values: dict[str, Any]) -> str:
        """One that has ended some time ago (or goes on: ``status``: running): node, type, id, user, exitstatus, log."""
        made: dict[str, Any] = {
            "node": "pve1",
            "type": "qmstart",
            "id": "",
            "user": "root@pam",
            "starttime": 1_700_000_000,
        } | values
        upid, pid, _ = self.pve._upid(made["node"], made["type"], made["id"], made["user"])
        parts = upid.split(":")
        parts[4] = f"{made['starttime']:08X}"
        usual: dict[str, Any] = {"upid": ":".join(parts), "pid": pid, "pstart": pid * 7, "log": [], "status": "stopped"}
        task: dict[str, Any] = usual | made
        if task["status"] == "stopped":
            task = {"exitstatus": "OK", "endtime": task["starttime"] + 5} | task
        self.pve.tasks[task["upid"]] = task
        self.pve.tasklog.append(task)
        return str(task["upid"])

    async def end_next(self, kind: str, how: dict[str, Any]) -> None:
        """How the next task of a type ends: ``error``, ``warnings`` or ``lost``."""
        self.pve.endings.setdefault(kind, []).append(how)

    async def take_seconds(self, kind: str, seconds: float) -> None:
        """How many PVE seconds tasks of a type take."""
        self.pve.task_secs[kind] = seconds

    # -- consoles

    async def show(self, text: str) -> None:
        """Something comes up on every open terminal by itself."""
        await self.pve.show(text)

    async def hang_up(self) -> None:
        """Close every open console."""
        await self.pve.hang_up()

    # -- faults

    async def fail(self, method: str, path: str, how: dict[str, Any]) -> None:
        """Answer with an error: ``error`` (of fakepve's catalogue) or ``status`` and ``message``; html, times."""
        self.pve.fail(method, path, **how)

    async def heal(self) -> None:
        """No more made failures and no network trouble."""
        self.pve.failures.clear()
        self.pve.network.update(latency=0.0, jitter=0.0, drop_rate=0.0, hang_rate=0.0, node_latency={})

    async def network(self, values: dict[str, Any]) -> None:
        """latency, jitter (PVE seconds), drop_rate, hang_rate, hang_secs, seed, node_latency."""
        self.pve.network.update(values)
        if values.get("seed") is not None:
            self.pve._random.seed(values["seed"])

    async def hold(self, method: str, path: str) -> None:
        """Answers to requests whose path ends so wait until ``release``."""
        self.pve.hold(method, path)

    async def release(self) -> None:
        """Let every held answer go."""
        self.pve.release_held()

    async def held(self) -> int:
        """How many requests wait."""
        return self.pve.waiting

    async def freeze(self, frozen: bool) -> None:
        """Tell the resources as they are now until it thaws."""
        self.pve.stale = self.pve.every_resource() if frozen else None

    async def get(self, name: str) -> Any:
        """An attribute of the peer."""
        return getattr(self.pve, name)

    async def set(self, name: str, value: Any) -> None:
        """An attribute of the peer: time_scale, late, older, pretends …"""
        assert hasattr(self.pve, name), name
        setattr(self.pve, name, value)
