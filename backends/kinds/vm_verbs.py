"""What an operator can do to a guest, whichever hypervisor runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from app.errors import Unsupported
from app.plan import Plan, Risk
from app.verb import Help, Rows, Sections, Stream, Text, verb, view
from backends.kinds.vm_row import Vm

Cores = Annotated[int | None, Help("how many; else as it was")]
Memory = Annotated[str | None, Help("how much; else as it was", "4G")]
Disk = Annotated[str | None, Help("grow its first disk to or by this", "32G, +10G")]
To = Annotated[str | None, Help("on which hypervisor", "pve2")]
Storage = Annotated[str | None, Help("on which storage", "local-lvm")]
Pool = Annotated[str | None, Help("in which pool")]
User = Annotated[str | None, Help("the login that cloud-init makes")]
SshKey = Annotated[tuple[str, ...], Help("a public key, or a file of them", "~/.ssh/id_ed25519.pub")]
Tag = Annotated[tuple[str, ...], Help("a tag")]
Full = Annotated[bool, Help("its own copy, not a linked one")]
SnapshotName = Annotated[str, Help("letter first; letters, digits, - _", "before-upgrade")]
Seconds = Annotated[int, Help("seconds it is given")]


class VmVerbs:
    """What an operator can do to a guest; a hypervisor defines those it can do."""

    @verb(key="u", risk=Risk.SAFE, carried=True)
    async def start(self, target: Vm) -> Plan:
        """Start it."""
        raise Unsupported

    @verb(key="x", risk=Risk.DISRUPTS, carried=True)
    async def shutdown(
        self,
        target: Vm,
        *,
        timeout: Seconds = 60,
        force: Annotated[bool, Help("pull the plug when that time is over")] = False,
    ) -> Plan:
        """Ask its system to shut down."""
        raise Unsupported

    @verb(key="X", risk=Risk.DISRUPTS, carried=True)
    async def stop(self, target: Vm) -> Plan:
        """Pull its plug; what its system had not written is lost."""
        raise Unsupported

    @verb(key="r", risk=Risk.DISRUPTS, carried=True)
    async def reboot(self, target: Vm, *, timeout: Seconds = 60) -> Plan:
        """Ask its system to restart; changes that wait take effect."""
        raise Unsupported

    @verb(key="R", risk=Risk.DISRUPTS, carried=True)
    async def reset(self, target: Vm) -> Plan:
        """Press its reset button."""
        raise Unsupported

    @verb(key="p", risk=Risk.DISRUPTS, carried=True)
    async def suspend(
        self, target: Vm, *, disk: Annotated[bool, Help("save its memory to disk and stop it")] = False
    ) -> Plan:
        """Freeze it where it is."""
        raise Unsupported

    @verb(key="P", risk=Risk.SAFE, carried=True)
    async def resume(self, target: Vm) -> Plan:
        """Let it go on where it was frozen."""
        raise Unsupported

    @verb(key="C", risk=Risk.SAFE, carried=True)
    async def clone(
        self,
        target: Vm,
        *,
        name: Annotated[str, Help("what the new one is called", "web3")],
        to: To = None,
        full: Full = False,
        storage: Storage = None,
        pool: Pool = None,
        vmid: Annotated[int | None, Help("its number; else the next free one")] = None,
        cores: Cores = None,
        memory: Memory = None,
        disk: Disk = None,
        user: User = None,
        ssh_key: SshKey = (),
        ip: Annotated[str | None, Help("dhcp, or its address", "10.0.0.5/24,gw=10.0.0.1")] = None,
        tag: Tag = (),
        snapshot: Annotated[str | None, Help("as it was at this snapshot")] = None,
        start: Annotated[bool, Help("start it when it is there")] = False,
    ) -> Plan:
        """Make a new guest from it: linked to a template, a full copy of any other."""
        raise Unsupported

    @verb(key="n", risk=Risk.DISRUPTS, carried=True)
    async def spawn(
        self,
        target: Vm,
        *,
        count: Annotated[int, Help("how many")],
        name: Annotated[str, Help("what their names begin with", "worker")],
        to: To = None,
        full: Full = False,
        storage: Storage = None,
        pool: Pool = None,
        cores: Cores = None,
        memory: Memory = None,
        disk: Disk = None,
        user: User = None,
        ssh_key: SshKey = (),
        ip: Annotated[str | None, Help("dhcp, or the first; others count up", "10.0.0.50/24,gw=10.0.0.1")] = None,
        tag: Tag = (),
        start: Annotated[bool, Help("start them")] = True,
    ) -> Plan:
        """Make several guests from a template and start them."""
        raise Unsupported

    @verb(risk=Risk.DISRUPTS)
    async def template(self, target: Vm) -> Plan:
        """Turn it into a template: it will never run again, and can be cloned."""
        raise Unsupported

    @verb(risk=Risk.DISRUPTS)
    async def build(
        self,
        name: Annotated[str, Help("a template that hosts.yaml declares", "agent-machine")],
        *,
        cluster: Annotated[str | None, Help("whose, where several declare that name")] = None,
    ) -> Plan:
        """Make a declared template from its cloud image; one that is there already is left as it is."""
        raise Unsupported

    @verb(key="H", risk=Risk.SAFE, carried=True)
    async def snapshot(
        self,
        target: Vm,
        *,
        name: SnapshotName,
        memory: Annotated[bool, Help("its memory too, to go on from there")] = False,
        description: Annotated[str, Help("what for")] = "",
    ) -> Plan:
        """Keep its disks as they are now, to come back to."""
        raise Unsupported

    @view(key="h")
    async def snapshots(self, target: Vm) -> Rows:
        """Show its snapshots, and which it stands on."""
        raise Unsupported

    @verb(key="U", risk=Risk.DESTROYS, carried=True)
    async def rollback(
        self,
        targets: Sequence[Vm],
        *,
        name: SnapshotName,
        delete_newer: Annotated[bool, Help("first remove newer ones if need be")] = False,
        start: Annotated[bool, Help("start them afterwards")] = False,
    ) -> Plan:
        """Go back to a snapshot or checkpoint; what was written since is lost."""
        raise Unsupported

    @verb(risk=Risk.DESTROYS, carried=True)
    async def delete_snapshot(self, target: Vm, *, name: SnapshotName) -> Plan:
        """Remove a snapshot; the guest stays as it is."""
        raise Unsupported

    @verb(key="K", risk=Risk.SAFE)
    async def checkpoint(
        self,
        targets: Sequence[Vm],
        *,
        name: SnapshotName,
        memory: Annotated[bool, Help("with their memory")] = False,
    ) -> Plan:
        """Snapshot several guests under one name, all or none."""
        raise Unsupported

    @view()
    async def checkpoints(self) -> Rows:
        """Show the checkpoints there are, and which guests have each."""
        raise Unsupported

    @verb(key="b", risk=Risk.SAFE, carried=True)
    async def backup(
        self,
        target: Vm,
        *,
        storage: Annotated[str | None, Help("where to; else the only one")] = None,
        method: Annotated[Literal["snapshot", "suspend", "stop"], Help("what happens to it meanwhile")] = "snapshot",
        compress: Annotated[Literal["zstd", "lzo", "gzip", "0"], Help("how; 0 is not at all")] = "zstd",
        notes: Annotated[str, Help("kept with it")] = "",
        protected: Annotated[bool, Help("keep it from being removed")] = False,
    ) -> Plan:
        """Write a backup of it."""
        raise Unsupported

    @view(key="B")
    async def backups(
        self,
        guest: Annotated[str | None, Help("of which; of all without", "lab/101", row="id")] = None,
    ) -> Rows:
        """Show the backups there are, and how old each is."""
        raise Unsupported

    @verb(risk=Risk.SAFE, carried=True)
    async def restore(
        self,
        archive: Annotated[str, Help("a backup, as 'vm backups' lists it", "backup:backup/vzdump-qemu-101-….vma.zst")],
        *,
        cluster: Annotated[str | None, Help("of which cluster, where there are several")] = None,
        to: To = None,
        storage: Storage = None,
        vmid: Annotated[int | None, Help("its number; else the next free one")] = None,
        name: Annotated[str | None, Help("what it is called; else as it was")] = None,
        start: Annotated[bool, Help("start it when it is there")] = False,
    ) -> Plan:
        """Make a new guest from a backup."""
        raise Unsupported

    @verb(key="m", risk=Risk.DISRUPTS, carried=True)
    async def migrate(
        self,
        target: Vm,
        *,
        to: Annotated[str, Help("to which hypervisor", "pve2")],
        storage: Annotated[str | None, Help("where its local disks go")] = None,
        local_disks: Annotated[bool, Help("move its local disks along")] = False,
    ) -> Plan:
        """Move it to another hypervisor of its cluster, while it runs where that is possible."""
        raise Unsupported

    @verb(key="Z", risk=Risk.DISRUPTS)
    async def resize(
        self,
        target: Vm,
        disk: Annotated[str, Help("which disk", "scsi0")],
        size: Annotated[str, Help("how large, or by how much more; never smaller", "32G, +10G")],
    ) -> Plan:
        """Grow one of its disks."""
        raise Unsupported

    @verb(key="e", risk=Risk.DISRUPTS, name="set")
    async def set_(
        self,
        target: Vm,
        *,
        name: Annotated[str | None, Help("what it is called")] = None,
        cores: Annotated[int | None, Help("how many cores")] = None,
        memory: Annotated[str | None, Help("how much memory", "4G")] = None,
        tag: Annotated[tuple[str, ...], Help("its tags from now on")] = (),
        notes: Annotated[str | None, Help("notes from now on")] = None,
        protected: Annotated[bool | None, Help("whether it may not be destroyed")] = None,
        autostart: Annotated[bool | None, Help("whether it starts with its hypervisor")] = None,
    ) -> Plan:
        """Change its cores, memory, tags, notes."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DESTROYS, carried=True)
    async def destroy(
        self,
        target: Vm,
        *,
        purge: Annotated[bool, Help("from backup jobs, replication, HA too")] = False,
        stop: Annotated[bool, Help("pull its plug first if it runs")] = False,
    ) -> Plan:
        """Remove it and its disks."""
        raise Unsupported

    @verb(key="s", risk=Risk.SAFE)
    async def console(self, target: Vm) -> Plan:
        """Open its serial terminal here; ctrl-] leaves it."""
        raise Unsupported

    @verb(key="v", risk=Risk.SAFE, shows=True)
    async def viewer(
        self,
        target: Vm,
        *,
        protocol: Annotated[Literal["spice", "vnc"], Help("which")] = "spice",
        file: Annotated[Path | None, Help("write the connection file here; a private one of ours without")] = None,
    ) -> Plan:
        """Get a ticket for its screen: a file for remote-viewer, or the address for a browser."""
        raise Unsupported

    @view(key="f")
    async def firewall(self, target: Vm) -> Rows:
        """Show its firewall rules in the order in which they are tried."""
        raise Unsupported

    @verb(key="F", risk=Risk.DISRUPTS)
    async def isolate(
        self,
        targets: Sequence[Vm],
        *,
        network: Annotated[str, Help("a network that hosts.yaml declares", "machines")],
    ) -> Plan:
        """Give them the rules of a declared network: what it allows first, then what it drops."""
        raise Unsupported

    @view(key="t")
    async def tasks(
        self,
        guest: Annotated[str | None, Help("of which guest; of all without", "lab/101", row="id")] = None,
        *,
        cluster: Annotated[str | None, Help("of which cluster")] = None,
        limit: Annotated[int, Help("how many of the last of each hypervisor")] = 50,
        errors: Annotated[bool, Help("only those that failed")] = False,
    ) -> Rows:
        """Show what was done in the clusters, newest first: by whom, how it ended."""
        raise Unsupported

    @view(name="task-log")
    async def task_log(self, upid: Annotated[str, Help("a task, as 'vm tasks' lists it")]) -> Stream:
        """Read the log of a task, and follow it while it runs."""
        raise Unsupported

    @verb(name="task-stop", risk=Risk.DISRUPTS)
    async def task_stop(self, upid: Annotated[str, Help("a task, as 'vm tasks' lists it")]) -> Plan:
        """Stop a task that runs."""
        raise Unsupported

    @view(key="i")
    async def inspect(self, target: Vm) -> Text:
        """Show its configuration as its hypervisor has it, secrets masked, with what waits for a restart."""
        raise Unsupported

    @view()
    async def details(self, target: Vm) -> Sections:
        """Show addresses, disks, networks, snapshots, pending changes and notes."""
        raise Unsupported

    @verb(risk=Risk.DISRUPTS)
    async def trust(self, cluster: Annotated[str, Help("a cluster of hosts.yaml", "lab")]) -> Plan:
        """Show the certificate a cluster presents, and keep its fingerprint as the one to expect."""
        raise Unsupported
