"""The whole console over ten thousand pretend machines: from a key to its painted frame, and what watching costs.

Unlike ``table.py``, which measures the table by itself, this starts ``quarterdeck --demo --nodes 10000`` on a
pseudo-terminal while news of 5 % of the rows comes in each second. The terminal here says that it knows synchronized
output, as most do, so that each frame has an end that can be seen: a key counts as answered when a frame that holds the
cursor's line is whole. Takes a minute and a half.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent

ROWS = 10_000
KNOWS_FRAMES = "\x1b[?2026;2$y"
"""What a terminal answers that knows synchronized output."""
FRAME_END = b"\x1b[?2026l"
CURSOR = "▌".encode()
"""Stands in the gutter of the cursor's line and nowhere else."""
KEYS = (
    ("cursor down", "j", 150),
    ("cursor up", "k", 60),
    ("page down", "\x1b[6~", 150),
    ("page up", "\x1b[5~", 60),
    ("last row", "G", 0),
    ("first row", "g", 0),
    ("mark", " ", 100),
)


def answered(terminal: Terminal, key: str) -> float:
    """Milliseconds from a key to the end of the frame that shows where the cursor is now."""
    while terminal.read(0.001):
        pass
    start = len(terminal.written)
    begun = time.monotonic()
    terminal.type(key)

    def whole(written: bytes) -> bool:
        at = written.find(CURSOR, start)
        return at >= 0 and written.find(FRAME_END, at) >= 0

    terminal.read(2.0, until=whole)
    return (time.monotonic() - begun) * 1000 if whole(terminal.written) else float("inf")


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> None:
    """Measure keys, then the cost of watching."""
    begin(f"the whole console over {ROWS} pretend machines", 1.5)
    held: list[bool] = []
    with tempfile.TemporaryDirectory() as home:
        argv = [sys.executable, str(ROOT / "quarterdeck.py"), "--demo", "--nodes", str(ROWS)]
        with Terminal(argv, {"QUARTERDECK_HOME": home}, columns=120, rows=36) as terminal:
            terminal.type(KNOWS_FRAMES)
            terminal.read(20, until=lambda written: b"NODES" in written)
            terminal.type("1")
            terminal.read(20, until=lambda written: CURSOR in written)
            terminal.read(8)
            taken: dict[str, list[float]] = {name: [] for name, _, _ in KEYS}
            for name, key, times in KEYS:
                for _ in range(times):
                    taken[name].append(answered(terminal, key))
                    terminal.written = b""
                    terminal.read(0.037)
            for _ in range(60):
                for name, key in (("last row", "G"), ("first row", "g")):
                    taken[name].append(answered(terminal, key))
                    terminal.written = b""
                    terminal.read(0.037)
            for name, values in taken.items():
                held.append(figure(f"{name}, p95 of {len(values)}", percentile(values, 0.95), "ms", 16))
                figure(f"{name}, median", statistics.median(values), "ms")
                figure(f"{name}, largest", max(values), "ms")
            terminal.type("g")
            terminal.read(5)
            cpu, began, written = terminal.cpu_seconds(), time.monotonic(), 0
            while time.monotonic() - began < 30:
                written += len(terminal.read(1))
            passed = time.monotonic() - began
            share = 100 * (terminal.cpu_seconds() - cpu) / passed
            held.append(figure("5 % of the rows change each second", share, "% of a core", 10))
            figure("written meanwhile", written / passed, "B/s")
            figure("memory", terminal.memory_bytes() / 1e6, "MB")
    figure("load of the machine meanwhile", os.getloadavg()[0], "processes")
    end(*held)


if __name__ == "__main__":
    main()
