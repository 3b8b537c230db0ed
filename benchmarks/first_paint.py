"""How long until the console's first whole screen, with no host and with twenty that cannot be reached."""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

TIMES = 7
MARK = b"quit"
"""Ends the line of keys, which comes with the first whole screen."""


def paint(hosts_file: Path, home: Path) -> float:
    """Seconds from starting the program until a whole screen, the line of keys at its end included, is written."""
    root = Path(__file__).resolve().parent.parent
    argv = [sys.executable, str(root / "quarterdeck.py"), "--hosts", str(hosts_file)]
    with Terminal(argv, {"QUARTERDECK_HOME": str(home)}) as terminal:
        terminal.read(10, until=lambda written: MARK in written)
        seconds = time.monotonic() - terminal.began
        if MARK not in terminal.written:
            sys.exit(f"nothing was painted: {terminal.written[-2000:]!r}")
        terminal.read(0.2)
        return seconds


def main() -> None:
    """Start the console several times over each configuration."""
    begin("first paint")
    silent = [socket.socket() for _ in range(10)]
    refused = [socket.socket() for _ in range(10)]
    for number, one in enumerate((*silent, *refused)):
        one.bind((f"127.8.0.{number + 1}", 0))
    for one in silent:
        one.listen(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty").touch()
        nodes = "".join(
            f"  u{number}: {{ssh: {{host: {one.getsockname()[0]}, port: {one.getsockname()[1]}, user: ops}}}}\n"
            for number, one in enumerate((*silent, *refused))
        )
        head = (
            f"version: 1\ndefaults:\n  ssh: {{config: {folder / 'empty'}, known_hosts: {folder / 'empty'}}}\nnodes:\n"
        )
        (folder / "none.yaml").write_text(f"{head}  here: {{local: true}}\n")
        (folder / "twenty.yaml").write_text(f"{head}  here: {{local: true}}\n{nodes}")
        paint(folder / "none.yaml", folder / "home")
        alone = [paint(folder / "none.yaml", folder / "home") for _ in range(TIMES)]
        twenty = [paint(folder / "twenty.yaml", folder / "home") for _ in range(TIMES)]
    for one in (*silent, *refused):
        one.close()
    held = [
        figure("this machine only, median", statistics.median(alone), "s", 0.5),
        figure("with 20 unreachable hosts, median", statistics.median(twenty), "s", 0.5),
    ]
    figure("with 20 unreachable hosts, worst", max(twenty), "s")
    end(*held)


if __name__ == "__main__":
    main()
