"""``project add``: a name, a folder and a block of ports, kept; nothing is started."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.column import clean
from app.errors import ConfigurationError, Refused
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.projects import folder, names
from backends.projects.base import DEFAULT, OnProjects, from_file, read
from backends.projects.definition import BLOCK, Definition
from backends.projects.ground import Ground, Left
from backends.projects.ports import NodePorts
from backends.projects.registry import Registered
from backends.projects.rows import first_port

_NOBODY = Ref("project", "")
"""Whom a step acts on whose target is not there yet."""


class AddVerb(OnProjects):
    """Registering."""

    async def add(self, name: str, path: str, *, to: str | None = None, definition: Path | None = None) -> Plan:
        """Register a project and reserve its block of ports; nothing is started."""
        if not names.valid(name):
            raise ConfigurationError(f"'{clean(name)[:60]}': {names.NAME_RULE}", where="project add")
        ground = self.ground(to if to is not None else self._this_machine())
        defined_by, defined = DEFAULT, None
        if definition is not None:
            file = await asyncio.to_thread(lambda: definition.expanduser().absolute())
            defined, defined_by = await asyncio.to_thread(from_file, file), str(file)
        where = await folder.resolved(ground.link, path, local=ground.entry.local)
        known = await asyncio.to_thread(self.registry.get, ground.node, name)
        if known is not None:
            raise Refused(
                f"there is a project '{name}' already, in {clean(known.path)}",
                where=ground.node,
                todo="choose another name, or remove that one",
            )
        left = await ground.left(name)
        adopted = _adopted(name, where, left, ground)
        if adopted is not None and defined is None:
            defined, defined_by = _labelled(name, left)
        if defined is None:
            from backends.projects.default import DEFAULT as BUILT_IN

            defined = BUILT_IN
        wanted = Registered(
            node=ground.node,
            name=name,
            path=where,
            defined_by=defined_by,
            definition=defined.as_json(),
            first_port=adopted or 0,
        )
        text = f"register {name}: {clean(where)} on {ground.node}, "
        text += f"its ports from {adopted} on" if adopted else f"the lowest free block of {BLOCK} ports"

        async def run(report: Report) -> Result:
            kept, skipped = await self._reserve(ground, wanted, defined)
            said = f"{name} has the ports {kept.first_port} to {kept.first_port + BLOCK - 1} of {ground.node}"
            if adopted:
                said = f"{name} is taken over with what the engine holds of it; {said}"
            return Result(0, "; ".join([said, *skipped]), {"first_port": kept.first_port})

        notes = [f"the engine holds something of '{name}' already: it is taken over"] if adopted else []
        return Plan(Step(_NOBODY, text, run, undo=f"quarterdeck project remove {name}"), notes=notes)

    def _this_machine(self) -> str:
        for entry in self.context.inventory():
            if entry.local:
                return entry.name
        raise ConfigurationError(
            "this machine is no node of hosts.yaml", where="project add", todo="say which one: --to NODE"
        )

    async def _reserve(
        self, ground: Ground, wanted: Registered, definition: Definition
    ) -> tuple[Registered, list[str]]:
        """Keep it with a block that nobody else has; tells which blocks were passed over, and who has them."""
        ports = NodePorts(ground.link, local=ground.entry.local)
        await ports.look()
        listens = [
            (offset, service.listen)
            for name, service in definition.services.items()
            for offset in definition.offsets()[name]
        ]
        passed: dict[int, int] = {}

        def busy(first: int) -> str | None:
            for offset, address in listens:
                if ports.busy(address, first + offset):
                    passed[first] = first + offset
                    return f"port {first + offset} is in use"
            return None

        kept = await asyncio.to_thread(self.registry.add, wanted, await ground.blocks(), busy)
        if not passed:
            return kept, []
        held = await ports.holders(passed.values(), await ground.publishers())
        return kept, [f"{first} is passed over: port {port} is held by {held[port]}" for first, port in passed.items()]


def _adopted(name: str, path: str, left: Left, ground: Ground) -> int | None:
    """The first port of what the engine holds of an unregistered project; raises Refused where that is another's."""
    labels = left.labels
    if not labels:
        return None
    there = labels.get(names.PATH, "")
    if there != path:
        raise Refused(
            f"the engine holds something of a project '{name}' in {clean(there) or 'a folder it does not name'}",
            where=ground.node,
            todo="add it with that folder, remove it, or choose another name",
        )
    return first_port(labels)


def _labelled(name: str, left: Left) -> tuple[Definition | None, str]:
    labels = left.labels
    if names.DEFINITION not in labels:
        return None, DEFAULT
    return read(labels[names.DEFINITION], f"the labels of {name}"), labels.get(names.DEFINED_BY, DEFAULT)
