"""Which nodes are reached through another one, as far as hosts.yaml itself says so."""

from __future__ import annotations

from collections.abc import Iterable

from app.inventory.model import NodeEntry


def cut_off(name: str, entries: Iterable[NodeEntry]) -> list[str]:
    """One line, for a plan's ``loses``, about the nodes behind ``name``, at any number of hops; none: no line.

    Jump hosts that only ssh_config knows of are not seen here.
    """
    by_name = {entry.name: entry for entry in entries}
    lost: set[str] = set()
    last: set[str] = {name}
    while last:
        known_as = {word for one in last if one in by_name for word in _names(by_name[one])}
        last = {
            entry.name
            for entry in by_name.values()
            if entry.name != name and entry.name not in lost and known_as.intersection(_jumps(entry))
        }
        lost |= last
    if not lost:
        return []
    return [f"{len(lost)} node{'s' if len(lost) > 1 else ''} behind it cut off: {', '.join(sorted(lost))}"]


def _names(entry: NodeEntry) -> set[str]:
    return {entry.name, *entry.routes, *([entry.ssh.host] if entry.ssh else [])}


def _jumps(entry: NodeEntry) -> set[str]:
    """The hosts of ``[user@]host[:port],…``; an IPv6 address stands in brackets where a port follows."""
    jump = entry.ssh.proxy_jump if entry.ssh else None
    hosts: set[str] = set()
    for hop in (jump or "").removeprefix("ssh://").split(","):
        host = hop.strip().rpartition("@")[2]
        if host.startswith("["):
            hosts.add(host[1:].partition("]")[0])
        elif host.count(":") == 1:
            hosts.add(host.partition(":")[0])
        elif host:
            hosts.add(host)
    return hosts
