"""Five hundred simulated hosts in the console: how long until all rows live, and what watching them costs.

Nothing is declared on them, so every backend that finds by itself what it is about (engines, compose, projects,
libvirt) has a source on each, which sleeps.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.pretend_hosts import PretendHosts
from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

HOSTS = int(sys.argv[1]) if len(sys.argv) > 1 else 500
SECONDS = 60.0
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07|\x1b[=>]")


def plain(data: bytes) -> str:
    """Terminal output without its escape sequences."""
    return _ESCAPES.sub(b"", data).decode("utf-8", "replace")


def main() -> None:
    """Open the console on the simulated hosts and watch it."""
    begin(f"{HOSTS} simulated hosts at an interval of 2 s", 1.5)
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name, PretendHosts(Path(name), HOSTS) as hosts:
        argv = [sys.executable, str(root / "quarterdeck.py"), "--hosts", str(hosts.hosts_file)]
        with Terminal(argv, {"QUARTERDECK_HOME": f"{name}/home"}) as terminal:
            wanted = re.compile(rf"● {HOSTS}\b")
            terminal.read(60, until=lambda written: bool(wanted.search(plain(written[-200_000:]))))
            live = time.monotonic() - terminal.began
            if not wanted.search(plain(terminal.written[-200_000:])):
                print(plain(terminal.written)[-3000:])
                sys.exit("not all rows became live within 60 s")
            terminal.read(10)
            cpu, began, size = terminal.cpu_seconds(), time.monotonic(), len(terminal.written)
            while time.monotonic() - began < SECONDS:
                terminal.read(1)
            passed = time.monotonic() - began
            share = 100 * (terminal.cpu_seconds() - cpu) / passed
            held = [
                figure("all rows live after", live, "s", 30),
                figure("CPU of the console", share, "% of a core", 25),
                figure("memory of the console", terminal.memory_bytes() / 1e6, "MB", 150),
                figure("written to the terminal", (len(terminal.written) - size) / passed, "B/s"),
            ]
    end(*held)


if __name__ == "__main__":
    main()
