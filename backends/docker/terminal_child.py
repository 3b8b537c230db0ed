"""A terminal on a container: a small program of its own, given the terminal while a shell or an attachment lasts.

``python terminal_child.py exec|attach SOCKET JSON`` speaks with the engine on a Unix socket (Engine API, "Exec" and
"Attach to a container") and passes bytes both ways. It ends with the exit code of what ran there; 125 says that the
engine refused or was lost. ctrl-p ctrl-q leaves an attachment; a shell gets them as any keys, for it has uses for them
and many engines end it with its terminal. The terminal is as it was before, however this ends. Only the standard
library, and of that only what starts fast.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import termios
import time
from typing import Any

LOST = 125
LEAVE = b"\x10\x11"
"""ctrl-p ctrl-q."""
NEVER = "ctrl-^,ctrl-_,ctrl-^,ctrl-_,ctrl-^"
"""Keys nobody types: an engine that is told none takes its default."""
_ANSWER_S = 15.0
_LEAVE_S = 2.0
"""For the engine to let go of a terminal."""
_LAST_S = 5.0
"""At the end, to learn the exit code: the engine may be gone."""
_PIECE = 1 << 15
_MOST_WAITING = 1 << 20
"""Typed bytes kept for an engine that does not take them; then the keyboard waits."""
_RESIZE_TRIES = 20
"""A terminal gets its size once its process runs, which is a moment after the engine's answer."""


class Trouble(Exception):
    """What the operator is told, in one line."""


class Engine:
    """The engine at a socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.patience = _ANSWER_S
        """Seconds to wait for an answer."""

    def open(self) -> socket.socket:
        """Connect."""
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(self.patience)
        try:
            one.connect(self._path)
        except OSError as error:
            one.close()
            raise Trouble(f"the engine does not answer: {error.strerror or error}") from None
        return one

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request and its JSON answer; raises Trouble with the engine's own words."""
        with self.open() as one:
            status, rest = self._answered(one, method, path, body, "Connection: close\r\n")
            said = rest
            with contextlib.suppress(OSError):
                while data := one.recv(_PIECE):
                    said += data
        found = parsed(said)
        if status >= 300:
            raise refused(status, found)
        return found

    def stream(self, path: str, body: Any = None) -> tuple[socket.socket, bytes]:
        """Upgrade a connection to the bytes of a terminal; returns it and what came already."""
        one = self.open()
        try:
            status, rest = self._answered(one, "POST", path, body, "Connection: Upgrade\r\nUpgrade: tcp\r\n")
            if status not in (101, 200):
                with contextlib.suppress(OSError):
                    one.settimeout(1.0)
                    rest += one.recv(_PIECE)
                raise refused(status, parsed(rest))
        except BaseException:
            one.close()
            raise
        one.setblocking(False)
        return one, rest

    @staticmethod
    def _answered(one: socket.socket, method: str, path: str, body: Any, more: str) -> tuple[int, bytes]:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n{more}"
        try:
            one.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            said = b""
            while b"\r\n\r\n" not in said:
                piece = one.recv(_PIECE)
                if not piece or len(said) > _MOST_WAITING:
                    raise Trouble("the engine ended the connection")
                said += piece
        except OSError as error:
            raise Trouble(f"the engine does not answer: {error.strerror or error}") from None
        words, _, rest = said.partition(b"\r\n\r\n")
        status = words.split(b" ", 2)[1:2]
        if not status or not status[0].isdigit():
            raise Trouble("what answers there is no engine")
        return int(status[0]), rest


def refused(status: int, found: Any) -> Trouble:
    """The engine's own words where it has any."""
    said: dict[str, Any] = found or {}
    return Trouble(str(said.get("message") or f"the engine answered {status}"))


def parsed(said: bytes) -> Any:
    """The JSON object in an answer's body, whole or in chunks of one; ``None`` where there is none."""
    start, end = said.find(b"{"), said.rfind(b"}")
    if start < 0 or end < start:
        return None
    body = said[start : end + 1]
    with contextlib.suppress(ValueError):
        return json.loads(body)
    with contextlib.suppress(ValueError):
        return json.loads(unchunked(said))
    return None


def unchunked(said: bytes) -> bytes:
    """A chunked body put together."""
    whole = b""
    while said:
        size, _, said = said.partition(b"\r\n")
        count = int(size.split(b";")[0] or b"0", 16)
        if not count:
            break
        whole, said = whole + said[:count], said[count + 2 :]
    return whole


class Screen:
    """The operator's terminal: raw while it is in use, and put back as it was."""

    def __init__(self, *, raw: bool, lines: bool) -> None:
        self._raw = raw
        self._lines = lines
        self._before: list[Any] | None = None

    def __enter__(self) -> Screen:
        if os.isatty(0):
            self._before = termios.tcgetattr(0)
            termios.tcsetattr(0, termios.TCSANOW, self._changed())
        return self

    def _changed(self) -> list[Any]:
        mode = termios.tcgetattr(0)
        mode[6] = list(mode[6])
        mode[0] &= ~(termios.IXON | termios.IXOFF)
        if self._raw:
            mode[0] &= ~(
                termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.INLCR | termios.IGNCR
            )
            mode[1] &= ~termios.OPOST
            mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
            mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN | termios.ISIG)
        elif self._lines:
            mode[6][termios.VEOL] = LEAVE[1:]  # a line ends there too, so that ctrl-p ctrl-q arrives at once
            mode[3] &= ~termios.IEXTEN
        else:
            mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
        if not self._lines or self._raw:
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        return mode

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSADRAIN, self._before)
            self._before = None


def window() -> tuple[int, int]:
    """Lines and columns of the terminal; 0, 0 where nobody knows."""
    with contextlib.suppress(OSError):
        lines, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
        return lines, columns
    return 0, 0


class Frames:
    """Takes multiplexed output apart: (1 or 2, bytes)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """What has come whole."""
        data = self._rest + data
        found: list[tuple[int, bytes]] = []
        while len(data) >= 8:
            size = int.from_bytes(data[4:8], "big")
            if len(data) < 8 + size:
                break
            found.append((data[0], data[8 : 8 + size]))
            data = data[8 + size :]
        self._rest = data
        return found


class Typed:
    """Keys on their way to the container; finds ctrl-p ctrl-q among them.

    ``passed``: the engine gets them too, and lets go of the container's terminal properly.
    """

    def __init__(self, *, passed: bool) -> None:
        self._passed = LEAVE if passed else b""
        self._held = b""
        self.left = False

    def feed(self, data: bytes) -> bytes:
        """What goes on; sets ``left`` when the keys to leave were typed, and gives what came before them."""
        data = self._held + data
        before, found, _ = data.partition(LEAVE)
        if found:
            self.left, self._held = True, b""
            return before + self._passed
        self._held = LEAVE[:1] if data.endswith(LEAVE[:1]) else b""
        return data[: len(data) - len(self._held)]


class Session:
    """Bytes between the terminal and a stream until one of them ends."""

    def __init__(self, stream: socket.socket, first: bytes, *, tty: bool, stdin: bool, leaves: bool) -> None:
        self._stream = stream
        self._frames = None if tty else Frames()
        self._first = first
        self._reads_keys = True
        self._takes_keys = stdin
        self._typed = Typed(passed=tty) if leaves else None
        self._waiting = b""
        self._tty = tty
        self._until: float | None = None
        """When to go without the engine's word, once the operator asked to leave."""
        self.left = False
        """The operator asked to leave."""
        self.resized = True
        self._tries = _RESIZE_TRIES

    def run(self, resize: Any, wake: int) -> None:
        """Until the stream ends or the operator leaves; ``resize(lines, columns)`` says whether it worked."""
        if self._first:
            self._show(self._first)
        while not self._over():
            if self.resized and resize is not None:
                self._resize(resize)
            reads = [self._stream, wake]
            if self._reads_keys and len(self._waiting) < _MOST_WAITING:
                reads.append(0)
            writes = [self._stream] if self._waiting else []
            hurried = self.left or (self.resized and resize is not None)
            ready, able, _ = select.select(reads, writes, [], 0.05 if hurried else None)
            if wake in ready:
                with contextlib.suppress(OSError):
                    os.read(wake, 512)
            if self._stream in ready and not self._read_stream():
                return
            if 0 in ready:
                self._read_keys()
            if able:
                self._write_stream()

    def _over(self) -> bool:
        """Whether the operator has left; a terminal's engine gets a moment to let go of it."""
        if not self.left:
            return False
        if self._until is None:
            self._until = time.monotonic() + (_LEAVE_S if self._tty and self._takes_keys else 0.0)
        return time.monotonic() >= self._until

    def _resize(self, resize: Any) -> None:
        lines, columns = window()
        self._tries -= 1
        if not lines or resize(lines, columns) or self._tries <= 0:
            self.resized, self._tries = False, _RESIZE_TRIES

    def _read_stream(self) -> bool:
        try:
            data = self._stream.recv(_PIECE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            self._show(data)
        return bool(data)

    def _show(self, data: bytes) -> None:
        if self.left:  # the engine's own words on being left
            return
        if self._frames is None:
            written(1, data)
            return
        for stream, piece in self._frames.feed(data):
            written(2 if stream == 2 else 1, piece)

    def _read_keys(self) -> None:
        try:
            data = os.read(0, _PIECE)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.EAGAIN):
                return
            data = b""
        if not data:
            self._reads_keys = False
            if self._takes_keys:
                with contextlib.suppress(OSError):
                    self._stream.shutdown(socket.SHUT_WR)
            return
        if self.left:
            return
        keys = data
        if self._typed is not None:
            keys = self._typed.feed(data)
            self.left = self._typed.left
        if self._takes_keys:
            self._waiting += keys
            self._write_stream()

    def _write_stream(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                sent = self._stream.send(self._waiting)
            except BrokenPipeError:
                sent = len(self._waiting)
            self._waiting = self._waiting[sent:]


def written(fd: int, data: bytes) -> None:
    """Write all of it; a terminal that went away ends the program."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])


def ran(engine: Engine, what: str, asked: dict[str, Any]) -> int:
    """Do it; returns the exit code."""
    container = plain(asked["container"])
    tty, stdin = bool(asked["tty"]), bool(asked["stdin"])
    made = ""
    if what == "exec":
        streams = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
        wanted = {**streams, "Tty": True, "Cmd": asked["command"], "DetachKeys": NEVER}
        if asked.get("user"):
            wanted["User"] = asked["user"]
        if term := os.environ.get("TERM"):
            wanted["Env"] = [f"TERM={term}"]
        made = plain(engine.ask("POST", f"/containers/{container}/exec", wanted)["Id"])
        stream, first = engine.stream(f"/exec/{made}/start", {"Detach": False, "Tty": True})
        sized = f"/exec/{made}/resize"
    else:
        query = f"stream=1&stdin={int(stdin)}&stdout=1&stderr=1"
        stream, first = engine.stream(f"/containers/{container}/attach?{query}")
        sized = f"/containers/{container}/resize"

    def resize(lines: int, columns: int) -> bool:
        try:
            engine.ask("POST", f"{sized}?h={lines}&w={columns}")
        except Trouble:
            return False
        return True

    session = Session(stream, first, tty=tty, stdin=stdin, leaves=what == "attach")
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)

    def on_window(number: int, frame: object) -> None:
        session.resized = True

    def on_leave(number: int, frame: object) -> None:
        session.left = True

    signal.signal(signal.SIGWINCH, on_window)
    if not tty:
        signal.signal(signal.SIGINT, on_leave)
    with Screen(raw=tty, lines=stdin and not tty), stream:
        session.run(resize if tty else None, wake)
    engine.patience = _LAST_S
    if session.left:
        told(f"{asked['name']}: left running")
        return 0
    return exec_code(engine, made) if what == "exec" else container_code(engine, container)


def plain(number: object) -> str:
    """An id, as part of a path; raises Trouble for anything that is none."""
    if not str(number).isalnum():
        raise Trouble("the engine's answer cannot be read")
    return str(number)


def exec_code(engine: Engine, made: str) -> int:
    """The exit code of what ran; the engine may need a moment to know it."""
    for _ in range(40):
        state = engine.ask("GET", f"/exec/{made}/json")
        if not state.get("Running") and state.get("ExitCode") is not None:
            return int(state["ExitCode"])
        time.sleep(0.05)
    raise Trouble("the connection to the engine ended; what ran may still run")


def container_code(engine: Engine, container: str) -> int:
    """The exit code of a container whose output ended; 0 when only the attachment did."""
    for _ in range(20):
        state = engine.ask("GET", f"/containers/{container}/json")["State"]
        if not state.get("Running"):
            return int(state.get("ExitCode") or 0)
        time.sleep(0.05)
    return 0


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
    what, path, said = arguments
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    asked: dict[str, Any] = json.loads(said)
    try:
        return ran(Engine(path), what, asked)
    except Trouble as trouble:
        told(f"{asked['name']}: {trouble}")
        return LOST
    except OSError as error:
        told(f"{asked['name']}: {error}")
        return LOST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
