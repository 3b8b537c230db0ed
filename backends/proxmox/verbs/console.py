"""``console`` and ``viewer``: a guest's serial terminal in the operator's own, and tickets for its screen."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.column import clean
from app.errors import BadAnswer, ConfigurationError, Denied, QuarterdeckError, Refused, Unsupported
from app.paths import home
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.proxmox.failures import Rejected
from backends.proxmox.lenient import mapping, text, whole
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.serial_bridge import hello, seated
from backends.proxmox.verbs.acting import Acting, Call, no_template

if TYPE_CHECKING:
    from backends.proxmox.websocket import ByteChannel

_SERIAL = re.compile(r"serial[0-3]")
_LINE = re.compile(r"[\r\n\x00-\x08\x0b-\x1f\x7f]")


class ConsoleVerbs(Acting):
    """Sitting at a guest."""

    async def console(self, target: Vm) -> Plan:
        """Open its serial terminal here; ctrl-] leaves it."""
        now, held = await self.ready(target, "console", _runs, locks=_ANY)
        serial = None if now.type == "lxc" else _serial(now)
        call = Call("POST", self.path(now, "termproxy"), {"serial": serial})

        async def run(report: Report) -> Result:
            await self.unchanged(now, _runs, locks=_ANY)
            left = await seated(report, partial(self._terminal, now, call), now.name or now.id)
            return Result(0, "" if left else "its terminal ended")

        notes = ["ctrl-] leaves it; it goes on"]
        if now.type == "qemu":
            notes.append("press enter when nothing is shown: a serial terminal says nothing by itself")
        return Plan(Step(target, f"{call.text} and its websocket", run), notes=notes, preconditions=held)

    async def _terminal(self, now: FreshGuest, call: Call) -> tuple[ByteChannel, bytes]:
        """Ask for a terminal and be let in."""
        client = self.client(now.cluster)
        by_token = client.cluster.token is not None
        try:
            said = mapping(await call.send(client))
        except Rejected as error:
            raise _no_terminal(error, now) if by_token else error from None
        ticket, user, port = text(said.get("ticket")), text(said.get("user")) or client.user, whole(said.get("port"))
        if not ticket or port is None:
            raise BadAnswer("the cluster gave no ticket for a terminal", where=now.id)
        channel = await client.websocket(self.path(now, "vncwebsocket"), port=port, vncticket=ticket)
        try:
            return channel, await hello(channel, user, ticket, where=now.id)
        except Denied as error:
            await channel.close()
            raise _no_terminal(error, now) if by_token else error from None
        except BaseException:
            await channel.close()
            raise

    async def viewer(self, target: Vm, *, protocol: str = "spice", file: Path | None = None) -> Plan:
        """Get a ticket for its screen: a file for remote-viewer, or the address for a browser."""
        if protocol == "vnc":
            if file is not None:
                raise ConfigurationError("a browser needs no file", where="--file", todo="leave it out")
            return await self._vnc(target)
        now, held = await self.ready(target, "viewer", _runs, locks=_ANY)
        if (
            now.type == "qemu"
            and "qxl" not in str(now.config.get("vga") or "")
            and "virtio" not in str(now.config.get("vga") or "")
        ):
            raise Unsupported(
                f"its screen does not speak SPICE (vga: {clean(str(now.config.get('vga') or 'std'))})",
                where=now.id,
                todo="use --protocol vnc; or set its display to SPICE (qxl) and restart it",
            )
        call = Call("POST", self.path(now, "spiceproxy"))
        path = _given(file) if file is not None else None

        async def run(report: Report) -> Result:
            await self.unchanged(now, _runs, locks=_ANY)
            said = mapping(await call.send(self.client(now.cluster)))
            if not said.get("password") or not said.get("host"):
                raise BadAnswer("the cluster gave no ticket for its screen", where=now.id)
            written = await asyncio.to_thread(_write, said, path, now)
            report.output("stdout", f"remote-viewer {shlex.quote(str(written))}\n")
            return Result(0, f"{written} lets in whoever reads it, once and within 30 seconds", {"file": str(written)})

        shown = f" > {shlex.quote(str(path))}" if path is not None else ""
        notes = ["open it with remote-viewer within 30 seconds; the file is removed when it is opened"]
        return Plan(Step(target, f"{call.text}{shown}", run), notes=notes, preconditions=held)

    async def _vnc(self, target: Vm) -> Plan:
        now, held = await self.ready(target, "viewer", _runs, locks=_ANY)
        call = Call("POST", self.path(now, "vncproxy"), {"websocket": True})
        client = self.client(target)
        kind = "kvm" if now.type == "qemu" else "lxc"
        query = {"console": kind, "novnc": 1, "vmid": now.vmid, "vmname": now.name, "node": now.node, "resize": "off"}
        url = f"{client.url}/?{urlencode(query)}"

        async def run(report: Report) -> Result:
            await self.unchanged(now, _runs, locks=_ANY)
            said = mapping(await call.send(self.client(now.cluster)))
            if not said.get("ticket"):
                raise BadAnswer("the cluster gave no ticket for its screen", where=now.id)
            report.output("stdout", f"{url}\n")
            report.output("stdout", f"port {text(said.get('port'))}, ticket {text(said.get('ticket'))}\n")
            return Result(0, f"open {url} where you are logged in to the cluster", {"url": url})

        notes = ["the address wants a login of its own in the browser; the ticket is for a VNC viewer, once"]
        return Plan(Step(target, call.text, run), notes=notes, preconditions=held)


_ANY = (
    "backup", "clone", "create", "disk", "migrate", "mounted", "rollback", "snapshot", "snapshot-delete", "suspending",
)  # fmt: skip
"""A terminal changes nothing, so no lock stands against it."""


def _runs(now: FreshGuest) -> None:
    no_template(now, "has no terminal")
    if not now.runs:
        todo = f"start it: quarterdeck vm start {now.id}"
        raise Refused(f"it is {now.status}, and only a guest that runs has a terminal", where=now.id, todo=todo)


def _serial(now: FreshGuest) -> str:
    """Its first serial port; raises Unsupported where it has none that leads out."""
    ports = sorted(key for key, value in now.config.items() if _SERIAL.fullmatch(key) and value == "socket")
    if ports:
        return ports[0]
    raise Unsupported(
        "it has no serial port",
        where=now.id,
        todo=f"give it one and restart it: qm set {now.vmid} --serial0 socket (on {clean(now.node)}); its system has to"
        " open a login there (console=ttyS0); its screen: quarterdeck vm viewer",
    )


def _no_terminal(error: QuarterdeckError, now: FreshGuest) -> QuarterdeckError:
    """A refusal that may well be because it was a token that asked."""
    tool = "qm terminal" if now.type == "qemu" else "pct console"
    return type(error)(
        f"{error.what}; some versions of Proxmox VE open no terminal for a token",
        where=now.id,
        todo=f"log in with user and password instead of a token in hosts.yaml, or on {clean(now.node)}:"
        f" {tool} {now.vmid}",
    )


def _given(file: Path) -> Path:
    """Where a connection file goes; raises ConfigurationError where something else stands already."""
    said = str(file)
    path = home() / said[2:] if said.startswith("~/") else file.absolute()
    if path.exists() and path.suffix != ".vv":
        todo = "name another one, or one that ends in .vv"
        raise ConfigurationError(f"{path} is there already", where="--file", todo=todo)
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent}", where="--file")
    return path


def _write(said: Mapping[str, Any], path: Path | None, now: FreshGuest) -> Path:
    """The connection file of virt-viewer: what the cluster answered, a line each, for its owner only."""
    lines = ["[virt-viewer]"]
    for key, value in said.items():
        # A certificate stands on one line there, its line ends written as \n; nothing else has any.
        told = text(value).replace("\n", "\\n")
        if re.fullmatch(r"[a-z][a-z0-9-]*", key) and told and not _LINE.search(told):
            lines.append(f"{key}={told}")
    if "delete-this-file" not in said:
        lines.append("delete-this-file=1")
    if path is None:
        descriptor, name = tempfile.mkstemp(prefix=f"{now.cluster}-{now.vmid}-", suffix=".vv")
        path = Path(name)
    else:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path
