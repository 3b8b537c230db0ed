"""``open``: a port of a container, reachable from here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from app.column import clean
from app.errors import ConfigurationError, QuarterdeckError, Unsupported
from app.plan import Plan, Report, Result, Step
from backends.docker.verbs.target import Inspected, OnEngine, alive, part
from backends.kinds.container import Container
from backends.node_verbs.tunnels import LISTEN, Spec, address, open_tunnels

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound
_TLS = frozenset({443, 8443, 9443, 6443})
_NO_WEB = frozenset(
    {21, 22, 25, 53, 110, 143, 389, 465, 587, 636, 993, 995, 1433, 1521, 1883, 2181, 3306, 4222, 5432, 5672, 6379}
    | {8883, 9042, 9092, 11211, 27017}
)
"""Ports of well-known services that no browser speaks with."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a container's port is reached on its node."""

    private: int
    host: str
    port: int
    published: bool


class OpeningVerbs(OnEngine):
    """Reaching what a container serves."""

    async def open_(self, target: Container, *, port: int | None = None, local: int = 0) -> Plan:
        """Open a published port here, through a tunnel where the engine is elsewhere.

        One that is not published is reached at the container's own address, where its node can.
        """
        if not 0 <= local <= 65535:
            raise ConfigurationError(f"{local} is no port", where="--local", todo="give 0 to 65535")
        now = await self.running(target, "a port")
        end = await self._end(target, now, port)
        entry = self.context.inventory().nodes.get(target.source)
        said = "published" if end.published else "not published: reached at the container's own address"
        checks = [alive(now, "it runs"), (f"port {end.private} can be reached", True, said)]
        if entry is not None and entry.local and not local:
            url = shown(end.private, end.host, end.port)

            async def tell(report: Report) -> Result:
                return Result(0, url, {"url": url, "listen_host": end.host, "listen_port": end.port})

            return Plan(Step(target, f"nothing to open: {url} is on this machine", tell), preconditions=checks)
        return self._tunnel(target, end, Spec(LISTEN, local, end.host, end.port), checks)

    def _tunnel(self, target: Container, end: End, wanted: Spec, checks: list[tuple[str, bool, str]]) -> Plan:
        tunnels = self.context.shared(open_tunnels)
        taken = tunnels.by_port.get((target.source, wanted.listen_port)) if wanted.listen_port else None
        checks.append(
            (
                f"port {wanted.listen_port} has no tunnel yet",
                taken is None,
                f"it leads to {taken.spec}" if taken else "",
            )
        )

        async def run(report: Report) -> Result:
            tunnel = await tunnels.open(target.source, wanted)
            spec = tunnel.spec
            url = shown(end.private, spec.listen_host, spec.listen_port)
            data = {"url": url, "listen_host": spec.listen_host, "listen_port": spec.listen_port}
            if not self.context.one_shot:
                return Result(0, url, data)
            report.log(url)
            try:
                await asyncio.Event().wait()
            finally:
                await tunnels.close(tunnel)
            return Result(0, "closed", data)

        text = f"forward {wanted} (as {target.source} sees it)"
        undo = f"quarterdeck node untunnel {target.source} {wanted.listen_port or '<port>'}"
        return Plan(Step(target, text, run, undo=undo), preconditions=checks)

    async def _end(self, target: Container, now: Inspected, port: int | None) -> End:
        if port is not None and not 1 <= port <= 65535:
            raise ConfigurationError(f"{port} is no port", where="--port", todo="give 1 to 65535")
        published, exposed = ports(now)
        if port is None:
            port = _only(target, published, exposed)
        if port in published:
            host, public = published[port]
            return End(port, _reachable(host), public, published=True)
        if str(now.host_config.get("NetworkMode")) == "host":
            return End(port, LISTEN, port, published=False)
        found = await self._own_address(target, now)
        if found is None:
            raise Unsupported(
                f"port {port} is not published, and its node has no way to the container's own address",
                where=target.id,
                todo="publish it, or use 'node tunnel' to where it can be reached",
            )
        return End(port, found, port, published=False)

    async def _own_address(self, target: Container, now: Inspected) -> str | None:
        """Its address in a bridge network of its node, which the node itself is in; ``None`` without one."""
        for name, one in part(part(now.whole, "NetworkSettings"), "Networks").items():
            found: dict[str, Any] = one or {}
            own = str(found.get("IPAddress") or found.get("GlobalIPv6Address") or "")
            network = str(found.get("NetworkID") or name)
            if not own:
                continue
            try:
                said: dict[str, Any] = await self.of(target, lambda client, n=network: client.inspect_network(n))
            except QuarterdeckError:
                continue
            if said.get("Driver") == "bridge":
                return own
        return None


def ports(now: Inspected) -> tuple[dict[int, tuple[str, int]], list[int]]:
    """TCP ports: private -> (host's address, public) of the published ones, and those only exposed."""
    published: dict[int, tuple[str, int]] = {}
    exposed: list[int] = []
    for name, bound in sorted(part(part(now.whole, "NetworkSettings"), "Ports").items()):
        number, _, protocol = name.partition("/")
        if protocol not in ("", "tcp") or not number.isdecimal():
            continue
        ends = cast("list[dict[str, Any]]", bound or [])
        # One address family is enough: the older one where there are two.
        found = [(str(one.get("HostIp") or ""), str(one.get("HostPort") or "")) for one in ends]
        found = sorted((one for one in found if one[1].isdecimal()), key=lambda one: ":" in one[0])
        if found:
            published[int(number)] = (found[0][0], int(found[0][1]))
        else:
            exposed.append(int(number))
    return published, exposed


def _only(target: Container, published: dict[int, tuple[str, int]], exposed: list[int]) -> int:
    """The port that is meant when none is named; raises ConfigurationError where several or none could be."""
    able = sorted(published or exposed)
    if len(able) == 1:
        return able[0]
    if not able:
        raise Unsupported("it publishes no port and names none", where=target.id, todo="say which with --port")
    what = "publishes" if published else "exposes"
    said = ", ".join(str(one) for one in able)
    raise ConfigurationError(f"it {what} {said}", where=target.id, todo="say which with --port")


def _reachable(host: str) -> str:
    """An address to connect to, for one that is listened on."""
    if host == "::":
        return "::1"
    return LISTEN if host in _EVERYWHERE else host


def shown(private: int, host: str, port: int) -> str:
    """What to type into a browser, or host and port of what is nothing for one."""
    where = clean(address(host, port))
    if private in _NO_WEB:
        return where
    return f"{'https' if private in _TLS else 'http'}://{where}"
