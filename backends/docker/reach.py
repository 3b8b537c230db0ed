"""Where a node's engine listens, how its socket gets here, and why it does not."""

from __future__ import annotations

import asyncio
import grp
import os
import shlex
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from app.backend import Context
from app.column import clean
from app.errors import ConfigurationError, Denied, Missing, QuarterdeckError, TimedOut, Unreachable, Unsupported
from app.inventory.model import NodeEntry
from app.link import Link
from backends.docker.dial import DialListener

DEFAULT_SOCKET = "/var/run/docker.sock"
DIALLED_PING_S = 60.0
"""Between two pings at the least where each is a process on the node."""
_PREFIX = "unix://"
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine is expected."""

    path: str
    """On the node."""
    named: bool
    """The operator wrote it down: when nothing is there something is wrong."""


def place(entry: NodeEntry) -> Place:
    """Where a node's engine listens, from its ``docker`` key.

    Raises Unsupported where there is none to be had, ConfigurationError for what cannot be one.
    """
    if not entry.local and entry.ssh is None:
        raise Unsupported("this node is only checked, never logged in to: it has no engine", where=entry.name)
    said = entry.extra.get("docker")
    if said is None:
        return Place(DEFAULT_SOCKET, named=False)
    if said is False:
        raise Unsupported("its engine is switched off", where=entry.name, todo="remove docker: false from hosts.yaml")
    if isinstance(said, str) and said.startswith(f"{_PREFIX}/") and "\0" not in said:
        return Place(said.removeprefix(_PREFIX), named=True)
    raise ConfigurationError(
        f"docker: {clean(str(said))} is no place of an engine",
        where=entry.name,
        todo=f"write docker: {_PREFIX}{DEFAULT_SOCKET}, or docker: false",
    )


class Reach:
    """The way to one node's engine: its own socket here, or one that comes out at it.

    A remote socket is forwarded on the node's one connection; where its server forbids that, each connection is
    passed on by ``docker system dial-stdio`` in a session channel, a few at once.
    """

    def __init__(self, context: Context, entry: NodeEntry, place: Place) -> None:
        self.entry = entry
        self.place = place
        self._context = context
        self._link: Link | None = None
        self._path: Path | None = None
        self._dial: DialListener | None = None
        self._lock = asyncio.Lock()
        self._pinged_at = float("-inf")

    @property
    def dialled(self) -> bool:
        """Each connection costs the node a session channel and a process."""
        return self._dial is not None

    async def path(self) -> Path:
        """The socket on this machine; connects the node's link. Raises what keeps us from it."""
        if self.entry.fault is not None:
            raise ConfigurationError(self.entry.fault, where=self.entry.name)
        if self.entry.local:
            self._check_local()
            return Path(self.place.path)
        async with self._lock:
            link = self._context.links.of(self.entry.name)
            await link.open()
            if link is not self._link:
                await self._forget()
                self._link = link
            if self._path is None:
                self._path = await self._brought(link)
            return self._path

    async def _brought(self, link: Link) -> Path:
        try:
            return await link.forward_socket(self.place.path)
        except (Missing, Unsupported):
            pass
        found = await self._look(link)
        found.complain(self.entry.name, self.place)
        if not found.program:
            raise Unreachable(
                f"nobody listens at {clean(self.place.path)}, or the server does not forward sockets",
                where=self.entry.name,
                todo="start the engine there, or set AllowStreamLocalForwarding yes in its sshd_config",
            )
        self._dial = await DialListener.open(link, found.program, self.place.path)
        return self._dial.path

    async def ping(self, timeout: float) -> None:
        """Have the engine say that it is alive, by a connection of its own. Raises Unreachable when it does not.

        Where that would cost the node a process, the link's word is taken in between: it ends what goes through it
        when the other side is gone.
        """
        path = await self.path()
        now = time.monotonic()
        if self.dialled and now - self._pinged_at < DIALLED_PING_S:
            return
        self._pinged_at = now
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
                    answer = await reader.readline()
                finally:
                    writer.transport.abort()
        except TimeoutError:
            raise TimedOut(f"the engine did not answer within {timeout:g} s", where=self.entry.name) from None
        except OSError as error:
            raise await self.explain(
                Unreachable(f"the engine does not answer: {error}", where=self.entry.name)
            ) from None
        if b" 200 " not in answer:
            raise await self.explain(Unreachable("the engine does not answer", where=self.entry.name))

    async def explain(self, error: QuarterdeckError) -> QuarterdeckError:
        """Why a connection failed, by one look at the node; ``error`` itself when nothing better is found."""
        try:
            if self.entry.local:
                self._check_local()
            else:
                link = self._context.links.of(self.entry.name)
                (await self._look(link)).complain(self.entry.name, self.place)
        except QuarterdeckError as found:
            return found
        if type(error) is Unreachable:
            return Unreachable(
                error.what,
                where=error.where,
                todo=error.todo or f"start the engine there, which is to listen at {clean(self.place.path)}",
            )
        return error

    def _check_local(self) -> None:
        found = _Found()
        try:
            status = os.stat(self.place.path)  # noqa: PTH116  # follows links, as a connection does
        except PermissionError:
            found.denied = True
        except OSError:
            pass
        else:
            found.there = stat.S_ISSOCK(status.st_mode)
            found.denied = not os.access(self.place.path, os.W_OK)
            found.mode = stat.S_IMODE(status.st_mode)
            try:
                found.group = grp.getgrgid(status.st_gid).gr_name
            except KeyError:
                found.group = str(status.st_gid)
        found.complain(self.entry.name, self.place)

    async def _look(self, link: Link) -> _Found:
        """One short command: is the socket there, may we write to it, whose is it, and what speaks to it there."""
        name = shlex.quote(self.place.path)
        done = await link.run(
            f's={name}; if [ -S "$s" ]; then if [ -w "$s" ]; then echo there; else echo denied; fi; '
            'elif [ -e "${s%/*}" ] && [ ! -x "${s%/*}" ]; then echo closed; else echo missing; fi; '
            "stat -L -c '%a %G' -- \"$s\" 2>/dev/null || echo; id -un 2>/dev/null || echo; "
            "command -v docker || command -v podman || echo",
            timeout=_SECONDS,
            limit=1 << 14,
        )
        lines = [*done.text.splitlines(), "", "", "", ""]
        mode, _, group = lines[1].partition(" ")
        return _Found(
            there=lines[0] in ("there", "denied"),
            denied=lines[0] in ("denied", "closed"),
            group=clean(group),
            mode=int(mode, 8) if mode and set(mode) <= set("01234567") else None,
            user=clean(lines[2]),
            program=lines[3] if lines[3].startswith("/") else "",
        )

    async def _forget(self) -> None:
        self._path = None
        dial, self._dial = self._dial, None
        if dial is not None:
            await dial.close()

    async def again(self) -> None:
        """Find the way anew at the next connection, where it was a detour: the straight one may be open now."""
        async with self._lock:
            if self._dial is not None:
                await self._forget()

    async def close(self) -> None:
        """Let go of it."""
        async with self._lock:
            await self._forget()


@dataclass(slots=True)
class _Found:
    """What a look at a socket found."""

    there: bool = False
    denied: bool = False
    group: str = ""
    mode: int | None = None
    user: str = ""
    program: str = ""

    def complain(self, node: str, place: Place) -> None:
        """Raise what is wrong, if anything."""
        path = clean(place.path)
        if self.denied:
            who = f"the account {self.user}" if self.user else "this account"
            raise Denied(f"{who} may not use {path}{self._group_words()}", where=node, todo=self._todo())
        if self.there:
            return
        if not place.named:
            raise Missing(f"no container engine at {path}", where=node)
        raise Unreachable(
            f"there is no socket at {path}",
            where=node,
            todo="start the engine there, or correct the node's docker key in hosts.yaml",
        )

    def _group_words(self) -> str:
        return f", which belongs to the group {self.group}" if self.group else ""

    def _todo(self) -> str:
        if not self.group or self.group in ("root", "UNKNOWN") or (self.mode is not None and not self.mode & 0o020):
            return "give a group of the account write access to that socket"
        user = self.user or "$USER"
        return f"add the account to it there (sudo usermod -aG {self.group} {user}) and log in again"
