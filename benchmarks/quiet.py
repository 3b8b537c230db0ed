"""What the console writes while nothing changes, and whether it lives on while nobody reads its terminal."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pretend_hosts import PretendHosts
from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

HOSTS = 12
MINUTE = 60.0


def connections(port: int) -> int:
    """Established connections to the simulated hosts, as the kernel counts them."""
    said = subprocess.run(
        ["ss", "-Htn", "state", "established", f"( dport = :{port} )"], capture_output=True, text=True
    )
    return len(said.stdout.splitlines())


def main() -> None:
    """Watch a pane of hosts whose figures stay equal: first read, then left unread."""
    begin(f"{HOSTS} hosts with equal readings, 60 s read and 60 s unread")
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name, PretendHosts(Path(name), HOSTS, still=True) as hosts:
        home = Path(name) / "home"
        argv = [sys.executable, str(root / "quarterdeck.py"), "--hosts", str(hosts.hosts_file)]
        with Terminal(argv, {"QUARTERDECK_HOME": str(home)}) as terminal:
            terminal.read(3)
            terminal.type("1")
            terminal.read(60)  # the sparklines fill up, the slow figures come in
            before, cpu, began = len(terminal.written), terminal.cpu_seconds(), time.monotonic()
            pieces: list[bytes] = []
            while (left := MINUTE - (time.monotonic() - began)) > 0:
                pieces.append(terminal.read(left))
            written = len(terminal.written) - before
            share = 100 * (terminal.cpu_seconds() - cpu) / MINUTE
            # The clock moves once a minute: one line of the header is rewritten, and nothing else.
            held = [
                figure("written in 60 s of equal readings", written, "B", 400),
                figure("CPU in that time", share, "% of a core"),
            ]
            terminal.type("x")  # a question stands on the screen, so that it would be repainted
            time.sleep(MINUTE)
            terminal.type("\x1b")
            began = time.monotonic()
            terminal.read(10, until=lambda all_of_it: len(all_of_it) > before + written + 200)
            held.append(figure("answer after 60 s unread", time.monotonic() - began, "s", 2))
            held.append(figure("hosts still connected", connections(hosts.port), "", HOSTS, at_least=True))
        print(json.dumps({"pieces": [len(piece) for piece in pieces]}))
    end(*held)


if __name__ == "__main__":
    main()
