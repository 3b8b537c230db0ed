"""Memory of the wallboard over time, with its hosts dying and coming back: growth below 1 MB an hour.

Bounded: takes about ten minutes, or ``soak.py MINUTES`` after the warm-up. How it is measured: a slope of the resident
memory over a few minutes says more about the allocator's pages than about leaks. So time runs faster: readings come
every half second instead of every two, hosts die three times a minute, and what grows is divided by that haste. The
wallboard runs with ``tracemalloc``, and once in each cycle of flapping, while all hosts are dead and nothing is on its
way, collects its garbage, empties the function caches that have a bound (they fill for hours and then stop) and tells
the bytes that Python objects hold. The growth is the median of the slopes between all pairs of these (Theil-Sen), which
a single odd cycle does not bend. The warm-up lasts until the rings of the history are full. The floor of the resident
memory in each cycle is told as well, and is held against the bound in runs of half an hour and more. Where there is
growth, the lines that hold it are named.
"""

from __future__ import annotations

import functools
import gc
import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.pretend_hosts import PretendHosts
from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent

MINUTES = 7.5
INTERVAL = 0.5
"""Seconds between two readings."""
HASTE = 2.0 / INTERVAL
"""How much faster time runs here than where it is left at its default."""
WARM_UP = 150.0
"""Seconds: 150 values of each figure, the times when a host is dead left out, and a little more."""
HOSTS = 50
DEAD, ALIVE = 6.0, 12.0
"""Seconds of each in a cycle."""
BOUND = 1.0
LONG = 30.0
"""Minutes from which on the resident memory is held against the bound too."""

Points = list[tuple[float, float]]
"""(hours, MB)"""


def child(report: str) -> None:
    """The wallboard, telling what it holds whenever it gets SIGUSR1, and what grew on SIGUSR2."""
    first = Path(f"{report}.first")

    bounded = type(functools.lru_cache(1)(len))

    def tidy() -> None:
        for one in gc.get_objects():
            if isinstance(one, bounded) and one.cache_parameters()["maxsize"]:
                one.cache_clear()
        gc.collect()

    def tell(number: int, frame: object) -> None:
        tidy()
        held, _ = tracemalloc.get_traced_memory()
        with Path(report).open("a") as file:
            file.write(json.dumps({"traced": held, "objects": len(gc.get_objects())}) + "\n")

    def compare(number: int, frame: object) -> None:
        tidy()
        made = os.fork()
        if made:
            os.waitpid(made, 0)
            return
        now = tracemalloc.take_snapshot()  # in a process of its own: it takes more room than what it is to find
        if not first.exists():
            now.dump(str(first))
        else:
            grown = now.compare_to(tracemalloc.Snapshot.load(str(first)), "lineno")
            with Path(f"{report}.grown").open("w") as file:
                file.writelines(f"{stat}\n" for stat in grown[:15])
        os._exit(0)

    tracemalloc.start()
    signal.signal(signal.SIGUSR1, tell)
    signal.signal(signal.SIGUSR2, compare)
    from app.cli import main as quarterdeck

    quarterdeck(sys.argv[3:])


def slope(points: Points) -> float:
    """The median of the slopes between all pairs of points."""
    pairs = itertools.combinations(points, 2)
    return statistics.median((later[1] - one[1]) / (later[0] - one[0]) for one, later in pairs)


def told(report: Path) -> Sequence[dict[str, int]]:
    """What the wallboard said so far."""
    return [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []


def ask(terminal: Terminal, report: Path) -> dict[str, int]:
    """Let the wallboard collect its garbage and say what it holds."""
    before = len(told(report))
    os.kill(terminal.child.pid, signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while len(told(report)) == before:
        if time.monotonic() > deadline:
            sys.exit("the wallboard does not answer")
        terminal.read(0.1)
    return told(report)[-1]


def watch(terminal: Terminal, seconds: float) -> float:
    """Read for so long; the least resident memory meanwhile, in MB."""
    least = float("inf")
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        terminal.read(min(1.0, left))
        terminal.written = terminal.written[-1000:]
        if terminal.child.poll() is not None:
            sys.exit(f"the wallboard ended by itself: {terminal.written!r}")
        least = min(least, terminal.memory_bytes() / 1e6)
    return least


def main() -> None:
    """Run the wallboard, flap the hosts, and look at what stays."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    begin(
        f"wallboard over {HOSTS} flapping hosts, {minutes:g} minutes after {WARM_UP / 60:g} minutes of warm-up",
        minutes + WARM_UP / 60,
    )
    with tempfile.TemporaryDirectory() as name, PretendHosts(Path(name), HOSTS) as hosts:
        said = hosts.hosts_file.read_text()
        hosts.hosts_file.write_text(said.replace("defaults:\n", f"defaults:\n  interval: {INTERVAL}\n"))
        report = Path(name) / "held"
        argv = [sys.executable, str(Path(__file__).resolve()), "--child", str(report)]
        argv += ["wallboard", "--hosts", str(hosts.hosts_file)]
        with Terminal(argv, {"QUARTERDECK_HOME": f"{name}/home", "PYTHONPATH": str(ROOT)}) as terminal:
            traced: Points = []
            resident: Points = []
            objects: list[int] = []
            began = time.monotonic()
            while (passed := time.monotonic() - began) < WARM_UP + 60 * minutes:
                floor = watch(terminal, ALIVE)
                hosts.kill()
                floor = min(floor, watch(terminal, DEAD))
                if passed > WARM_UP:  # nothing is on its way between the hosts and the console now
                    held = ask(terminal, report)
                    at = (time.monotonic() - began) / 3600
                    if not traced:
                        os.kill(terminal.child.pid, signal.SIGUSR2)
                        watch(terminal, 5)
                    traced.append((at, held["traced"] / 1e6))
                    resident.append((at, floor))
                    objects.append(held["objects"])
                hosts.start()
            figure("cycles of dying and coming back measured", len(traced), "")
            figure("held by Python objects at the end", traced[-1][1], "MB")
            figure("resident memory at the end, tracing included", resident[-1][1], "MB")
            figure("objects at the first and", objects[0], "")
            figure("at the last cycle", objects[-1], "")
            kept = figure("growth of what Python objects hold", slope(traced) / HASTE, "MB/h", BOUND)
            floors = slope(resident) / HASTE
            kept &= figure("growth of the resident floor", floors, "MB/h", BOUND if minutes >= LONG else None)
            if not kept:
                os.kill(terminal.child.pid, signal.SIGUSR2)
                terminal.read(5)
                grown = Path(f"{report}.grown")
                print(grown.read_text() if grown.exists() else "nothing is known of what grew")
            print("traced   " + " ".join(f"{value:.3f}" for _, value in traced))
            print("resident " + " ".join(f"{value:.2f}" for _, value in resident))
    end(kept)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        main()
