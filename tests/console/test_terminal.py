"""The console on a real pseudo-terminal: what it writes, and what it does when that is slow, gone or resized."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """One end of a pseudo-terminal with the console at the other."""

    def __init__(self, folder: Path, *words: str, size: tuple[int, int] = (100, 30)) -> None:
        self.folder = folder
        self.seen = b""
        self.since = 0
        """Where in what was seen the answer to the last keys begins."""
        self.master, slave = pty.openpty()
        self.resize(*size)
        env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "77", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.console.program", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def read(self, seconds: float) -> bytes:
        """What comes within some seconds."""
        got = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                with suppress(OSError):
                    chunk = os.read(self.master, 65536)
                    got += chunk
                    if not chunk:
                        break
        self.seen += got
        return got

    def until(self, wanted: bytes, within: float = 60) -> None:
        """Read until something came since the last keys; fails when it does not."""
        end = time.monotonic() + within
        while wanted not in _text(self.seen[self.since :]):
            if time.monotonic() > end:
                raise AssertionError(f"{wanted!r} did not come; {_text(self.seen)[-800:]!r}")
            self.read(0.1)

    def until_quiet(self, seconds: float = 1.0, within: float = 60) -> None:
        """Read until nothing more comes."""
        end = time.monotonic() + within
        while self.read(seconds):
            assert time.monotonic() < end, "never quiet"

    def send(self, keys: str) -> None:
        """Type; what is awaited from here on is the answer."""
        self.since = len(self.seen)
        os.write(self.master, keys.encode())

    def resize(self, width: int, height: int) -> None:
        """Another size."""
        self.since = len(self.seen)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def ended(self, within: float = 60) -> int:
        """Its exit code; what it still writes is read."""
        end = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            self.read(0.1)
        self.read(0.1)
        return self.process.returncode

    def beats(self) -> int:
        """How often the world changed."""
        with suppress(OSError, ValueError):
            return int((self.folder / "beats").read_text())
        return 0

    def log(self) -> str:
        """What the log file says."""
        path = Path(os.environ["QUARTERDECK_HOME"]) / "state" / "log" / "quarterdeck.log"
        return path.read_text() if path.exists() else ""


def _text(data: bytes) -> bytes:
    """Without escape sequences."""
    return re.sub(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[=>])", b"", data)


@contextmanager
def on_terminal(folder: Path, *words: str, size: tuple[int, int] = (100, 30)) -> Generator[Terminal]:
    """A console that shows its lamps."""
    terminal = Terminal(folder, *words, size=size)
    try:
        terminal.until(b"LAMPS")
        terminal.until(b"cellar")
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
        terminal.process.wait()
        with suppress(OSError):
            os.close(terminal.master)


def test_equal_readings_write_no_bytes(tmp_path: Path) -> None:
    with on_terminal(tmp_path) as terminal:
        terminal.until_quiet(1.2)
        second = time.localtime().tm_sec
        if second > 48:  # the minute of the clock may be painted
            terminal.read(61 - second)
        assert terminal.read(3.5) == b""


def test_quitting_restores_the_terminal_and_exits_0(tmp_path: Path) -> None:
    with on_terminal(tmp_path) as terminal:
        before = termios.tcgetattr(terminal.master)[3] & termios.ECHO
        terminal.send("q")
        assert terminal.ended() == 0
        assert b"\x1b[?1049l" in terminal.seen
        assert not before
        assert termios.tcgetattr(terminal.master)[3] & termios.ECHO


async def _fill(terminal: Terminal, times: int) -> None:
    """Let the whole screen be painted again and again, at each beat of the world, and read nothing of it."""
    for number in range(times):
        before = terminal.beats()
        terminal.resize(100 + number % 2, 30)
        await eventually(lambda before=before: terminal.beats() > before, what="the loop stands still")


async def test_a_terminal_that_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    with on_terminal(tmp_path, "flicker") as terminal:
        await _fill(terminal, 70)
        terminal.send("&")
        terminal.until(b"No job has run yet")


async def test_a_terminal_that_does_not_read_cannot_keep_it_from_ending(tmp_path: Path) -> None:
    with on_terminal(tmp_path, "flicker") as terminal:
        await _fill(terminal, 20)
        terminal.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while terminal.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert terminal.process.returncode == 143


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_end_it_cleanly_and_are_witnessed(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with on_terminal(tmp_path) as terminal:
        terminal.send("b")
        terminal.until(b"31 %")
        terminal.process.send_signal(number)
        assert terminal.ended() == code
        assert b"Traceback" not in terminal.seen
        log = "".join(path.read_text() for path in _segments())
        assert '"outcome":"cancelled"' in log
        assert f"ended by {number.name}; 1 jobs cancelled" in log


def test_a_job_left_to_its_host_is_open_for_the_next_console(tmp_path: Path) -> None:
    with on_terminal(tmp_path) as terminal:
        terminal.send("b")
        terminal.until(b"31 %")
        terminal.send("q")
        terminal.until(b"its host carries it on")
        terminal.send("l")
        assert terminal.ended() == 0
    log = "".join(path.read_text() for path in _segments())
    assert "left running when the console ended" in log
    assert '"phase":"outcome"' not in log
    with on_terminal(tmp_path) as terminal:
        terminal.until(b"never told an end")


def test_a_terminal_that_goes_away_ends_it(tmp_path: Path) -> None:
    with on_terminal(tmp_path) as terminal:
        os.close(terminal.master)
        deadline = time.monotonic() + 60
        while terminal.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert terminal.process.returncode == 129
        assert "Traceback" not in terminal.log()


def _segments() -> list[Path]:
    return sorted((Path(os.environ["QUARTERDECK_HOME"]) / "state" / "witness").glob("*/*.jsonl"))


def test_a_storm_of_resizes_breaks_nothing(tmp_path: Path) -> None:
    with on_terminal(tmp_path) as terminal:
        for number in range(60):
            terminal.resize(20 + number * 7 % 180, 5 + number * 5 % 50)
            terminal.read(0.01)
        terminal.resize(20, 5)
        terminal.read(0.5)
        terminal.send("djky0w?J1")
        terminal.read(0.5)
        terminal.resize(100, 30)
        terminal.until(b"cellar")
        terminal.send("q")
        assert terminal.ended() == 0
        assert b"Traceback" not in terminal.seen
        assert "Traceback" not in terminal.log()


def test_a_shell_has_the_terminal_and_the_screen_comes_back(tmp_path: Path) -> None:
    command = ("sh", "-c", "echo $$ > child; stty -a > settings; read line; echo got $line; exit 3")
    with on_terminal(tmp_path, "shell", *command) as terminal:
        terminal.send("s")
        _until(lambda: (tmp_path / "settings").exists() and (tmp_path / "settings").read_text())
        assert " echo " in (tmp_path / "settings").read_text()
        terminal.read(0.3)
        terminal.send("hello\r")
        terminal.until(b"got hello")
        terminal.until(b"cellar")
        terminal.until(b"exit code 3")
        terminal.send("&")
        terminal.until(b"JOBS")
        terminal.send("q")
        assert terminal.ended() == 0


def test_several_shells_come_one_after_another_and_can_be_stopped_between(tmp_path: Path) -> None:
    command = ("sh", "-c", "echo inside; read line; echo $line >> typed")
    with on_terminal(tmp_path, "shell", *command) as terminal:
        terminal.send("g j j s")
        terminal.until("── 1 of 3: lamp shell ".encode())
        terminal.until(b"inside")
        terminal.send("one\r")
        terminal.until(b"2 of 3: lamp shell ")
        terminal.until(b"1 more after it")
        terminal.send("\r")
        terminal.until("── 2 of 3: lamp shell ".encode())
        terminal.until(b"inside")
        terminal.send("two\r")
        terminal.until(b"3 of 3: lamp shell ")
        terminal.until(b"the last one")
        terminal.send("\x1b")
        terminal.until(b"cancelled")
        assert (tmp_path / "typed").read_text().split() == ["one", "two"]
        terminal.send("q")
        assert terminal.ended() == 0


def test_ctrl_c_in_a_shell_is_the_shells(tmp_path: Path) -> None:
    with on_terminal(
        tmp_path, "shell", "sh", "-c", "trap 'echo caught > caught' INT; : > up; sleep 30 & wait; wait"
    ) as terminal:
        terminal.send("s")
        _until(lambda: (tmp_path / "up").exists())
        terminal.send("\x03")
        _until(lambda: (tmp_path / "caught").exists())
        assert terminal.process.poll() is None
        terminal.process.send_signal(signal.SIGTERM)


def _until(condition: Callable[[], object], within: float = 60) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
