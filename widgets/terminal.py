"""The terminal as the console uses it: one that stops reading, or goes away, holds up nothing else.

Textual's own writer blocks the event loop once thirty writes are queued. Here the queue has no bound, the console
paints nothing while it is backed up, and at the end nobody waits for a terminal that does not read.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Generator
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

BACKED_UP = 3
"""Writes waiting for the terminal from which on nothing is painted; one frame is one write."""
LAST_WORDS = 0.5
"""Seconds a terminal has to take what restores it when the console ends."""
_PIECE = 512
"""Bytes per write: what a terminal that says it is writable takes without blocking."""


class TerminalFile:
    """The writing end of a terminal, without buffers that a stuck write could hold locked at exit."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.gone = False
        """The terminal went away: nothing can be written to it any more."""
        self.given_up = False
        """Set to stop waiting for the terminal; what is not written by then is dropped."""

    def fileno(self) -> int:
        """The file descriptor."""
        return self._fd

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._fd)

    def write(self, text: str) -> int:
        """Write everything, waiting as long as the terminal takes; returns the characters given."""
        data = memoryview(text.encode("utf-8", "replace"))
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while data and not (self.gone or self.given_up):
            try:
                ready = poll.poll(200)
                if not ready:
                    continue
                if ready[0][1] & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                    self.gone = True
                    break
                data = data[os.write(self._fd, data[:_PIECE]) :]
            except BlockingIOError:
                continue
            except OSError:
                self.gone = True
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


class ConsoleDriver(LinuxDriver):
    """Textual's driver for Unix terminals, with a writer that cannot hold up the event loop.

    The mouse reports clicks and the wheel, not every movement: over a slow line a moving mouse costs nothing.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)  # pyright: ignore[reportUnknownMemberType]
        stream = sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else sys.__stdout__
        self.terminal = TerminalFile(stream.fileno() if stream is not None else 2)
        self._file: Any = self.terminal
        self.last_input = 0.0
        """When the operator last did something, ``time.monotonic()``."""
        self._frame: list[str] | None = None

    def _get_terminal_size(self) -> tuple[int, int]:
        """What the terminal itself says; ``COLUMNS`` and ``LINES`` in the environment are those of another moment."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self.terminal.fileno())
            if size.columns > 0 and size.lines > 0:
                return size.columns, size.lines
        return super()._get_terminal_size()

    def process_message(self, message: Message) -> None:
        """Note that somebody is there; called by the thread that reads the terminal."""
        self.last_input = time.monotonic()
        super().process_message(message)

    @property
    def waiting(self) -> int:
        """How many writes the terminal has not taken yet."""
        writer = self._writer_thread
        return writer._queue.qsize() if writer is not None else 0  # pyright: ignore[reportPrivateUsage]

    @property
    def gone(self) -> bool:
        """Whether the terminal went away: hung up, or closed at its other end."""
        if self.terminal.gone:
            return True
        poll = select.poll()
        poll.register(self.fileno, 0)
        with contextlib.suppress(OSError):
            return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
        return True

    def start_application_mode(self) -> None:
        """Take the terminal over; from the first moment on no write waits for it."""
        self.terminal.given_up = False
        super().start_application_mode()
        if self._writer_thread is not None:
            self._writer_thread._queue.maxsize = 0  # pyright: ignore[reportPrivateUsage]

    def close(self) -> None:
        """Let the writer finish, but not for ever: a terminal that does not read is left as it is."""
        writer, self._writer_thread = self._writer_thread, None
        if writer is None:
            return
        writer._queue.put(None)  # pyright: ignore[reportPrivateUsage]
        writer.join(LAST_WORDS)
        if writer.is_alive():
            self.terminal.given_up = True
            writer.join(LAST_WORDS)

    @contextlib.contextmanager
    def one_write(self) -> Generator[None, None, None]:
        """Make one write of all that is written meanwhile: a frame, and what says where it begins and ends."""
        self._frame = []
        try:
            yield
        finally:
            frame, self._frame = "".join(self._frame), None
            if frame:
                self.write(frame)

    def write(self, data: str) -> None:
        """Queue something for the terminal; never blocks."""
        if self._frame is not None:
            self._frame.append(data)
        elif self._writer_thread is not None and not self.terminal.gone:
            self._writer_thread._queue.put_nowait(data)  # pyright: ignore[reportPrivateUsage]

    def _enable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1000h\x1b[?1006h")

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1006l\x1b[?1000l")

    def _enable_mouse_pixels(self) -> None:
        """Cells are exact enough."""

    def _run_input_thread(self) -> None:
        """Read keys until told to stop; a terminal that went away is no error of ours."""
        try:
            self.run_input_thread()
        except OSError:
            self.terminal.gone = True
        except Exception:
            self.terminal.gone = True
            raise


__all__ = ["BACKED_UP", "ConsoleDriver", "TerminalFile"]
