"""Every verb of containers, images, volumes and networks, done to pretend ones."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app import column
from app.column import Cell, Column, Section
from app.errors import ConfigurationError, Missing
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from app.verb import Rows, Sections, Stream, Text
from backends.demo import pretending
from backends.demo.container_rows import image_size
from backends.demo.pretending import doing, spoken, step, whose
from backends.demo.world import UNUSED_NETWORK, UNUSED_VOLUME, PretendContainer, World
from backends.kinds.container import Container, ContainerVerbs
from backends.kinds.image import Image, ImageVerbs
from backends.kinds.network import Network, NetworkVerbs
from backends.kinds.volume import Volume, VolumeVerbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One pretend process."""

    pid: int
    user: str
    command: str


class Pretending:
    """Base of the pretend verbs: the world, and the clock it goes by."""

    world: World

    def clock(self) -> float:
        """Seconds since the pretend fleet began."""
        raise NotImplementedError

    def container_of(self, target: Container) -> PretendContainer:
        """The pretend container behind a row."""
        found = self.world.containers.get(target.id)
        if found is None:
            raise Missing("no such pretend container", where=target.id)
        return found

    def machine(self, name: str | None) -> str:
        """A machine by name, the first one where none is named."""
        if name is None:
            return next(iter(self.world.machines))
        if name not in self.world.machines:
            raise ConfigurationError(f"there is no node '{name}'", where="--to")
        return name

    def _pruned(self, noun: str, node: str, name: str, size: str = "") -> Plan:
        """The one thing of a kind that nothing uses on a machine, taken away."""
        ident = f"{self.machine(node)}/{name}"
        known = f"{noun}:{ident}"
        if known in self.world.removed:
            return Plan(notes=[f"{node}: nothing is unused"])
        gone = step(self.world, Ref(noun, ident), f"DELETE /{noun}s/{name}", lambda: self.world.removed.add(known))
        return Plan(gone, loses=[f"{name}  {size}".strip()])


class DemoContainerVerbs(ContainerVerbs, Pretending):
    """The verbs of pretend containers."""

    async def start(self, target: Container) -> Plan:
        """Pretend to start it."""
        one = self.container_of(target)
        return Plan(step(self.world, target, f"POST /containers/{one.name}/start", lambda: one.starts(self.clock())))

    async def stop(self, target: Container, *, timeout: int = 10) -> Plan:
        """Pretend to stop it."""
        one = self.container_of(target)
        return Plan(step(self.world, target, f"POST /containers/{one.name}/stop?t={timeout}", one.ends))

    async def restart(self, target: Container, *, timeout: int = 10) -> Plan:
        """Pretend to restart it."""
        one = self.container_of(target)
        text = f"POST /containers/{one.name}/restart?t={timeout}"
        return Plan(step(self.world, target, text, lambda: one.starts(self.clock())))

    async def pause(self, target: Container) -> Plan:
        """Pretend to freeze it."""
        one = self.container_of(target)
        return Plan(step(self.world, target, f"POST /containers/{one.name}/pause", lambda: _state(one, "paused")))

    async def unpause(self, target: Container) -> Plan:
        """Pretend to let it go on."""
        one = self.container_of(target)
        return Plan(step(self.world, target, f"POST /containers/{one.name}/unpause", lambda: _state(one, "running")))

    async def kill(self, target: Container, *, signal: str = "KILL") -> Plan:
        """Pretend to signal it."""
        one = self.container_of(target)

        def change() -> None:
            if signal in ("KILL", "TERM", "INT", "QUIT"):
                one.ends(137)

        return Plan(step(self.world, target, f"POST /containers/{one.name}/kill?signal={signal}", change))

    async def remove(self, target: Container, *, force: bool = False, volumes: bool = False) -> Plan:
        """Pretend to remove it."""
        one = self.container_of(target)
        text = f"DELETE /containers/{one.name}?force={int(force)}&v={int(volumes)}"
        gone = step(self.world, target, text, lambda: _drop(self.world, one.id))
        return Plan(gone, loses=[f"{one.id} and what it wrote outside of volumes"])

    async def rename(self, target: Container, name: str) -> Plan:
        """Pretend to rename it."""
        one = self.container_of(target)

        def change() -> None:
            self.world.containers.pop(one.id, None)
            one.name = name
            self.world.containers[one.id] = one

        return Plan(step(self.world, target, f"POST /containers/{one.name}/rename?name={name}", change))

    async def exec_(
        self,
        target: Container,
        *command: str,
        user: str | None = None,
        workdir: str | None = None,
        timeout: float | None = None,
    ) -> Plan:
        """Pretend to run a command."""
        line = command[0] if len(command) == 1 else shlex.join(command)

        async def run(report: Report) -> Result:
            await asyncio.sleep(pretending.PACE_S)
            report.output("stdout", f"(pretend) {line}\n")
            return Result(0)

        return Plan(Step(target, f"POST /containers/{target.name}/exec: {line}", run))

    async def shell(self, target: Container, *, user: str | None = None) -> Plan:
        """Open a shell that only says where it is."""
        words = f"echo 'This is a pretend shell in {target.name}; enter leaves it.'; read -r _"

        async def run(report: Report) -> Result:
            return Result(await report.terminal(["sh", "-c", words]))

        return Plan(Step(target, f"POST /containers/{target.name}/exec: sh", run))

    async def attach(self, target: Container) -> Plan:
        """Pretend to attach."""
        words = f"echo 'This is pretend output of {target.name}; enter leaves it.'; read -r _"

        async def run(report: Report) -> Result:
            return Result(await report.terminal(["sh", "-c", words]))

        return Plan(Step(target, f"POST /containers/{target.name}/attach", run))

    async def logs(
        self,
        targets: Sequence[Container],
        *,
        follow: bool = False,
        lines: int = 200,
        since: str | None = None,
        until: str | None = None,
        grep: str | None = None,
        invert: bool = False,
        timestamps: bool = False,
    ) -> Stream:
        """Read pretend logs."""
        origins = [target.id for target in targets]
        return Stream(
            spoken(origins, count=lines, follow=follow, grep=grep, invert=invert), whose(origins, "containers")
        )

    async def top(self, target: Container) -> Rows:
        """Show pretend processes."""
        items = tuple(Process(pid=200 + n, user="root", command=target.command) for n in range(3))
        columns: tuple[Column[Process], ...] = (
            Column("PID", lambda p: column.number(p.pid), 8, "right"),
            Column("USER", lambda p: column.text(p.user), 10),
            Column("COMMAND", lambda p: column.text(p.command), 30, flex=True),
        )
        return Rows(columns, items, every=5.0)

    async def inspect(self, target: Container) -> Text:
        """Show what a pretend engine knows."""
        return Text(json.dumps({"Id": target.container_id, "Name": target.name, "Image": target.image}, indent=2))

    async def details(self, target: Container) -> Sections:
        """Show a pretend environment."""
        env = (("TZ", Cell("UTC")), ("REDIS_PASSWORD", column.text("••••••")))
        mounts = tuple((column.text(name), column.text("/data"), Cell("rw")) for name in target.volumes)
        return Sections(
            (
                Section("Environment", env),
                Section("Mounts", header=("SOURCE", "IN THE CONTAINER", "MODE"), rows=mounts),
                Section("Labels", (("com.docker.compose.project", column.text(target.stack)),)),
            )
        )

    async def reveal(self, target: Container, *, name: str | None = None) -> Plan:
        """Show a pretend environment with its secrets."""

        async def run(report: Report) -> Result:
            report.output("stdout", "TZ=UTC\nREDIS_PASSWORD=pretend\n")
            return Result(0)

        return Plan(Step(target, f"GET /containers/{target.name}/json: show {name or 'its environment'}", run))

    async def get(self, target: Container, path: str, *, to: Path = Path()) -> Plan:
        """Pretend to copy a file here; nothing is written."""
        text = f"GET /containers/{target.name}/archive?path={path} to {to}"
        return Plan(Step(target, text, doing(self.world, _nothing, "copied (pretend: nothing was written here)", 10)))

    async def put(self, target: Container, path: Path, *, to: str = "/tmp/") -> Plan:  # noqa: S108 - in the container
        """Pretend to copy a file there."""
        if not path.exists():
            raise Missing("no such file here", where=str(path))
        text = f"PUT /containers/{target.name}/archive?path={to} of {path}"
        return Plan(Step(target, text, doing(self.world, _nothing, "copied", 10)))

    async def open_(self, target: Container, *, port: int | None = None, local: int = 0) -> Plan:
        """Pretend to open a port."""
        public = next((p.public for p in target.ports if p.public and port in (None, p.private)), None)
        if public is None:
            raise Missing("it publishes no such port", where=target.id)
        text = f"forward 127.0.0.1:{local or public} to {target.source}:{public}"
        return Plan(step(self.world, target, text, _nothing, f"http://127.0.0.1:{local or public} (pretend)"))

    async def prune(self, node: str) -> Plan:
        """Pretend to remove what has ended."""
        ended = [one for one in self.world.of(self.machine(node)) if one.state == "exited"]
        steps = [self._removing(one) for one in ended]
        return Plan(
            *steps, loses=[f"{one.id}  12M" for one in ended], notes=[] if ended else [f"{node}: none has ended"]
        )

    def _removing(self, one: PretendContainer) -> Step:
        text = f"DELETE /containers/{one.name}"
        return step(self.world, Ref("container", one.id), text, lambda: _drop(self.world, one.id))


class DemoImageVerbs(ImageVerbs, Pretending):
    """The verbs of pretend images."""

    async def pull_image(self, reference: str, *, to: str | None = None) -> Plan:
        """Pretend to fetch an image."""
        machine = self.machine(to)

        def change() -> None:
            self.world.images.setdefault(machine, {})[reference] = 0.0

        target = Ref("image", f"{machine}/{reference}")
        return Plan(
            Step(target, f"POST /images/create?fromImage={reference}", doing(self.world, change, "fetched", 12))
        )

    async def refresh_image(self, target: Image) -> Plan:
        """Pretend to fetch it anew."""
        return Plan(
            Step(
                target,
                f"POST /images/create?fromImage={target.name}",
                doing(self.world, lambda: self.world.newer.update({target.id: False}), "it was current", 12),
            )
        )

    async def check_image(self, target: Image) -> Plan:
        """Pretend to ask the registry."""
        newer = sum(map(ord, target.name)) % 3 == 0
        said = "the registry has a newer one" if newer else "it is current"
        text = f"GET /distribution/{target.name}/json"
        return Plan(step(self.world, target, text, lambda: self.world.newer.update({target.id: newer}), said))

    async def remove_image(self, target: Image, *, force: bool = False) -> Plan:
        """Pretend to remove it."""

        def change() -> None:
            self.world.images.get(target.source, {}).pop(target.name, None)

        return Plan(
            step(self.world, target, f"DELETE /images/{target.name}?force={int(force)}", change), loses=[target.name]
        )

    async def inspect_image(self, target: Image) -> Text:
        """Show what a pretend engine knows."""
        return Text(json.dumps({"Id": target.image_id, "RepoTags": [target.name]}, indent=2))

    async def login_registry(self, registry: str, user: str, *, to: str | None = None) -> Plan:
        """Pretend to log in; no password is asked for."""
        target = Ref("node", self.machine(to))
        return Plan(step(self.world, target, f"POST /auth: {user} at {registry}", _nothing, "logged in (pretend)"))

    async def prune_images(self, node: str, *, all: bool = False, cache: bool = False) -> Plan:
        """Pretend to remove what nothing uses."""
        machine = self.machine(node)
        used = {one.template.image for one in self.world.of(machine)}
        rest = [name for name in self.world.images.get(machine, {}) if name not in used]

        def change() -> None:
            for name in rest:
                self.world.images[machine].pop(name, None)

        if not rest:
            return Plan(notes=[f"{node}: every image is used"])
        text = f"DELETE /images/{{{', '.join(rest)}}}"
        loses = [f"{name}  {column.size_text(image_size(name))}" for name in rest]
        return Plan(step(self.world, Ref("node", machine), text, change), loses=loses)


class DemoVolumeVerbs(VolumeVerbs, Pretending):
    """The verbs of pretend volumes."""

    async def remove_volume(self, target: Volume) -> Plan:
        """Pretend to remove it."""

        def change() -> None:
            self.world.removed.add(f"volume:{target.id}")

        return Plan(
            step(self.world, target, f"DELETE /volumes/{target.name}", change), loses=[f"{target.id} and its data"]
        )

    async def inspect_volume(self, target: Volume) -> Text:
        """Show what a pretend engine knows."""
        return Text(json.dumps({"Name": target.name, "Mountpoint": target.mountpoint}, indent=2))

    async def prune_volumes(self, node: str, *, all: bool = False) -> Plan:
        """Pretend to remove the one that nothing mounts."""
        return self._pruned("volume", node, UNUSED_VOLUME, "81M")


class DemoNetworkVerbs(NetworkVerbs, Pretending):
    """The verbs of pretend networks."""

    async def remove_network(self, target: Network) -> Plan:
        """Pretend to remove it."""

        def change() -> None:
            self.world.removed.add(f"network:{target.id}")

        return Plan(step(self.world, target, f"DELETE /networks/{target.name}", change), loses=[target.id])

    async def inspect_network(self, target: Network) -> Text:
        """Show what a pretend engine knows."""
        return Text(json.dumps({"Name": target.name, "Subnets": list(target.subnets)}, indent=2))

    async def prune_networks(self, node: str) -> Plan:
        """Pretend to remove the one that nothing is attached to."""
        return self._pruned("network", node, UNUSED_NETWORK)


def _state(one: PretendContainer, state: str) -> None:
    one.state = state


def _drop(world: World, ident: str) -> None:
    world.containers.pop(ident, None)


def _nothing() -> None:
    """Nothing changes."""
