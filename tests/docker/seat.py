"""Somebody at a real pseudo-terminal, whose program is the one that puts terminal and container together."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any


class Seat:
    """One terminal; programs run on it one after the other."""

    def __init__(self, lines: int = 30, columns: int = 100) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.resize(lines, columns)
        self.before: list[Any] = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process: subprocess.Popen[bytes] | None = None

    def resize(self, lines: int, columns: int) -> None:
        """Make the window another size; who runs in it is told by the system."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    async def run(self, argv: Sequence[str]) -> int:
        """Run a program on it to its end, as the console does; its exit code."""
        self.process = subprocess.Popen(
            argv,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        while self.process.poll() is None:
            self.read()
            await asyncio.sleep(0.01)
        self.read()
        return self.process.returncode

    def read(self) -> None:
        """Take what is on the screen's wire."""
        with suppress(BlockingIOError, OSError):
            while data := os.read(self.master, 65536):
                self.seen += data

    def type(self, keys: bytes) -> None:
        """Press keys; what is waited for from here on is the answer."""
        self.seen = b""
        os.write(self.master, keys)

    async def paste(self, text: bytes) -> None:
        """Press many keys, as fast as they are taken."""
        while text:
            with suppress(BlockingIOError):
                text = text[os.write(self.master, text) :]
            await asyncio.sleep(0.005)

    async def until(self, wanted: bytes, within: float = 30.0) -> None:
        """Wait for something to appear."""
        deadline = time.monotonic() + within
        while wanted not in self.seen:
            self.read()
            assert time.monotonic() < deadline, f"{wanted!r} did not come: {self.seen[-500:]!r}"
            await asyncio.sleep(0.01)

    @property
    def as_before(self) -> bool:
        """Whether the terminal's settings are what they were at the beginning."""
        return termios.tcgetattr(self.slave) == self.before

    def close(self) -> None:
        """Leave."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)
