"""One new guest on its way: cloned, given its settings, grown, started; each of them one step of a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from app.column import clean
from app.errors import BadAnswer, Missing, QuarterdeckError, Refused
from app.fleet import Ref, Resource
from app.plan import Report, Result, Step
from backends.proxmox import wire
from backends.proxmox.cloud_init import Address, with_address
from backends.proxmox.endpoint import Dropped
from backends.proxmox.failures import IdTaken
from backends.proxmox.lenient import whole
from backends.proxmox.tasks import Pause, begun, carried_out, retried_on_lock, succeeded
from backends.proxmox.verbs.recipe import Recipe
from backends.proxmox.verbs.spoken import call

if TYPE_CHECKING:
    from backends.proxmox.on_cluster import FreshGuest
    from backends.proxmox.verbs.acting import Acting

RACES = 8
"""Ids that are taken one after the other, when others take each before us."""
UNKNOWN = "<vmid>"
"""What stands for a number that the cluster gives only when the plan runs."""


class Making:
    """One guest of a recipe."""

    def __init__(
        self,
        on: Acting,
        target: Ref | Resource,
        recipe: Recipe,
        name: str,
        *,
        vmid: int | None = None,
        address: Address | None = None,
        number: asyncio.Lock,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._on = on
        self._target = target
        self.recipe = recipe
        self.name = name
        self._wanted = vmid
        self._address = address
        self._number = number
        """Held from asking for a number until the cluster has noted who has it, so that we never race ourselves."""
        self._pause = pause
        self.vmid: int | None = None
        """Its number, once it has one."""
        self.made = False
        self.state = ""
        """What became of it, for a list."""
        self.upid = ""

    # -- the plan

    def steps(self, prefix: str = "") -> list[Step]:
        """Its steps; their names begin with the prefix."""
        recipe = self.recipe
        source = self._on.path(recipe.source, "clone")
        named = f"{prefix}clone"
        steps = [
            Step(
                self._target,
                call("POST", source, self._clone_params(self._wanted or UNKNOWN)),
                self._clone,
                name=named,
                lane=recipe.lanes or None,
                width=1 if recipe.container else recipe.width,
                undo=f"quarterdeck vm destroy {recipe.source.cluster}/{self._wanted or UNKNOWN}",
            )
        ]
        for what, text, run in self._later():
            step = Step(self._target, text, run, name=f"{prefix}{what}", after=(named,))
            steps.append(step)
            named = step.name
        return steps

    def _later(self) -> list[tuple[str, str, Callable[[Report], Any]]]:
        """What follows the clone: (name, text, what does it)."""
        recipe, found = self.recipe, list[tuple[str, str, Callable[[Report], Any]]]()
        shown = {**recipe.shown, **self._address_settings("<as cloned>")}
        if shown:
            found.append(("set", call("PUT", self._path("config"), shown), self._configure))
        if recipe.grow is not None:
            grow = {"disk": recipe.grow.disk, "size": recipe.grow.size}
            found.append(("grow", call("PUT", self._path("resize"), grow), self._enlarge))
        if recipe.start:
            found.append(("start", call("POST", self._path("status", "start")), self._start))
        return found

    def _clone_params(self, vmid: int | str) -> dict[str, Any]:
        recipe = self.recipe
        return {
            "newid": vmid,
            "hostname" if recipe.container else "name": self.name,
            "full": recipe.full,
            "snapname": recipe.snapshot,
            "target": recipe.to if recipe.to != recipe.source.node else None,
            "storage": recipe.storage,
            "pool": recipe.pool,
        }

    def _path(self, *rest: str) -> str:
        """Where the API has the new guest; its number stands as ``<vmid>`` while it has none."""
        base = wire.path("nodes", self.recipe.to, self.recipe.source.type)
        vmid = str(self.vmid or self._wanted or UNKNOWN)
        return f"{base}/{vmid}{wire.path(*rest) if rest else ''}"

    def _address_settings(self, net: str) -> dict[str, str]:
        if self._address is None:
            return {}
        if self.recipe.container:
            return {"net0": with_address(net, self._address)}
        return {"ipconfig0": str(self._address)}

    # -- what runs

    async def _clone(self, report: Report) -> Result:
        result = await retried_on_lock(lambda: self._attempt(report), report=report, pause=self._pause)
        self.made, self.upid = True, str(result.data.get("upid", ""))
        if not report.wait:
            self.state = "being cloned"
            return Result(0, f"{self} is being made: {result.message}", self.data)
        self.state = "made"
        if result.message:
            report.log(f"{self}: {result.message}")
        return Result(0, f"{self} was made", self.data)

    async def _attempt(self, report: Report) -> Result:
        """Clone once; what a failed attempt left behind is part of its error."""
        client = self._on.client(self.recipe.source.cluster)
        await self._on.unchanged(self.recipe.source, self._still_copied_so)
        await self._on.left_running(client.name).room(client, self.recipe.lanes, self.recipe.width, report)
        upid: Any = None
        try:
            upid = await self._begin(report)
            with self._on.doings(client.name).doing(self.vmid or 0, "clone"):
                result = await succeeded(client, upid, report)
            self._on.left_running(client.name).add(self.recipe.lanes, report, result)
            return result
        except IdTaken:
            raise
        except QuarterdeckError as error:
            if upid is not None or isinstance(error, Dropped):
                await self._tell_left(error)
            raise
        except asyncio.CancelledError:
            if self.vmid is not None:
                report.log(f"{self} may be left half made: quarterdeck vm show {self.id}")
            raise

    def _still_copied_so(self, seen: FreshGuest) -> None:
        """Refuse a template that is none by now, or the other way about: it would be copied in another way."""
        if seen.template != self.recipe.source.template:
            what = "it is a template by now" if seen.template else "it is no template any more"
            raise Refused(what, where=seen.id, todo="ask again")

    async def _begin(self, report: Report) -> Any:
        """Have it cloned under a number that is free; returns the task."""
        client = self._on.client(self.recipe.source.cluster)
        path = self._on.path(self.recipe.source, "clone")
        for race in range(1, RACES + 1):
            async with self._number:
                self.vmid = self._wanted or await free_id(self._on, client.name)
                try:
                    params = self._clone_params(self.vmid)
                    return await begun(client, partial(client.post, path, params), report)
                except IdTaken:
                    if self._wanted is not None or race == RACES:
                        raise
            await self._pause(0.05 * race)
        raise AssertionError("RACES is at least 1")

    async def _tell_left(self, error: QuarterdeckError) -> None:
        """Have an error say what it left: a guest without all its disks can be seen, and must go by somebody's hand."""
        left = await self.found()
        if left is None:
            return
        self.state = f"half made, {left.words}"
        error.what += f"; {self} was left half made, {left.words}"
        error.todo = removal(left)

    async def found(self) -> FreshGuest | None:
        """It, as the cluster has it now; ``None`` where there is none, or another one has its number."""
        if self.vmid is None:
            return None
        recipe = self.recipe
        try:
            guest = await self._on.guest(
                recipe.source.cluster, self.vmid, node=recipe.source.node, type=recipe.source.type
            )
        except QuarterdeckError:
            return None
        ours = guest.name in ("", self.name) or guest.lock in ("clone", "create")
        return guest if ours and guest.type == recipe.source.type else None

    async def _configure(self, report: Report) -> Result:
        settings: dict[str, str] = dict(self.recipe.settings)
        if self._address is not None:
            net = ""
            if self.recipe.container:
                net = str((await self._now()).config.get("net0") or "")
                if not net:
                    raise Missing("it has no network interface net0 to give an address to", where=self.id)
            settings |= self._address_settings(net)
        await self._made_usable(self._put(report, "config", settings), "has not got its settings")
        return Result(0, f"{self} has its settings", self.data)

    async def _enlarge(self, report: Report) -> Result:
        grow = self.recipe.grow
        assert grow is not None
        await self._made_usable(
            self._put(report, "resize", {"disk": grow.disk, "size": grow.size}), f"{grow.disk} is as large as it was"
        )
        return Result(0, f"{grow.disk} of {self} was grown ({grow.size})", self.data)

    async def _start(self, report: Report) -> Result:
        async def run() -> None:
            client = self._on.client(self.recipe.source.cluster)
            await carried_out(client, partial(client.post, self._path("status", "start")), report)

        with self._on.doings(self.recipe.source.cluster).doing(self.vmid or 0, "start"):
            await self._made_usable(retried_on_lock(run, report=report, pause=self._pause), "was not started")
        self.state = "running"
        return Result(0, f"{self} was made and started", self.data)

    async def _put(self, report: Report, what: str, params: Mapping[str, str]) -> None:
        """Change it; some versions answer with a task, others when it is done."""

        async def run() -> None:
            client = self._on.client(self.recipe.source.cluster)
            await carried_out(client, partial(client.put, self._path(what), params), report)

        await retried_on_lock(run, report=report, pause=self._pause)

    async def _now(self) -> FreshGuest:
        return await self._on.guest(
            self.recipe.source.cluster, self.vmid or 0, node=self.recipe.to, type=self.recipe.source.type
        )

    async def _made_usable(self, work: Any, otherwise: str) -> None:
        """Do a thing that follows the clone; its error says that the guest is there all the same."""
        try:
            await work
        except QuarterdeckError as error:
            self.state = f"made, but it {otherwise}"
            error.what = f"{self} was made, but it {otherwise}: {error.what}"
            error.todo = f"{error.todo}; to remove it: quarterdeck vm destroy {self.id}".removeprefix("; ")
            raise
        finally:
            self._on.nudge(self.recipe.source.cluster, self.vmid or 0)

    # -- how it is told

    @property
    def id(self) -> str:
        """As rows have it."""
        return f"{self.recipe.source.cluster}/{self.vmid or UNKNOWN}"

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"

    @property
    def data(self) -> dict[str, Any]:
        """For the outcome: what was made, and where it is."""
        return {"vmid": self.vmid, "guest": self.id, "name": self.name, "node": self.recipe.to, "upid": self.upid}


async def free_id(on: Acting, cluster: str) -> int:
    """The next free number as the cluster says it now; it reserves nothing."""
    found = whole(await on.client(cluster).get("/cluster/nextid"))
    if found is None:
        raise BadAnswer("the next free number cannot be read", where=cluster)
    return found


def removal(left: FreshGuest) -> str:
    """How a guest that is half made is removed: what holds a lock of its own only root on its node may let go."""
    if left.lock is None:
        return f"remove it: quarterdeck vm destroy {left.id}"
    tool = "qm" if left.type == "qemu" else "pct"
    return f"remove it as root on {clean(left.node)}: {tool} unlock {left.vmid} && {tool} destroy {left.vmid} --purge"
