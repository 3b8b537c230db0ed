"""``node tunnel``, ``tunnels`` and ``untunnel``: ports of this machine that come out on the node's side."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from app import column
from app.backend import Context
from app.column import Cell, Column, Token
from app.errors import ConfigurationError, Missing, TimedOut
from app.link import Forward, Links
from app.plan import Plan, Report, Result, Step
from app.verb import RowAction, Rows
from backends.kinds.node import Node
from backends.node_verbs.base import Linked

LISTEN = "127.0.0.1"
"""Tunnels are for this machine only unless another address is asked for."""
_HOST = re.compile(r"[A-Za-z0-9_.%:-]{1,255}")
_OPEN_S = 30.0


@dataclass(frozen=True, slots=True)
class Spec:
    """Where to listen here, and where to connect from the node; ``listen_port`` 0 lets the system choose."""

    listen_host: str
    listen_port: int
    host: str
    port: int

    def __str__(self) -> str:
        return f"{address(self.listen_host, self.listen_port)} → {address(self.host, self.port)}"


def address(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_spec(text: str) -> Spec:
    """Read ``[[ADDRESS:]LISTEN:]HOST:PORT``; IPv6 addresses stand in brackets.

    Without LISTEN the node's port number is used here as well. Raises ConfigurationError.
    """
    parts = re.findall(r"\[[^\[\]]*\]|[^:\[\]]+|:", text)
    fields: list[str] = parts[::2]
    if "".join(parts) != text or any(colon != ":" for colon in parts[1::2]) or len(parts) % 2 == 0 or ":" in fields:
        raise _wrong(text, "it is not [LISTEN:]HOST:PORT")
    if not 2 <= len(fields) <= 4:
        raise _wrong(text, "it is not [LISTEN:]HOST:PORT")
    port = _port(text, fields[-1], least=1)
    host = _host(text, fields[-2])
    listen_port = _port(text, fields[-3], least=0) if len(fields) > 2 else port
    listen_host = _host(text, fields[0]) if len(fields) > 3 else LISTEN
    return Spec(listen_host, listen_port, host, port)


def _port(text: str, field: str, least: int) -> int:
    if not field.isdecimal() or not field.isascii() or not least <= int(field) <= 65535:
        raise _wrong(text, f"'{column.clean(field)}' is no port ({least} to 65535)")
    return int(field)


def _host(text: str, field: str) -> str:
    bracketed = field.startswith("[")
    host = field[1:-1] if bracketed else field
    if not _HOST.fullmatch(host) or host.startswith("-") or (bracketed and ":" not in host):
        raise _wrong(text, f"'{column.clean(field)}' is no host")
    return host


def _wrong(text: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"'{column.clean(text)[:80]}': {what}",
        where="tunnel",
        todo="write for example 8080:localhost:80, or 8080:[::1]:80",
    )


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One open tunnel."""

    node: str
    spec: Spec
    """With the port that is really listened on."""
    since: float
    """``time.monotonic()``."""
    forward: Forward


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTunnel:
    """One open tunnel as a row."""

    port: int
    listen: str
    to: str
    open_s: float


TUNNEL_COLUMNS: tuple[Column[OpenTunnel], ...] = (
    Column("PORT", lambda t: Cell(str(t.port), Token.TEXT, t.port), 6, "right", priority=0),
    Column("LISTENS ON", lambda t: column.text(t.listen), 24, priority=2),
    Column("COMES OUT AT", lambda t: column.text(t.to), 30, priority=0, flex=True),
    Column("OPEN", lambda t: column.duration(t.open_s), 6, "right", priority=3),
)
TUNNEL_ACTIONS = (RowAction(key="x", verb="untunnel", label="close", take={"port": "port"}),)


class OpenTunnels:
    """The open tunnels of a console, whichever backend opened them; they end with it."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self.by_port: dict[tuple[str, int], Tunnel] = {}
        """By node and local port."""

    async def open(self, node: str, wanted: Spec) -> Tunnel:
        """Open one over the node's link; raises Unreachable or TimedOut."""
        link = self._links.of(node)
        await link.open()
        try:
            async with asyncio.timeout(_OPEN_S):
                forward = await link.forward(wanted.listen_host, wanted.listen_port, wanted.host, wanted.port)
        except TimeoutError:
            raise TimedOut(f"the tunnel was not open within {_OPEN_S:g} s", where=node) from None
        real = Spec(wanted.listen_host, forward.port, wanted.host, wanted.port)
        tunnel = Tunnel(node, real, time.monotonic(), forward)
        self.by_port[node, forward.port] = tunnel
        return tunnel

    async def close(self, tunnel: Tunnel) -> None:
        """Close one; one that was closed already stays so."""
        at = (tunnel.node, tunnel.spec.listen_port)
        if self.by_port.get(at) is tunnel:
            del self.by_port[at]
        await tunnel.forward.close()

    async def close_all(self) -> None:
        """Close every one."""
        for tunnel in list(self.by_port.values()):
            await self.close(tunnel)


def open_tunnels(context: Context) -> OpenTunnels:
    """The tunnels of a context; ask for them by ``context.shared(open_tunnels)``."""
    return OpenTunnels(context.links)


class TunnelVerbs(Linked):
    """Tunnels; open ones belong to this console and end with it."""

    @property
    def _open_tunnels(self) -> OpenTunnels:
        return self.context.shared(open_tunnels)

    async def tunnel(self, target: Node, spec: str) -> Plan:
        """Forward a port of this machine to one the node can reach.

        In the console it stays open until it is closed or the console ends; on the command line until interrupted.
        """
        wanted = parse_spec(spec)
        taken = self._open_tunnels.by_port.get((target.name, wanted.listen_port))

        async def run(report: Report) -> Result:
            tunnel = await self._open_tunnels.open(target.name, wanted)
            where = address(tunnel.spec.listen_host, tunnel.spec.listen_port)
            said = f"listening on {where}, comes out at {address(wanted.host, wanted.port)} of {target.name}"
            data = {"listen_host": tunnel.spec.listen_host, "listen_port": tunnel.spec.listen_port}
            if not self.context.one_shot:
                return Result(0, said, data)
            report.log(said)
            try:
                await asyncio.Event().wait()
            finally:
                await self._open_tunnels.close(tunnel)
            return Result(0, "closed", data)

        text = f"forward {wanted} (as {target.name} sees it)"
        free = taken is None or not wanted.listen_port
        check = (f"port {wanted.listen_port} has no tunnel yet", free, f"it leads to {taken.spec}" if taken else "none")
        step = Step(target, text, run, undo=f"untunnel {wanted.listen_port or '<port>'}")
        return Plan(step, preconditions=[check], proofs=[self.reached(target)])

    async def tunnels(self, target: Node) -> Rows:
        """Show the open tunnels."""
        now = time.monotonic()
        rows = tuple(
            OpenTunnel(
                port=one.spec.listen_port,
                listen=address(one.spec.listen_host, one.spec.listen_port),
                to=address(one.spec.host, one.spec.port),
                open_s=now - one.since,
            )
            for one in self._open_tunnels.by_port.values()
            if one.node == target.name
        )
        note = "" if rows else "no open tunnels; they belong to the console that opened them"
        return Rows(TUNNEL_COLUMNS, rows, TUNNEL_ACTIONS, note, every=2.0)

    async def untunnel(self, target: Node, port: int) -> Plan:
        """Close a tunnel."""
        tunnel = self._open_tunnels.by_port.get((target.name, port))
        if tunnel is None:
            raise Missing(
                f"no tunnel of this console listens on port {port}", where=target.name, todo="see 'node tunnels'"
            )

        async def run(report: Report) -> Result:
            await self._open_tunnels.close(tunnel)
            return Result(0, f"port {port} is closed")

        undo = f"tunnel {tunnel.spec.listen_port}:{address(tunnel.spec.host, tunnel.spec.port)}"
        return Plan(Step(target, f"close {tunnel.spec}", run, undo=undo))

    async def close_tunnels(self) -> None:
        """Close all of them; for a backend's ``close``."""
        await self._open_tunnels.close_all()
