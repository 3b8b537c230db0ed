"""Every verb of a node, done to a pretend one: same plans, same questions, nothing happens anywhere."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app import column
from app.column import Column
from app.errors import ConfigurationError, Missing
from app.fleet import Ref
from app.plan import Plan, Report, Result, Risk, Step
from app.verb import Rows, Stream
from backends.demo.machines import HP, Machine
from backends.kinds.node import Node, NodeVerbs
from backends.node_verbs.processes import PROCESS_ACTIONS
from backends.node_verbs.services import SERVICE_ACTIONS
from backends.node_verbs.tunnels import TUNNEL_ACTIONS

SERVICES = ("ssh.service", "cron.service", "docker.service", "nginx.service", "tailscaled.service", "ntpsec.service")
PROCESSES = ("systemd", "sshd", "dockerd", "containerd", "postgres", "redis-server", "python3", "node", "nginx", "cron")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One pretend process."""

    pid: int
    started: int
    user: str
    cpu_percent: float
    mem_used_bytes: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One pretend systemd unit."""

    unit: str
    active: str
    enabled: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One pretend tunnel."""

    port: int
    to: str


async def work(report: Report, steps: int, pace: float, unit: str = "", size: int = 1) -> None:
    """Pretend to be busy, telling how far it is."""
    for done in range(steps):
        report.progress(done * size, steps * size, unit)
        await asyncio.sleep(pace)
    report.progress(steps * size, steps * size, unit)


class DemoNodeVerbs(NodeVerbs):
    """The node verbs of the pretend fleet."""

    machines: dict[str, Machine]
    clock: Callable[[], float]
    changes: int = 0
    """How often a machine has come or gone."""
    pace: float = 0.15
    """Seconds a pretend piece of work takes."""

    def _machine(self, node: Node) -> Machine:
        if node.id not in self.machines:
            raise Missing("no such pretend machine", where=node.id)
        return self.machines[node.id]

    async def top(self, target: Node, *, limit: int = 200) -> Rows:
        """Show pretend processes."""
        machine = self._machine(target)
        items = [
            Process(
                pid=100 + 37 * number,
                started=number,
                user="root" if number < 4 else "ops",
                cpu_percent=round((target.cpu_percent or 0) / (number + 1), 1),
                mem_used_bytes=(number + 1) * 13 << 20,
                command=name,
            )
            for number, name in enumerate(PROCESSES)
            if 100 + 37 * number not in machine.killed
        ]
        columns: tuple[Column[Process], ...] = (
            Column("PID", lambda p: column.number(p.pid), 8, "right"),
            Column("USER", lambda p: column.text(p.user), 10),
            Column("CPU", lambda p: column.percent(p.cpu_percent), 7, "right"),
            Column("MEM", lambda p: column.size(p.mem_used_bytes), 7, "right"),
            Column("COMMAND", lambda p: column.text(p.command), 30, flex=True),
        )
        return Rows(columns, tuple(items[:limit]), PROCESS_ACTIONS, every=2.0)

    async def services(self, target: Node, *, failed: bool = False) -> Rows:
        """Show pretend services."""
        machine = self._machine(target)
        items = [
            Service(
                unit=unit,
                active="inactive" if unit in machine.stopped else "active",
                enabled="enabled",
                description=f"Pretend {unit.removesuffix('.service')}",
            )
            for unit in SERVICES
        ]
        items.extend(
            Service(unit=unit, active="failed", enabled="enabled", description="Pretend failure")
            for unit in machine.failed
        )
        if failed:
            items = [item for item in items if item.active == "failed"]
        columns: tuple[Column[Service], ...] = (
            Column("UNIT", lambda s: column.text(s.unit), 32),
            Column("ACTIVE", lambda s: column.text(s.active), 10),
            Column("ENABLED", lambda s: column.text(s.enabled), 10),
            Column("DESCRIPTION", lambda s: column.text(s.description), 40, flex=True),
        )
        return Rows(columns, tuple(items), SERVICE_ACTIONS, every=5.0)

    async def journal(
        self,
        target: Node,
        *,
        unit: str | None = None,
        grep: str | None = None,
        since: str | None = None,
        lines: int = 200,
        follow: bool = False,
    ) -> Stream:
        """Read a pretend journal."""

        async def read() -> AsyncIterator[str]:
            number = 0
            while number < lines or follow:
                name = unit or SERVICES[number % len(SERVICES)]
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - max(0, lines - number)))
                unit_name = name.removesuffix(".service")
                line = f"{stamp} {target.name} {unit_name}[{700 + number % 9}]: request {number} served"
                if grep is None or grep in line:
                    yield line
                number += 1
                if number >= lines:
                    await asyncio.sleep(self.pace)

        return Stream(read(), f"journal of {target.name}")

    async def exec_(self, target: Node, *command: str, sudo: bool = False, timeout: float | None = None) -> Plan:
        """Pretend to run a command."""
        line = command[0] if len(command) == 1 else shlex.join(command)

        async def run(report: Report) -> Result:
            await asyncio.sleep(self.pace)
            report.output("stdout", f"(pretend) {line}\n{target.os}\n")
            return Result(0)

        return Plan(Step(target, f"{'sudo -n ' if sudo else ''}{line}", run))

    async def shell(self, target: Node) -> Plan:
        """Open a shell that only says where it is."""
        words = f"echo 'This is a pretend shell on {target.name}; enter leaves it.'; read -r _"

        async def run(report: Report) -> Result:
            return Result(await report.terminal(["sh", "-c", words]))

        return Plan(Step(target, f"ssh ops@{target.name}", run))

    async def ping(self, target: Node, *, count: int = 3) -> Plan:
        """Pretend to measure."""
        machine = self._machine(target)

        async def run(report: Report) -> Result:
            for number in range(count):
                report.progress(number, count)
                await asyncio.sleep(self.pace)
            if self.clock() < machine.down_until:
                return Result(1, f"0/{count} answered")
            return Result(0, f"{count}/{count} answered, average {target.latency_ms} ms")

        return Plan(Step(target, f"ssh {target.name} : (x {count})", run))

    async def reboot(self, target: Node) -> Plan:
        """Pretend to restart."""
        machine = self._machine(target)

        async def run(report: Report) -> Result:
            machine.down_until = self.clock() + 20 * self.pace
            await report.handle("boot-id pretend")
            report.log("connection lost, waiting for it to come back")
            if not report.wait:
                return Result(0, "restarting")
            while self.clock() < machine.down_until:
                await asyncio.sleep(self.pace)
            machine.booted_at = self.clock()
            return Result(0, "back with another boot id")

        return Plan(Step(target, "sudo -n systemctl reboot", run))

    async def shutdown(self, target: Node) -> Plan:
        """Pretend to switch off."""
        machine = self._machine(target)

        async def run(report: Report) -> Result:
            await asyncio.sleep(self.pace)
            machine.down_until = 1e18
            return Result(0, "switched off")

        return Plan(Step(target, "sudo -n systemctl poweroff", run), loses=[f"{target.name} stays off"])

    async def signal(
        self, target: Node, pid: int, *, signal: str = "TERM", sudo: bool = False, started: int | None = None
    ) -> Plan:
        """Pretend to end a process."""
        machine = self._machine(target)

        async def run(report: Report) -> Result:
            if signal in ("TERM", "KILL", "INT"):
                machine.killed.add(pid)
            return Result(0, f"{signal} sent to {pid}")

        return Plan(Step(target, f"{'sudo -n ' if sudo else ''}kill -s {signal} {pid}", run))

    async def service(self, target: Node, action: str, unit: str) -> Plan:
        """Pretend to start, stop or enable a unit."""
        machine = self._machine(target)

        async def run(report: Report) -> Result:
            await asyncio.sleep(self.pace)
            if action in ("stop", "disable"):
                machine.stopped.add(unit)
            else:
                machine.stopped.discard(unit)
                machine.failed = tuple(one for one in machine.failed if one != unit)
            return Result(0, f"{unit}: {action} done")

        return Plan(Step(target, f"sudo -n systemctl {action} {shlex.quote(unit)}", run))

    async def upgrade(self, target: Node, *, refresh: bool = False) -> Plan:
        """Pretend to install the pending updates."""
        machine = self._machine(target)
        pending = machine.updates
        if not pending:
            return Plan(notes=[f"{target.name}: nothing is pending"])

        async def run(report: Report) -> Result:
            await work(report, pending * 3, self.pace)
            machine.updates = 0
            return Result(0, f"{pending} packages upgraded")

        text = "sudo -n apk upgrade" if "Alpine" in (target.os or "") else "sudo -n apt-get -y upgrade"
        return Plan(
            Step(target, text, run, lane=f"packages@{target.id}"),
            notes=[f"{target.name}: {pending} packages, {pending // 4} of them security"],
        )

    async def tunnel(self, target: Node, spec: str) -> Plan:
        """Pretend to forward a port."""
        machine = self._machine(target)
        listen, _, rest = spec.partition(":")
        if not listen.isdigit() or ":" not in rest:
            raise ConfigurationError(
                "not a tunnel", where=spec, todo="write LISTEN:HOST:PORT, such as 8080:localhost:80"
            )

        async def run(report: Report) -> Result:
            machine.tunnels[int(listen)] = rest
            return Result(0, f"127.0.0.1:{listen} now leads to {rest}")

        return Plan(Step(target, f"forward 127.0.0.1:{listen} to {rest}", run))

    async def tunnels(self, target: Node) -> Rows:
        """Show the pretend tunnels."""
        items = tuple(Tunnel(port=port, to=to) for port, to in self._machine(target).tunnels.items())
        columns: tuple[Column[Tunnel], ...] = (
            Column("LISTENS ON", lambda t: column.text(f"127.0.0.1:{t.port}"), 18),
            Column("LEADS TO", lambda t: column.text(t.to), 30, flex=True),
        )
        return Rows(columns, items, TUNNEL_ACTIONS)

    async def untunnel(self, target: Node, port: int) -> Plan:
        """Pretend to close a tunnel."""
        machine = self._machine(target)
        if port not in machine.tunnels:
            raise Missing(f"no tunnel listens on port {port}", where=target.name)

        async def run(report: Report) -> Result:
            machine.tunnels.pop(port, None)
            return Result(0, f"port {port} closed")

        return Plan(Step(target, f"close 127.0.0.1:{port}", run))

    async def put(self, target: Node, path: Path, *, to: str = "./") -> Plan:
        """Pretend to copy a file there."""
        if not path.exists():
            raise Missing("no such file here", where=str(path))
        size = path.stat().st_size

        async def run(report: Report) -> Result:
            await work(report, 20, self.pace, "B", max(1, size // 20))
            return Result(0, f"{column.size_text(size)} copied")

        return Plan(Step(target, f"sftp put {shlex.quote(str(path))} {target.name}:{shlex.quote(to)}", run))

    async def get(self, target: Node, path: str, *, to: Path = Path()) -> Plan:
        """Pretend to copy a file here; nothing is written."""

        async def run(report: Report) -> Result:
            await work(report, 20, self.pace, "B", 1 << 16)
            return Result(0, "copied (pretend: nothing was written here)")

        return Plan(Step(target, f"sftp get {target.name}:{shlex.quote(path)} {shlex.quote(str(to))}", run))

    async def mute(self, target: Node, *, until: str = "1h", reason: str = "", off: bool = False) -> Plan:
        """Pretend to silence the alarms."""
        from backends.node_verbs.mutes import parse_until

        machine = self._machine(target)
        moment = None if off else parse_until(until, datetime.now().astimezone()).timestamp()

        async def run(report: Report) -> Result:
            machine.muted_until, machine.muted_why = moment, None if off else reason
            return Result(0, "alarms are on again" if off else f"muted until {until}")

        return Plan(Step(target, "unmute" if off else f"mute until {until}", run))

    async def trust(self, target: Node) -> Plan:
        """Pretend to trust a host key."""

        async def run(report: Report) -> Result:
            return Result(0, "pretend key trusted")

        text = f"append to ~/.ssh/known_hosts: {target.name} ssh-ed25519 SHA256:pretend"
        return Plan(Step(target, text, run), notes=["SHA256:pretendpretendpretendpretendpretendpretend0"])

    async def add(
        self,
        name: str,
        *,
        ssh: str | None = None,
        ping: str | None = None,
        tag: Sequence[str] = (),
        sudo: str | None = None,
    ) -> Plan:
        """Add a pretend machine."""
        if name in self.machines:
            raise ConfigurationError("there is a node of that name", where=name, todo="choose another")

        async def run(report: Report) -> Result:
            self.machines[name] = Machine(len(self.machines), HP, name, booted_at=self.clock())
            self.changes += 1
            return Result(0, f"{name} added (pretend: hosts.yaml stays as it is)")

        return Plan(Step(Ref("node", ""), f"nodes: {name}: {{ssh: {ssh or name}}}", run))

    async def remove(self, target: Node) -> Plan:
        """Remove a pretend machine."""
        self._machine(target)

        async def run(report: Report) -> Result:
            self.machines.pop(target.id, None)
            self.changes += 1
            return Result(0, f"{target.name} removed")

        return Plan(Step(target, f"remove 'nodes: {target.name}'", run), risk=Risk.DESTROYS, loses=[target.name])
