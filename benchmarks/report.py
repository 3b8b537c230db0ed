"""What every benchmark prints: the machine, the command, and each figure beside its bound."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import psutil


def machine() -> str:
    """One line that names the machine the figures are from."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = psutil.virtual_memory().total / 2**30
    versions = " ".join(f"{name} {metadata.version(name)}" for name in ("textual", "asyncssh"))
    system = f"{platform.system()} {platform.release()}"
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}, Python {platform.python_version()}, {versions}"
    )


def begin(title: str, minutes: float = 0) -> None:
    """Print what is measured, where, by which command, and how many minutes it takes where that is long."""
    print(f"# {title}")
    if minutes:
        print(f"takes    about {minutes:g} minutes")
    print(f"machine  {machine()}")
    print(f"command  python {' '.join([str(Path(sys.argv[0])), *sys.argv[1:]])}")
    sys.stdout.flush()


def figure(name: str, value: float, unit: str, bound: float | None = None, *, at_least: bool = False) -> bool:
    """Print one figure, its bound and the ratio of the two; returns whether the bound holds."""
    if bound is None:
        print(f"figure   {name}: {value:.4g} {unit}")
        return True
    held = value >= bound if at_least else value <= bound
    sign = "≥" if at_least else "≤"
    ratio = value / bound if bound else float("inf") if value else 0.0
    verdict = "ok" if held else "MISSED"
    print(f"figure   {name}: {value:.4g} {unit} (bound {sign} {bound:g} {unit}, ratio {ratio:.3f}) {verdict}")
    sys.stdout.flush()
    return held


def end(*held: bool) -> None:
    """Exit with 1 where a bound was missed."""
    sys.exit(0 if all(held) else 1)
