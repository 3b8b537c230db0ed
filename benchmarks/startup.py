"""How soon the command line answers: ``--version`` and ``--help`` against their bound of 100 ms.

Each command runs many times in a process of its own; the median is compared, the least and the largest are told.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import begin, end, figure
from benchmarks.terminal import compiled

BOUND_MS = 100.0
PROGRAM = Path(__file__).resolve().parent.parent / "quarterdeck.py"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("--help",),
    ("node", "--help"),
    ("node", "exec", "--help"),
    ("container", "--help"),
    ("container", "logs", "--help"),
)


def milliseconds(words: Sequence[str]) -> float:
    """Wall time of one run, from before the process is made until it has ended."""
    begun = time.perf_counter()
    argv = [sys.executable, str(PROGRAM), *words]
    subprocess.run(argv, stdout=subprocess.DEVNULL, env=compiled(), check=True)
    return 1000 * (time.perf_counter() - begun)


def main() -> None:
    """Measure every command."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=20, help="runs of each command")
    times: int = options.parse_args().times
    begin("start-up of the command line")
    held: list[bool] = []
    for words in COMMANDS:
        milliseconds(words)  # the first run writes the compiled modules
        runs = [milliseconds(words) for _ in range(times)]
        name = f"quarterdeck {' '.join(words)}"
        held.append(figure(f"{name}, median of {times}", statistics.median(runs), "ms", BOUND_MS))
        figure(f"{name}, least", min(runs), "ms")
        figure(f"{name}, largest", max(runs), "ms")
    bare = [_bare() for _ in range(times)]
    figure("a Python that does nothing, median", statistics.median(bare), "ms")
    end(*held)


def _bare() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
