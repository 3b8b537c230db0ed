"""``remove``, ``rename`` and ``prune``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from app.column import clean
from app.errors import ConfigurationError, Missing, QuarterdeckError, Refused
from app.plan import Plan, Report, Result, Step
from backends.docker.contract import Client
from backends.docker.verbs.disk import bytes_text
from backends.docker.verbs.life import lane
from backends.docker.verbs.neighbours import Neighbours
from backends.docker.verbs.pruning import Going, Tally, prune_plan, removed_words
from backends.docker.verbs.target import ACT_S, Inspected, alive, listed, mounts
from backends.kinds.container import Container

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
"""What an engine takes for a name (moby, ``daemon/names``)."""
_SIZED_S = 60.0
"""An engine walks the files of every container to tell how large they are."""
_STOPPED = ("created", "exited", "dead")


class RemovingVerbs(Neighbours):
    """What takes containers away, or their names."""

    async def remove(self, target: Container, *, force: bool = False, volumes: bool = False) -> Plan:
        """Remove it; what it wrote outside of volumes is lost."""
        now = await self.fresh(target)
        if now.runs and not force:
            raise Refused(f"it is {now.words}", where=target.id, todo="stop it first, or use --force")
        nameless = [str(one.get("Name")) for one in mounts(now) if one.get("Type") == "volume" and _is_id(one)]
        query = "&".join([*(["force=1"] if force else []), *(["v=1"] if volumes else [])])

        async def run(report: Report) -> Result:
            await self.of(target, lambda c: c.remove_container(now.id, v=volumes, force=force), timeout=ACT_S)
            return Result(0, "removed")

        loses = [f"{target.id}: {await self._written(target, now)}"]
        if now.runs:
            loses.append(f"{target.id}: it is {now.words}, and is killed")
        notes = await self.dependents(target, now)
        if nameless and volumes:
            loses += [f"{target.id}: its anonymous volume {one[:12]} at {_where(now, one)}" for one in nameless]
        elif nameless:
            notes.append(f"{target.id}: {len(nameless)} anonymous volumes stay; --volumes removes them as well")
        text = f"DELETE /containers/{now.short}" + (f"?{query}" if query else "")
        return Plan(Step(target, text, run, lane=lane(target)), loses=loses, notes=notes, preconditions=[alive(now)])

    async def _written(self, target: Container, now: Inspected) -> str:
        """What it wrote beside its image and volumes, for the question; bounded in time."""

        def ask(client: Client) -> Any:
            return client.containers(all=True, size=True, filters={"id": now.id})

        try:
            found: list[dict[str, Any]] = await self.of(target, ask)
        except QuarterdeckError:
            found = []
        size = found[0].get("SizeRw") if found else None
        if size is None and found:
            size = 0  # the engine leaves out what is nothing
        return f"the container and what it wrote outside of volumes ({bytes_text(size)})"

    async def rename(self, target: Container, name: str) -> Plan:
        """Give it another name."""
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"'{clean(name)[:80]}' is no name of a container",
                where="container rename",
                todo="use letters, digits and _ . - and begin with a letter or digit; two characters at least",
            )
        now = await self.fresh(target)
        if now.name == name:
            return Plan(notes=[f"{target.id}: is called {name} already"])
        holder = await self._called(target.source, name)
        if holder is not None:
            raise Refused(
                f"'{name}' is the name of another container ({holder})", where=target.id, todo="choose another"
            )

        async def run(report: Report) -> Result:
            await self.of(target, lambda client: client.rename(now.id, name), timeout=ACT_S)
            return Result(0, f"is called {name} now")

        undo = f"quarterdeck container rename {target.source}/{name} {now.name}"
        step = Step(target, f"POST /containers/{now.short}/rename?name={name}", run, lane=lane(target), undo=undo)
        checks = [alive(now), (f"'{name}' is free", True, f"no container of {target.source} has it")]
        notes = await self.dependents(target, now)
        return Plan(step, notes=notes, preconditions=checks)

    async def _called(self, node: str, name: str) -> str | None:
        """The short id of the container with a name; ``None`` where the name is free."""
        try:
            found: dict[str, Any] = await self.ask(node, lambda client: client.inspect_container(name))
        except Missing:
            return None
        same = str(found.get("Name", "")).lstrip("/") == name  # else it is the beginning of an id
        return str(found.get("Id", ""))[:12] if same else None

    async def prune(self, node: str) -> Plan:
        """Remove all stopped containers of a node; what goes and how large it is stands in the question."""
        self._known_node(node)

        def ask(client: Client) -> Any:
            return client.containers(all=True, size=True, filters={"status": list(_STOPPED)})

        found: list[dict[str, Any]] = await self.ask(node, ask, timeout=_SIZED_S)
        found = [one for one in found if one.get("State") in _STOPPED]
        going = [self._going(node, one) for one in found]
        planned = len(going)

        async def closing(tally: Tally) -> Result:
            said = removed_words(tally, planned, "container", "containers")
            data = {"removed": list(tally.removed), "reclaimed_bytes": tally.reclaimed}
            return Result(0, f"{said}, {bytes_text(tally.reclaimed)} given back", data)

        return prune_plan(
            "container",
            node,
            going,
            nothing="no stopped container",
            closing=closing,
            closing_text="count what was given back",
        )

    def _going(self, node: str, one: Mapping[str, Any]) -> Going:
        names: list[str] = one.get("Names") or []
        container = str(one["Id"])
        name = names[0].lstrip("/") if names else container[:12]
        size = int(one.get("SizeRw") or 0)

        async def remove(report: Report) -> int:
            # Without force: one that was started meanwhile is refused by the engine.
            await self.ask(node, lambda client: client.remove_container(container), timeout=ACT_S)
            return size

        return Going(
            what=f"container {name}",
            size=size,
            text=f"DELETE /containers/{container[:12]}",
            remove=remove,
            detail=f"{one.get('Image', '')}, {one.get('Status') or one.get('State', '')}".strip(", "),
        )

    def _known_node(self, node: str) -> None:
        nodes = self.context.inventory().nodes
        if node in nodes:
            return
        near = difflib.get_close_matches(node, list(nodes), n=1)
        todo = f"did you mean '{clean(near[0])}'?" if near else f"there are: {listed(list(nodes))}"
        raise ConfigurationError(f"there is no node '{clean(node)}'", where="container prune", todo=todo)


def _is_id(mount: Mapping[str, Any]) -> bool:
    """Whether a volume has no name of its own: the engine gives such ones 64 hexadecimal digits."""
    return re.fullmatch(r"[0-9a-f]{64}", str(mount.get("Name", ""))) is not None


def _where(now: Inspected, volume: str) -> str:
    return next((str(one.get("Destination")) for one in mounts(now) if one.get("Name") == volume), "?")
