"""The sampler's program under real shells: dash, busybox ash, and a host that has nothing but ``sh`` and ``cat``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from asyncio import subprocess
from collections.abc import Sequence
from pathlib import Path

from app.errors import Unreachable
from app.link import LinkCost
from tests.conftest import need

SHELLS = ("dash", "ash")


def shell_argv(name: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """How to run ``sh -c`` by a shell of that name: argv and environment; ``sh`` and ``cat`` are its own."""
    program = shutil.which("busybox" if name == "ash" else name)
    need(program, name)
    assert program is not None
    tools = folder / f"tools-{name}"
    if not tools.exists():
        tools.mkdir()
        (tools / "sh").symlink_to(program)
        if name == "ash":
            (tools / "cat").symlink_to(program)
    return [str(tools / "sh"), "-c"], {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}


def bare_host(folder: Path, *, boot_id: bool = True, tools: Sequence[str] = ("sh", "cat")) -> list[str]:
    """A root folder with ``busybox`` under the given names and nothing else, and the argv that runs ``sh -c`` in it.

    Files under ``folder / "root"`` stand for the host's: put a ``proc`` or ``sys`` there.
    """
    busybox = shutil.which("busybox")
    need(busybox and shutil.which("chroot") and os.geteuid() == 0, "a static busybox and root for chroot")
    assert busybox is not None
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    (root / "dev").mkdir()
    (root / "dev" / "null").touch()
    shutil.copy(busybox, root / "bin" / "sh")
    for tool in tools:
        if tool != "sh":
            os.link(root / "bin" / "sh", root / "bin" / tool)
    random = root / "proc" / "sys" / "kernel" / "random"
    random.mkdir(parents=True)
    if boot_id:
        (random / "boot_id").write_text("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n")
    return [shutil.which("chroot") or "chroot", str(root), "/bin/sh", "-c"]


class ShellChannel:
    """A channel to a shell of the test's choice; ``pid`` leads its process group."""

    def __init__(self, process: subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.written: list[bytes] = []
        self._reads = asyncio.Lock()
        """A stream has one reader at a time: a test may close what a sampler still reads."""

    async def write(self, data: bytes) -> None:
        self.written.append(data)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except ConnectionError:
            raise Unreachable("the command has ended") from None

    async def read(self) -> bytes:
        assert self._process.stdout is not None
        async with self._reads:
            return await self._process.stdout.read(65536)

    async def end_input(self) -> None:
        """What a lost connection does: end of input, and nothing else."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.wait_closed()

    async def ended(self) -> int:
        async with asyncio.timeout(10):
            return await self._process.wait()

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        # The rest of its output is read away: pipes whose ends nobody holds warn when they are collected.
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.wait_closed()
        async with self._reads:
            await self._process.stdout.read()
        await self._process.wait()


class ShellLink:
    """As much of a link as a sampler needs, over a local shell; ``command`` may stand in for the program."""

    def __init__(self, argv: Sequence[str], env: dict[str, str] | None = None, command: str | None = None) -> None:
        self.node = "test"
        self.cost = LinkCost()
        self.address: str | None = "test:0"
        self.argv = list(argv)
        self.env = env
        self.command = command
        self.channels: list[ShellChannel] = []
        self.down: Exception | None = None
        self.closed = 0

    async def open(self) -> None:
        if self.down is not None:
            raise self.down

    async def close(self) -> None:
        self.closed += 1

    async def channel(self, command: str) -> ShellChannel:
        process = await asyncio.create_subprocess_exec(
            *self.argv,
            self.command or command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.env,
            start_new_session=True,
        )
        channel = ShellChannel(process)
        self.channels.append(channel)
        return channel
