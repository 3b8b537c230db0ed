"""``clone`` and ``spawn``: new guests from a template or from another guest, one or many by one command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

from app.column import clean
from app.errors import Refused
from app.plan import Cost, Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.proxmox.cloud_init import Address, address
from backends.proxmox.lenient import rows, text
from backends.proxmox.names import check_name, check_vmid, numbered
from backends.proxmox.tasks import Pause
from backends.proxmox.verbs.making import Making
from backends.proxmox.verbs.recipe import Recipe
from backends.proxmox.verbs.recipes import Asked, Recipes, takes


class CloneVerbs(Recipes):
    """Making guests of others."""

    lock_pause: Pause = staticmethod(asyncio.sleep)
    """How tries are kept apart."""

    @cached_property
    def _numbers(self) -> dict[str, asyncio.Lock]:
        return {}

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
        """Make a new guest from it: linked to a template, a full copy of any other."""
        check_name(name)
        if vmid is not None:
            check_vmid(vmid)
        asked = Asked(
            to=to, full=full, storage=storage, pool=pool, vmid=vmid, cores=cores, memory=memory, disk=disk, user=user,
            ssh_key=ssh_key, ip=ip, tag=tag, snapshot=snapshot, start=start,
        )  # fmt: skip
        given = address(ip) if ip is not None else None
        recipe = await self.recipe(target, asked, "clone")
        self.may_change(target.source, recipe.to)
        same = [one.id for one in self._of_cluster(target.source) if one.name.lower() == name.lower()]
        notes = [*recipe.notes, *([f"{', '.join(same)} is called {clean(name)} as well"] if same else [])]
        making = self._making(target, recipe, name, vmid=vmid, address=given)
        return Plan(*making.steps(), notes=notes, cost=Cost(note=takes(recipe, 1)), preconditions=recipe.checks)

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
        """Make several guests from a template and start them; one outcome tells of all of them."""
        asked = Asked(
            to=to, full=full, storage=storage, pool=pool, cores=cores, memory=memory, disk=disk, user=user,
            ssh_key=ssh_key, ip=ip, tag=tag, start=start,
        )  # fmt: skip
        numbered(name, count, ())  # says what is wrong with them before anything is asked
        first = address(ip) if ip is not None else None
        addresses = [first.nth(number) if first is not None else None for number in range(count)]
        recipe = await self.recipe(target, asked, "spawn")
        self.may_change(target.source, recipe.to)
        if not recipe.source.template:
            todo = f"turn it into one: quarterdeck vm template {target.id}; or clone it"
            raise Refused("it is no template", where=target.id, todo=todo)
        names = numbered(name, count, await self._names(target.source))
        makings = [
            self._making(target, recipe, one, address=given) for one, given in zip(names, addresses, strict=True)
        ]
        steps = [step for making in makings for step in making.steps(f"{making.name}/")]
        look = Step(
            target,
            f"GET /cluster/resources type=vm (that {_listed(names)} {'is' if count == 1 else 'are'} there)",
            partial(self._look, target, makings),
            behind=tuple(step.name for step in steps),
        )
        return Plan(*steps, look, notes=recipe.notes, cost=Cost(note=takes(recipe, count)), preconditions=recipe.checks)

    async def _look(self, target: Vm, makings: Sequence[Making], report: Report) -> Result:
        """What the cluster says of all of them, whatever became of each; one that is not there is a failure."""
        there = {
            text(row.get("vmid")): row for row in rows(await self.client(target).get("/cluster/resources", type="vm"))
        }
        guests: list[dict[str, Any]] = []
        missing: list[str] = []
        for making in makings:
            row = there.get(str(making.vmid)) if making.vmid is not None else None
            if row is None:
                missing.append(making.name)
            state = making.state or ("not made" if row is None else text(row.get("status")))
            guests.append({**making.data, "state": state})
        ids = ", ".join(str(making) for making in makings if making.name not in missing)
        data = {"guests": guests, "ids": [making.id for making in makings if making.name not in missing]}
        if not missing:
            return Result(0, f"{len(makings)} made: {ids}", data)
        made = f"; made: {ids}" if ids else ""
        return Result(1, f"not there: {', '.join(missing)}{made}", data)

    # -- what both begin with

    def _making(
        self, target: Vm, recipe: Recipe, name: str, *, vmid: int | None = None, address: Address | None = None
    ) -> Making:
        number = self._numbers.setdefault(target.source, asyncio.Lock())
        return Making(self, target, recipe, name, vmid=vmid, address=address, number=number, pause=self.lock_pause)

    def _of_cluster(self, cluster: str) -> list[Vm]:
        return [one for one in self.context.fleet().of(Vm) if one.source == cluster]

    async def _names(self, cluster: str) -> set[str]:
        """The names of the guests there are, as the cluster says now."""
        found = rows(await self.client(cluster).get("/cluster/resources", type="vm"))
        return {text(row.get("name")) for row in found} - {""}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} … {names[-1]}"
