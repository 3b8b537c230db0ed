"""The operator's end of a guest's serial terminal: a small program of its own, given the terminal while it lasts.

``python serial_child.py SOCKET NAME`` passes keys and sizes to the console, which holds the connection to the cluster,
and shows what comes back; so neither a ticket nor a login is ever in a command line, an environment or a file. ctrl-]
leaves. Keys go as ``k``, four bytes of length, bytes; a size as ``r``, length, ``lines columns``. The terminal is as it
was before, however this ends. It ends with 0 when the operator left, else with 125. Only the standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
from typing import Any

LOST = 125
LEAVE = b"\x1d"
"""ctrl-]."""
_PIECE = 1 << 15
_LAST_S = 2.0
"""For what was typed just before leaving to be taken."""
_MOST_WAITING = 1 << 20
"""Typed bytes kept while nobody takes them; then the keyboard waits."""


def window() -> tuple[int, int]:
    """Lines and columns of the terminal; 0, 0 where nobody knows."""
    with contextlib.suppress(OSError):
        lines, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
        return lines, columns
    return 0, 0


def packed(kind: bytes, data: bytes) -> bytes:
    """One message to the console."""
    return kind + struct.pack("!I", len(data)) + data


class Raw:
    """The operator's terminal while every key goes on as it is."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    def __enter__(self) -> Raw:
        if os.isatty(0):
            self._before = termios.tcgetattr(0)
            mode = termios.tcgetattr(0)
            mode[0] &= ~(
                termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.INLCR | termios.IGNCR
                | termios.IXON | termios.IXOFF
            )  # fmt: skip
            mode[1] &= ~termios.OPOST
            mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
            mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN | termios.ISIG)
            mode[6] = list(mode[6])
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(0, termios.TCSANOW, mode)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSADRAIN, self._before)


class Session:
    """Bytes between the terminal and the console until one of them ends."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._waiting = b""
        self._keys_end = False
        self.resized = True
        self.left = False

    def run(self, wake: int) -> None:
        """Until the stream ends or the operator leaves."""
        self._stream.setblocking(False)
        while not self.left:
            if self.resized:
                self.resized = False
                lines, columns = window()
                if lines and columns:
                    self._waiting += packed(b"r", b"%d %d" % (lines, columns))
            reads: list[Any] = [self._stream, wake]
            if not self._keys_end and len(self._waiting) < _MOST_WAITING:
                reads.append(0)
            ready, able, _ = select.select(reads, [self._stream] if self._waiting else [], [])
            if wake in ready:
                with contextlib.suppress(OSError):
                    os.read(wake, 512)
            if self._stream in ready and not self._show():
                return
            if 0 in ready:
                self._read_keys()
            if able:
                self._send()
        self._stream.settimeout(_LAST_S)
        with contextlib.suppress(OSError):
            self._stream.sendall(self._waiting)

    def _show(self) -> bool:
        try:
            data = self._stream.recv(_PIECE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        while data:
            try:
                data = data[os.write(1, data) :]
            except BlockingIOError:
                select.select([], [1], [])
                continue
            if not data:
                return True
        return False

    def _read_keys(self) -> None:
        try:
            data = os.read(0, _PIECE)
        except InterruptedError:
            return
        except OSError:
            data = b""
        if not data:
            self._keys_end = self.left = True
            return
        before, left, _ = data.partition(LEAVE)
        if before:
            self._waiting += packed(b"k", before)
        self.left = bool(left)

    def _send(self) -> None:
        try:
            self._waiting = self._waiting[self._stream.send(self._waiting) :]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting = b""


def told(words: str) -> None:
    """One line to the operator; what comes from outside in it cannot move the cursor."""
    line = "".join(char if char.isprintable() else " " for char in words)
    with contextlib.suppress(OSError):
        os.write(2, f"\r\n{line}\r\n".encode("utf-8", "replace"))


def stopped(number: int, frame: object) -> None:
    """Asked to end: the terminal is put back on the way out."""
    sys.exit(128 + number)


def main(arguments: list[str]) -> int:
    """Run; see the module."""
    path, name = arguments
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.connect(path)
    except OSError as error:
        told(f"{name}: {error.strerror or error}")
        return LOST
    session = Session(stream)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)

    def on_window(number: int, frame: object) -> None:
        session.resized = True

    signal.signal(signal.SIGWINCH, on_window)
    with stream, Raw():
        session.run(wake)
    told(f"{name}: left its terminal" if session.left else f"{name}: its terminal ended")
    return 0 if session.left else LOST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
