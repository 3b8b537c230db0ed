"""Every verb of guests that changes something, done to pretend ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, Missing, Refused
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.demo.guest_world import CLUSTER, GIB, GuestWorld, PretendGuest, PretendSnapshot
from backends.demo.pretending import doing, step
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size_of(text: str) -> int:
    """Bytes of ``4G`` or ``+10G``; raises ConfigurationError for anything else."""
    digits = text.strip().lstrip("+")
    unit = UNITS.get(digits[-1:].upper())
    try:
        return int(float(digits[:-1]) * unit) if unit else int(digits) << 20
    except ValueError:
        raise ConfigurationError(f"'{text}' is no size", todo="write it like 4G or +10G") from None


class Pretending:
    """Base of the pretend verbs of guests: the world, and the clock it goes by."""

    guests: GuestWorld

    def clock(self) -> float:
        """Seconds since the pretend fleet began."""
        raise NotImplementedError

    def guest_of(self, target: Vm) -> PretendGuest:
        """The pretend guest behind a row."""
        found = self.guests.guests.get(int(target.key))
        if found is None:
            raise Missing("no such pretend guest", where=target.id)
        return found

    def host(self, name: str | None, otherwise: str = "pve1") -> str:
        """A hypervisor by name."""
        if name is None:
            return otherwise
        if name not in self.guests.hosts:
            raise ConfigurationError(f"there is no hypervisor '{name}'", where="--to", todo="pve1, pve2 or pve3")
        return name

    def _call(self, one: PretendGuest, what: str, change: Any, method: str = "POST", said: str = "") -> Plan:
        return Plan(step(self.guests, Ref("vm", one.id), f"{method} {self._path(one)}/{what}", change, said))

    def _path(self, one: PretendGuest) -> str:
        return f"/nodes/{one.host}/{'lxc' if one.type == 'ct' else 'qemu'}/{one.vmid}"


class DemoGuestPower(VmVerbs, Pretending):
    """Starting, stopping and freezing pretend guests."""

    async def start(self, target: Vm) -> Plan:
        """Pretend to start it."""
        one = self.guest_of(target)
        if one.template:
            raise Refused("a template never runs", where=target.id, todo="clone it")
        return self._call(one, "status/start", lambda: one.starts(self.clock()))

    async def shutdown(self, target: Vm, *, timeout: int = 60, force: bool = False) -> Plan:
        """Pretend to shut it down."""
        one = self.guest_of(target)
        return self._call(one, f"status/shutdown timeout={timeout} forceStop={int(force)}", lambda: _is(one, "stopped"))

    async def stop(self, target: Vm) -> Plan:
        """Pretend to pull its plug."""
        one = self.guest_of(target)
        return self._call(one, "status/stop", lambda: _is(one, "stopped"))

    async def reboot(self, target: Vm, *, timeout: int = 60) -> Plan:
        """Pretend to restart it."""
        one = self.guest_of(target)
        return self._call(one, f"status/reboot timeout={timeout}", lambda: one.starts(self.clock()))

    async def reset(self, target: Vm) -> Plan:
        """Pretend to press its button."""
        one = self.guest_of(target)
        return self._call(one, "status/reset", lambda: one.starts(self.clock()))

    async def suspend(self, target: Vm, *, disk: bool = False) -> Plan:
        """Pretend to freeze it."""
        one = self.guest_of(target)
        state = "suspended" if disk else "paused"
        return self._call(one, f"status/suspend todisk={int(disk)}", lambda: _is(one, state))

    async def resume(self, target: Vm) -> Plan:
        """Pretend to let it go on."""
        one = self.guest_of(target)
        return self._call(one, "status/resume", lambda: _is(one, "running"))

    async def console(self, target: Vm) -> Plan:
        """Open a terminal that only says where it is."""
        words = f"echo 'This is the pretend serial console of {target.name}; enter leaves it.'; read -r _"
        one = self.guest_of(target)

        async def run(report: Report) -> Result:
            return Result(await report.terminal(["sh", "-c", words]))

        return Plan(Step(target, f"POST {self._path(one)}/termproxy", run))

    async def viewer(self, target: Vm, *, protocol: str = "spice", file: Path | None = None) -> Plan:
        """Pretend to get a ticket."""
        one = self.guest_of(target)

        async def run(report: Report) -> Result:
            report.output("stdout", f"{protocol}://{one.host}.example (pretend: there is no screen)\n")
            return Result(0)

        return Plan(Step(target, f"POST {self._path(one)}/{protocol}proxy", run))


class DemoGuestCopies(VmVerbs, Pretending):
    """Clones, templates, snapshots and backups of pretend guests."""

    def _cloned(self, source: PretendGuest, name: str, to: str | None, full: bool, start: bool, **put: Any) -> Step:
        host = self.host(to, source.host)

        def change() -> None:
            vmid = put.get("vmid") or self.guests.next_id()
            made = replace(
                source,
                vmid=vmid,
                name=name,
                host=host,
                template=False,
                snapshots=[],
                base=None if full else source.vmid,
                labels=tuple(put.get("tag") or ()),
                pool=put.get("pool"),
                cores=put.get("cores") or source.cores,
                memory=size_of(put["memory"]) if put.get("memory") else source.memory,
                backup_at=None,
                lock=None,
                state="stopped",
            )
            if start:
                made.starts(self.clock())
            self.guests.guests[vmid] = made
            self.guests.did(self.clock(), made, "qmclone", 12)

        text = f"POST {self._path(source)}/clone newid=<vmid> name={name} target={host} full={int(full)}"
        return Step(Ref("vm", source.id), text, doing(self.guests, change, f"{CLUSTER}/{name} is there", 6))

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
        """Pretend to clone it."""
        one = self.guest_of(target)
        if vmid is not None and vmid in self.guests.guests:
            raise Refused(f"{vmid} is taken by {self.guests.guests[vmid].name}", where=CLUSTER)
        more = {"pool": pool, "vmid": vmid, "cores": cores, "memory": memory, "tag": tag}
        return Plan(self._cloned(one, name, to, full or not one.template, start, **more))

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
        """Pretend to make several."""
        one = self.guest_of(target)
        more = {"pool": pool, "cores": cores, "memory": memory, "tag": tag}
        names = [f"{name}-{number + 1}" for number in range(max(0, count))]
        lane = f"{CLUSTER}/{one.storage}"
        return Plan(*(replace(self._cloned(one, each, to, full, start, **more), lane=lane) for each in names))

    async def template(self, target: Vm) -> Plan:
        """Pretend to turn it into a template."""
        one = self.guest_of(target)

        def change() -> None:
            one.template, one.state = True, "stopped"

        return self._call(one, "template", change)

    async def build(self, name: str, *, cluster: str | None = None) -> Plan:
        """Pretend to build a declared template."""
        known = next((one for one in self.guests.named(name) if one.template), None)
        if known is None:
            raise Missing(
                f"the pretend cluster declares no template '{name}'", todo="agent-machine and hub are declared"
            )
        done = doing(self.guests, lambda: None, "it is there already")
        return Plan(Step(Ref("vm", known.id), f"GET {self._path(known)}/config: {name} is a template already", done))

    async def snapshot(self, target: Vm, *, name: str, memory: bool = False, description: str = "") -> Plan:
        """Pretend to take a snapshot."""
        one = self.guest_of(target)
        return self._call(one, f"snapshot snapname={name}", lambda: self._snap(one, name, description, memory))

    def _snap(self, one: PretendGuest, name: str, description: str, memory: bool) -> None:
        one.snapshots.append(PretendSnapshot(name, self.clock(), description, memory))
        self.guests.did(self.clock(), one, "qmsnapshot")

    async def rollback(
        self, targets: Sequence[Vm], *, name: str, delete_newer: bool = False, start: bool = False
    ) -> Plan:
        """Pretend to go back."""
        ones = [self.guest_of(target) for target in targets]
        lacking = [one.name for one in ones if name not in {kept.name for kept in one.snapshots}]
        if lacking:
            raise Missing(f"no snapshot '{name}'", where=", ".join(lacking), todo="see 'vm snapshots'")

        def gone_back(one: PretendGuest) -> None:
            if start:
                one.starts(self.clock())

        steps = [
            step(
                self.guests,
                Ref("vm", one.id),
                f"POST {self._path(one)}/snapshot/{name}/rollback",
                lambda one=one: gone_back(one),
            )
            for one in ones
        ]
        return Plan(*steps, loses=[f"{one.id}: everything written since {name}" for one in ones])

    async def delete_snapshot(self, target: Vm, *, name: str) -> Plan:
        """Pretend to remove a snapshot."""
        one = self.guest_of(target)

        def change() -> None:
            one.snapshots = [kept for kept in one.snapshots if kept.name != name]

        done = step(
            self.guests,
            target,
            f"DELETE {self._path(one)}/snapshot/{name}",
            change,
        )
        return Plan(done, loses=[f"snapshot {name} of {one.id}"])

    async def checkpoint(self, targets: Sequence[Vm], *, name: str, memory: bool = False) -> Plan:
        """Pretend to snapshot several."""
        said = f"checkpoint {name}: {len(targets)} guests"
        ones = [self.guest_of(target) for target in targets]
        return Plan(
            *(
                step(
                    self.guests,
                    Ref("vm", one.id),
                    f"POST {self._path(one)}/snapshot snapname={name}",
                    lambda one=one: self._snap(one, name, said, memory),
                )
                for one in ones
            )
        )

    async def backup(
        self,
        target: Vm,
        *,
        storage: str | None = None,
        method: str = "snapshot",
        compress: str = "zstd",
        notes: str = "",
        protected: bool = False,
    ) -> Plan:
        """Pretend to write a backup."""
        one = self.guest_of(target)

        def change() -> None:
            one.backup_at = self.clock()
            self.guests.did(self.clock(), one, "vzdump", 90)

        text = f"POST /nodes/{one.host}/vzdump vmid={one.vmid} storage={storage or 'nas'} mode={method}"
        return Plan(Step(target, text, doing(self.guests, change, "written", 8)))

    async def restore(
        self,
        archive: str,
        *,
        cluster: str | None = None,
        to: str | None = None,
        storage: str | None = None,
        vmid: int | None = None,
        name: str | None = None,
        start: bool = False,
    ) -> Plan:
        """Pretend to make a guest from a backup."""
        source = next((one for one in self.guests.guests.values() if f"-{one.vmid}-" in archive), None)
        if source is None:
            raise Missing("no such backup", where=archive, todo="see 'vm backups'")
        return Plan(
            self._cloned(
                source, name or source.name, to, True, start, vmid=vmid, memory=f"{source.memory // GIB or 1}G"
            )
        )


class DemoGuestChanges(VmVerbs, Pretending):
    """Moving, changing and removing pretend guests."""

    async def migrate(self, target: Vm, *, to: str, storage: str | None = None, local_disks: bool = False) -> Plan:
        """Pretend to move it."""
        one = self.guest_of(target)
        host = self.host(to)
        if host == one.host:
            raise Refused(f"it is on {host} already", where=target.id)

        def change() -> None:
            one.host = host

        return Plan(Step(target, f"POST {self._path(one)}/migrate target={host}", doing(self.guests, change, "", 8)))

    async def resize(self, target: Vm, disk: str, size: str) -> Plan:
        """Pretend to grow a disk."""
        one = self.guest_of(target)
        wanted = size_of(size) + (one.disk if size.startswith("+") else 0)
        if wanted < one.disk:
            raise Refused("a disk never gets smaller", where=target.id)

        def change() -> None:
            one.disk = wanted

        return self._call(one, f"resize disk={disk} size={size}", change, "PUT")

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
        """Pretend to change it."""
        one = self.guest_of(target)
        bytes_ = size_of(memory) if memory else None
        given = {"name": name, "cores": cores, "memory": memory, "tags": ";".join(tag), "description": notes}
        given |= {"protection": protected, "onboot": autostart}
        said = " ".join(f"{key}={value}" for key, value in given.items() if value not in (None, ""))
        if not said:
            raise ConfigurationError("nothing is to be changed", todo="say what: --cores, --memory, --tag, --notes …")

        def change() -> None:
            one.name, one.cores = name or one.name, cores or one.cores
            one.memory, one.labels = bytes_ or one.memory, tag or one.labels
            one.notes = one.notes if notes is None else notes
            one.protected = one.protected if protected is None else protected
            one.pending = one.state == "running" and (cores is not None or memory is not None)

        return self._call(one, f"config {said}", change, "PUT")

    async def destroy(self, target: Vm, *, purge: bool = False, stop: bool = False) -> Plan:
        """Pretend to remove it."""
        one = self.guest_of(target)
        users = [other.name for other in self.guests.guests.values() if other.base == one.vmid]
        if one.protected:
            raise Refused("it is protected", where=target.id, todo=f"quarterdeck vm set {target.id} --no-protected")
        if one.template and users:
            raise Refused(f"its disk is used by {', '.join(users)}", where=target.id, todo="destroy them first")
        if one.state == "running" and not stop:
            raise Refused("it runs", where=target.id, todo="shut it down first, or give --stop")
        gone = step(
            self.guests,
            target,
            f"DELETE {self._path(one)}?purge={int(purge)}",
            lambda: self.guests.guests.pop(one.vmid, None),
        )
        return Plan(gone, loses=[f"{one.id} {one.name}: its disk of {one.disk // GIB} GiB"])

    async def isolate(self, targets: Sequence[Vm], *, network: str) -> Plan:
        """Pretend to give it the rules of a network."""
        rules = [("ACCEPT", "in", f"{network}: ssh from the hub"), ("ACCEPT", "out", f"{network}: the hub")]
        rules.append(("DROP", "out", f"{network}: everything else"))
        steps: list[Step] = []
        for one in (self.guest_of(target) for target in targets):

            def change(one: PretendGuest = one) -> None:
                one.rules = list(rules)

            text = f"PUT {self._path(one)}/firewall/rules: {len(rules)} rules of {network}"
            steps.append(step(self.guests, Ref("vm", one.id), text, change))
        return Plan(*steps)

    async def task_stop(self, upid: str) -> Plan:
        """Pretend to stop a task."""
        known = next((task for task in self.guests.tasks if task.upid == upid), None)
        if known is None:
            raise Missing("no such task", where=upid, todo="see 'vm tasks'")

        def change() -> None:
            known.status = "stopped by ops@pam"

        text = f"DELETE /nodes/{known.host}/tasks/{upid}"
        return Plan(step(self.guests, Ref("vm", f"{CLUSTER}/{known.vmid}"), text, change))

    async def trust(self, cluster: str) -> Plan:
        """Pretend to keep a fingerprint."""
        if cluster != CLUSTER:
            raise ConfigurationError(f"there is no cluster '{cluster}'", todo=f"there is: {CLUSTER}")
        seen = ":".join(["AB", "CD"] * 16)
        nothing = step(self.guests, Ref("vm", cluster), f"keep {seen} for {cluster}", lambda: None)
        return Plan(nothing, notes=[f"SHA-256 {seen} (pretend)"])


def _is(one: PretendGuest, state: str) -> None:
    one.state = state


__all__ = ["DemoGuestChanges", "DemoGuestCopies", "DemoGuestPower", "size_of"]
