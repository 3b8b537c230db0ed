"""What the console writes while nothing changes, and whether it lives on while nobody reads its terminal."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.pretend_hosts import PretendHosts
from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

HOSTS = 12
MINUTE = 60.0


def received(port: int) -> int:
    """Bytes that the simulated hosts have sent and the kernel here has seen, over all their connections."""
    argv = ["ss", "-Htni", "state", "established", f"( dport = :{port} )"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return sum(int(count) for count in re.findall(r"bytes_received:(\d+)", said))


def main() -> None:
    """Watch a pane of hosts whose figures stay equal: first read, then left unread."""
    begin(f"{HOSTS} hosts with equal readings, 60 s read and 60 s unread", 4)
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name, PretendHosts(Path(name), HOSTS, still=True) as hosts:
        home = Path(name) / "home"
        argv = [sys.executable, str(root / "quarterdeck.py"), "--hosts", str(hosts.hosts_file)]
        with Terminal(argv, {"QUARTERDECK_HOME": str(home)}) as terminal:
            terminal.read(3)
            terminal.type("1")
            terminal.read(110)  # the sparklines fill up, the slow figures come in
            before, cpu, began = len(terminal.written), terminal.cpu_seconds(), time.monotonic()
            while (left := MINUTE - (time.monotonic() - began)) > 0:
                terminal.read(left)
            written = len(terminal.written) - before
            share = 100 * (terminal.cpu_seconds() - cpu) / MINUTE
            # The clock moves once a minute: one line of the header is rewritten, and nothing else.
            held = [
                figure("written in 60 s of equal readings", written, "B", 400),
                figure("CPU in that time", share, "% of a core"),
            ]
            for key in "0101010101" * 40:  # screens enough to fill every buffer on the way
                terminal.type(key)
            time.sleep(MINUTE - 10)
            heard = received(hosts.port)
            time.sleep(10)
            figure("heard from the hosts in the last 10 s of 60 s unread", received(hosts.port) - heard, "B")
            held.append(received(hosts.port) - heard > 5 * HOSTS * 100)
            while terminal.read(1):
                pass
            began = time.monotonic()
            terminal.type("d")
            terminal.read(10, until=lambda _: True)
            held.append(figure("a key's answer once it is read again", time.monotonic() - began, "s", 0.25))
    end(*held)


if __name__ == "__main__":
    main()
