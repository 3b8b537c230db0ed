"""A program on a pseudo-terminal: what it writes, when, and what it costs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import psutil


def compiled() -> dict[str, str]:
    """The environment, in which Python keeps what it compiled, as an installed program's is kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class Terminal:
    """One child on a pty of ``columns`` × ``rows``; reads only when told to."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    columns: int = 120
    rows: int = 36

    def __enter__(self) -> Terminal:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        self.began = time.monotonic()
        self.child = subprocess.Popen(
            self.argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**compiled(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **self.env},
            start_new_session=True,
            close_fds=True,
        )
        os.close(slave)
        self.process = psutil.Process(self.child.pid)
        self.written = b""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.read(1.0)
            self.child.wait(10)
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self._master)

    def read(self, seconds: float, until: Callable[[bytes], bool] | None = None) -> bytes:
        """Everything written within so many seconds, or until the condition on all of it holds."""
        deadline = time.monotonic() + seconds
        got = b""
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                break
            try:
                piece = os.read(self._master, 1 << 16)
            except OSError:
                break
            got += piece
            self.written += piece
            if until is not None and until(self.written):
                break
        return got

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a terminal does."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def cpu_seconds(self) -> float:
        """User and system time of the child so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def memory_bytes(self) -> int:
        """Resident set size of the child."""
        return self.process.memory_info().rss
