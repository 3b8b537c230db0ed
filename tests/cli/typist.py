"""An operator at a terminal of their own: the real program in a pseudo-terminal, typed at and read from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]


class Typist:
    """Runs ``quarterdeck WORDS`` with a controlling terminal; ``stdin`` may be something else."""

    def __init__(self, *words: str, env: Mapping[str, str] | None = None, stdin: int | None = None) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x18\x00\x50\x00\x00\x00\x00\x00")

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "quarterdeck.py"), *words],
            stdin=slave if stdin is None else stdin,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            preexec_fn=own_terminal,
        )
        self._slave = slave
        self.seen = ""

    def __enter__(self) -> Typist:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)
        os.close(self._master)
        os.close(self._slave)

    def expect(self, words: str, within: float = 30.0) -> str:
        """Read until ``words`` stand on the screen; what was read since the last time."""
        deadline = time.monotonic() + within
        fresh = ""
        while words not in fresh:
            left = deadline - time.monotonic()
            assert left > 0, f"{words!r} did not come; the screen says: {self.seen!r}"
            if select.select([self._master], [], [], min(left, 0.5))[0]:
                with contextlib.suppress(OSError):
                    piece = os.read(self._master, 65536).decode("utf-8", "replace")
                    fresh += piece
                    self.seen += piece
            elif self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} before {words!r}: {self.seen!r}")
        return fresh

    def type(self, words: str) -> None:
        """Type something; the enter key is ``\\n``."""
        os.write(self._master, words.encode())

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def ends(self, within: float = 30.0) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still runs; the screen says: {self.seen!r}"
            self._drain(0.1)
        self._drain(0.0)
        return self.process.returncode

    def _drain(self, wait: float) -> None:
        while select.select([self._master], [], [], wait)[0]:
            try:
                piece = os.read(self._master, 65536)
            except OSError:
                return
            if not piece:
                return
            self.seen += piece.decode("utf-8", "replace")
