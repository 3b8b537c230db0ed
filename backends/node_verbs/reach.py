"""``node ping`` for devices without a login: a TCP connection, or the system's own ping."""

from __future__ import annotations

import asyncio
import re
import shlex
import time

from app.backend import Context
from app.column import clean
from app.errors import ConfigurationError, Missing, TimedOut, Unreachable, Unsupported
from app.plan import Plan
from backends.kinds.node import Node, NodeVerbs
from backends.node_verbs.base import tail
from backends.node_verbs.power import ping_plan

_WITHIN_S = 3.0
_TIME = re.compile(rb"time[=<]\s*([0-9.]+) ?ms")


class ReachVerb(NodeVerbs):
    """Whether a device is there."""

    context: Context

    async def ping(self, target: Node, *, count: int = 3) -> Plan:
        """Measure the time an answer takes, without changing anything: a connection or an echo."""
        entry = self.context.inventory().nodes.get(target.name)
        if entry is None or entry.ping is None:
            raise Missing("the device is no longer configured", where=target.name)
        ping = entry.ping
        host = ping.host or target.name
        if host.startswith("-"):
            raise ConfigurationError(f"'{clean(host)}' is no host", where=target.name)
        if ping.method == "tcp" and ping.port is not None:
            port = ping.port
            return ping_plan(target, f"connect {host}:{port}", count, lambda: connect_ms(host, port))
        return ping_plan(target, shlex.join(ping_argv(host)), count, lambda: echo_ms(host))


def ping_argv(host: str) -> list[str]:
    """One echo by the system's own ping, which has the rights for it."""
    return ["ping", "-n", "-c", "1", "-W", "2", host]


async def connect_ms(host: str, port: int) -> float:
    """Milliseconds until a TCP connection stands; raises Unreachable."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise TimedOut(f"no connection within {_WITHIN_S:g} s", where=f"{host}:{port}") from None
    except OSError as error:
        raise Unreachable(error.strerror or str(error), where=f"{host}:{port}") from None
    took = 1000 * (time.perf_counter() - begun)
    writer.transport.abort()
    return took


async def echo_ms(host: str) -> float:
    """Milliseconds of one ICMP echo; raises Unreachable, or Unsupported where there is no ping program."""
    argv = ping_argv(host)
    begun = time.perf_counter()
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        )
    except OSError:
        raise Unsupported(
            "there is no ping program on this machine", where=host, todo="name a TCP port: {tcp: 80}"
        ) from None
    try:
        async with asyncio.timeout(_WITHIN_S):
            out, err = await child.communicate()
    except TimeoutError:
        raise TimedOut(f"no answer within {_WITHIN_S:g} s", where=host) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise Unreachable(clean(tail(err)) or "no answer", where=host)
    said = _TIME.search(out)
    return float(said[1]) if said else 1000 * (time.perf_counter() - begun)
