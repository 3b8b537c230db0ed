"""``node ping`` for devices without a login: a TCP connection, or an ICMP echo."""

from __future__ import annotations

import time

from app.backend import Context
from app.errors import Missing
from app.plan import Plan
from backends.echo import echo, knock
from backends.kinds.node import Node, NodeVerbs
from backends.node_verbs.power import ping_plan

_WITHIN_S = 3.0


class ReachVerb(NodeVerbs):
    """Whether a device is there."""

    context: Context

    async def ping(self, target: Node, *, count: int = 3) -> Plan:
        """Measure the time an answer takes, without changing anything: a connection or an echo."""
        entry = self.context.inventory().nodes.get(target.name)
        if entry is None or entry.ping is None:
            raise Missing("the device is no longer configured", where=target.name)
        host = entry.ping.host or target.name
        if entry.ping.method == "tcp":
            port = entry.ping.port or 80
            return ping_plan(target, f"connect to {host}:{port}", count, lambda: connect_ms(host, port))
        return ping_plan(target, f"ICMP echo to {host}", count, lambda: echo(host, _WITHIN_S))


async def connect_ms(host: str, port: int) -> float:
    """Milliseconds until a TCP connection stands; raises Unreachable."""
    begun = time.perf_counter()
    await knock(host, port, _WITHIN_S)
    return 1000 * (time.perf_counter() - begun)
