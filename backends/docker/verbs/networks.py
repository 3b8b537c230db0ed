"""The verbs of networks, by the engine that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.column import clean
from app.errors import Missing, Refused
from app.plan import Plan, Report, Result, Step
from app.verb import Text
from backends.docker.answers import mapping, objects
from backends.docker.contract import Client, Engine
from backends.docker.object_rows import BUILTIN_NETWORKS
from backends.docker.verbs.base import ACT_S, QUICK_S, EngineVerbs, container_name, in_path, listed
from backends.docker.verbs.inspected import inspected
from backends.docker.verbs.pruning import Going, Remove, Tally, prune_plan, removed_words
from backends.kinds.network import Network, NetworkVerbs


class NetworkActions(EngineVerbs, NetworkVerbs):
    """Mixed into a ``Backend``, before it."""

    async def remove_network(self, target: Network) -> Plan:
        """Remove it; refused while a container is attached, a stopped one included, and for the engine's own."""
        if target.name in BUILTIN_NETWORKS:
            raise Refused("the engine's own networks cannot be removed", where=target.id)
        engine, known = self.engine_at(target.source), target.network_id or target.name
        whole = await _network(engine, target)
        number = str(whole.get("Id") or known)
        users = await engine.call(lambda client: _attached(client).get(number, []), timeout=QUICK_S)
        free = ("no container is attached", not users, f"attached: {listed(users)}" if users else "none is")

        async def run(report: Report) -> Result:
            try:
                await engine.call(lambda client: client.remove_network(number), timeout=ACT_S)
            except Refused as error:
                raise Refused(error.what, where=target.id) from None
            return Result(0, "removed")

        step = Step(target, f"DELETE /networks/{number}", run, lane=f"network@{target.id}")
        return Plan(step, loses=[f"network {clean(target.id)}"], preconditions=[free])

    async def inspect_network(self, target: Network) -> Text:
        """Show all that the engine knows of it."""
        return inspected(await _network(self.engine_at(target.source), target))

    async def prune_networks(self, node: str) -> Plan:
        """Remove networks that no container is attached to.

        One of stopped containers only is left: they would not start again. An engine that prunes by itself takes it.
        """
        node = self.node_meant(node)
        engine = self.engine_at(node)
        free = await engine.call(_unused, timeout=QUICK_S)
        going = [
            Going(
                f"network {clean(str(one['Name']))}",
                None,
                f"DELETE /networks/{in_path(str(one['Id']))}",
                _removal(engine, str(one["Id"])),
                _origin(one),
            )
            for one in free
        ]

        async def closing(tally: Tally) -> Result:
            left = await engine.call(_unused, timeout=QUICK_S)
            words = removed_words(tally, len(going), "network", "networks")
            return Result(0, f"{node}: {words}", {"node": node, "removed": tally.removed, "unused": len(left)})

        return prune_plan(
            "network",
            node,
            going,
            nothing="a container is attached to every network",
            closing=closing,
            closing_text="GET /networks",
            sized=False,
        )


async def _network(engine: Engine, target: Network) -> dict[str, Any]:
    known = target.network_id or target.name
    try:
        return await engine.call(lambda client: client.inspect_network(known), timeout=QUICK_S)
    except Missing as error:
        raise Missing(error.what, where=target.id) from None


def _attached(client: Client) -> Mapping[str, list[str]]:
    """Network id -> the containers attached to it; a stopped one knows the network by its name alone at times."""
    ids = {str(one["Name"]): str(one["Id"]) for one in objects(client.networks())}
    users: dict[str, list[str]] = {}
    for one in objects(client.containers(all=True)):
        for name, network in mapping(mapping(one.get("NetworkSettings")).get("Networks")).items():
            number = str(mapping(network).get("NetworkID") or ids.get(name, ""))
            users.setdefault(number, []).append(container_name(one))
    return users


def _unused(client: Client) -> list[dict[str, Any]]:
    """Networks of this engine alone (none of a swarm), by name."""
    users = _attached(client)
    free = [
        one
        for one in objects(client.networks())
        if one["Name"] not in BUILTIN_NETWORKS
        and one.get("Scope", "local") == "local"
        and not one.get("Ingress")
        and str(one["Id"]) not in users
    ]
    return sorted(free, key=lambda one: str(one["Name"]))


def _removal(engine: Engine, number: str) -> Remove:
    async def remove(report: Report) -> int | None:
        await engine.call(lambda client: client.remove_network(number), timeout=ACT_S)
        return None

    return remove


def _origin(one: dict[str, Any]) -> str:
    project = mapping(one.get("Labels")).get("com.docker.compose.project")
    return f"made by {clean(str(project))}" if project else ""
