"""The link to a node over SSH: one connection, opened when needed, by the first route that answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.backend import AskSecret, nobody
from app.errors import Denied, HostKeyError, QuarterdeckError, TimedOut, Unreachable
from app.inventory.model import SshDefaults, SshEntry
from app.inventory.ssh_config import Route, resolve
from app.link import Chunk, Completed, LinkCost, Progress, Started
from backends.kept_output import KeptOutput
from backends.ssh.argv import ssh_argv
from backends.ssh.attempt import Attempt
from backends.ssh.jumps import Connections, Shared

if TYPE_CHECKING:
    from backends.ssh.channels import RemoteChannel
    from backends.ssh.forwards import Relay
    from backends.ssh.remote_job import RemoteJob, Sink
    from backends.ssh.scan import Scan

_CLOSE_SECONDS = 6.0


class SshLink:
    """The link to one remote node; satisfies ``app.link.Link``.

    ``routes`` are addresses tried in order when one does not answer. ``connections`` is shared by all links, so that
    a jump host is logged in to once; without it the link has its own. ``elevate``: the operator may become root there
    without a password, so that a cancelled command's root processes are ended as well.
    """

    def __init__(
        self,
        node: str,
        entry: SshEntry,
        defaults: SshDefaults,
        *,
        routes: Sequence[str] = (),
        ask_secret: AskSecret = nobody,
        connections: Connections | None = None,
        elevate: bool = False,
    ) -> None:
        self.node = node
        self.cost = LinkCost()
        self._entry = entry
        self._defaults = defaults
        self._routes: tuple[str | None, ...] = tuple(routes) or (None,)
        self._connections = connections or Connections(ask_secret)
        self._elevate = elevate
        self._route: Route | None = None
        """The way in use, or the last one that was."""
        self._shared: Shared | None = None
        self._opening: Attempt[Shared] | None = None
        self._lost_with: Exception | None = None
        self._channels: set[RemoteChannel] = set()
        self._relays: set[Relay] = set()
        self._sockets: dict[str, Path] = {}
        self._folder: Path | None = None
        self._ends: set[asyncio.Task[None]] = set()

    # -- the connection

    @property
    def address(self) -> str | None:
        """``host:port`` in use, ``None`` while not connected."""
        return self._route.target.address if self._shared is not None and self._route is not None else None

    @property
    def squeezed(self) -> bool:
        """The server has no channel left for what yields, such as the sampler, while something else runs."""
        return self._shared is not None and self._shared.sessions.squeezed

    @property
    def places(self) -> int | None:
        """How many channels there can be at once, as far as that is known; ``None`` while not connected."""
        return None if self._shared is None else self._shared.sessions.limit

    @property
    def note(self) -> str | None:
        """What a person should know about the connection, in words."""
        if self._shared is None or not self._shared.sessions.squeezed:
            return None
        return f"sampling paused while something else runs (MaxSessions {self._shared.sessions.limit})"

    async def idle(self) -> None:
        """Wait until the connection has a place for channels that yield; returns at once while there is none."""
        if self._shared is not None:
            await self._shared.sessions.idle()

    async def open(self) -> None:
        """Connect if not connected; concurrent callers share one attempt."""
        await self._connected()

    async def _connected(self) -> Shared:
        if self._shared is not None:
            return self._shared
        if self._opening is None or self._opening.done:
            self._opening = Attempt(self._connect())
        try:
            return await self._opening.result()
        except QuarterdeckError as error:
            raise type(error)(error.what, where=error.where, todo=error.todo) from None

    async def _connect(self) -> Shared:
        failures: list[Unreachable] = []
        for address in self._routes:
            route = await resolve(self._entry, self._defaults, address, entry_of=self._connections.entry_of)
            try:
                shared = await self._connections.acquire(route, self.node, self._lost)
            except Denied:
                raise  # it answered: another address of the same host would say the same
            except Unreachable as error:
                failures.append(error)
                continue
            self._route, self._shared = route, shared
            self.cost.connects += 1
            if not shared.alive:
                self._lost(None)
                raise Unreachable("the connection was lost at once", where=route.target.address)
            return shared
        if len(failures) == 1:
            raise failures[0]
        told = "; ".join(f"{one.where}: {one.what}" for one in failures)
        silent = all(isinstance(one, TimedOut) for one in failures)
        raise (TimedOut if silent else Unreachable)(
            f"no route answers ({told})", where=self.node, todo=failures[0].todo
        )

    def _lost(self, error: Exception | None) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            self._later(self._connections.release(shared, self._lost))

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
        return task

    async def close(self) -> None:
        """Disconnect, within some seconds; what runs over it ends. It opens again when something is wanted of it."""
        shared, self._shared = self._shared, None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                ends = [one.close() for one in [*self._channels, *self._relays]]
                await asyncio.gather(*ends, return_exceptions=True)
                if shared is not None:
                    await self._connections.release(shared, self._lost)
                if self._ends:
                    await asyncio.wait(list(self._ends))
        self._sockets.clear()
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    # -- commands

    async def run(
        self, command: str, *, input: bytes | None = None, timeout: float = 30.0, limit: int = 8 << 20
    ) -> Completed:
        """Run a command line to its end; see ``app.link.Link.run``. The time to connect does not count."""
        kept = KeptOutput(limit)
        job = await self._job(command, kept.keep, input)
        try:
            async with asyncio.timeout(timeout):
                await job.begin()
                code = await job.wait()
        except TimeoutError:
            await self._end(job)
            raise TimedOut(f"the command did not end within {timeout:g} s", where=self.node) from None
        except asyncio.CancelledError:
            await self._end(job)
            raise
        return kept.completed(code)

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

        The handle given to ``started`` is the process group on the node.
        """
        early: list[tuple[int, bytes]] | None = [] if started else None

        def pass_on(fd: int, data: bytes) -> None:
            if early is not None:
                early.append((fd, data))
            elif fd == 2 and stderr is not None:
                stderr(data)
            else:
                stdout(data)

        job = await self._job(command, pass_on, input, join=stderr is None)
        try:
            await job.begin()
            if started is not None:
                ending = asyncio.create_task(job.wait())
                await self._announce(job, ending, started)
                held, early = early or [], None
                for fd, data in held:
                    pass_on(fd, data)
                return await ending
            return await job.wait()
        except BaseException:
            await self._end(job)
            raise

    async def _announce(self, job: RemoteJob, ending: asyncio.Task[int], started: Started) -> None:
        known = asyncio.create_task(job.known.wait())
        try:
            await asyncio.wait([known, ending], return_when=asyncio.FIRST_COMPLETED)
            if job.group is not None:
                await started(str(job.group))
        except BaseException:
            ending.cancel()
            raise
        finally:
            known.cancel()

    async def _job(self, command: str, sink: Sink, input: bytes | None, *, join: bool = False) -> RemoteJob:
        shared = await self._connected()
        from backends.ssh.remote_job import RemoteJob

        return RemoteJob(
            shared,
            self._connections,
            self.node,
            command,
            sink,
            self.cost,
            input=input,
            join=join,
            elevate=self._elevate,
        )

    async def _end(self, job: RemoteJob) -> None:
        """See a job ended on the node, even when we are cancelled once more meanwhile."""
        await asyncio.shield(self._later(job.end()))

    async def channel(self, command: str, *, yields: bool = False) -> RemoteChannel:
        """Start a long-running command with both ends open.

        One that ``yields`` may be ended by the link when the server allows no other channel beside it and one is
        wanted: its ``yielded`` is then true, and its owner awaits ``idle()`` before it starts anew.
        """
        shared = await self._connected()
        from backends.ssh.channels import RemoteChannel

        channel = RemoteChannel(shared.resolved.address, self.cost, self._channels.discard)
        self._channels.add(channel)
        try:
            await channel.start(shared, command, yields)
        except BaseException:
            self._channels.discard(channel)
            raise
        return channel

    # -- tunnels

    async def forward(self, listen_host: str, listen_port: int, host: str, port: int) -> Relay:
        """Listen here and connect from the node; raises Unsupported where the server forbids that."""
        from backends.ssh import tunnels

        return await tunnels.tcp(self._connected, self.cost, self._relays, (listen_host, listen_port), (host, port))

    async def forward_socket(self, remote_path: str) -> Path:
        """A local Unix socket, in a folder of our own, that comes out at ``remote_path``; made once per path.

        Raises Unsupported where the server forbids that or the socket may not be used, Missing where there is none.
        """
        if remote_path in self._sockets:
            return self._sockets[remote_path]
        from backends.ssh import tunnels

        await tunnels.check_socket(self, self._connected, remote_path)
        if self._folder is None:
            runtime = os.environ.get("XDG_RUNTIME_DIR")
            usable = runtime if runtime and os.access(runtime, os.W_OK) else None
            self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="qd-", dir=usable))
        path = self._folder / f"s{len(self._sockets)}"
        await tunnels.socket(self._connected, self.cost, self._relays, path, remote_path)
        self._sockets[remote_path] = path
        return path

    # -- files

    async def put(self, local: Path, remote: str, progress: Progress) -> None:
        """Copy to the node; ``remote`` is the final name, relative to the home folder there."""
        shared = await self._connected()
        from backends.ssh.transfer import put

        await put(shared, self.cost, local, remote, progress)

    async def get(self, remote: str, local: Path, progress: Progress) -> None:
        """Copy from the node; ``local`` is the final name."""
        shared = await self._connected()
        from backends.ssh.transfer import get

        await get(shared, self.cost, remote, local, progress)

    # -- the operator's own program, and trust

    def shell_argv(self, command: Sequence[str] = ()) -> list[str]:
        """``ssh`` by the route in use; raises Unreachable before the first connection."""
        if self._route is None:
            raise Unreachable("not connected yet", where=self.node)
        return ssh_argv(self._route, command)

    async def scan_host_keys(self) -> list[Scan]:
        """The host keys of each hop to the node, as far as one gets without passing a host that is not trusted.

        Nobody logs in to the node itself. The last entry is the hop that needs trust, or the node.
        """
        failure: Unreachable | None = None
        for address in self._routes:
            route = await resolve(self._entry, self._defaults, address, entry_of=self._connections.entry_of)
            try:
                return await self._scan(route)
            except HostKeyError:
                raise
            except Unreachable as error:
                failure = failure or error
        assert failure is not None
        raise failure

    async def _scan(self, route: Route) -> list[Scan]:
        await self._connections.means()  # imports the library in a thread
        from backends.ssh.hostkeys import Standing
        from backends.ssh.scan import scan_hop

        found: list[Scan] = []
        for number, hop in enumerate(route.hops):
            via = None
            if number:
                via = await self._connections.acquire(Route(route.hops[:number]), self.node, _unheeded)
            try:
                last = number == len(route.hops) - 1
                scan = await scan_hop(hop, via.hop if via else None, jump=not last)
            finally:
                if via is not None:
                    await self._connections.release(via, _unheeded)
            found.append(scan)
            if not any(key.finding.standing is Standing.TRUSTED for key in scan.keys):
                break
        return found


def _unheeded(error: Exception | None) -> None:
    """The end of a connection that is used only now and then."""
