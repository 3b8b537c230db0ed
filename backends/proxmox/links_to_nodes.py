"""Which nodes of the fleet a cluster's hypervisors and guests are."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from app.fleet import Ref
from app.inventory.model import Inventory, NodeEntry
from backends.proxmox.cluster import Cluster

NOBODY: frozenset[str] = frozenset()


class LinksToNodes:
    """Answers for one cluster of one inventory; made anew when either changes.

    ``node_map`` counts first. A guest that it does not name is the node of equal name, else the only one whose address
    in hosts.yaml its guest agent told of.
    """

    def __init__(self, cluster: Cluster, inventory: Inventory) -> None:
        self.tags = cluster.tags
        """Of the cluster: all its rows bear them."""
        self._map = cluster.node_map
        self._nodes = inventory.nodes
        self._by_address = _by_address(inventory.nodes)

    def hypervisor(self, node: str) -> Ref | None:
        """The node that a hypervisor is; only hosts.yaml says so, for every second cluster has a ``pve``."""
        return self._ref(self._map.get(node))

    def guest(self, vmid: int, name: str, addresses: Collection[str] = ()) -> Ref | None:
        """The node that a guest is, by its number, its name or an address it is known to have."""
        for key in (str(vmid), name):
            if key in self._map:
                return self._ref(self._map[key])
        if name in self._nodes:
            return Ref("node", name)
        found = {node for address in addresses for node in self._by_address.get(address, ())}
        return Ref("node", found.pop()) if len(found) == 1 else None

    def tags_of(self, node: Ref | None) -> frozenset[str]:
        """The cluster's tags and those of a node by its configuration, so that its rules hold where nobody watches."""
        entry = self._nodes.get(node.id) if node is not None else None
        return self.tags | entry.tags if entry is not None else self.tags

    def _ref(self, name: str | None) -> Ref | None:
        return Ref("node", name) if name is not None and name in self._nodes else None


def _by_address(nodes: Mapping[str, NodeEntry]) -> dict[str, list[str]]:
    """The nodes by the addresses hosts.yaml names them with; names of hosts are no addresses, nor is this machine."""
    found: dict[str, list[str]] = {}
    for node in nodes.values():
        hosts = [*node.routes, node.ssh.host if node.ssh is not None else "", node.ping.host if node.ping else ""]
        for address in dict.fromkeys(_address(host) for host in hosts):
            if address:
                found.setdefault(address, []).append(node.name)
    return found


def _address(host: str) -> str:
    bare = host.rpartition("@")[2].strip("[]")
    try:
        told = ipaddress.ip_address(bare)
    except ValueError:
        return ""
    return "" if told.is_loopback or told.is_unspecified else str(told)
