"""The verbs of volumes, by the engine that holds them."""

from __future__ import annotations

import re
from typing import Any

from app.column import clean
from app.errors import Missing, Refused
from app.plan import Plan, Report, Result, Step
from app.verb import Text
from backends.docker.answers import mapping, objects
from backends.docker.contract import Client, Engine
from backends.docker.verbs.base import ACT_S, QUICK_S, EngineVerbs, container_name, in_path, listed
from backends.docker.verbs.disk import Disk, bytes_text, disk
from backends.docker.verbs.inspected import inspected
from backends.docker.verbs.pruning import Going, Remove, Tally, prune_plan, removed_words
from backends.kinds.volume import Volume, VolumeVerbs

ANONYMOUS = "com.docker.volume.anonymous"
"""The label engines give anonymous volumes from API 1.42 on; older ones are known by a name of 64 digits."""
_GENERATED = re.compile(r"[0-9a-f]{64}")


class VolumeActions(EngineVerbs, VolumeVerbs):
    """Mixed into a ``Backend``, before it."""

    async def remove_volume(self, target: Volume) -> Plan:
        """Remove it and the data in it; refused while a container mounts it."""
        engine = self.engine_at(target.source)
        await _volume(engine, target)
        users = await engine.call(lambda client: _users(client, target.name), timeout=QUICK_S)
        free = ("no container mounts it", not users, f"mounted by {listed(users)}" if users else "none does")

        async def run(report: Report) -> Result:
            try:
                await engine.call(lambda client: client.remove_volume(target.name), timeout=ACT_S)
            except Refused as error:
                now = await engine.call(lambda client: _users(client, target.name), timeout=QUICK_S)
                raise Refused(f"{error.what}: {listed(now)}" if now else error.what, where=target.id) from None
            return Result(0, "removed, with the data in it")

        step = Step(target, f"DELETE /volumes/{in_path(target.name)}", run, lane=f"volume@{target.id}")
        return Plan(step, loses=[f"volume {clean(target.id)} and all data in it"], preconditions=[free])

    async def inspect_volume(self, target: Volume) -> Text:
        """Show all that the engine knows of it; passwords among its options are covered."""
        return inspected(await _volume(self.engine_at(target.source), target))

    async def prune_volumes(self, node: str, *, all: bool = False) -> Plan:
        """Remove volumes that no container mounts: the anonymous ones, with ``all`` the named ones as well.

        Engines before API 1.42 take named ones in any case when they prune, later ones do not: here it is the same
        with all of them. Volumes of other drivers than ``local`` are left.
        """
        node = self.node_meant(node)
        engine = self.engine_at(node)
        unused: list[dict[str, Any]] = await engine.call(_unused, timeout=QUICK_S)
        local = [one for one in unused if one.get("Driver") == "local"]
        chosen = [one for one in local if all or _is_anonymous(one)]
        notes: list[str] = []
        if others := [str(one["Name"]) for one in unused if one.get("Driver") != "local"]:
            notes.append(f"{node}: left, because their data is kept elsewhere: {listed(others)}")
        if named := [str(one["Name"]) for one in local if one not in chosen]:
            notes.append(f"{node}: left, because they have names (--all takes them): {listed(named)}")
        sizes = (await disk(engine, "volume") if chosen else Disk()).volumes
        going = [
            Going(
                f"volume {clean(name)}",
                sizes.get(name),
                f"DELETE /volumes/{in_path(name)}",
                _removal(engine, name, sizes.get(name)),
                _origin(one),
            )
            for one in sorted(chosen, key=lambda one: str(one["Name"]))
            for name in [str(one["Name"])]
        ]

        async def closing(tally: Tally) -> Result:
            left = await engine.call(_unused, timeout=QUICK_S)
            gone = removed_words(tally, len(going), "volume", "volumes")
            unsure = f", and {tally.unknown} of unknown size" if tally.unknown else ""
            data = {"node": node, "removed": tally.removed, "reclaimed_bytes": tally.reclaimed, "unused": len(left)}
            return Result(0, f"{node}: {gone}, {bytes_text(tally.reclaimed)} reclaimed{unsure}", data)

        nothing = "no volume is without a container" if all else "no anonymous volume is without a container"
        asked = "GET /volumes?dangling=true"
        return prune_plan("volume", node, going, nothing=nothing, closing=closing, closing_text=asked, notes=notes)


async def _volume(engine: Engine, target: Volume) -> dict[str, Any]:
    try:
        return await engine.call(lambda client: client.inspect_volume(target.name), timeout=QUICK_S)
    except Missing as error:
        raise Missing(error.what, where=target.id) from None


def _users(client: Client, name: str) -> list[str]:
    """The containers that mount a volume, stopped ones included."""
    # the filter finds mount points and parts of names as well
    found = objects(client.containers(all=True, filters={"volume": name}))
    return [container_name(one) for one in found if any(m.get("Name") == name for m in objects(one.get("Mounts")))]


def _unused(client: Client) -> list[dict[str, Any]]:
    return objects(client.volumes(filters={"dangling": "true"}).get("Volumes"))


def _removal(engine: Engine, name: str, size: int | None) -> Remove:
    async def remove(report: Report) -> int | None:
        await engine.call(lambda client: client.remove_volume(name), timeout=ACT_S)
        return size

    return remove


def _is_anonymous(one: dict[str, Any]) -> bool:
    return ANONYMOUS in mapping(one.get("Labels")) or bool(_GENERATED.fullmatch(str(one.get("Name", ""))))


def _origin(one: dict[str, Any]) -> str:
    project = mapping(one.get("Labels")).get("com.docker.compose.project")
    return f"made by {clean(str(project))}" if project else ""
