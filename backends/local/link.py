"""This machine behind the face of a remote one: verbs are written once and run on both."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from app.errors import Missing, TimedOut, Unreachable, Unsupported
from app.link import Chunk, Completed, LinkCost, Progress, Started
from backends.kept_output import KeptOutput
from backends.local.child import SHELL, Child, Sink, home_folder
from backends.local.copying import copy
from backends.local.forward import LocalForward

_HELD = 1 << 20
"""Bytes of a channel's output kept for a reader that is late; beyond that the command waits."""


class LocalLink:
    """The link to this machine; satisfies ``app.link.Link``.

    Commands run under ``/bin/sh -c`` in the home folder, each in a session and process group of its own and without
    a terminal. Nothing here ever needs a connection, so ``open`` always succeeds.
    """

    def __init__(self, node: str = "here") -> None:
        self.node = node
        self.cost = LinkCost()
        self._channels: set[LocalChannel] = set()
        self._forwards: set[LocalForward] = set()
        self._running: set[Child] = set()
        self._ends: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str | None:
        """Always ``local``."""
        return "local"

    async def open(self) -> None:
        """This machine is always there."""

    async def close(self) -> None:
        """End what still runs over it: commands, channels, forwards; bounded in time."""
        for child in list(self._running):
            self._ending(child)
        await asyncio.gather(*(one.close() for one in [*self._channels, *self._forwards]), *self._ends)
        self._channels.clear()
        self._forwards.clear()

    async def run(
        self, command: str, *, input: bytes | None = None, timeout: float = 30.0, limit: int = 8 << 20
    ) -> Completed:
        """Run a command line to its end; see ``app.link.Link.run``."""
        kept = KeptOutput(limit)

        def keep(fd: int, data: bytes) -> None:
            self.cost.bytes_in += len(data)
            kept.keep(fd, data)

        child = await self._start(command, keep, input)
        try:
            async with asyncio.timeout(timeout):
                await child.ended.wait()
        except TimeoutError:
            await self._end(child)
            raise TimedOut(f"the command did not end within {timeout:g} s", where=self.node) from None
        except BaseException:
            await self._end(child)
            raise
        finally:
            self._running.discard(child)
        return kept.completed(child.exit_code)

    async def stream(
        self,
        command: str,
        *,
        stdout: Chunk,
        stderr: Chunk | None = None,
        input: bytes | None = None,
        started: Started | None = None,
    ) -> int:
        """Run a command and pass its output on as it comes; see ``app.link.Link.stream``.

        The handle given to ``started`` is the process group.
        """
        early: list[tuple[int, bytes]] | None = [] if started else None

        def pass_on(fd: int, data: bytes) -> None:
            self.cost.bytes_in += len(data)
            if early is not None:
                early.append((fd, data))
            elif fd == 2 and stderr is not None:
                stderr(data)
            else:
                stdout(data)

        child = await self._start(command, pass_on, input, join=stderr is None)
        try:
            if started is not None:
                await started(str(child.pgid))
                held, early = early or [], None
                for fd, data in held:
                    self.cost.bytes_in -= len(data)
                    pass_on(fd, data)
            await child.ended.wait()
        except BaseException:
            await self._end(child)
            raise
        finally:
            self._running.discard(child)
        return child.exit_code

    async def _end(self, child: Child) -> None:
        """See a command ended, even when we are cancelled once more meanwhile."""
        await asyncio.shield(self._ending(child))

    def _ending(self, child: Child) -> asyncio.Task[None]:
        task = asyncio.create_task(child.end())
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
        return task

    async def _start(self, command: str, sink: Sink, input: bytes | None, join: bool = False) -> Child:
        self.cost.commands += 1
        child = await Child.start(command, sink, stdin=input is not None, join=join)
        self._running.add(child)
        if input is not None:
            self.cost.bytes_out += len(input)
            with contextlib.suppress(Unreachable):  # it may end without having read any
                child.write(input)
            child.close_stdin()
        return child

    async def channel(self, command: str) -> LocalChannel:
        """Start a long-running command with both ends open; its standard error is thrown away."""
        self.cost.channels += 1
        channel = LocalChannel(self.cost)
        await channel.start(command)
        self._channels = {one for one in self._channels if not one.closed} | {channel}
        return channel

    async def forward(self, listen_host: str, listen_port: int, host: str, port: int) -> LocalForward:
        """Listen here and connect to ``host:port``; raises Unreachable when the port is taken."""
        forward = await LocalForward.open(listen_host, listen_port, host, port)
        self._forwards.add(forward)
        return forward

    async def forward_socket(self, remote_path: str) -> Path:
        """The socket itself: it is on this machine already. Raises Missing where there is none."""
        path = Path(remote_path)
        if not path.is_socket():
            raise Missing("no such socket", where=remote_path)
        return path

    async def put(self, local: Path, remote: str, progress: Progress) -> None:
        """Copy a file or folder; ``remote`` is the final name, relative to the home folder."""
        await copy(local, self._path(remote), progress)

    async def get(self, remote: str, local: Path, progress: Progress) -> None:
        """Copy a file or folder; ``remote`` is relative to the home folder, ``local`` the final name."""
        await copy(self._path(remote), local, progress)

    def _path(self, remote: str) -> Path:
        if "\0" in remote:
            raise Unsupported("a path cannot hold a NUL", where=self.node)
        return Path(home_folder()) / remote

    def shell_argv(self, command: Sequence[str] = ()) -> list[str]:
        """The operator's login shell, or ``command`` as it is."""
        return list(command) if command else [os.environ.get("SHELL") or SHELL, "-l"]


class LocalChannel:
    """One long-running command on this machine; satisfies ``app.link.Channel``."""

    def __init__(self, cost: LinkCost) -> None:
        self._cost = cost
        self._child: Child | None = None
        self._closing = False
        self._held: deque[bytes] = deque()
        self._size = 0
        self._came = asyncio.Event()

    @property
    def closed(self) -> bool:
        """It was closed, and nothing of it is left."""
        return self._closing and (self._child is None or self._child.ended.is_set())

    async def start(self, command: str) -> None:
        """Start the command; called once, by the link."""
        self._child = await Child.start(command, self._keep, stdin=True, keep_stderr=False)

    def _keep(self, fd: int, data: bytes) -> None:
        self._cost.bytes_in += len(data)
        self._held.append(data)
        self._size += len(data)
        self._came.set()
        if self._size > _HELD and self._child is not None:
            self._child.pause(True)

    async def write(self, data: bytes) -> None:
        """Send to its standard input; raises Unreachable when it has ended."""
        if self._child is None:
            raise Unreachable("the command has ended", where="this machine")
        self._cost.bytes_out += len(data)
        self._child.write(data)

    async def read(self) -> bytes:
        """All output that has come since the last call, at least one byte; empty when it has ended."""
        child = self._child
        if child is None:
            return b""
        if not self._held and not child.ended.is_set():
            came = asyncio.ensure_future(self._came.wait())
            ended = asyncio.ensure_future(child.ended.wait())
            try:
                await asyncio.wait((came, ended), return_when=asyncio.FIRST_COMPLETED)
            finally:
                came.cancel()
                ended.cancel()
        data = b"".join(self._held)
        self._held.clear()
        self._came.clear()
        if self._size > _HELD:
            child.pause(False)
        self._size = 0
        return data

    async def close(self) -> None:
        """End its input, then the whole group; bounded."""
        self._closing = True
        if self._child is not None:
            self._child.close_stdin()
            await self._child.end()
