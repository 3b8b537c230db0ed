"""The steps that make a template: each looks first whether it is done, so that a broken run can be gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from app.column import clean
from app.errors import BadAnswer, Denied, QuarterdeckError, Refused, TimedOut, Unreachable
from app.plan import Report, Result
from backends.proxmox import snippets, wire
from backends.proxmox.cluster import Template
from backends.proxmox.failures import Locked
from backends.proxmox.lenient import flag, mapping, text, whole
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.tasks import Pause, carried_out, retried_on_lock
from backends.proxmox.user_data import CLEAN, vendor_data
from backends.proxmox.verbs.making import removal
from backends.proxmox.verbs.recipe import disk_size
from backends.proxmox.verbs.template_image import Image
from backends.proxmox.verbs.template_stage import Stage, marked, stage_of

if TYPE_CHECKING:
    from app.inventory.model import Sudo
    from app.link import Link
    from backends.proxmox.on_cluster import OnCluster

LOOK_S = 3.0
"""Seconds between two looks at a guest that boots."""
TOLD_S = 30.0
"""Seconds between two lines that say it still does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """cloud-init's file on the node."""

    volume: str
    link: Link
    sudo: Sudo


class Building:
    """One template on its way."""

    def __init__(
        self,
        on: OnCluster,
        cluster: str,
        node: str,
        template: Template,
        *,
        image: Image,
        params: Mapping[str, Any],
        snippet: Snippet | None,
        pause: Pause,
    ) -> None:
        self._on = on
        self._cluster = cluster
        self._node = node
        self._template = template
        self._image = image
        self.params = params
        """Of the call that makes the guest."""
        self._snippet = snippet
        self._pause = pause

    @property
    def id(self) -> str:
        """As rows have it."""
        return f"{self._cluster}/{self._template.vmid}"

    def path(self, *rest: str) -> str:
        """Where the API has it."""
        return wire.path("nodes", self._node, "qemu", self._template.vmid, *rest)

    async def now(self) -> FreshGuest:
        """The guest as it is now; raises Refused where it is not the one that is being made."""
        guest = await self._on.guest(self._cluster, self._template.vmid, node=self._node, type="qemu")
        if guest.name != self._template.name or self.stage(guest) is None:
            raise Refused("it is another guest by now", where=self.id, todo="look at it before anything else")
        return guest

    def stage(self, guest: FreshGuest) -> Stage | None:
        """How far it has come."""
        return stage_of(text(guest.config.get("description")), self._template.name)

    # -- the steps

    async def fetch(self, report: Report) -> Result:
        """Have the cluster fetch the image."""
        client = self._on.client(self._cluster)
        await carried_out(client, partial(client.post, self._image.path, self._image.params), report)
        return Result(0, f"{self._image.volume} is there")

    async def write(self, report: Report) -> Result:
        """Write what cloud-init is told."""
        assert self._snippet is not None
        one = self._snippet
        await snippets.run(one.link, snippets.writing(one.volume), one.sudo, content=vendor_data(self._template))
        return Result(0, f"{one.volume} is written")

    async def make(self, report: Report) -> Result:
        """Make the guest with a copy of the image as its disk."""
        client = self._on.client(self._cluster)

        async def run() -> None:
            path = wire.path("nodes", self._node, "qemu")
            await carried_out(client, partial(client.post, path, self.params), report)

        try:
            await retried_on_lock(run, report=report, pause=self._pause)
        except QuarterdeckError as error:
            await self._tell_left(error)
            raise
        self._on.nudge(self._cluster, self._template.vmid)
        return Result(0, f"{self._template.name} ({self.id}) is there")

    async def _tell_left(self, error: QuarterdeckError) -> None:
        try:
            left = await self._on.guest(self._cluster, self._template.vmid, node=self._node, type="qemu")
        except QuarterdeckError:
            return
        if left.name in ("", self._template.name) and (left.lock == "create" or self.stage(left) is not None):
            error.what += f"; {self.id} was left half made, {left.words}"
            error.todo = removal(left)

    async def grow(self, report: Report) -> Result:
        """Grow its disk to what is declared."""
        guest = await self.now()
        wanted, has = (self._template.disk_mib or 0) << 20, disk_size(guest.config.get("scsi0", ""))
        if has is not None and has >= wanted:
            return Result(0, f"its disk has {guest.config['scsi0'].rpartition('size=')[2]} already")
        await self._put(report, "resize", {"disk": "scsi0", "size": f"{self._template.disk_mib}M"})
        return Result(0, "its disk was grown")

    async def start(self, report: Report) -> Result:
        """Start it, unless it runs."""
        guest = await self.now()
        if guest.runs:
            return Result(0, "it runs already")
        client = self._on.client(self._cluster)
        with self._on.doings(self._cluster).doing(self._template.vmid, "first boot"):
            await carried_out(client, partial(client.post, self.path("status", "start")), report)
        if not self._template.agent:
            await self._put(report, "config", {"description": self._notes(Stage.BOOTED)})
        return Result(0, "it was started")

    async def hear_agent(self, report: Report) -> Result:
        """Wait until its agent answers: it is being installed meanwhile."""
        client = self._on.client(self._cluster)

        async def answers() -> bool:
            try:
                await client.post(self.path("agent", "ping"))
            except Denied:
                raise
            except (Refused, Unreachable) as error:
                if (await self.now()).runs:
                    return False
                raise Refused(f"it stopped at its first boot: {error.what}", where=self.id, todo=self._look()) from None
            return True

        await self._wait(report, answers, "its agent to answer")
        return Result(0, "its agent answers")

    async def settle(self, report: Report) -> Result:
        """Wait until cloud-init has done everything; a command of the declaration that failed is a failure here."""
        code, said = await self._inside(report, ["cloud-init", "status", "--wait"], "cloud-init to be done")
        if code == 0:
            return Result(0, "cloud-init is done")
        _, more = await self._inside(report, ["cloud-init", "status", "--long"], "cloud-init to say why")
        words = clean(" ".join((more or said).split()))[:400]
        if code == 2:  # done, with something to complain of (cloud-init 23.4 and later)
            report.log(f"cloud-init: {words}")
            return Result(0, f"cloud-init is done, and complains: {words}")
        raise Refused(f"cloud-init failed at the first boot: {words}", where=self.id, todo=self._look())

    async def clean(self, report: Report) -> Result:
        """Take away what the first boot made it know of itself."""
        if self.stage(await self.now()) is not Stage.CLEANED:
            code, said = await self._inside(report, ["/bin/sh", "-c", CLEAN], "it to be cleaned")
            if code:
                raise Refused(f"it could not be cleaned: {clean(said)[:300]}", where=self.id, todo=self._look())
            await self._put(report, "config", {"description": self._notes(Stage.CLEANED)})
        return Result(0, "nothing of its first boot is left in it")

    async def halt(self, report: Report) -> Result:
        """Shut it down, or see it switch itself off where there is no agent to ask."""
        client = self._on.client(self._cluster)

        async def off() -> bool:
            return not (await self.now()).runs

        if self._template.agent and not await off():
            await carried_out(client, partial(client.post, self.path("status", "shutdown"), timeout=120), report)
        await self._wait(report, off, "it to switch itself off")
        return Result(0, "it is off")

    async def convert(self, report: Report) -> Result:
        """Make a template of it."""
        guest = await self.now()
        if not guest.template:
            client = self._on.client(self._cluster)

            async def run() -> None:
                await carried_out(client, partial(client.post, self.path("template")), report)

            await retried_on_lock(run, report=report, pause=self._pause)
        return Result(0, "it is a template")

    async def finish(self, report: Report) -> Result:
        """Its notes are its own from here on, and clones do not install everything again."""
        guest = await self.now()
        gone = [key for key in ("cicustom",) if key in guest.config]
        notes = self._template.notes
        if not notes:
            gone.append("description")
        params = {"description": notes or None, "delete": ",".join(gone) or None}
        await self._put(report, "config", params)
        self._on.nudge(self._cluster, self._template.vmid)
        data = {"vmid": self._template.vmid, "guest": self.id, "name": self._template.name, "node": self._node}
        return Result(0, f"template {self._template.name} ({self.id}) is there", data)

    async def forget(self, report: Report) -> Result:
        """Remove cloud-init's file from the node."""
        assert self._snippet is not None
        one = self._snippet
        await snippets.run(one.link, snippets.removing(one.volume), one.sudo)
        return Result(0, f"template {self._template.name} ({self.id}) is there")

    # -- what they share

    def _notes(self, stage: Stage) -> str:
        return marked(self._template.name, stage, self._template.notes)

    def _look(self) -> str:
        return (
            f"look into it: quarterdeck vm console {self.id} (/var/log/cloud-init-output.log); building again goes on,"
            f" or begins anew after quarterdeck vm destroy {self.id} --stop"
        )

    async def _put(self, report: Report, what: str, params: Mapping[str, Any]) -> None:
        client = self._on.client(self._cluster)

        async def run() -> None:
            await carried_out(client, partial(client.put, self.path(what), params), report)

        await retried_on_lock(run, report=report, pause=self._pause)

    async def _inside(self, report: Report, argv: list[str], what: str) -> tuple[int, str]:
        """Run a program in it through its agent: its exit code, and what it said."""
        client = self._on.client(self._cluster)
        pid: int | None = None
        ended: dict[str, Any] = {}

        async def over() -> bool:
            nonlocal pid
            try:
                if pid is None:
                    pid = whole(mapping(await client.post(self.path("agent", "exec"), command=argv)).get("pid"))
                    if pid is None:
                        raise BadAnswer("the agent did not say what it started", where=self.id)
                ended.update(mapping(await client.get(self.path("agent", "exec-status"), pid=pid)))
            except Denied:
                raise
            except (Locked, Unreachable):
                return False  # busy installing: it is asked again
            except Refused as error:
                if "execute child process" in error.what:
                    raise
                pid = None  # the agent was installed anew and has forgotten it: all of these may be run twice
                return False
            return flag(ended.get("exited"))

        await self._wait(report, over, what)
        code = whole(ended.get("exitcode"))
        return (1 if code is None else code), f"{text(ended.get('out-data'))}\n{text(ended.get('err-data'))}".strip()

    async def _wait(self, report: Report, done: Any, what: str) -> None:
        """Look again and again, within the template's time; says every half minute what is waited for."""
        loop = asyncio.get_running_loop()
        began = told = loop.time()
        limit = self._template.timeout
        while not await done():
            spent = loop.time() - began
            if spent > limit:
                raise TimedOut(f"waited {limit:g} s for {what}", where=self.id, todo=self._look())
            if loop.time() - told >= TOLD_S:
                told = loop.time()
                report.log(f"waiting for {what}: {spent:.0f} s of at most {limit:.0f}")
            await self._pause(LOOK_S)
