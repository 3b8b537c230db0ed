"""Memory of the wallboard over time, with its hosts dying and coming back. Bounded: ten minutes, or as told."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pretend_hosts import PretendHosts
from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

MINUTES = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
WARM_UP = 120.0
HOSTS = 50
FLAP_EVERY = 15.0


def slope(points: list[tuple[float, float]]) -> float:
    """Least-squares slope of (x, y) points."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread


def main() -> None:
    """Run the wallboard, flap the hosts, and fit a line through its resident memory."""
    begin(f"wallboard over {HOSTS} flapping hosts, {MINUTES:g} minutes after {WARM_UP:g} s of warm-up")
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name, PretendHosts(Path(name), HOSTS) as hosts:
        argv = [sys.executable, str(root / "quarterdeck.py"), "wallboard", "--hosts", str(hosts.hosts_file)]
        with Terminal(argv, {"QUARTERDECK_HOME": f"{name}/home"}) as terminal:
            began, flapped, alive = time.monotonic(), time.monotonic(), True
            points: list[tuple[float, float]] = []
            while (passed := time.monotonic() - began) < WARM_UP + 60 * MINUTES:
                terminal.read(1)
                terminal.written = terminal.written[-1000:]
                if time.monotonic() - flapped > FLAP_EVERY:
                    flapped, alive = time.monotonic(), not alive
                    if alive:
                        hosts.start()
                    else:
                        hosts.kill()
                if passed > WARM_UP:
                    points.append((passed / 3600, terminal.memory_bytes() / 1e6))
                if terminal.child.poll() is not None:
                    sys.exit(f"the wallboard ended by itself: {terminal.written!r}")
            figure("resident memory at the end", points[-1][1], "MB")
            held = figure("growth, fitted", slope(points), "MB/h", 1.0)
    end(held)


if __name__ == "__main__":
    main()
