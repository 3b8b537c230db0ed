"""One child process of ours in a session of its own: its output in pieces, its end, and how it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio import subprocess
from collections.abc import Awaitable, Callable
from typing import cast

from app.errors import Unreachable

SHELL = "/bin/sh"
GRACE_S = 2.0
"""How long a group may take to end after SIGTERM before it is killed."""
_LOOK_S = 0.02
_END_S = 5.0
"""How long to wait for the kernel to report a killed child; one stuck in the kernel is left behind then."""

Sink = Callable[[int, bytes], None]
"""Called with (file descriptor number, piece)."""


class Child(asyncio.SubprocessProtocol):
    """A shell command line that runs as the leader of its own session and process group.

    ``pgid`` is that group. ``ended`` is set when it has exited and its outputs are closed.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._transport: asyncio.SubprocessTransport | None = None
        self._ending: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.pgid = 0

    @classmethod
    async def start(
        cls, command: str, sink: Sink, *, stdin: bool, join: bool = False, keep_stderr: bool = True
    ) -> Child:
        """Start ``sh -c command`` in the home folder, as a login over SSH would.

        ``join`` sends its errors where its output goes. Raises Unreachable where nothing can be started.
        """
        stderr = subprocess.STDOUT if join else subprocess.PIPE if keep_stderr else subprocess.DEVNULL
        starting = asyncio.ensure_future(
            asyncio.get_running_loop().subprocess_exec(
                lambda: cls(sink),
                SHELL,
                "-c",
                command,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                cwd=home_folder(),
            )
        )
        try:
            transport, child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(cls._unwanted(starting)))
            raise
        except (OSError, ValueError) as error:  # ValueError: a NUL byte in the command line
            raise Unreachable(f"cannot start a command: {error}", where="this machine") from None
        child._known(transport)
        return child

    @staticmethod
    async def _unwanted(starting: Awaitable[tuple[asyncio.SubprocessTransport, Child]]) -> None:
        """End what was started for somebody who no longer wants it."""
        with contextlib.suppress(OSError, ValueError):
            transport, child = await starting
            child._known(transport)
            await child.end()

    def _known(self, transport: asyncio.SubprocessTransport) -> None:
        self._transport = transport
        self.pgid = transport.get_pid()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop once the process runs; output may come before ``start`` returns."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass a piece of output on."""
        self._sink(fd, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has exited and its outputs are closed."""
        self.ended.set()
        if self._transport is not None:
            self._transport.close()

    @property
    def exit_code(self) -> int:
        """As a shell counts: 128 + signal for a killed one; 255 while it is not known."""
        code = self._transport.get_returncode() if self._transport else None
        if code is None:
            return 255
        return 128 - code if code < 0 else code

    def write(self, data: bytes) -> None:
        """Send to its standard input; raises Unreachable when it no longer reads."""
        pipe = self._stdin()
        if pipe is None or pipe.is_closing() or self.ended.is_set():
            raise Unreachable("the command has ended", where="this machine")
        pipe.write(data)

    def close_stdin(self) -> None:
        """End its input after what was written."""
        pipe = self._stdin()
        if pipe is not None:
            pipe.close()

    def _stdin(self) -> asyncio.WriteTransport | None:
        if self._transport is None:
            return None
        return cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))

    def pause(self, paused: bool) -> None:
        """Stop or go on reading its output, so that a slow reader bounds what is held in memory."""
        pipe = self._transport.get_pipe_transport(1) if self._transport else None
        reader = cast("asyncio.ReadTransport | None", pipe)
        if reader is None or reader.is_closing():
            return
        if paused:
            reader.pause_reading()
        else:
            reader.resume_reading()

    async def end(self) -> None:
        """End the whole group: SIGTERM, then SIGKILL to what is left; bounded.

        It goes on when whoever waits for it is cancelled, and is one end however many ask for it.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name=f"end of {self.pgid}")
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        try:
            self.signal(signal.SIGTERM)
            deadline = asyncio.get_running_loop().time() + GRACE_S
            while self._alive() and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(_LOOK_S)
        finally:
            if self._alive():
                self.signal(signal.SIGKILL)
            # Only the pipes: closing the transport would read the exit code away from the loop's own watcher, which
            # would then know of no such process, or tell of it when the loop is gone.
            self._close_pipes()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), _END_S)
            if not self.ended.is_set() and self._transport is not None:
                with contextlib.suppress(PermissionError):  # root's sudo is not ours to kill
                    self._transport.close()

    def _close_pipes(self) -> None:
        """Let go of its input and outputs, which something outside the group may hold open."""
        for fd in (0, 1, 2):
            pipe = self._transport.get_pipe_transport(fd) if self._transport is not None else None
            if isinstance(pipe, asyncio.WriteTransport) and pipe.get_write_buffer_size():
                pipe.abort()  # what was written to it and not yet read holds a mere close up
            elif pipe is not None:
                pipe.close()

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group; one that is gone, or is somebody else's by now, is none of our business."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pgid, number)

    def _alive(self) -> bool:
        try:
            os.killpg(self.pgid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return not self.ended.is_set()
        return not self.ended.is_set() or any_runs(self.pgid)


def any_runs(group: int) -> bool:
    """Whether a process of a group still runs, and is not only waiting for somebody to read its exit code.

    In a container the first process often reads nobody's, and dead processes stay for as long as it lives.
    """
    from pathlib import Path

    stats = list(Path("/proc").glob("[0-9]*/stat"))
    for stat in stats:
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, _, its_group = stat.read_bytes().rpartition(b")")[2].split()[:3]
            if int(its_group) == group and state not in (b"Z", b"X"):
                return True
    return not stats  # no Linux: the kernel's answer stands


def home_folder() -> str:
    """Where commands start: the home folder, or the root folder where there is none."""
    from pathlib import Path

    home = Path("~").expanduser()
    return str(home) if home.is_dir() else "/"
