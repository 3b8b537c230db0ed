"""The peer's consoles: termproxy and its websocket for machines, containers and nodes; VNC; SPICE tickets.

A terminal says ``OK`` to ``USER:TICKET\\n``, then takes frames ``0:LENGTH:bytes`` (typed), ``1:COLUMNS:LINES:`` (its
size) and ``2`` (still there). It echoes as a terminal does, answers a line ``size`` with the size it was told, and ends
at ``exit``. Nothing runs behind it.
"""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.servers.pve_base import CT, VM, Call, FakePve, PveError, answers

_TTL = 40
_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)
_BEGINNING = re.compile(rb"0(:(\d+(:.*)?)?)?|1(:(\d+(:\d*)?)?)?", re.DOTALL)
_FRAME = re.compile(rb"2|1:(\d+):(\d+):|0:(\d+):")


@dataclass
class Console:
    """One that somebody asked for."""

    where: str
    kind: str
    user: str
    ticket: str
    port: int
    password: str = ""
    issued: float = field(default_factory=time.monotonic)
    used: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    socket: Any = None
    size: str = "unknown"
    line: str = ""


class Consoles(FakePve):
    """Part of the peer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.consoles: list[Console] = []
        self.tokens_have_terminals = True
        """Some versions let the login of a token end where its terminal should begin."""
        self.typed: dict[str, list[str]] = {}
        """``NODE/ID`` (or a node) -> what was typed at it, and ``size COLUMNSxLINES`` and ``ping`` beside that."""
        self.terminals_open = 0

    # -- asking for one

    async def _made(self, call: Call, kind: str) -> tuple[Console, dict[str, Any]]:
        guest = call.values.get("vmid", "")
        if guest:
            find = self.find if "/qemu/" in call.template else self._find_ct
            find(call.node, call.vmid)
        ticket = f"PVEVNC:{int(time.time()):08X}::{secrets.token_urlsafe(32)}=="
        where = f"{call.node}/{guest}" if guest else call.node
        made = Console(where, kind, call.user, ticket, 5900 + len(self.consoles) % 100)
        self.consoles.append(made)

        async def session() -> None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(made.over.wait(), 600)

        task = "vncshell" if not guest else "vzproxy" if "/lxc/" in call.template else "vncproxy"
        scale, self.time_scale = self.time_scale, self.time_scale or 0.001  # its task goes on beside us, always
        try:
            upid = await self.task(call.node, task, guest, call.user, session)
        finally:
            self.time_scale = scale
        return made, {"user": call.user, "ticket": ticket, "port": made.port, "upid": upid}

    @answers("POST", f"{VM}/termproxy", f"{CT}/termproxy", "/nodes/{node}/termproxy")
    async def terminal(self, call: Call) -> dict[str, Any]:
        """A ticket for a terminal."""
        serial = call.values.get("serial")
        if serial and self.find(call.node, call.vmid).config.get(serial) != "socket":
            raise PveError(500, f"unable to find a serial interface '{serial}'")
        return (await self._made(call, "terminal"))[1]

    @answers("POST", f"{VM}/vncproxy", f"{CT}/vncproxy", "/nodes/{node}/vncshell")
    async def screen(self, call: Call) -> dict[str, Any]:
        """A ticket for VNC, and a password of its own where that is asked for."""
        console, told = await self._made(call, "vnc")
        told["cert"] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        if call.values.get("generate-password"):
            console.password = told["password"] = secrets.token_hex(4)
        return told

    @answers("POST", f"{VM}/spiceproxy", f"{CT}/spiceproxy")
    async def spice(self, call: Call) -> dict[str, Any]:
        """What virt-viewer connects with."""
        guest = self._find_ct(call.node, call.vmid) if "/lxc/" in call.template else self.find(call.node, call.vmid)
        if guest.status != "running":
            raise PveError(500, f"VM {call.vmid} not running")
        if "/qemu/" in call.template and "qxl" not in str(guest.config.get("vga", "")):
            raise PveError(500, "no spice port")
        return {
            "type": "spice", "title": f"VM {call.vmid} - {guest.name}", "tls-port": 61000,
            "host": f"pvespiceproxy:{secrets.token_hex(8)}:{call.vmid}:{call.node}::{secrets.token_hex(20)}",
            "password": secrets.token_hex(20), "proxy": f"http://{call.values.get('proxy') or self.host}:3128",
            "ca": "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n",
            "host-subject": "OU=PVE Cluster Node,O=Proxmox Virtual Environment,CN=pve1", "delete-this-file": 1,
            "toggle-fullscreen": "Shift+F11", "secure-attention": "Ctrl+Alt+Ins", "release-cursor": "Ctrl+Alt+R",
        }  # fmt: skip

    # -- using it

    @answers("GET", f"{VM}/vncwebsocket", f"{CT}/vncwebsocket", "/nodes/{node}/vncwebsocket")
    async def websocket(self, call: Call) -> web.StreamResponse:
        """The websocket of a ticket: good for 40 s, once, for who asked for it, and for that guest."""
        guest = self.guest(call.vmid) if "vmid" in call.values else None
        where = f"{call.node}/{call.vmid}" if guest is not None else call.node
        given = str(call.values["vncticket"]).encode()
        found = next((one for one in self.consoles if hmac.compare_digest(one.ticket.encode(), given)), None)
        if (
            found is None
            or found.used
            or time.monotonic() - found.issued > _TTL
            or (found.user, found.where, found.port) != (call.user, where, call.values["port"])
        ):
            raise PveError(401, "permission denied - invalid PVEVNC ticket")
        found.used = True
        found.socket = socket = web.WebSocketResponse(protocols=("binary",))
        await socket.prepare(call.request)
        self.terminals_open += 1
        try:
            if found.kind == "vnc":
                await self._rfb(socket, guest or self, found.password or found.ticket)
            else:
                await self._terminal(found, socket, guest)
        except ConnectionError:
            pass
        finally:
            self.terminals_open -= 1
            found.socket = None
            found.over.set()
            await socket.close()
        return socket

    async def _terminal(self, console: Console, socket: web.WebSocketResponse, guest: Any) -> None:
        waiting = b""
        while b"\n" not in waiting:
            frame = await socket.receive(timeout=10)
            if frame.type not in _DATA:
                return
            waiting += frame.data.encode() if isinstance(frame.data, str) else frame.data
        greeting, _, waiting = waiting.partition(b"\n")
        refused = "!" in console.user and not self.tokens_have_terminals
        if refused or greeting.decode() != f"{console.user}:{console.ticket}":
            return
        await socket.send_bytes(b"OK")
        if guest is not None and guest.status != "running":
            await socket.send_bytes(f"VM {guest.vmid} not running\r\n".encode())
            return
        if guest is not None and "qemu" in guest.guest and not re.search(r"serial\d", " ".join(guest.config)):
            await socket.send_bytes(b"unable to find a serial interface\r\n")
            return
        await socket.send_bytes(f"{console.where} login: ".encode())
        typed = self.typed.setdefault(console.where, [])
        while True:
            while found := _FRAME.match(waiting):
                end = found.end() + int(found[3] or 0)
                if len(waiting) < end:
                    break
                content, waiting = waiting[found.end() : end].decode(), waiting[end:]
                if found[3] is not None:
                    typed.append(content)
                    if not await self._type(console, content):
                        return
                elif found[1]:
                    console.size = f"{int(found[1])}x{int(found[2])}"
                    typed.append(f"size {console.size}")
                else:
                    typed.append("ping")
            if waiting and not _BEGINNING.fullmatch(waiting):
                return  # no frame and no beginning of one
            frame = await socket.receive()
            if frame.type not in _DATA:
                return
            waiting += frame.data.encode() if isinstance(frame.data, str) else frame.data

    async def _type(self, console: Console, content: str) -> bool:
        """Echo; False where the line was ``exit``."""
        for key in content:
            await console.socket.send_bytes(b"\r\n" if key == "\r" else key.encode())
            if key != "\r":
                console.line += key
                continue
            if console.line == "exit":
                return False
            if console.line == "size":
                await console.socket.send_bytes(f"it is {console.size}\r\n".encode())
            console.line = ""
        return True

    async def show(self, text: str) -> None:
        """Something comes up on every open terminal by itself."""
        for console in self.consoles:
            if console.socket is not None and console.kind == "terminal":
                await console.socket.send_bytes(text.encode())

    async def hang_up(self) -> None:
        """Close every open console."""
        for console in self.consoles:
            if console.socket is not None:
                await console.socket.close()
