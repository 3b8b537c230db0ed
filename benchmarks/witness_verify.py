"""How long ``witness verify`` needs for a large log: at most 5 s for 1,000,000 entries.

Builds a chain through the writing path of the program (in batches, so with few syncs), archives what is sealed, signs
a checkpoint every 1,000 entries, and then runs the command itself, start-up included.

    python -m benchmarks.witness_verify [--entries N] [--runs N]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.witness.archive import archive_sealed
from app.witness.chain import Chain, Request
from app.witness.checkpoint import sign
from app.witness.entry import Draft, Phase, new_trace
from app.witness.segments import SEGMENT_BYTES
from benchmarks.report import begin, end, figure

BOUND_S = 5.0
BOUND_ENTRIES = 1_000_000
BATCH = 1000
COMMAND = "from app.cli.witness_commands import witness; witness()"


def operation(number: int) -> list[Request]:
    """What one action leaves: intent, step, outcome; some 510 bytes an entry."""
    trace = new_trace()
    target = f"node:n{number % 500:03d}"
    plan = ("sudo -n systemctl restart nginx.service",)
    digest = f"{number:064x}"
    bare = Draft(verb="node services restart", phase=Phase.NOTE, target=target, trace=trace)
    return [
        Request(replace(bare, phase=Phase.INTENT, plan=plan, why="new certificate", digest=digest)),
        Request(replace(bare, phase=Phase.STEP, plan=plan, handle=f"pid:{number % 32768}")),
        Request(replace(bare, phase=Phase.OUTCOME, outcome="done", exit_code=0, message="nginx.service is active")),
    ]


def build(folder: Path, entries: int) -> tuple[int, float]:
    """Write so many entries; their size in bytes and the seconds it took."""
    began = time.perf_counter()
    chain = Chain(folder / "ops@bench", "ops", "bench", SEGMENT_BYTES)
    requests: list[Request] = []
    number = written = 0
    while written < entries:
        while len(requests) < BATCH:
            requests += operation(number)
            number += 1
        batch, requests = requests[: min(BATCH, entries - written)], requests[BATCH:]
        chain.append(batch)
        written += len(batch)
        with chain.locked():
            head = chain.head()
            sign(chain.folder, origin="ops@bench", size=head.seq, head=head.hash)
    size = sum(path.stat().st_size for path in chain.folder.glob("*.jsonl"))
    archive_sealed(chain.folder)
    return size, time.perf_counter() - began


def verify(folder: Path) -> tuple[float, dict[str, object]]:
    """Seconds of one run of the command, and what it found."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "verify", "--folder", str(folder)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"verify failed: {done.stdout}{done.stderr}")
    return took, json.loads(done.stdout)["items"][0]


def main() -> None:
    """Build, verify a few times, and hold the worst run against the bound."""
    arguments = argparse.ArgumentParser(description="Time witness verify on a large log.")
    arguments.add_argument("--entries", type=int, default=BOUND_ENTRIES)
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    begin(f"witness verify of {given.entries:,} entries")
    folder = Path(tempfile.mkdtemp(prefix="quarterdeck-bench-"))
    try:
        size, built = build(folder, given.entries)
        archived = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        runs = [verify(folder) for _ in range(given.runs)]
    finally:
        shutil.rmtree(folder)
    found = runs[0][1]
    if found["entries"] != given.entries or found["covered_entries"] != given.entries:
        raise SystemExit(f"verify saw something else than was written: {found}")
    times = sorted(took for took, _ in runs)
    figure("size of an entry", size / given.entries, "bytes")
    figure("log as written", size / 1e6, "MB")
    figure("log once archived", archived / 1e6, "MB")
    figure("building it", built, "s")
    figure("verify, median run", times[len(times) // 2], "s")
    held = figure("verify, worst run, start-up included", times[-1], "s", BOUND_S * given.entries / BOUND_ENTRIES)
    end(held)


if __name__ == "__main__":
    main()
