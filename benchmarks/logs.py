"""A container's log of 100 MB followed with a filter in the real console: its memory, its keys, how long it takes.

Needs ``dockerd``: a private engine is started for it, as for the tests. A number of megabytes may be given.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal
from tests.servers.dockerd import Dockerd, started

EVERY = 1000
"""One line of so many passes the filter."""
WIDTH = 100
"""Bytes of a line, its end included."""
BETWEEN_S = 0.1

FLOOD = f"""\
while [ ! -e /tmp/go ]; do usleep 50000; done
awk 'BEGIN {{
  for (n = 1; n <= LINES; n++) {{
    line = sprintf("%s %d GET /path/of/request/%d took %d ms", n % {EVERY} ? "hay" : "needle", n, n, n % 77)
    printf "%-{WIDTH - 1}s\\n", line
  }}
  print "needle of the end"
}}'
sleep 100000
"""


def opened(terminal: Terminal) -> None:
    """Go to the container's log and filter it."""
    terminal.read(60, until=lambda written: b"CONTAINERS" in written)
    terminal.type(":containers\r")
    terminal.read(30, until=lambda written: b"flood" in written)
    terminal.type("l")
    terminal.read(30, until=lambda written: b"following" in written)
    terminal.type("/needle\r")
    terminal.read(1)


def pressed(terminal: Terminal, says: bytes) -> float:
    """Seconds until ``f`` is answered on the screen."""
    before = len(terminal.written)
    began = time.monotonic()
    terminal.type("f")
    terminal.read(10, until=lambda written: says in written[before:])
    return time.monotonic() - began


def main() -> None:
    """Follow the flood to its end, pressing a key ten times a second."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    begin(f"a log of {megabytes} MB followed with a filter that one line of {EVERY} passes", 2)
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name, started() as engine:
        lines = megabytes * 1_000_000 // WIDTH
        engine.run("flood", FLOOD.replace("LINES", str(lines)))
        hosts = Path(name) / "hosts.yaml"
        hosts.write_text(f"nodes:\n  here: {{local: true, docker: 'unix://{engine.socket}'}}\n")
        argv = [sys.executable, str(root / "quarterdeck.py"), "--hosts", str(hosts)]
        with Terminal(argv, {"QUARTERDECK_HOME": str(Path(name) / "home")}) as terminal:
            opened(terminal)
            held = measured(engine, terminal)
    end(*held)


def measured(engine: Dockerd, terminal: Terminal) -> list[bool]:
    """The figures of one flood."""
    quiet = [pressed(terminal, (b"held", b"following")[n % 2]) for n in range(10)]
    memory, cpu, began = terminal.memory_bytes(), terminal.cpu_seconds(), time.monotonic()
    painted = len(terminal.written)
    made = engine.client.exec_create("flood", ["touch", "/tmp/go"])
    engine.client.exec_start(made["Id"], detach=True)
    latencies: list[float] = []
    most = memory
    while b"of the end" not in terminal.written[painted:] and time.monotonic() - began < 300:
        latencies.append(pressed(terminal, (b"held", b"following")[len(latencies) % 2]))
        most = max(most, terminal.memory_bytes())
        terminal.read(BETWEEN_S)
    seconds = time.monotonic() - began
    spent = terminal.cpu_seconds() - cpu
    ordered = sorted(latencies)
    figure("a key while nothing comes, median of 10", 1000 * statistics.median(quiet), "ms")
    figure("keys pressed while it floods", len(ordered), "")
    figure("a key while it floods, median", 1000 * statistics.median(ordered), "ms")
    figure("a key while it floods, longest", 1000 * ordered[-1], "ms")
    figure("until the last line is on the screen", seconds, "s")
    figure("CPU of the console in that time", 100 * spent / seconds, "% of a core")
    figure("written to the terminal in that time", (len(terminal.written) - painted) / 1000, "kB")
    return [
        b"of the end" in terminal.written[painted:],
        figure("a key while it floods, 95th percentile", 1000 * ordered[int(0.95 * (len(ordered) - 1))], "ms", 50),
        figure("memory while it floods, more than before", (most - memory) / 2**20, "MiB", 30),
    ]


if __name__ == "__main__":
    main()
