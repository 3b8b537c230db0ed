"""How a verb acts on a guest: it is read anew, what stands against it is said, one call is made and its task followed.

What is looked at when planning is looked at again just before the call, for a question may have been up in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from app.column import clean
from app.errors import QuarterdeckError, Refused
from app.inventory import matches
from app.plan import Plan, Report, Result, Step
from app.verb import Verb
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs
from backends.proxmox.cluster import cluster_of
from backends.proxmox.failures import Locked
from backends.proxmox.lanes import guest_lane
from backends.proxmox.links_to_nodes import LinksToNodes
from backends.proxmox.on_cluster import FreshGuest, OnCluster
from backends.proxmox.tasks import called, retried_on_lock
from backends.proxmox.verbs import privileges, spoken
from backends.proxmox.verbs.left_running import LeftRunning
from backends.proxmox.verbs.privileges import Need

if TYPE_CHECKING:
    from app.fleet import Ref, Resource
    from backends.proxmox.client import Client

Method = Literal["POST", "PUT", "DELETE"]
Against = Callable[[FreshGuest], None]
"""Raises Refused where a guest, as it is at that moment, stands against what is to be done."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API: what a step's text shows is what is sent."""

    method: Method
    path: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """As they are sent; ``None`` is left out."""
    unsaid: frozenset[str] = frozenset({"digest"})
    """Parameters that the text leaves out, because they say nothing to an operator."""

    @property
    def text(self) -> str:
        """``POST /nodes/pve1/qemu/101/status/shutdown timeout=60``."""
        return spoken.call(
            self.method, self.path, {name: value for name, value in self.params.items() if name not in self.unsaid}
        )

    async def send(self, client: Client) -> Any:
        """Make it; the answer's data, most often a UPID."""
        send = {"POST": client.post, "PUT": client.put, "DELETE": client.delete}[self.method]
        return await send(self.path, self.params)


class Acting(OnCluster, VmVerbs):
    """Base of the verb families; mixed into a ``Backend``, which brings ``context``."""

    @cached_property
    def _left_running(self) -> dict[str, LeftRunning]:
        return {}

    def left_running(self, cluster: str) -> LeftRunning:
        """The tasks there that were begun without waiting for their end."""
        return self._left_running.setdefault(cluster, LeftRunning())

    def unable(self, verb: Verb, target: Resource) -> str | None:
        """The privilege that the cluster's login lacks for a verb on a guest, as far as it is known."""
        if not isinstance(target, Vm):
            return None
        try:
            return privileges.unable(self.client(target), verb, target)
        except QuarterdeckError:
            return None

    async def ready(
        self, target: Vm, verb: str, against: Against, *needs: Need, locks: Sequence[str] = ()
    ) -> tuple[FreshGuest, list[tuple[str, bool, str]]]:
        """The guest as it is now, and what was looked at as preconditions; raises Refused where something is against.

        ``locks``: those under which it can be done all the same.
        """
        now = await self.fresh(target)
        held = await privileges.check(
            self.client(target), [*privileges.of_verb(verb, now.vmid), *needs], where=target.id
        )
        unlocked(now, locks)
        against(now)
        return now, [now.alive(), now.same_as(target), ("nothing holds it", True, now.lock or "no lock"), *held]

    def step(
        self,
        target: Vm | Ref,
        now: FreshGuest,
        call: Call,
        against: Against,
        *,
        doing: str,
        done: str,
        locks: Sequence[str] = (),
        lanes: Sequence[str] = (),
        width: int = 1,
        name: str = "",
        after: tuple[str, ...] = (),
        undo: str = "",
        then: Callable[[Report, Result], Any] | None = None,
        settled: Callable[[FreshGuest], bool] | None = None,
        stoppable: bool = True,
        alone: bool = True,
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> Step:
        """One call about one guest as a step: read again, sent, its task followed.

        ``doing`` stands in its row meanwhile, ``done`` in the outcome. ``settled`` says when what was asked for has
        come about, where high availability does it by itself after the task. ``then`` makes another result of it. What
        is not ``stoppable`` goes on at the cluster when the job is cancelled: half done it would leave a locked guest.
        Where it is not ``alone`` it does not wait for what else we are doing to the guest. ``look`` looks at what else
        of it the plan was made for, and raises Refused where that is another by now.
        """
        client = self.client(now.cluster)

        async def once(report: Report) -> Result:
            await self.unchanged(now, against, locks)
            if look is not None:
                await look()
            left = self.left_running(now.cluster)
            await left.room(client, lanes, width, report)
            result = await self.followed(client, call, report, stoppable=stoppable)
            left.add(lanes, report, result)
            return result

        async def run(report: Report) -> Result:
            with self.doings(now.cluster).doing(now.vmid, doing):
                result = await retried_on_lock(partial(once, report), report=report)
                if result.exit_code == 0 and report.wait and settled is not None and now.ha is not None:
                    await self._settled(now, settled, report)
            if result.exit_code == 0 and then is not None:
                result = await then(report, result)
            if result.exit_code != 0 or not report.wait:
                return result
            return Result(0, f"{done}; {result.message}" if result.message else done, result.data)

        lane = (guest_lane(now.cluster, now.vmid), *lanes) if alone else tuple(lanes)
        return Step(target, call.text, run, name=name, after=after, lane=lane, width=width, undo=undo)

    def may_change(self, cluster: str, node: str = "") -> None:
        """Raise Refused where a rule says that a cluster, or one of its nodes, is only read.

        The guard sees targets and what they stand on; this is for verbs without one, and for where guests are put.
        """
        inventory = self.context.inventory()
        links = LinksToNodes(cluster_of(inventory, cluster), inventory)
        machine = links.hypervisor(node)
        tags = links.tags_of(machine)
        names = [cluster, *([f"{cluster}/{node}"] if node else []), *([machine.id] if machine else [])]
        for pattern in inventory.rules.read_only:
            if any(matches(pattern, name, tags) for name in names):
                raise Refused(f"'{names[min(1, len(names) - 1)]}' is read-only by the rule '{pattern}'")

    async def followed(self, client: Client, call: Call, report: Report, *, stoppable: bool = True) -> Result:
        """Make a call and follow the task that it starts; a call without one is over with its answer."""
        try:
            return await called(client, lambda: call.send(client), report, stoppable=stoppable)
        except asyncio.CancelledError:
            if not stoppable:
                report.log("it is not safe to stop this half way: it goes on at the cluster")
            raise

    async def unchanged(self, planned: FreshGuest, against: Against, locks: Sequence[str] = ()) -> FreshGuest:
        """The guest once more, just before acting; raises Refused where it is not what the plan was made for."""
        again = await self.guest(planned.cluster, planned.vmid, node=planned.node, type=planned.type)
        if again.node != planned.node or again.type != planned.type:
            raise Refused(f"it has moved to {clean(again.node)} meanwhile", where=planned.id, todo="ask again")
        if again.name != planned.name or not again.born_as(planned):
            raise Refused(f"it is another guest by now: {clean(again.name)}", where=planned.id, todo="look again")
        unlocked(again, locks)
        against(again)
        return again

    async def _settled(self, planned: FreshGuest, settled: Callable[[FreshGuest], bool], report: Report) -> None:
        """Wait until high availability has done what it was asked for; the task only hands the wish over."""
        report.log("high availability has been asked; waiting until it has acted")
        try:
            async with asyncio.timeout(HA_S):
                while not settled(await self.guest(planned.cluster, planned.vmid)):
                    await asyncio.sleep(HA_LOOK_S)
        except TimeoutError:
            what = f"high availability has not acted within {HA_S:.0f} s"
            raise Refused(what, where=planned.id, todo="look at its HA state: quarterdeck vm show") from None


HA_S = 180.0
"""Seconds that high availability is given: it looks every 10 s and may move a guest first."""
HA_LOOK_S = 2.0


def unlocked(now: FreshGuest, but: Sequence[str] = ()) -> None:
    """Raise Locked where something holds a guest, unless it is one of these locks."""
    if now.lock and now.lock not in but:
        raise Locked(f"it is locked ({clean(now.lock)})", lock=now.lock, where=now.id)


def no_template(now: FreshGuest, what: str = "never runs") -> None:
    """Raise Refused for a template."""
    if now.template:
        todo = f"clone it: quarterdeck vm clone {now.id} --name NAME"
        raise Refused(f"it is a template, and {what}", where=now.id, todo=todo)


def nothing(target: Vm, why: str) -> Plan:
    """There is nothing to do."""
    return Plan(notes=[f"{target.id}: {why}"])
